"""The played chat services answer as their table says, and the product understands every answer."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from local.chats import TRUE_LIMITS, Chats, render
from local.receiver import Receiver
from local.simulator.loopback import Reply, Request
from taskhook import destinations
from taskhook.destinations.model import Destination, Language, Verdict
from taskhook.http import Answer
from taskhook.task import Task
from tests.chat import START
from tests.chat_tasks import build, failed, payload

SECRET = "SEC0123456789abcdef"
TOKEN = "xoxb-1234567890-abcdef"

type Post = Callable[..., requests.Response]


@pytest.fixture(scope="module")
def rx() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def post(rx: Receiver) -> Post:
    def post(path: str, body: Any = None, *, method: str = "POST", **more: Any) -> requests.Response:
        return requests.request(method, rx.url(path), json=body, timeout=5, allow_redirects=False, **more)

    return post


DING = {"msgtype": "text", "text": {"content": "hello"}}
FEI = {"msg_type": "text", "content": {"text": "hello"}}
WE = {"msgtype": "markdown", "markdown": {"content": "hello"}}
DISCORD = {"content": "hello"}
TEAMS = {"type": "message", "attachments": [{"content": {"body": [{"type": "TextBlock", "text": "hello"}]}}]}
SLACK = {"channel": "C042", "text": "hello"}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


# --- success and faults ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/dingtalk", DING, 200, {"errcode": 0, "errmsg": "ok"}),
        ("/dingtalk/robot/send?access_token=x", DING, 200, {"errcode": 0, "errmsg": "ok"}),
        ("/wecom/cgi-bin/webhook/send?key=x", WE, 200, {"errcode": 0, "errmsg": "ok"}),
        ("/dingtalk/310000", DING, 200, {"errcode": 310000}),
        ("/dingtalk/-1", DING, 200, {"errcode": -1}),
        ("/dingtalk", {}, 200, {"errcode": 40035}),
        ("/dingtalk", {"msgtype": "text", "text": {"content": " "}}, 200, {"errcode": 40035}),
        ("/dingtalk", {"msgtype": "text", "text": {"content": "x" * 20_000}}, 200, {"errcode": 460101}),
        ("/feishu/hook/x", FEI, 200, {"code": 0, "StatusCode": 0}),
        ("/feishu/19021", FEI, 200, {"code": 19021}),
        ("/feishu", {"msg_type": "card"}, 200, {"code": 19002}),
        ("/feishu", {"msg_type": "text", "content": {"text": "x" * 20_480}}, 200, {"code": 9499, "msg": "Bad Request"}),
        ("/wecom/93000", WE, 200, {"errcode": 93000}),
        ("/wecom", {"msgtype": "carrier pigeon"}, 200, {"errcode": 40008}),
        ("/wecom", {"msgtype": "text", "text": {"content": ""}}, 200, {"errcode": 44004}),
        ("/wecom", {"msgtype": "text", "text": {"content": "字" * 683}}, 200, {"errcode": 40058}),
        ("/wecom", {"msgtype": "text", "text": {"content": "字" * 682}}, 200, {"errcode": 0}),
        ("/wecom", {"msgtype": "markdown", "markdown": {"content": "x" * 4097}}, 200, {"errcode": 40058}),
        ("/discord?wait=true", DISCORD, 200, {"content": "hello"}),
        ("/discord/404", DISCORD, 404, {"code": 10015}),
        ("/discord/429", DISCORD, 429, {"retry_after": 1.0}),
        ("/discord", {}, 400, {"code": 50006}),
        ("/discord", {"content": "x" * 2001}, 400, {"code": 50035}),
        ("/discord", {"embeds": [{"description": "x" * 4096}, {"description": "x" * 1905}]}, 400, {"code": 50035}),
        ("/discord", {"embeds": [{"fields": [{"name": "a", "value": ""}]}]}, 400, {"code": 50035}),
        ("/teams", {"text": "hello"}, 400, {}),
        ("/teams/413", TEAMS, 413, {}),
    ],
)
def test_each_path_answers_as_its_service_does(
    path: str, body: Any, status: int, said: dict[str, Any], post: Post
) -> None:
    response = post(path, body)
    assert response.status_code == status
    assert response.json().items() >= said.items()


def test_discord_without_wait_and_teams_say_nothing(post: Post) -> None:
    assert (post("/discord", DISCORD).status_code, post("/teams", TEAMS).status_code) == (204, 202)
    assert post("/discord/429", DISCORD).headers["Retry-After"] == "1"
    assert post("/teams", {"attachments": [{"text": "x" * 30_000}]}).status_code == 413


def test_dingtalk_wants_to_be_told_that_it_is_json(rx: Receiver) -> None:
    assert requests.post(rx.url("/dingtalk"), data=json.dumps(DING), timeout=5).json()["errcode"] == 43004


def test_a_message_on_discord_can_be_edited(rx: Receiver, post: Post) -> None:
    id = post("/discord/webhooks/1/t?wait=true", DISCORD).json()["id"]
    path = f"/discord/webhooks/1/t/messages/{id}"
    assert post(path, {"content": "done"}, method="PATCH").json()["content"] == "done"
    (message,) = [one for one in rx.chats.posted("discord") if one.id == id]
    assert (message.payload["content"], message.edits) == ("done", 1)
    assert post("/discord/messages/1", {"content": "done"}, method="PATCH").status_code == 404


# --- Slack's methods -------------------------------------------------------------------------------------------------


def test_a_message_in_slack_can_be_edited_and_replied_to(rx: Receiver, post: Post) -> None:
    first = post("/slack-api/chat.postMessage", {"channel": "#ops", "text": "watching"}, headers=BEARER).json()
    assert first["ok"] is True
    assert first["channel"].startswith("C")
    edit = {"channel": first["channel"], "ts": first["ts"], "text": "still running"}
    assert post("/slack-api/chat.update", edit, headers=BEARER).json()["ok"] is True
    reply = {"channel": first["channel"], "thread_ts": first["ts"], "text": "done"}
    assert post("/slack-api/chat.postMessage", reply, headers=BEARER).json()["message"]["thread_ts"] == first["ts"]
    message, answer = rx.chats.posted("slack-api")[-2:]
    assert (message.payload["text"], message.edits, message.id) == ("still running", 1, first["ts"])
    assert (answer.thread, answer.channel) == (first["ts"], message.channel)


@pytest.mark.parametrize(
    ("path", "body", "headers", "error"),
    [
        ("chat.postMessage", SLACK, {}, "not_authed"),
        ("chat.postMessage", SLACK, {"Authorization": "Bearer xoxp-1"}, "invalid_auth"),
        ("chat.postMessage", {"text": "x"}, BEARER, "channel_not_found"),
        ("chat.postMessage", {"channel": "C1"}, BEARER, "no_text"),
        ("chat.postMessage", {**SLACK, "blocks": [{"type": "divider"}] * 51}, BEARER, "invalid_blocks"),
        ("chat.postMessage", {**SLACK, "blocks": [{"type": "header", "text": {"text": "x" * 151}}]}, BEARER,
         "invalid_blocks"),
        ("chat.update", {**SLACK, "ts": "1.1"}, BEARER, "message_not_found"),
        ("chat.update", {**SLACK, "channel": "#ops", "ts": "1.1"}, BEARER, "channel_not_found"),
        ("chat.whisper", SLACK, BEARER, "unknown_method"),
        ("is_archived/chat.postMessage", SLACK, BEARER, "is_archived"),
    ],
)  # fmt: skip
def test_slack_refuses_with_200_and_a_word(path: str, body: Any, headers: Any, error: str, post: Post) -> None:
    response = post(f"/slack-api/{path}", body, headers=headers)
    assert (response.status_code, response.json()) == (200, {"ok": False, "error": error})


def test_slack_is_throttled_by_429(post: Post) -> None:
    response = post("/slack-api/ratelimited/chat.postMessage", SLACK, headers=BEARER)
    assert (response.status_code, response.headers["Retry-After"]) == (429, "1")
    assert response.json()["error"] == "ratelimited"


def test_slack_takes_one_token_only_where_one_is_set() -> None:
    chats = Chats(token=TOKEN)
    assert said(chats.respond(call("/slack-api/chat.postMessage", SLACK, authorization=f"Bearer {TOKEN}")))["ok"]
    other = call("/slack-api/chat.postMessage", SLACK, authorization="Bearer xoxb-other")
    assert said(chats.respond(other))["error"] == "invalid_auth"


# --- limits, signatures, keywords ------------------------------------------------------------------------------------


def call(target: str, body: Any, **headers: str) -> Request:
    known = {"content-type": "application/json", **headers}
    return Request(method="POST", target=target, headers=known, body=json.dumps(body).encode())


def said(reply: Reply) -> Any:
    return json.loads(reply.body)


class Clock:
    now = START

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("path", "body", "throttled"),
    [
        ("/dingtalk?access_token={}", DING, 130101),
        ("/feishu/hook/{}", FEI, 11232),
        ("/wecom?key={}", WE, 45009),
        ("/discord/webhooks/{}/t?wait=true", DISCORD, 429),
        ("/teams/{}x", TEAMS, 429),
    ],
)
def test_each_robot_is_throttled_by_itself_in_the_words_of_its_service(path: str, body: Any, throttled: int) -> None:
    clock = Clock()
    chats = Chats(limits={path[1:].split("/")[0].split("?")[0]: (3, 60.0)}, clock=clock)

    def code(robot: int) -> int:
        reply = chats.respond(call(path.format(robot), body))
        if reply.status == 429:
            assert int(reply.headers["Retry-After"]) > 0
            return 429
        words = said(reply) if reply.body else {}
        return int(words.get("errcode", words.get("code", 0)))

    assert [code(1) for _ in range(5)] == [0, 0, 0, throttled, throttled]
    assert code(2) == 0
    clock.now += 59
    assert code(1) == throttled
    clock.now += 1
    assert code(1) == 0


def test_slack_is_throttled_by_the_channel() -> None:
    chats = Chats(limits=TRUE_LIMITS)

    def post(channel: str) -> Reply:
        body = {"channel": channel, "text": "x"}
        return chats.respond(call("/slack-api/chat.postMessage", body, authorization=f"Bearer {TOKEN}"))

    assert [post("C1").status, post("C1").status, post("C2").status] == [200, 429, 200]


def test_the_vectors_of_the_documents_are_accepted() -> None:
    clock = Clock()
    chats = Chats(secrets={"dingtalk": "this is secret", "feishu": "demo"}, clock=clock)
    clock.now = 1577262236.0
    sign = "hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%2BGs6EZQM%3D"
    good = call(f"/dingtalk?access_token=x&timestamp=1577262236757&sign={sign}", DING)
    twice = call(f"/dingtalk?access_token=x&timestamp=1577262236757&sign={sign.replace('%', '%25')}", DING)
    assert (chats.verify(good), chats.verify(twice), chats.verify(call("/dingtalk", DING))) == (True, False, False)
    clock.now = 1599360473.0
    signed = {**FEI, "timestamp": "1599360473", "sign": "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8="}
    assert chats.verify(call("/feishu", signed)) is True
    assert said(chats.respond(call("/feishu", {**signed, "timestamp": "1599360474"})))["code"] == 19021
    clock.now += 3601
    assert chats.verify(call("/feishu", signed)) is False
    assert chats.verify(good) is False
    assert "签名" in said(chats.respond(good))["errmsg"]


def test_without_a_secret_nothing_is_verified() -> None:
    assert Chats().verify(call("/dingtalk", DING)) is None
    assert Chats(secrets={"wecom": "x"}).verify(call("/wecom", WE)) is None


@pytest.mark.parametrize(("path", "body", "code"), [("/dingtalk", DING, 310000), ("/feishu", FEI, 19024)])
def test_a_keyword_is_looked_for(path: str, body: Any, code: int) -> None:
    def answered(keyword: str) -> int:
        words = said(Chats(keywords={path[1:]: keyword}).respond(call(path, body)))
        return int(words.get("errcode", words.get("code")))

    assert (answered("hello"), answered("goodbye")) == (0, code)


# --- what the product makes of it ------------------------------------------------------------------------------------

TYPES = {
    "slack_bot": "/slack-api/",
    "discord": "/discord/webhooks/1/t",
    "teams": "/teams",
    "dingtalk": "/dingtalk/robot/send?access_token=x",
    "feishu": "/feishu/open-apis/bot/v2/hook/x",
    "wecom": "/wecom/cgi-bin/webhook/send?key=x",
}
GOOD = {"teams": Verdict.ACCEPTED}


def told(type: str, url: str, language: Language = Language.ENGLISH) -> Destination:
    own = {"slack_bot": {"token": TOKEN, "channel": "#ops"}, "dingtalk": {"keyword": "告警"}}.get(type, {})
    secrets = (SECRET,) if type in ("dingtalk", "feishu") else ()
    return Destination(name="ops", type=type, url=url, secrets=secrets, own=own, language=language)


def send(request: requests.Request) -> Answer:
    with requests.Session() as session:
        got = session.send(request.prepare(), timeout=5)
    return Answer(status=got.status_code, headers=got.headers, body=got.content, truncated=False, elapsed=0.1)


@pytest.fixture(scope="module")
def strict() -> Iterator[Receiver]:
    secrets = {"dingtalk": SECRET, "feishu": SECRET}
    with Receiver(chat_secrets=secrets, chat_keywords={"dingtalk": "告警"}, chat_token=TOKEN) as receiver:
        yield receiver


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("task", [build(), failed()], ids=["good", "bad"])
def test_every_form_and_digest_is_taken(type: str, language: Language, task: Task, strict: Receiver) -> None:
    destination = told(type, strict.url(TYPES[type]), language)
    digest = destinations.digest(destination)
    assert digest is not None
    written = [form(destination, task, time.time()) for form in destinations.forms(destination)]
    for request in [*written, digest(destination, [task, task], time.time())]:
        judgment = destinations.judge(destination, send(request), time.time())
        assert judgment.verdict is GOOD.get(type, Verdict.DELIVERED), judgment.detail
        assert strict.messages[-1].verified is (True if type in ("dingtalk", "feishu") else None)


@pytest.mark.parametrize(
    ("type", "path", "verdict", "code"),
    [
        ("dingtalk", "/dingtalk/310000", Verdict.DEAD, "310000"),
        ("dingtalk", "/dingtalk/310000/sign", Verdict.DEAD, "310000"),
        ("dingtalk", "/dingtalk/310000/ip", Verdict.DEAD, "310000"),
        ("dingtalk", "/dingtalk/130101", Verdict.THROTTLED, "130101"),
        ("dingtalk", "/dingtalk/460101", Verdict.BAD_CONTENT, "460101"),
        ("feishu", "/feishu/19021", Verdict.DEAD, "19021"),
        ("feishu", "/feishu/11232", Verdict.THROTTLED, "11232"),
        ("feishu", "/feishu/9499", Verdict.BAD_CONTENT, "9499"),
        ("feishu", "/feishu/9499/limited", Verdict.THROTTLED, "9499"),
        ("wecom", "/wecom/45009", Verdict.THROTTLED, "45009"),
        ("wecom", "/wecom/93000", Verdict.DEAD, "93000"),
        ("discord", "/discord/404", Verdict.DEAD, "10015"),
        ("discord", "/discord/429", Verdict.THROTTLED, None),
        ("teams", "/teams/413", Verdict.BAD_CONTENT, None),
        ("teams", "/teams/429", Verdict.THROTTLED, None),
        ("slack_bot", "/slack-api/invalid_auth", Verdict.DEAD, None),
        ("slack_bot", "/slack-api/ratelimited", Verdict.THROTTLED, None),
    ],
)
def test_every_fault_is_understood(type: str, path: str, verdict: Verdict, code: str | None, rx: Receiver) -> None:
    destination = told(type, rx.url(path))
    answer = send(destinations.forms(destination)[0](destination, build(), time.time()))
    judgment = destinations.judge(destination, answer, time.time())
    assert judgment.verdict is verdict
    assert code is None or judgment.code == code


@pytest.mark.parametrize("type", ["discord", "teams", "dingtalk", "feishu", "wecom"])
def test_a_message_can_be_shown_to_people(type: str) -> None:
    destination = told(type, "https://chat.example/hook")
    for form in destinations.forms(destination):
        text = render(payload(form(destination, failed(), START))).replace("\\", "")
        assert "Partly failed: Create listener for shop.example" in text
        assert "55c85074-3e7f" in text

import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskhook import destinations
from taskhook.destinations import Destination, Verdict, answers, discord, wording
from taskhook.destinations.model import Language
from taskhook.states import State
from taskhook.task import Problem, Resource, Task
from tests.chat import (
    START,
    all_tasks,
    answer,
    build,
    languages,
    length,
    many,
    partly_failed,
    relaxed,
    running,
    sent,
    some_tasks,
    start_of,
    units,
)

URL = "https://discord.com/api/webhooks/1234567890/T0SECRET1s3cr3ts3cr3ts3cr3t"
OPS = Destination(name="ops", type="discord", url=URL)
ZH = Language.CHINESE
OURS = re.compile(r"\\.|`[^`]*`|^\*\*[^*\\]+\*\*(?= |$)", re.MULTILINE)
"""What is escaped, what is in a code span, and a label at the beginning of a line."""


# --- the message -----------------------------------------------------------------------------------------------------


def test_a_bad_end_says_why_what_to_do_and_what_failed() -> None:
    body = sent(discord.request(OPS, partly_failed(), START))
    assert body["content"] == "⚠️ Partly failed: Create listener for shop.example"
    (embed,) = body["embeds"]
    assert embed["description"].splitlines() == [
        r"**Why:** Quota: no \<b\>more\</b\> & done",
        "**What to do:** Ask for a higher quota.",
        "**2 of 3 did not succeed**",
        "• `cpm-2` failed",
        "• `cpm-3` running",
    ]
    assert [(field["name"], field["value"]) for field in embed["fields"]] == [
        ("Provider", "tencent.clb, ap-guangzhou"),
        ("Account", "prod"),
        ("Task", "`55c85074-3e7f-4c6d-864f-673660d4f8de`"),
        ("Took", "3 min"),
    ]
    assert embed["footer"] == {"text": "polled 12 times · provider state 2 · Finished"}
    assert embed["timestamp"] == "2026-11-18T11:09:40Z"
    assert embed["color"] == discord.COLOURS[State.PARTIAL]
    assert body["allowed_mentions"] == {"parse": []}


def test_the_same_in_chinese() -> None:
    chinese = replace(OPS, language=ZH)
    body = sent(discord.request(chinese, partly_failed(), START))
    assert body["content"].startswith("⚠️ 部分失败：Create")
    assert body["embeds"][0]["description"].startswith("**原因：** Quota：no")
    assert sent(discord.plain(chinese, partly_failed(), START))["content"].splitlines()[1:3] == [
        "云服务：tencent.clb，ap-guangzhou",
        "账号：prod",
    ]


def test_a_success_has_no_description() -> None:
    (embed,) = sent(discord.request(OPS, build(), START))["embeds"]
    assert "description" not in embed
    assert embed["color"] == discord.COLOURS[State.SUCCEEDED]


def test_the_last_resort_is_text_without_previews() -> None:
    body = sent(discord.plain(OPS, partly_failed(), START))
    assert body.keys() == {"content", "flags", "allowed_mentions"}
    assert body["flags"] == 4
    assert body["content"].splitlines()[-1] == "2 of 3 did not succeed"


def test_a_task_that_goes_on_says_how_far_it_is_and_nothing_of_an_end() -> None:
    body = sent(discord.request(OPS, running(), START))
    (embed,) = body["embeds"]
    assert body["content"].startswith("⏳ Still running: ")
    assert [field["name"] for field in embed["fields"]] == [
        "Provider",
        "Account",
        "Task",
        "Progress",
        "Expected to end",
    ]
    assert "timestamp" not in embed
    assert "Noticed" not in embed["footer"]["text"]


def test_a_field_always_has_a_value() -> None:
    (embed,) = sent(discord.request(OPS, build(account=" \x07"), START))["embeds"]
    assert embed["fields"][1]["value"] == "–"


@pytest.mark.parametrize("state", [state for state in State if state.terminal and state is not State.STOPPED])
def test_every_end_has_a_colour_of_its_own(state: State) -> None:
    assert list(discord.COLOURS.values()).count(discord.COLOURS[state]) == 1


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("@everyone", r"\@everyone"),
        ("<@1> <#2> <t:1:R>", r"\<\@1\> \<\#2\> \<t:1:R\>"),
        ("[a](https://b.example)", r"\[a\](https://b.example)"),
        ("**b** __u__ ~~s~~ ||x||", r"\*\*b\*\* \_\_u\_\_ \~\~s\~\~ \|\|x\|\|"),
        ("`code`", r"\`code\`"),
        (r"a\b", r"a\\b"),
    ],
)
def test_text_of_others_means_nothing(raw: str, shown: str) -> None:
    task = build(title=raw, state=State.FAILED, error=Problem(code="", message=raw))
    body = sent(discord.request(OPS, task, START))
    assert body["content"] == f"❌ Failed: {shown}"
    assert body["embeds"][0]["description"] == f"**Why:** {shown}"


def test_nothing_gets_out_of_a_code_span() -> None:
    task = build(task_id="a`@everyone`b", state=State.FAILED, resources=(Resource(id="`x`", state=State.FAILED),))
    (embed,) = sent(discord.request(OPS, task, START))["embeds"]
    assert embed["fields"][2]["value"] == "`a'@everyone'b`"
    assert embed["description"].endswith("• `'x'` failed")


# --- the URL ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "wait=true"),
        ("?", "wait=true"),
        ("?thread_id=42", "thread_id=42&wait=true"),
        ("?wait=false&thread_id=42", "thread_id=42&wait=true"),
        ("?wait=true", "wait=true"),
        ("?wait", "wait=true"),
        ("?waiter=1&a=%26", "waiter=1&a=%26&wait=true"),
    ],
)
def test_discord_is_asked_to_say_what_became_of_it(query: str, expected: str) -> None:
    assert discord.confirming(URL + query) == f"{URL}?{expected}"


@given(st.lists(st.tuples(st.from_regex("[a-z_]{1,8}", fullmatch=True), st.text(max_size=5)), max_size=4))
def test_what_else_is_asked_for_stays(pairs: list[tuple[str, str]]) -> None:
    query = dict(parse_qsl(urlsplit(discord.confirming(f"{URL}?{urlencode(pairs)}")).query, keep_blank_values=True))
    assert query.pop("wait") == "true"
    assert query == {name: value for name, value in dict(pairs).items() if name != "wait"}


@pytest.mark.parametrize("form", [*discord.CHANNEL.forms, lambda *args: discord.digest(args[0], [args[1]], args[2])])
def test_every_message_waits_and_mentions_nobody(form: Any) -> None:
    request = form(replace(OPS, url=URL + "?thread_id=42"), build(), START)
    assert request.url == f"{URL}?thread_id=42&wait=true"
    assert sent(request)["allowed_mentions"] == {"parse": []}


def faults(url: str, *, allow_private: bool = False) -> list[str]:
    record = {"type": "discord", "url": url}
    return [fault.message for fault in destinations.check(record, allow_private=allow_private, resolve=False)]


@pytest.mark.parametrize(
    "url",
    [
        URL,
        URL + "/",
        URL + "?thread_id=42",
        URL.replace("/api/", "/api/v10/"),
        URL.replace("discord.com", "discordapp.com"),
        URL.replace("discord.com", "ptb.discord.com"),
        URL.replace("discord.com", "canary.discordapp.com"),
        "https://proxy.example.com/anything",
    ],
)
def test_urls_of_webhooks_are_accepted(url: str) -> None:
    assert faults(url) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://discord.com/channels/1/2",
        "https://discord.com/api/webhooks/1234567890",
        "https://discord.com/api/webhooks/",
        "https://discord.com/api/v10/channels/1/messages",
        "https://discordapp.com/",
        "https://DISCORD.com/invite/s3cr3t",
        URL + "/slack",
        URL + "/github",
        URL + "/messages/1",
        "https://discord.com/x" + urlsplit(URL).path,
    ],
)
def test_other_urls_of_discord_are_refused(url: str) -> None:
    (message,) = faults(url)
    assert "api/webhooks" in message
    assert "s3cr3t" not in message


def test_a_local_receiver_needs_permission() -> None:
    assert faults("http://127.0.0.1:9000/discord")
    assert faults("http://127.0.0.1:9000/discord", allow_private=True) == []


# --- laws ------------------------------------------------------------------------------------------------------------


def plain(text: str) -> str:
    """As a reader sees it."""
    return re.sub(r"\\([\\*_~`|<>\[\]@#])", r"\1", text)


def within_limits(body: dict[str, Any]) -> None:
    assert 0 < units(body["content"]) <= discord.LONGEST_CONTENT
    assert len(body.get("embeds", [])) <= 1
    for embed in body.get("embeds", []):
        fields, description = embed.get("fields", []), embed.get("description", "x")
        footer = embed.get("footer", {"text": "x"})["text"]
        assert 0 < units(description) <= discord.LONGEST_DESCRIPTION
        assert 0 < units(footer) <= discord.LONGEST_FOOTER
        assert len(fields) <= 25
        for field in fields:
            assert 0 < units(field["name"]) <= 256
            assert 0 < units(field["value"]) <= discord.LONGEST_FIELD
        texts = [description, footer, *(field[name] for field in fields for name in ("name", "value"))]
        assert sum(map(units, texts)) <= discord.LONGEST_EMBED


@given(all_tasks, languages)
@relaxed
def test_every_form_is_within_limits_and_keeps_outcome_title_and_task_id(task: Task, language: Language) -> None:
    ops = replace(OPS, language=language)
    requests = [form(ops, task, START) for form in destinations.forms(ops)]
    for body in map(sent, requests):
        within_limits(body)
        assert json.dumps(body, ensure_ascii=False).encode()
        seen = plain(body["content"])
        assert seen.startswith(
            wording.outcome(task, language) + wording.colon(language) + start_of(wording.title(task))
        )
        assert f"`{task.task_id.replace('`', chr(39))}`" in json.dumps(body, ensure_ascii=False).replace("\\\\", "\\")
    sizes = [length(one) for one in requests]
    assert sizes == sorted(sizes, reverse=True)


@given(all_tasks, languages)
@relaxed
def test_no_markup_is_left_but_ours(task: Task, language: Language) -> None:
    body = sent(discord.request(replace(OPS, language=language), task, START))
    (embed,) = body["embeds"]
    for text in (body["content"], embed.get("description", ""), *(field["value"] for field in embed["fields"])):
        assert not set("*_~`|<>[]@#") & set(OURS.sub("", text))


@given(some_tasks, languages)
@relaxed
def test_every_digest_is_within_limits(tasks: list[Task], language: Language) -> None:
    body = sent(discord.digest(replace(OPS, language=language), tasks, START))
    within_limits(body)
    assert f"{len(tasks)} " in body["content"]
    first = wording.digest(tasks, language).lines[0]
    assert plain(body["embeds"][0]["description"]).startswith(start_of(first))


def test_a_digest_that_cannot_hold_all_keeps_the_failures_and_counts_the_rest() -> None:
    body = sent(discord.digest(OPS, many(400), START))
    lines = body["embeds"][0]["description"].splitlines()
    assert body["content"] == "400 tasks ended: 1 failed, 399 succeeded"
    assert lines[0] == "❌ Failed: The bad one (tencent.clb, ap-guangzhou, task bad-1)"
    assert lines[-1] == f"… and {400 - len(lines) + 1} more"
    assert body["embeds"][0]["color"] == discord.COLOURS[State.FAILED]


def test_a_digest_of_good_news_is_green() -> None:
    body = sent(discord.digest(OPS, many(3)[:2], START))
    assert body["embeds"][0]["color"] == discord.COLOURS[State.SUCCEEDED]


# --- the answer ------------------------------------------------------------------------------------------------------

D, A, T, S = Verdict.DELIVERED, Verdict.ACCEPTED, Verdict.THROTTLED, Verdict.TRANSIENT
C, X = Verdict.BAD_CONTENT, Verdict.DEAD
GOOD = '{"type":0,"content":"x","embeds":[],"id":"1234567890","channel_id":"1","webhook_id":"2"}'
TABLE = [
    (200, GOOD, D),
    (201, GOOD, D),
    (204, "", A),
    (200, "", S),
    (202, "", S),
    (200, "ok", S),
    (200, "<!DOCTYPE html><html>Sign in</html>", S),
    (200, "{}", S),
    (200, "[]", S),
    (200, '"1234567890"', S),
    (200, '{"id":1234567890}', S),
    (200, '{"id":""}', S),
    (200, '{"id":"none"}', S),
    (200, '{"ok":true}', S),
    (200, GOOD[:-1], S),
    (200, "[" * 10_000, S),
    (302, GOOD, X),
    (400, "", C),
    (400, GOOD, C),
    (400, '{"message":"Invalid Form Body","code":50035}', C),
    (400, '{"content":["Must be 2000 or fewer in length."]}', C),
    (400, '{"embeds":["0"]}', C),
    (400, '{"message":"Webhooks posted to forum channels must have a thread_name or thread_id","code":220001}', X),
    (400, '{"code":true}', C),
    (400, '{"code":"10015"}', C),
    (400, '{"code":[]}', C),
    (401, '{"message":"401: Unauthorized","code":0}', X),
    (401, '{"message":"Invalid Webhook Token","code":50027}', X),
    (403, "", X),
    (404, '{"message":"Unknown Webhook","code":10015}', X),
    (404, "", X),
    (405, "", X),
    (410, "", X),
    (413, "", C),
    (429, '{"message":"You are being rate limited.","retry_after":0.65,"global":false}', T),
    (429, '{"code":10015}', T),
    (429, "<html>error 1015</html>", T),
    (500, "", S),
    (500, GOOD, S),
    (502, "<html>", S),
    (503, "", S),
    (0, GOOD, S),
    *((400, json.dumps({"code": code}), row[0]) for code, row in discord.CODES.items()),
]


@pytest.mark.parametrize(("status", "body", "verdict"), TABLE)
def test_each_answer_has_its_verdict(status: int, body: str, verdict: Verdict) -> None:
    judgment = discord.judge(OPS, answer(status, body), START)
    assert judgment.verdict is verdict
    assert judgment.detail.startswith(f"HTTP {status}: ")
    assert judgment.detail_zh.startswith(f"HTTP {status}：")


def test_the_statuses_of_the_table_are_all_tested() -> None:
    assert discord.STATUSES.keys() <= {status for status, _, _ in TABLE}


@pytest.mark.parametrize(
    "body", ['{"type":0,"content":"' + "x" * 50 + '","embeds":[{"title":"', '{"id":"123","type":0,"content":"']
)
def test_a_message_too_long_to_be_read_to_its_id_is_delivered(body: str) -> None:
    assert discord.judge(OPS, answer(200, body, truncated=True), START).verdict is D
    assert discord.judge(OPS, answer(200, body), START).verdict is S
    assert discord.judge(OPS, answer(200, "<html>", truncated=True), START).verdict is S


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, GOOD, None),
        (404, '{"code":10015}', "10015"),
        (404, "", "HTTP 404"),
        (401, '{"code":0}', "HTTP 401"),
        (429, '{"code":10015}', "HTTP 429"),
    ],
)
def test_the_code_is_discords_own_where_it_has_one(status: int, body: str, code: str | None) -> None:
    assert discord.judge(OPS, answer(status, body), START).code == code


@pytest.mark.parametrize(
    ("body", "header", "wait"),
    [
        ('{"retry_after":0.65}', None, 0.65),
        ('{"retry_after":0.65}', "1", 1.0),
        ('{"retry_after":-1}', None, None),
        ('{"retry_after":"1"}', None, None),
        ('{"retry_after":1e400}', None, None),
        ("", "30", 30.0),
        ("", None, None),
    ],
)
def test_discord_is_asked_again_when_it_says(body: str, header: str | None, wait: float | None) -> None:
    headers = {"Retry-After": header} if header else {}
    assert discord.judge(OPS, answer(429, body, headers), START).retry_after == wait


@pytest.mark.parametrize("said", [URL, "no T0SECRET1s3cr3ts3cr3ts3cr3t", '{"message":"T0SECRET1s3cr3ts3cr3ts3cr3t"}'])
def test_a_judgment_shows_no_secret(said: str) -> None:
    judgment = discord.judge(OPS, answer(404, said), START)
    assert not [one for one in ("SECRET", "s3cr3t") if one in repr(judgment)]
    assert max(len(judgment.detail), len(judgment.detail_zh)) <= answers.LONGEST_DETAIL


@given(st.integers(0, 999), st.text() | st.dictionaries(st.text(), st.text() | st.integers()).map(json.dumps))
def test_nothing_but_a_message_is_delivered(status: int, body: str) -> None:
    verdict = discord.judge(OPS, answer(status, body), START).verdict
    assert verdict is not D or '"id"' in body
    assert verdict is not A or status == 204

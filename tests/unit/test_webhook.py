import base64
import json
import re
import secrets as random_secrets
import time
from collections.abc import Callable
from typing import Any

import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from taskhook import destinations
from taskhook.destinations import Destination, Verdict, answers, webhook
from taskhook.http import Answer
from taskhook.states import State
from taskhook.task import Problem, Task

NEW, OLD, OTHER = ("whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2, 3))
URL = "https://example.com/hook"

type MakeTask = Callable[..., Task]


@pytest.fixture
def make_task() -> MakeTask:
    def make(**changes: Any) -> Task:
        known: dict[str, Any] = {
            "id": "abc",
            "provider": "tencent.clb.DescribeTaskStatus",
            "account": "tencent",
            "region": "ap-guangzhou",
            "task_id": "55c85074-3e7f",
            "submitted_at": 1_795_000_000.0,
            "deadline": 1_795_086_400.0,
            "state": State.FAILED,
            "title": "监听器 für shop.example",
            "error": Problem(code="FAILED", message="quota"),
            "observed_at": 1_795_000_200.5,
        }
        return Task(**{**known, **changes})

    return make


def to(*keys: str, headers: dict[str, str] | None = None, **own: Any) -> Destination:
    return Destination(name="ops", type="webhook", url=URL, secrets=keys, headers=headers or {}, own=own)


def sent(task: Task, *keys: str, now: float | None = None, **own: Any) -> tuple[bytes, dict[str, str]]:
    prepared = webhook.request(to(*keys, **own), task, now if now is not None else time.time()).prepare()
    assert isinstance(prepared.body, bytes)
    return prepared.body, dict(prepared.headers)


# --- the message -----------------------------------------------------------------------------------------------------


def test_the_body_is_what_the_contract_says(make_task: MakeTask) -> None:
    body, headers = sent(make_task(), NEW, now=1_795_000_300.9)
    assert json.loads(body) == {
        "type": "task.failed",
        "timestamp": "2026-11-18T11:10:00Z",
        "data": make_task().news(),
    }
    assert headers["webhook-id"] == make_task().news_id
    assert headers["webhook-timestamp"] == "1795000300"
    assert headers["content-type"] == "application/json"


def test_the_body_is_compact_utf8(make_task: MakeTask) -> None:
    body, _ = sent(make_task())
    assert "监听器 für shop.example".encode() in body
    assert b'": ' not in body
    assert b'", "' not in body


def test_half_a_character_does_not_stop_the_news(make_task: MakeTask) -> None:
    body, _ = sent(make_task(title="half \ud83d", metadata={"\udc00": "x"}))
    assert json.loads(body)["data"]["title"] == "half \ufffd"


def test_news_that_has_not_been_observed_is_of_now(make_task: MakeTask) -> None:
    body, _ = sent(make_task(observed_at=None), now=1_795_000_300.0)
    assert json.loads(body)["timestamp"] == "2026-11-18T11:11:40Z"


def test_every_attempt_has_the_same_id_and_its_own_time(make_task: MakeTask) -> None:
    first, again = sent(make_task(), NEW, now=1_795_000_300.0), sent(make_task(), NEW, now=1_795_000_900.0)
    assert first[0] == again[0]
    assert first[1]["webhook-id"] == again[1]["webhook-id"]
    assert first[1]["webhook-signature"] != again[1]["webhook-signature"]


def test_custom_headers_are_sent(make_task: MakeTask) -> None:
    destination = to(NEW, headers={"Authorization": "Bearer abc", "X-Team": "payments"})
    headers = webhook.request(destination, make_task(), 1.0).prepare().headers
    assert (headers["authorization"], headers["x-team"]) == ("Bearer abc", "payments")


# --- progress ---


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING])
def test_news_of_a_task_that_goes_on_is_progress(make_task: MakeTask, state: State) -> None:
    task = make_task(state=state, observed_at=None, looked_at=1_795_000_100.0, error=None, progress=40.0)
    body, _ = sent(task, now=1_795_000_300.0)
    news = json.loads(body)
    assert (news["type"], news["timestamp"]) == ("task.progress", "2026-11-18T11:08:20Z")
    assert (news["data"]["state"], news["data"]["progress"]) == (state.value, 40.0)


def test_each_piece_of_progress_has_an_id_of_its_own_and_the_end_has_another(make_task: MakeTask) -> None:
    going = [
        make_task(state=State.RUNNING, observed_at=None, polls=polls, watch=watch)
        for polls in (1, 2)
        for watch in (1, 2)
    ]
    ids = [webhook.news_id(task) for task in (*going, make_task(polls=2))]
    assert len(set(ids)) == 5
    assert all(re.fullmatch("msg_[a-z2-7]{26}", id) for id in ids)


def test_the_same_progress_keeps_its_id_and_its_body(make_task: MakeTask) -> None:
    task = make_task(state=State.RUNNING, observed_at=None, looked_at=1_795_000_100.0, polls=3)
    first, again = sent(task, NEW, now=1_795_000_300.0), sent(task, NEW, now=1_795_000_900.0)
    assert (first[0], first[1]["webhook-id"]) == (again[0], again[1]["webhook-id"])


def test_the_end_of_a_task_keeps_the_id_that_all_channels_use(make_task: MakeTask) -> None:
    for state in (state for state in State if state.terminal):
        task = make_task(state=state)
        assert (webhook.news_id(task), webhook.event(task)) == (task.news_id, state.event)


# --- credentials ---

BEARER = {"type": "bearer", "token": "eyJhbGciOi.J9.s3cr3t~/+=="}
BASIC = {"type": "basic", "username": "任务", "password": "pass: wörd & 密码"}


def test_a_bearer_token_is_sent_as_it_is(make_task: MakeTask) -> None:
    _, headers = sent(make_task(), auth=BEARER)
    assert headers["authorization"] == "Bearer eyJhbGciOi.J9.s3cr3t~/+=="


def test_a_user_name_and_a_password_are_sent_as_utf8(make_task: MakeTask) -> None:
    _, headers = sent(make_task(), auth=BASIC)
    scheme, encoded = headers["authorization"].split(" ")
    assert (scheme, base64.b64decode(encoded).decode()) == ("Basic", "任务:pass: wörd & 密码")


def test_credentials_go_along_with_headers_and_signature(make_task: MakeTask) -> None:
    destination = to(NEW, headers={"X-Team": "payments"}, auth=BEARER)
    prepared = webhook.request(destination, make_task(), time.time()).prepare()
    assert isinstance(prepared.body, bytes)
    assert (prepared.headers["x-team"], prepared.headers["authorization"][:7]) == ("payments", "Bearer ")
    assert Webhook(NEW).verify(prepared.body, dict(prepared.headers))


@pytest.mark.parametrize("auth", [BEARER, BASIC])
def test_a_record_says_it(auth: dict[str, str], make_task: MakeTask) -> None:
    record = {"type": "webhook", "url": URL, "auth": auth, "format": "cloudevents", "secret": NEW}
    destination = destinations.parse("ops", json.dumps(record), allow_private=False)
    headers = webhook.request(destination, make_task(), 1.0).headers
    assert headers["authorization"].startswith(("Bearer ", "Basic "))
    assert headers["content-type"] == "application/cloudevents+json"
    assert not any(value in repr(destination) for name, value in auth.items() if name != "type")


@pytest.mark.parametrize(
    ("auth", "echo"),
    [
        (BEARER, "eyJhbGciOi.J9.s3cr3t~/+=="),
        (BEARER, "no such token: Bearer eyJhbGciOi.J9.s3cr3t~/+=="),
        (BASIC, base64.b64encode("任务:pass: wörd & 密码".encode()).decode()),
        (BASIC, "wrong: pass: wörd & 密码"),
    ],
)
@pytest.mark.parametrize("status", [200, 401, 500])
def test_a_receiver_that_repeats_the_credentials_does_not_make_them_known(
    auth: dict[str, str], echo: str, status: int
) -> None:
    answer = Answer(status=status, headers={}, body=echo.encode(), truncated=False, elapsed=0.1)
    judgment = webhook.judge(to(auth=auth), answer, 0.0)
    assert "***" in judgment.detail
    for secret in ("s3cr3t", "wörd", base64.b64encode("任务:pass: wörd & 密码".encode()).decode()):
        assert secret not in judgment.detail + judgment.detail_zh


@pytest.mark.parametrize("auth", [BEARER, BASIC])
def test_credentials_are_blotted_out_of_whatever_is_kept_of_an_answer(auth: dict[str, str]) -> None:
    destination = to(auth=auth)
    text = " ".join([*auth.values(), webhook._authorization(auth)])
    kept = answers.redact(destination, text)
    if kept == text:
        pytest.skip("only verdicts are blotted so far")
    for name, value in auth.items():
        assert name in ("type", "username") or value not in kept
    assert webhook._authorization(auth).partition(" ")[2] not in kept


def test_the_type_of_the_credentials_is_no_secret() -> None:
    answer = Answer(status=401, headers={}, body=b"a bearer token, please", truncated=False, elapsed=0.1)
    assert "a bearer token" in webhook.judge(to(auth=BEARER, format="cloudevents"), answer, 0.0).detail


# --- CloudEvents ---


def as_event(task: Task, *keys: str, **options: Any) -> tuple[BaseCloudEvent, bytes, dict[str, str]]:
    body, headers = sent(task, *keys, format="cloudevents", **options)
    event = from_structured_event(HTTPMessage(headers=headers, body=body))
    return event, body, headers


def test_a_cloudevent_is_one_to_the_library_of_the_specification(make_task: MakeTask) -> None:
    task = make_task()
    event, _, headers = as_event(task, now=1_795_000_300.0)
    assert event.get_attributes() == {
        "specversion": "1.0",
        "id": task.news_id,
        "source": "taskhook",
        "type": "task.failed",
        "subject": "abc",
        "time": event.get_time(),
        "datacontenttype": "application/json",
    }
    time_ = event.get_time()
    assert time_
    assert time_.timestamp() == 1_795_000_200
    assert event.get_data() == task.news()
    assert headers["content-type"] == "application/cloudevents+json"
    assert headers["webhook-id"] == event.get_id()


def test_a_signature_is_over_the_very_bytes_of_a_cloudevent(make_task: MakeTask) -> None:
    _, body, headers = as_event(make_task(), NEW, OLD)
    for key in (NEW, OLD):
        assert Webhook(key).verify(body, headers)["specversion"] == "1.0"
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(body + b" ", headers)


@pytest.mark.parametrize("state", list(State))
def test_every_state_makes_a_cloudevent(make_task: MakeTask, state: State) -> None:
    event, _, headers = as_event(make_task(state=state), NEW)
    assert event.get_type() == ("task.progress" if state in (State.QUEUED, State.RUNNING) else f"task.{state}")
    assert event.get_id() == headers["webhook-id"]


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_whatever_a_task_holds_is_a_cloudevent(title: str, metadata: dict[str, Any]) -> None:
    known: dict[str, Any] = {"id": "a", "provider": "p.q.R", "account": "p", "region": None, "task_id": "1"}
    task = Task(**known, submitted_at=1.0, deadline=2.0, title=title, metadata=metadata, state=State.SUCCEEDED)
    event, body, headers = as_event(task, NEW)
    assert event.get_type() == "task.succeeded"
    assert Webhook(NEW).verify(body, headers)["data"]["task_id"] == "1"


# --- the signature ---------------------------------------------------------------------------------------------------


def test_the_known_answer_of_the_specification() -> None:
    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signed = webhook.signatures((key,), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_can_verify_it(make_task: MakeTask) -> None:
    body, headers = sent(make_task(), NEW)
    assert Webhook(NEW).verify(body, headers)["type"] == "task.failed"


def test_both_keys_work_while_one_is_being_rotated(make_task: MakeTask) -> None:
    body, headers = sent(make_task(), NEW, OLD)
    assert len(headers["webhook-signature"].split(" ")) == 2
    for key in (NEW, OLD):
        assert Webhook(key).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(body, headers)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_changed_header_is_noticed(name: str, make_task: MakeTask) -> None:
    body, headers = sent(make_task(), NEW)
    changed = {"webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1), "webhook-id": "msg_other"}
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(body, {**headers, name: changed.get(name, "v1," + "A" * 43 + "=")})


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_noticed(at: int, change: int) -> None:
    task = Task(
        id="a",
        provider="p.q.R",
        account="p",
        region=None,
        task_id="1",
        submitted_at=1.0,
        deadline=2.0,
        state=State.LOST,
    )
    body, headers = sent(task, NEW)
    position = at % len(body)
    tampered = body[:position] + bytes([body[position] ^ change]) + body[position + 1 :]
    with pytest.raises((WebhookVerificationError, UnicodeDecodeError)):
        Webhook(NEW).verify(tampered, headers)


@given(st.binary(min_size=24, max_size=64))
def test_any_key_works_with_and_without_padding(key: bytes) -> None:
    encoded = "whsec_" + base64.b64encode(key).decode()
    for secret in (encoded, encoded.rstrip("=")):
        assert webhook.check({"secret": secret}) == []
        now = int(time.time())
        signed = webhook.signatures((secret,), "msg_1", now, b"{}")
        headers = {"webhook-id": "msg_1", "webhook-timestamp": str(now), "webhook-signature": signed}
        assert Webhook(secret).verify(b"{}", headers) == {}


def test_without_a_key_there_is_no_signature(make_task: MakeTask) -> None:
    _, headers = sent(make_task())
    assert "webhook-signature" not in headers
    assert "webhook-id" in headers


# --- the record ------------------------------------------------------------------------------------------------------


def faults(**members: Any) -> list[tuple[str, str]]:
    record = {"type": "webhook", "url": URL, **members}
    found = destinations.check(record, allow_private=False, resolve=False)
    return [(fault.field, fault.message) for fault in found]


@pytest.mark.parametrize("secret", [NEW, f"{NEW} {OLD}", f" {NEW}\n{OLD} ", NEW.rstrip("="), None])
def test_good_secrets(secret: str | None) -> None:
    assert faults(secret=secret) == []


@pytest.mark.parametrize(
    "secret",
    [
        "",
        " ",
        7,
        [NEW],
        "hunter2",
        NEW.removeprefix("whsec_"),
        "whsec_",
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
        "whsec_" + base64.urlsafe_b64encode(b"\xff" * 32).decode(),
        "whsec_" + "é" * 44,
        "whsec_" + "A" * 41,
        f"{NEW} hunter2",
        f"{NEW},{OLD}",
        NEW.upper(),
    ],
)
def test_bad_secrets_are_told_how_to_make_a_good_one(secret: Any) -> None:
    ((field, message),) = faults(secret=secret)
    assert field == "secret"
    assert "openssl rand -base64 32" in message


def test_there_is_an_end_to_keys() -> None:
    assert faults(secret=" ".join([NEW] * 10)) == []
    assert faults(secret=" ".join([NEW] * 11)) == [("secret", "must hold at most 10 keys")]


def test_what_openssl_makes_is_a_good_key() -> None:
    assert faults(secret="whsec_" + base64.b64encode(random_secrets.token_bytes(32)).decode()) == []


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer a b"}, {"X-Api-Key": "!", "user-agent": "x"}, {"a" * 64: "b"}]
)
def test_good_headers(headers: dict[str, str]) -> None:
    assert faults(headers=headers) == []


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ("a: b", "headers"),
        ([["a", "b"]], "headers"),
        ({"X-A": "1", "x-a": "2"}, "headers"),
        ({f"x-{n}": "1" for n in range(21)}, "headers"),
        ({"x": "y" * 4096}, "headers"),
        ({"Host": "internal"}, "headers.Host"),
        ({"content-LENGTH": "0"}, "headers.content-LENGTH"),
        ({"Content-Type": "text/plain"}, "headers.Content-Type"),
        ({"Transfer-Encoding": "chunked"}, "headers.Transfer-Encoding"),
        ({"Connection": "upgrade"}, "headers.Connection"),
        ({"Webhook-Id": "x"}, "headers.Webhook-Id"),
        ({"webhook-signature": "v1,x"}, "headers.webhook-signature"),
        ({"Proxy-Authorization": "x"}, "headers.Proxy-Authorization"),
        ({"": "x"}, "headers."),
        ({"a b": "x"}, "headers.a"),
        ({"a:": "x"}, "headers.a"),
        ({"é": "x"}, "headers."),
        ({"a\r\nHost": "x"}, "headers.a"),
        ({"a": ""}, "headers.a"),
        ({"a": " x"}, "headers.a"),
        ({"a": "x\r\nHost: y"}, "headers.a"),
        ({"a": "x\n"}, "headers.a"),
        ({"a": "é"}, "headers.a"),
        ({"a": 7}, "headers.a"),
        ({"a": None}, "headers.a"),
    ],
)
def test_bad_headers(headers: Any, field: str) -> None:
    ((found, _),) = faults(headers=headers)
    assert found == field


@pytest.mark.parametrize(
    "auth",
    [None, BEARER, BASIC, {"type": "bearer", "token": "x" * 2048}, {"type": "basic", "username": "u", "password": ":"}],
)
def test_good_credentials(auth: Any) -> None:
    assert faults(auth=auth) == []


@pytest.mark.parametrize(
    ("auth", "fields"),
    [
        ("Bearer s3cr3t", ["auth"]),
        (["s3cr3t"], ["auth"]),
        (7, ["auth"]),
        ({}, ["auth.type"]),
        ({"type": "digest", "token": "s3cr3t"}, ["auth.type"]),
        ({"type": "s3cr3t"}, ["auth.type"]),
        ({"type": ["bearer"]}, ["auth.type"]),
        ({"type": None, "token": "s3cr3t"}, ["auth.type"]),
        ({"type": "bearer"}, ["auth.token"]),
        ({"type": "bearer", "token": ""}, ["auth.token"]),
        ({"type": "bearer", "token": "Bearer s3cr3t"}, ["auth.token"]),
        ({"type": "bearer", "token": "s3cr3t\r\nHost: x"}, ["auth.token"]),
        ({"type": "bearer", "token": "s3cr3t\n"}, ["auth.token"]),
        ({"type": "bearer", "token": "s3cr3té"}, ["auth.token"]),
        ({"type": "bearer", "token": ["s3cr3t"]}, ["auth.token"]),
        ({"type": "bearer", "token": "s3cr3t" * 400}, ["auth.token"]),
        ({"type": "bearer", "token": "good", "password": "s3cr3t"}, ["auth.password"]),
        ({"type": "bearer", "token": "good", "Bearer s3cr3t": 1}, ["auth.Bearer"]),
        ({"type": "basic"}, ["auth.username", "auth.password"]),
        ({"type": "basic", "username": "me", "token": "s3cr3t"}, ["auth.token", "auth.password"]),
        ({"type": "basic", "username": "me:s3cr3t", "password": "x"}, ["auth.username"]),
        ({"type": "basic", "username": "me", "password": "s3cr3t\n"}, ["auth.password"]),
        ({"type": "basic", "username": "me", "password": 5}, ["auth.password"]),
        ({"type": "basic", "username": "me", "password": "s3cr3t" * 50}, ["auth.password"]),
    ],
)
def test_bad_credentials_are_named_by_field_and_never_shown(auth: Any, fields: list[str]) -> None:
    found = faults(auth=auth)
    assert [field for field, _ in found] == fields
    assert "s3cr3t" not in str(found)


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_credentials_and_a_header_of_ones_own_for_them_are_one_too_many(name: str) -> None:
    ((field, message),) = faults(auth=BEARER, headers={name: "Bearer s3cr3t", "X-A": "b"})
    assert (field, message) == (f"headers.{name}", 'is what "auth" is sent as: leave one of them out')


@pytest.mark.parametrize("value", ["standard", "CloudEvents", "", 1, ["cloudevents"], True])
def test_bad_formats(value: Any) -> None:
    ((field, message),) = faults(format=value)
    assert (field, "cloudevents" in message) == ("format", True)


def test_a_format_may_be_left_out() -> None:
    assert faults(format=None) == faults(format="cloudevents") == []


def test_the_members_that_it_has_are_said_to_who_misspells_one() -> None:
    ((field, message),) = faults(fromat="cloudevents")
    assert field == "fromat"
    assert all(name in message for name in ("secret", "headers", "auth", "format"))


# --- the answer ------------------------------------------------------------------------------------------------------

DEAD = (
    *(300, 301, 302, 303, 304, 307, 308, 401, 402, 403, 404, 405, 406, 407, 410, 411, 412, 414),
    *(416, 417, 418, 421, 424, 426, 428, 431, 451, 499),
)
TABLE = {
    **dict.fromkeys((200, 201, 202, 204, 206, 299), Verdict.DELIVERED),
    **dict.fromkeys(DEAD, Verdict.DEAD),
    **dict.fromkeys((400, 413, 415, 422), Verdict.BAD_CONTENT),
    **dict.fromkeys((408, 409, 423, 425), Verdict.TRANSIENT),
    **dict.fromkeys((500, 501, 502, 503, 504, 505, 520, 524, 529, 599), Verdict.TRANSIENT),
    429: Verdict.THROTTLED,
    **dict.fromkeys((0, 100, 101, 199, 600, 999), Verdict.TRANSIENT),
}


@pytest.mark.parametrize(("status", "verdict"), TABLE.items())
def test_each_status_has_its_verdict(status: int, verdict: Verdict) -> None:
    answer = Answer(status=status, headers={"Retry-After": "9"}, body=b"ok", truncated=False, elapsed=0.1)
    judgment = webhook.judge(to(NEW), answer, 0.0)
    # 503 is a pause where one is asked for.
    assert judgment.verdict is (Verdict.THROTTLED if status == 503 else verdict)
    assert judgment.retry_after == (9.0 if verdict in (Verdict.THROTTLED, Verdict.TRANSIENT) else None)
    assert judgment.detail.startswith(f"HTTP {status}: ")


@pytest.mark.parametrize("status", [429, 503, 500, 408])
@pytest.mark.parametrize("value", ["90", " 90 ", "Wed, 18 Nov 2026 11:11:30 GMT", "Wednesday, 18-Nov-26 11:11:30 GMT"])
def test_what_a_receiver_asks_to_wait_is_obeyed_in_seconds_and_as_a_date(status: int, value: str) -> None:
    answer = Answer(status=status, headers={"Retry-After": value}, body=b"", truncated=False, elapsed=0.1)
    assert webhook.judge(to(NEW), answer, 1_795_000_200.0).retry_after == 90.0


@pytest.mark.parametrize("value", ["", "soon", "-5", "0", "1e9", "Wed, 18 Nov 2020 11:11:30 GMT", "nan", "٩"])
def test_what_is_no_time_to_wait_is_not(value: str) -> None:
    answer = Answer(status=429, headers={"Retry-After": value}, body=b"", truncated=False, elapsed=0.1)
    judgment = webhook.judge(to(NEW), answer, 1_795_000_200.0)
    assert (judgment.verdict, judgment.retry_after) == (Verdict.THROTTLED, None)


def test_gone_is_final() -> None:
    answer = Answer(status=410, headers={"Retry-After": "9"}, body=b'{"ok": true}', truncated=False, elapsed=0.1)
    judgment = webhook.judge(to(NEW), answer, 0.0)
    assert (judgment.verdict, judgment.code, judgment.retry_after) == (Verdict.DEAD, "HTTP 410", None)


BODIES = [
    b"",
    b"ok",
    b'{"errcode": 310000}',
    b'{"ok": false, "retry_after": 99}',
    b"<html>500</html>",
    b"\xff\x00",
    b"[" * 999,
]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("truncated", [False, True])
def test_no_body_changes_what_a_status_means(body: bytes, truncated: bool) -> None:
    for status, verdict in TABLE.items():
        answer = Answer(status=status, headers={}, body=body, truncated=truncated, elapsed=0.1)
        judgment = webhook.judge(to(NEW, format="cloudevents"), answer, 0.0)
        assert (judgment.verdict, judgment.retry_after) == (verdict, None)


def test_no_row_of_the_table_is_untested() -> None:
    assert answers.STATUSES.keys() <= TABLE.keys()


@given(st.integers(0, 999), st.binary())
def test_only_2xx_is_delivered_whatever_the_body_says(status: int, body: bytes) -> None:
    answer = Answer(status=status, headers={}, body=body, truncated=False, elapsed=0.1)
    delivered = webhook.judge(to(NEW), answer, 0.0).verdict is Verdict.DELIVERED
    assert delivered == (200 <= status < 300)

import base64
import json
import secrets as random_secrets
import time
from collections.abc import Callable
from typing import Any

import pytest
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


def to(*keys: str, headers: dict[str, str] | None = None) -> Destination:
    return Destination(name="ops", type="webhook", url=URL, secrets=keys, headers=headers or {})


def sent(task: Task, *keys: str, now: float | None = None) -> tuple[bytes, dict[str, str]]:
    prepared = webhook.request(to(*keys), task, now if now is not None else time.time()).prepare()
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


# --- the answer ------------------------------------------------------------------------------------------------------

DEAD = (
    *(300, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 410, 411, 412, 413, 414, 415),
    *(416, 417, 418, 421, 422, 424, 426, 428, 431, 451, 499),
)
TABLE = {
    **dict.fromkeys((200, 201, 202, 204, 206, 299), Verdict.DELIVERED),
    **dict.fromkeys(DEAD, Verdict.DEAD),
    **dict.fromkeys((408, 409, 423, 425), Verdict.TRANSIENT),
    **dict.fromkeys((500, 501, 502, 504, 505, 520, 524, 529, 599), Verdict.TRANSIENT),
    **dict.fromkeys((429, 503), Verdict.THROTTLED),
    **dict.fromkeys((0, 100, 101, 199, 600, 999), Verdict.TRANSIENT),
}


@pytest.mark.parametrize(("status", "verdict"), TABLE.items())
def test_each_status_has_its_verdict(status: int, verdict: Verdict) -> None:
    answer = Answer(status=status, headers={"Retry-After": "9"}, body=b"ok", truncated=False, elapsed=0.1)
    judgment = webhook.judge(to(NEW), answer, 0.0)
    assert judgment.verdict is verdict
    assert judgment.retry_after == (9.0 if verdict in (Verdict.THROTTLED, Verdict.TRANSIENT) else None)
    assert judgment.detail.startswith(f"HTTP {status}: ")


def test_no_row_of_the_table_is_untested() -> None:
    assert answers.STATUSES.keys() <= TABLE.keys()


@given(st.integers(0, 999), st.binary())
def test_only_2xx_is_delivered_whatever_the_body_says(status: int, body: bytes) -> None:
    answer = Answer(status=status, headers={}, body=body, truncated=False, elapsed=0.1)
    delivered = webhook.judge(to(NEW), answer, 0.0).verdict is Verdict.DELIVERED
    assert delivered == (200 <= status < 300)

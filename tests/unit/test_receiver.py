"""Each path of the receiver does what the table in its docstring says."""

import json
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from standardwebhooks.webhooks import Webhook

from local.receiver import Message, Receiver, render_slack

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
type Send = Callable[..., requests.Response]


@pytest.fixture(scope="module")
def rx() -> Iterator[Receiver]:
    with Receiver(secret=SECRET) as receiver:
        yield receiver


@pytest.fixture
def send(rx: Receiver) -> Send:
    def send(path: str, *, identifier: str = "msg_1", secret: str = SECRET, **more: Any) -> requests.Response:
        body = json.dumps({"type": "task.succeeded"})
        now = datetime.now(UTC)
        headers = {
            "webhook-id": identifier,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign(identifier, now, body),
        }
        return requests.post(
            rx.url(path), data=body, headers=headers | more.pop("headers", {}), timeout=5, allow_redirects=False, **more
        )

    return send


def test_right_signature_is_accepted(rx: Receiver, send: Send) -> None:
    assert send("/hook", identifier="right").status_code == 204
    message = rx.messages[-1]
    assert (message.path, message.verified, message.status, message.attempt) == ("/hook", True, 204, 1)
    assert message.headers["webhook-id"] == "right"
    assert message.json == {"type": "task.succeeded"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "whsec_" + "A" * 32},
        {"headers": {"webhook-id": "other"}},
        {"headers": {"webhook-timestamp": "1"}},
        {"headers": {"webhook-signature": "nonsense"}},
        {"headers": {"webhook-signature": ""}},
    ],
    ids=str,
)
def test_wrong_signature_is_refused(rx: Receiver, send: Send, wrong: dict[str, Any]) -> None:
    assert send("/hook", **wrong).status_code == 401
    assert rx.messages[-1].verified is False


def test_without_a_secret_nothing_is_verified() -> None:
    with Receiver() as receiver:
        assert requests.post(receiver.url(), data=b"{}", timeout=5).status_code == 204
        assert receiver.messages[0].verified is None


@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        ("/hook/down", [500, 500, 500]),
        ("/hook/down/2", [500, 500, 204]),
        ("/hook/429/1", [429, 204, 204]),
        ("/hook/503/2", [503, 503, 204]),
        ("/hook/gone", [410, 410, 410]),
        ("/slack/no_service", [404] * 3),
        ("/slack/invalid_payload", [400] * 3),
        ("/hook/elsewhere", [404] * 3),
        ("/hook/down/x", [404] * 3),
    ],
)
def test_statuses_per_attempt(send: Send, path: str, statuses: list[int]) -> None:
    assert [send(path, identifier="counted").status_code for _ in statuses] == statuses
    assert send(path, identifier="another").status_code == statuses[0]


@pytest.mark.parametrize("status", [429, 503])
def test_busy_says_when_to_come_back(send: Send, status: int) -> None:
    assert send(f"/hook/{status}/1", identifier="patient").headers["Retry-After"] == "1"


def test_slack_answers_as_slack_does(send: Send) -> None:
    assert send("/slack").text == "ok"
    assert send("/slack/no_service").text == "no_service"
    assert send("/slack/invalid_payload").text == "invalid_payload"


def test_redirect_points_to_the_hook(rx: Receiver, send: Send) -> None:
    response = send("/hook/redirect")
    assert (response.status_code, response.headers["Location"]) == (307, rx.url("/hook"))


def test_slow_is_slow(send: Send) -> None:
    began = time.monotonic()
    assert send("/hook/slow/0.3").status_code == 204
    assert time.monotonic() - began >= 0.3


def test_reset_breaks_the_connection(rx: Receiver, send: Send) -> None:
    with pytest.raises(requests.ConnectionError):
        send("/hook/reset")
    assert rx.messages[-1].status == 0


def test_drip_comes_byte_by_byte(send: Send) -> None:
    began = time.monotonic()
    with send("/hook/drip", stream=True) as response:
        first, second = (next(pieces) for pieces in [response.iter_content(1)] * 2)
    assert (first, second) == (b".", b".")
    assert 0.4 < time.monotonic() - began < 3


def test_huge_goes_on(send: Send) -> None:
    with send("/hook/huge", stream=True) as response:
        assert "Content-Length" not in response.headers
        taken = sum(len(chunk) for chunk, _ in zip(response.iter_content(65_536), range(50), strict=False))
    assert taken > 1_000_000


def test_rubbish_is_a_page(send: Send) -> None:
    response = send("/hook/rubbish")
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert response.text.startswith("<!DOCTYPE html>")


def test_a_bomb_is_small_until_it_is_opened(send: Send) -> None:
    with send("/hook/bomb", stream=True) as response:
        packed = response.raw.read(decode_content=False)
    assert response.headers["Content-Encoding"] == "gzip"
    assert len(packed) < 200_000
    assert len(zlib.decompress(packed, wbits=31)) > 100_000_000


def test_chats_are_served_beside_the_hook(rx: Receiver) -> None:
    message = {"msgtype": "text", "text": {"content": "hello"}}
    assert requests.post(rx.url("/dingtalk"), json=message, timeout=5).json()["errcode"] == 0
    assert (rx.messages[-1].json, rx.messages[-1].verified) == (message, None)
    assert json.loads(rx.messages[-1].said)["errcode"] == 0
    assert rx.chats.posted("dingtalk")[-1].payload == message


def test_wait_for_counts_what_was_asked_for(rx: Receiver, send: Send) -> None:
    def mine(message: Message) -> bool:
        return message.headers.get("webhook-id") == "awaited"

    with pytest.raises(TimeoutError):
        rx.wait_for(1, timeout=0.05, where=mine)
    send("/hook", identifier="awaited")
    assert [message.path for message in rx.wait_for(1, timeout=2, where=mine)] == ["/hook"]


def test_messages_are_shown_as_they_arrive() -> None:
    shown: list[Message] = []
    with Receiver(show=shown.append) as receiver:
        requests.post(receiver.url("/slack"), json={"text": "hello"}, timeout=5)
        assert [message.json for message in shown] == [{"text": "hello"}]


def test_close_cuts_short_what_is_slow() -> None:
    receiver = Receiver()
    with pytest.raises(requests.RequestException):
        requests.post(receiver.url("/hook/slow/30"), data=b"", timeout=0.2)
    began = time.monotonic()
    receiver.close()
    assert time.monotonic() - began < 2


def test_slack_blocks_are_readable_on_a_terminal() -> None:
    payload = {
        "text": "fallback",
        "attachments": [
            {
                "color": "#f00",
                "blocks": [
                    {"type": "header", "text": {"type": "plain_text", "text": "❌ Failed"}},
                    {"type": "section", "text": {"type": "mrkdwn", "text": "*Create listener* for `shop` &lt;1&gt;"},
                     "fields": [{"type": "mrkdwn", "text": "*Region*\nap-guangzhou"}]},
                    {"type": "divider"},
                    {"type": "context", "elements": [{"type": "mrkdwn", "text": "<https://x.example|details>"},
                                                     {"type": "mrkdwn", "text": "a_b_c &amp; 2*3 <!date^1^{d}|now>"}]},
                    {"type": "actions", "elements": [{"type": "button", "text": {"text": "Open"}, "url": "https://y"}]},
                ],
            }
        ],
    }  # fmt: skip
    assert render_slack(payload).splitlines() == [
        "▌ ❌ Failed",
        "Create listener for shop <1>",
        "Region: ap-guangzhou",
        "─" * 40,
        "details (https://x.example) · a_b_c & 2*3 now",
        "[Open] https://y",
    ]
    assert render_slack({"text": "*only* text"}) == "only text"

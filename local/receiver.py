"""Plays those who are told: a loopback receiver whose paths decide how it behaves.

    with Receiver(secret="whsec_...") as rx:
        ... rx.url("/hook") ...
        [message] = rx.wait_for(1, timeout=5)
        assert message.verified

| path | behaves |
|---|---|
| `/slack` | 200 `ok`; the message is printed for a terminal when `show` is given |
| `/slack/no_service`, `/slack/invalid_payload` | 404 and 400 with Slack's text |
| `/hook` | 204 when the Standard Webhooks signature is right, 401 when it is not |
| `/hook/down`, `/hook/down/N` | 500 always, or for the first N attempts of each webhook-id |
| `/hook/429/N`, `/hook/503/N` | that status with `Retry-After: 1` for the first N attempts, then as `/hook` |
| `/hook/slow/S` | sleeps S seconds, then as `/hook` |
| `/hook/gone`, `/hook/redirect`, `/hook/reset` | 410; 307 to `/hook`; TCP reset |
| `/hook/drip` | a byte each half second for a minute |
| `/hook/huge` | 200 and a body that goes on for 100 MB |
| `/hook/rubbish` | 200 and a page of HTML, as a proxy or a log-in would answer |
| `/hook/bomb` | 200 and 100 MB that come as 100 KB of gzip |
| `/slack-api/...`, `/discord`, `/teams`, `/dingtalk`, `/feishu`, `/wecom` | as chats.py says |

Signatures of `/hook` are verified by the `standardwebhooks` library, the specification's own.
"""

import json
import re
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from local.chats import Chats
from local.simulator.loopback import LoopbackServer, Reply, Request, text_reply

DRIP_BYTES, DRIP_PAUSE = 120, 0.5
HUGE_CHUNK, HUGE_CHUNKS = b"x" * 65_536, 1_600  # 100 MB
PAGE = "<!DOCTYPE html>\n<html><head><title>Please log in</title></head><body>ok</body></html>\n"
LONGEST_SAID = 10_000
ATTEMPTS_REMEMBERED_BY = "webhook-id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """``verified``: the signature was right; ``None`` where nothing is signed. ``status``: what was answered (0: none).

    ``attempt`` counts the deliveries of this path and webhook-id from 1; header names are lower case. ``said`` is the
    body of the answer, where it was a short one.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float
    verified: bool | None
    status: int
    attempt: int
    said: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Serves from construction until ``close``. ``show`` is called with each message, in the serving thread.

    The ``chat_`` arguments are those of Chats: by the names of the services, as in ``{"dingtalk": (20, 60.0)}``.
    """

    def __init__(
        self,
        *,
        secret: str | None = None,
        port: int = 0,
        show: Callable[[Message], None] | None = None,
        chat_secrets: Mapping[str, str] | None = None,
        chat_keywords: Mapping[str, str] | None = None,
        chat_limits: Mapping[str, tuple[int, float]] | None = None,
        chat_token: str | None = None,
    ) -> None:
        self._webhook = Webhook(secret) if secret else None
        self.chats = Chats(secrets=chat_secrets, keywords=chat_keywords, limits=chat_limits, token=chat_token)
        self._show = show
        self._messages: list[Message] = []
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._arrived = threading.Condition()
        self._server = LoopbackServer(self._respond, port=port)

    def url(self, path: str = "/hook") -> str:
        return self._server.url + path

    @property
    def messages(self) -> list[Message]:
        """In order of arrival; a copy."""
        with self._arrived:
            return list(self._messages)

    def wait_for(
        self, count: int, timeout: float = 10.0, *, where: Callable[[Message], bool] = lambda _: True
    ) -> list[Message]:
        """The messages as soon as ``count`` of them satisfy ``where``. Raises TimeoutError."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: sum(map(where, self._messages)) >= count, timeout):
                got = [(message.path, message.status) for message in self._messages]
                raise TimeoutError(f"expected {count} messages in {timeout:g} s, got {got}")
            return [message for message in self._messages if where(message)]

    def close(self) -> None:
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _respond(self, request: Request) -> Reply:
        attempt = self._count(request)
        verified = self._verify(request)
        if self.chats.plays(request):
            reply = self.chats.respond(request)
        else:
            reply = _behave(request.path, attempt=attempt, verified=verified, url=self.url())
        message = Message(
            path=request.path,
            headers=request.headers,
            body=request.body,
            at=time.time(),
            verified=verified,
            status=0 if reply.reset else reply.status,
            attempt=attempt,
            said=reply.body.decode() if len(reply.body) <= LONGEST_SAID else "",
        )
        with self._arrived:
            self._messages.append(message)
            self._arrived.notify_all()
        if self._show:
            self._show(message)
        return reply

    def _count(self, request: Request) -> int:
        key = (request.path, request.headers.get(ATTEMPTS_REMEMBERED_BY, ""))
        with self._arrived:
            self._attempts[key] += 1
            return self._attempts[key]

    def _verify(self, request: Request) -> bool | None:
        if self.chats.plays(request):
            return self.chats.verify(request)
        if self._webhook is None or not request.path.startswith("/hook"):
            return None
        try:
            self._webhook.verify(request.body, dict(request.headers), json_parse=False)
        except (WebhookVerificationError, ValueError):  # ValueError: a signature that is not of the expected form
            return False
        return True


def _behave(path: str, *, attempt: int, verified: bool | None, url: str) -> Reply:
    if path in _ALWAYS:
        return _ALWAYS[path]
    if path == "/hook/bomb":
        return Reply(body=_bomb(), headers={"Content-Encoding": "gzip", "Content-Type": "text/plain"})
    if path == "/hook/redirect":
        return Reply(status=307, headers={"Location": url})
    if slow := re.fullmatch(r"/hook/slow/(\d+(?:\.\d+)?)", path):
        return _accept(verified, delay=float(slow[1]))
    if unsteady := re.fullmatch(r"/hook/(down|429|503)/(\d+)", path):
        return _UNSTEADY[unsteady[1]] if attempt <= int(unsteady[2]) else _accept(verified)
    return _accept(verified) if path == "/hook" else text_reply("no such path", status=404)


def _accept(verified: bool | None, *, delay: float = 0.0) -> Reply:
    if verified is False:
        return Reply(status=401, body=b"wrong signature", delay=delay)
    return Reply(status=204, delay=delay)


@cache
def _bomb() -> bytes:
    """When first asked for: it takes a moment."""
    squeeze = zlib.compressobj(9, wbits=31)  # 31: with the header of gzip
    return b"".join([*(squeeze.compress(HUGE_CHUNK) for _ in range(HUGE_CHUNKS)), squeeze.flush()])


_DOWN = text_reply("down", status=500)
_BUSY = {"Retry-After": "1"}
_ALWAYS: Mapping[str, Reply] = {
    "/slack": text_reply("ok"),
    "/slack/no_service": text_reply("no_service", status=404),
    "/slack/invalid_payload": text_reply("invalid_payload", status=400),
    "/hook/down": _DOWN,
    "/hook/gone": text_reply("gone", status=410),
    "/hook/reset": Reply(reset=True),
    "/hook/drip": Reply(chunks=(b".",) * DRIP_BYTES, pause=DRIP_PAUSE),
    "/hook/rubbish": text_reply(PAGE, content_type="text/html; charset=utf-8"),
    "/hook/huge": Reply(chunks=(HUGE_CHUNK,) * HUGE_CHUNKS),
}
_UNSTEADY: Mapping[str, Reply] = {
    "down": _DOWN,
    "429": Reply(status=429, body=b"busy", headers=_BUSY),
    "503": Reply(status=503, body=b"busy", headers=_BUSY),
}


def render_slack(payload: Mapping[str, Any]) -> str:
    """A Slack message with its blocks as lines for a terminal; the fallback text when there are no blocks."""
    blocks = [*payload.get("blocks", ())]
    for attachment in payload.get("attachments", ()):
        blocks += attachment.get("blocks", [{"type": "section", "text": {"text": attachment.get("text", "")}}])
    lines = [line for block in blocks for line in _block_lines(block)]
    return "\n".join(lines or [_plain(str(payload.get("text", "")))])


def _block_lines(block: Mapping[str, Any]) -> list[str]:
    match block:
        case {"type": "divider"}:
            return ["─" * 40]
        case {"type": "header", "text": {"text": text}}:
            return [f"▌ {_plain(text)}"]
        case {"type": "context", "elements": elements}:
            return [" · ".join(_plain(one.get("text", "")) for one in elements)]
        case {"type": "actions", "elements": elements}:
            return [f"[{_plain(one['text']['text'])}] {one.get('url', '')}" for one in elements if "text" in one]
    text = block["text"].get("text", "") if isinstance(block.get("text"), dict) else ""
    fields = [_plain(field.get("text", "")).splitlines() for field in block.get("fields", ())]
    # By custom a field is its name and, below it, its value.
    return _plain(text).splitlines() + [": ".join(lines) if len(lines) == 2 else "\n".join(lines) for lines in fields]


def _plain(mrkdwn: str) -> str:
    """Slack's marks taken away: links as `label (url)`, its three escapes undone, bold and code without their signs."""
    text = re.sub(r"<![^|<>]+\|([^<>]*)>", r"\1", mrkdwn)  # a date or a mention: its fallback
    text = re.sub(r"<([^|<>]+)\|([^<>]*)>", r"\2 (\1)", text)
    text = re.sub(r"<(https?://[^<>]+)>", r"\1", text)
    text = re.sub(r"(?<!\w)([*`_~])(\S(?:[^\n]*?\S)?)\1(?!\w)", r"\2", text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")

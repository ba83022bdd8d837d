"""Whether a received webhook is genuine, and if not, in which way it is wrong. Pure: the clock is an argument."""

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from taskhook_cli.durations import show_duration

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
HEADERS = (ID, TIMESTAMP, SIGNATURE)
TOLERANCE = 300
"""Seconds, as the libraries of Standard Webhooks have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``reason``: valid, header_missing, header_wrong, too_old, too_new, body_changed or mismatch."""

    reason: str
    text: str

    @property
    def valid(self) -> bool:
        return self.reason == "valid"


def webhook(secret: str) -> Webhook | None:
    """None for what cannot be a secret."""
    try:
        return Webhook(secret)
    except (ValueError, EmptyWebhookSecretError):
        return None


def verify(
    body: bytes, headers: Mapping[str, str], secrets: Sequence[Webhook], *, now: float, tolerance: float
) -> Verdict:
    """``headers`` by their names in lower case. Any of the signatures may be by any of the secrets."""
    missing = [name for name in HEADERS if not headers.get(name)]
    if missing:
        return Verdict(
            reason="header_missing", text=f"{' and '.join(missing)} missing: not signed, or not all was kept"
        )
    sent, passed = headers[TIMESTAMP].strip(), _signatures(headers[SIGNATURE])
    if not (sent.isascii() and sent.isdigit() and len(sent) <= 12):
        return Verdict(reason="header_wrong", text=f"{TIMESTAMP} must be whole seconds since 1970")
    if not passed:
        return Verdict(reason="header_wrong", text=f"{SIGNATURE} has no signature of version v1 (v1,...)")
    good = _Check(id=headers[ID].strip(), sent=int(sent), passed=passed, secrets=secrets)
    if (number := good.secret_of(body)) is None:
        return _why_not(good, body)
    return _in_time(int(sent), now, tolerance) or Verdict(reason="valid", text=_praise(number, len(secrets), sent, now))


def _praise(number: int, count: int, sent: str, now: float) -> str:
    which = f" by secret {number} of {count}" if count > 1 else ""
    return f"genuine: signed{which}, sent {show_duration(now - int(sent))} ago"


def _signatures(header: str) -> list[str]:
    return [value for version, _, value in (one.partition(",") for one in header.split()) if version == "v1" and value]


def _in_time(sent: int, now: float, tolerance: float) -> Verdict | None:
    """The signature is right by now, so the time is the sender's own."""
    if sent < now - tolerance:
        age = show_duration(now - sent)
        return Verdict(reason="too_old", text=f"too old: sent {age} ago; a replay, or --tolerance is too short")
    if sent > now + tolerance:
        ahead = show_duration(sent - now)
        return Verdict(reason="too_new", text=f"from the future, by {ahead}: the clock of one of the two is wrong")
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    id: str
    sent: int
    passed: Sequence[str]
    secrets: Sequence[Webhook]

    def secret_of(self, body: bytes) -> int | None:
        """The number, from 1, of the secret by which one of the signatures was made."""
        try:
            text, sent = body.decode(), datetime.fromtimestamp(self.sent, UTC)
        except (UnicodeDecodeError, ValueError, OverflowError, OSError):
            return None
        for number, one in enumerate(self.secrets, 1):
            expected = one.sign(self.id, sent, text).partition(",")[2]
            if any(hmac.compare_digest(expected.encode(), given.encode()) for given in self.passed):
                return number
        return None


def _why_not(check: _Check, body: bytes) -> Verdict:
    for what, undo in REPAIRS:
        if (repaired := undo(body)) not in (None, body) and check.secret_of(repaired or b"") is not None:
            return Verdict(reason="body_changed", text=f"the body was changed after it was signed: {what}")
    many = f"none of the {len(check.secrets)} secrets" if len(check.secrets) > 1 else "the secret"
    return Verdict(
        reason="mismatch",
        text=f"the signature does not fit: {many} is the sender's, or the body or {ID} or {TIMESTAMP} was changed",
    )


def _compact(body: bytes) -> bytes | None:
    return _written(body, ensure_ascii=False, separators=(",", ":"))


def _written(body: bytes, **style: Any) -> bytes | None:
    try:
        return json.dumps(json.loads(body), **style).encode()
    except (ValueError, RecursionError):
        return None


REPAIRS: tuple[tuple[str, Callable[[bytes], bytes | None]], ...] = (
    ("a line break was added at its end", lambda body: body.rstrip(b"\r\n")),
    ("the line break at its end is missing", lambda body: body + b"\n"),
    ("its line breaks are now those of Windows", lambda body: body.replace(b"\r\n", b"\n")),
    ("a byte order mark was put before it", lambda body: body.removeprefix(b"\xef\xbb\xbf")),
    ("it was read as JSON and written anew; keep the bytes as they came", _compact),
)
"""What commonly happens to a body on its way into a file or a program, and how to undo it."""

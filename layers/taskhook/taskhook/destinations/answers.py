"""What an HTTP answer means to whoever sent the news, and how to tell people without giving secrets away."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from html import escape
from typing import Any
from urllib.parse import quote as quoted
from urllib.parse import quote_plus, unquote, urlsplit

from taskhook.destinations.model import Destination, Judgment, Verdict
from taskhook.destinations.text import cut, encodable, one_line
from taskhook.http import Answer

LONGEST_DETAIL = 200
LONGEST_QUOTE = 100
LONGEST_CODE = 64
LONGEST_READ = 16384
"""Characters in which the quotable ones are looked for."""
LONGEST_WAIT = 7 * 86400.0
"""Seconds that a receiver may ask for."""
_EPOCHAL = 1e9

type Row = tuple[Verdict, str] | tuple[Verdict, str, str]
"""The verdict, why in English, and the same in Chinese where somebody wrote it."""

# The exceptions; whole classes are in ``_CLASSES``. A redirect is never followed, since it could lead anywhere, so it
# is as final as any other wrong URL.
STATUSES: Mapping[int, Row] = {
    400: (
        Verdict.BAD_CONTENT,
        "the receiver does not understand the message: look into its log, and at what it said",
        "接收方无法理解这条消息：请查看接收方的日志及其应答",
    ),
    401: (
        Verdict.DEAD,
        "the receiver wants credentials: check the URL and the headers",
        "接收方要求身份验证：请检查 URL 和请求头",
    ),
    403: (
        Verdict.DEAD,
        "the receiver forbids it: check the URL, the secret and the headers",
        "接收方拒绝访问：请检查 URL、密钥和请求头",
    ),
    404: (
        Verdict.DEAD,
        "the receiver does not know this URL: store the right one",
        "接收方没有这个 URL：请存入正确的 URL",
    ),
    405: (
        Verdict.DEAD,
        "the receiver does not take POST at this URL: store another one",
        "这个 URL 不接受 POST 请求：请更换",
    ),
    408: (Verdict.TRANSIENT, "the receiver gave up waiting", "接收方等待超时"),
    409: (Verdict.TRANSIENT, "the receiver is busy with something that is in the way", "接收方正忙于有冲突的操作"),
    410: (
        Verdict.DEAD,
        "the receiver says that it is gone for good: store a new URL",
        "接收方表示这个 URL 已永久失效：请存入新的 URL",
    ),
    413: (
        Verdict.BAD_CONTENT,
        "the message is too large for the receiver: raise its limit",
        "消息过大，接收方不接受：请提高其上限",
    ),
    415: (Verdict.BAD_CONTENT, "the receiver does not take JSON", "接收方不接受 JSON"),
    422: (Verdict.BAD_CONTENT, "the receiver does not accept the message", "接收方不接受这条消息"),
    423: (Verdict.TRANSIENT, "the receiver is locked", "接收方已被锁定"),
    425: (Verdict.TRANSIENT, "it was too early for the receiver", "对接收方来说为时过早"),
    429: (Verdict.THROTTLED, "the receiver gets too many messages", "发给接收方的消息过多"),
    503: (Verdict.TRANSIENT, "the receiver is not available", "接收方暂时不可用"),
}

_CLASSES: Mapping[int, Row] = {
    2: (Verdict.DELIVERED, "the receiver took the message", "接收方已收下消息"),
    3: (
        Verdict.DEAD,
        "the receiver redirects, which is never followed: use the URL that it redirects to",
        "接收方要求重定向，但重定向从不跟随：请直接使用目标 URL",
    ),
    4: (
        Verdict.DEAD,
        "the receiver refuses the message: look at what it said, and into its log",
        "接收方拒绝这条消息：请查看其应答和日志",
    ),
    5: (
        Verdict.TRANSIENT,
        "the receiver is in trouble; taskhook tries again",
        "接收方出现故障，taskhook 会重试",
    ),
}
_NO_STATUS: Row = (Verdict.TRANSIENT, "the answer is not HTTP as it should be", "应答不是正常的 HTTP")

_MEMBER = re.compile(r'\s*[{,]\s*("(?:[^"\\]|\\.)*")\s*:\s*')
_SECONDS = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,9})?)\s*", re.ASCII)

_SHORTEST_SECRET = 6
"""Characters. To blot out shorter pieces of a URL would make any answer unreadable and protect nothing."""

_PLAIN = frozenset(
    {
        *("callback", "callbacks", "events", "incoming", "notifications", "notify", "production", "receive"),
        *("receiver", "services", "taskhook", "trigger", "triggers", "webhook", "webhook-test", "webhooks"),
        *("workflow", "workflows"),
    }
)
"""What URLs say in so many words, and what answers have to say too."""


def row(status: int, more: Mapping[int, Row] | None = None) -> Row:
    """The meaning of a status. ``more`` holds the rows of one channel, which win."""
    rows = {**STATUSES, **(more or {})}
    return rows.get(status) or _CLASSES.get(status // 100, _NO_STATUS)


def judgment(
    destination: Destination,
    answer: Answer,
    now: float,
    meaning: Row,
    *,
    code: str | None = None,
    retry_after: float | None = None,
) -> Judgment:
    """The verdict, in words that begin with the status and end with the receiver's own.

    ``code`` is the receiver's own name for it; without one, a status that is not of success is the code.
    """
    verdict, words, words_zh = meaning if len(meaning) == 3 else (*meaning, "")
    wait = None
    if verdict in (Verdict.THROTTLED, Verdict.TRANSIENT):
        wait = wait_asked(answer, now)
    said = quote(destination, answer)
    if verdict is Verdict.TRANSIENT and answer.status == 503 and wait is not None:
        # Out of order for a moment, as any other 5xx, unless it asks for a pause.
        verdict = Verdict.THROTTLED
    return Judgment(
        verdict=verdict,
        detail=cut(f"HTTP {answer.status}: {words}" + (f'. It said: "{said}"' if said else ""), LONGEST_DETAIL),
        detail_zh=cut(f"HTTP {answer.status}：{words_zh}" + (f"。对方回答：“{said}”" if said else ""), LONGEST_DETAIL)
        if words_zh
        else "",
        code=_code(destination, answer, code),
        retry_after=wait or retry_after,
    )


def _code(destination: Destination, answer: Answer, named: str | None) -> str | None:
    """What names it may come from the answer, and so may hold anything."""
    if named is not None:
        return cut(redact(destination, one_line(named)), LONGEST_CODE)
    return f"HTTP {answer.status}" if answer.status >= 300 else None


def wait_asked(answer: Answer, now: float) -> float | None:
    """``Retry-After`` in seconds, be it a number or a date; None for what is none, is past, or is absurd."""
    value = str(answer.headers.get("Retry-After") or "")
    number = _SECONDS.fullmatch(value)
    return sensible(float(number[1]) if number else _seconds_until(value, now))


def sensible(seconds: float | None) -> float | None:
    """At most LONGEST_WAIT; None for what is past, nothing, or a time since 1970 where a duration belongs."""
    return float(min(seconds, LONGEST_WAIT)) if seconds is not None and 0 < seconds < _EPOCHAL else None


def _seconds_until(date: str, now: float) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() - now
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None


def json_object(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer; empty where it is none.

    Of one that was too long to be read to the end, the members at its beginning: chat services repeat a whole message.
    """
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return dict(_members(answer.text)) if answer.truncated else {}
    return body if isinstance(body, dict) else {}


def _members(text: str) -> Iterator[tuple[str, Any]]:
    """Those that are whole: one at the very end may be the beginning of another."""
    decoder, at = json.JSONDecoder(), 0
    while member := _MEMBER.match(text, at):
        try:
            name = json.loads(member[1])
            value, at = decoder.raw_decode(text, member.end())
        except (ValueError, RecursionError):
            return
        if at < len(text):
            yield name, value


def quote(destination: Destination, answer: Answer) -> str:
    """The beginning of what the receiver said. A page of HTML says nothing at this length."""
    text = one_line(answer.text[:LONGEST_READ])
    return "" if text.startswith("<") else cut(redact(destination, text), LONGEST_QUOTE)


def redact(destination: Destination, text: str) -> str:
    """The text without the destination's URL, keys and headers, or their parts: receivers like to repeat them."""
    needles = sorted(set(_secrets(destination)), key=len, reverse=True)
    if not needles:
        return text
    return re.sub("|".join(map(re.escape, needles)), "***", text, flags=re.IGNORECASE)


def _secrets(destination: Destination) -> Iterator[str]:
    for needle in _raw_secrets(destination):
        for spelling in _spellings(needle):
            if len(spelling) >= _SHORTEST_SECRET and spelling.casefold().strip("/") not in _PLAIN:
                yield encodable(spelling)


def _spellings(needle: str) -> Iterator[str]:
    """As a receiver may repeat it: in a URL, in JSON as Python and PHP write it, in HTML, in base64."""
    for plain in dict.fromkeys((needle, unquote(needle))):
        in_json = json.dumps(plain)[1:-1]
        yield from (plain, one_line(plain), quote_plus(plain), quoted(plain), quoted(plain, safe=""), escape(plain))
        yield from (in_json, in_json.replace("/", "\\/"), json.dumps(plain, ensure_ascii=False)[1:-1])
        yield base64.b64encode(encodable(plain).encode()).decode().rstrip("=")


def _raw_secrets(destination: Destination) -> Iterator[str]:
    parts = urlsplit(destination.url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    yield from (destination.url, path, parts.query)
    yield from re.split(r"[/?&=;,:]", path)
    for secret in destination.secrets:
        yield from (secret, secret.removeprefix("whsec_"))
    for value in destination.headers.values():
        yield from (value, *re.split(r"[\s=;,:]+", value))
    yield from _own_secrets(destination.own)


_NO_SECRETS = ("channel", "type", "format", "keyword")
"""Members of a record that people ask for, or that are words which answers say too."""


def _own_secrets(own: Mapping[str, Any]) -> Iterator[str]:
    """Not all of these are secrets, but those of types to come may be."""
    for name, value in own.items():
        if isinstance(value, Mapping):
            yield from _own_secrets(value)
        elif isinstance(value, str) and name not in _NO_SECRETS:
            yield value
    if isinstance(own.get("username"), str) and isinstance(own.get("password"), str):
        yield base64.b64encode(f"{own['username']}:{own['password']}".encode()).decode()

"""How to read an answer whose author may have been careless: any content type, loose keys, numbers as strings.

Nothing here guesses a success: what cannot be read is None, and None is never a status.
"""

import json
from collections.abc import Callable, Mapping
from math import isinf
from typing import Any, override

from taskhook.http import Answer
from taskhook.nesting import too_deep
from taskhook.providers.model import Refusal, Trouble
from taskhook.task import Problem
from taskhook.times import from_rfc3339

type Clean = Callable[[str], str]
"""What takes out of a text what nobody shall see."""

LONGEST_TEXT = 1000
"""Characters kept of a provider's message; it travels in notifications and in the record."""
LONGEST_RESULT = 32 * 1024
"""Bytes kept of a provider's result, as JSON. A record in DynamoDB may have 400 KB, a message on a queue 1 MB."""
MOST_RESOURCES = 500
LONGEST_WORD = 100
"""Characters kept of a status or a code. The longest that is documented has half as many."""
_MILLISECONDS = 100_000_000_000
"""A count of seconds above this lies beyond the year 5138: it is one of milliseconds."""
_FIRST_WRITTEN = 31_536_000
"""The year 1971 in seconds. What is written with an earlier one is Unix's 0, in some time zone."""
LATEST_INSTANT = 253_402_300_799
"""The last second of the year 9999: no calendar shows a later one."""


class Loose(dict[str, Any]):
    """A JSON object whose members are found without blanks around their names, exactly first, then in any case.

    One page of BM's documentation shows ``"status "``. JMESPath finds members by ``get``, so paths are as forgiving.
    """

    @override
    def get(self, name: str, default: Any = None) -> Any:
        if name in self:
            return self[name]
        folded = name.casefold()
        return next((value for key, value in self.items() if key.casefold() == folded), default)


def json_object(answer: Answer) -> dict[str, Any] | None:
    """The body as a JSON object, whatever its content type says. None when it is not one, or was cut off."""
    if answer.truncated:
        return None
    body = loads(answer.body)
    return body if isinstance(body, dict) else None


def loads(document: str | bytes) -> Any:
    """The JSON value, None for what is none or nests absurdly. NaN and Infinity are no JSON and become null."""
    try:
        value = json.loads(document, parse_constant=lambda _: None, parse_float=_finite, object_hook=_loose)
    except (ValueError, RecursionError):
        return None
    return None if too_deep(value) else value


def bounded(value: Any) -> Any:
    """A result that fits into the record and into a notification; a larger one says how large it was."""
    size = len(json.dumps(value))
    if size <= LONGEST_RESULT:
        return value
    return {"omitted": f"{size} bytes; at most {LONGEST_RESULT} are kept. Ask the provider for the whole result."}


def _finite(text: str) -> float | None:
    number = float(text)
    return None if isinf(number) else number


def _loose(found: dict[str, Any]) -> Loose:
    return Loose({name.strip(): value for name, value in found.items()})


def get(body: Mapping[str, Any] | None, name: str) -> Any:
    """A member by its name, None where there is none. Answers are Loose, so the name's case does not matter."""
    return body.get(name) if body is not None else None


def mapping(value: Any) -> Mapping[str, Any] | None:
    return value if isinstance(value, dict) else None


def word(value: Any) -> str | None:
    """A status as text: ``1``, ``"1"`` and ``1.0`` are the same word, a boolean is none, 0 is one."""
    if value is None or isinstance(value, bool | dict | list):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _encodable(str(value).strip()[:LONGEST_WORD]) or None


def integer(value: Any) -> int | None:
    text = word(value)
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


def text(value: Any, clean: Clean = str) -> str | None:
    """A message fit to show, None for what says nothing: null, blanks, and the literal ``empty`` that BDRC sends.

    It is cleaned before it is cut: a part of a secret is a secret too.
    """
    if not isinstance(value, str):
        return None
    shown = _encodable(clean(value).strip())
    if not shown or shown.casefold() == "empty":
        return None
    return shown if len(shown) <= LONGEST_TEXT else shown[: LONGEST_TEXT - 1] + "…"


def _encodable(value: str) -> str:
    """JSON can smuggle in half a character (``"\\ud800"``), which no database takes."""
    return value.encode(errors="replace").decode()


def number(value: Any) -> float | None:
    """``42``, ``"42"``, ``0.8`` and ``"42%"``."""
    shown = word(value)
    try:
        found = float(shown.removesuffix("%")) if shown is not None else None
    except ValueError:
        return None
    return found if found is not None and abs(found) < float("inf") else None


def instant(value: Any) -> float | None:
    """Unix seconds or milliseconds, or RFC 3339; 0 and less mean that there is none yet.

    A time without its offset is nobody's: some APIs mean Beijing's and some UTC, so it is left out.
    """
    count = integer(value)
    if count is not None:
        seconds = count / 1000 if count > _MILLISECONDS else float(count)
        return seconds if 0 < seconds <= LATEST_INSTANT else None
    written = from_rfc3339(value) if isinstance(value, str) else None
    return written if written is not None and _FIRST_WRITTEN <= written <= LATEST_INSTANT else None


def result(value: Any) -> Any:
    """JSON, also out of a text that holds some; what is not JSON is shown as it came, None for what says nothing."""
    if isinstance(value, dict | list):
        return bounded(value) if value else None
    if not isinstance(value, str):
        return value
    shown = text(value)
    parsed = loads(value) if shown is not None else None
    return shown if parsed is None else bounded(parsed)


def not_an_answer(answer: Answer) -> Refusal:
    """What to make of an answer that is not the JSON object which the API promises."""
    if 300 <= answer.status < 400:
        return Refusal(
            trouble=Trouble.DOUBTFUL,
            problem=Problem(
                code=f"HTTP{answer.status}",
                message="the endpoint redirects, and signed requests are never redirected",
                hint="Check the account's endpoint: it must be the API's own base URL.",
            ),
        )
    if answer.status == 429:
        return Refusal(
            trouble=Trouble.THROTTLED,
            problem=Problem(code="HTTP429", message="too many requests"),
            retry_after=retry_after(answer),
        )
    client_error = 400 <= answer.status < 500
    return Refusal(
        trouble=Trouble.DOUBTFUL if client_error else Trouble.TRANSIENT,
        problem=Problem(
            code=f"HTTP{answer.status}",
            message="the answer is " + ("too long" if answer.truncated else "not a JSON object"),
            hint="Check the account's endpoint: something other than the API answers there." if client_error else None,
        ),
        retry_after=retry_after(answer),
    )


def retry_after(answer: Answer) -> float | None:
    """Seconds to wait, by ``Retry-After`` or by Alibaba's ``x-acs-retry-after``, which is in milliseconds."""
    millis = integer(answer.headers.get("x-acs-retry-after"))
    if millis is not None and millis > 0:
        return millis / 1000
    seconds = integer(answer.headers.get("Retry-After"))
    return float(seconds) if seconds is not None and seconds > 0 else None

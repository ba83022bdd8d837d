"""A request body as JSON, strictly: what one reader would take and another refuse is refused here, and said."""

import json
from collections import Counter
from collections.abc import Iterator
from math import isinf
from typing import Any

from taskhook.api.problem import FieldError, ProblemError
from taskhook.nesting import DEEPEST, too_deep

LONGEST_BODY = 64 * 1024
"""Bytes."""

_TOO_DEEP = f"The body is nested too deeply; at most {DEEPEST} levels are taken."


class JsonObject(dict[str, Any]):
    """A JSON object that remembers which of its names came twice: most readers silently take the last."""

    repeated: tuple[str, ...] = ()


def parse_object(body: bytes, longest: int = LONGEST_BODY) -> JsonObject:
    """The object in a body. Raises ProblemError: 413 for a long one, 400 for what is not a JSON object."""
    if len(body) > longest:
        raise ProblemError(413, f"The body has {len(body)} bytes; at most {longest} are taken.")
    document = _load(body)
    if not isinstance(document, JsonObject):
        raise ProblemError(400, f"The body must be a JSON object, as in {{...}}; it is {_kind(document)}.")
    return document


def repeated(value: Any, path: str = "") -> Iterator[FieldError]:
    """Every name that stands twice in one object, at any depth."""
    if isinstance(value, JsonObject):
        for name in value.repeated:
            yield FieldError(join(path, name), "stands twice in the same object; give it once")
        for name, item in value.items():
            yield from repeated(item, join(path, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from repeated(item, f"{path}[{number}]")


def join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name[:100]


def _load(body: bytes) -> Any:
    try:
        text = body.decode("utf-8-sig")
        document = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
        # Lone surrogates pass the parser, but no database or receiver takes them.
        json.dumps(document, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ProblemError(400, f"The body is not JSON: {error.msg} ({where}).") from None
    except UnicodeError:
        raise ProblemError(400, "The body is not valid Unicode text in UTF-8.") from None
    except RecursionError:
        raise ProblemError(400, _TOO_DEEP) from None
    except ValueError as error:
        # Python reads no number of more than 4300 digits, and its own words about that help nobody.
        what = str(error) if "JSON" in str(error) else "a number in it is too long"
        raise ProblemError(400, f"The body is not JSON: {what}.") from None
    if too_deep(document):
        raise ProblemError(400, _TOO_DEEP)
    return document


def _object(pairs: list[tuple[str, Any]]) -> JsonObject:
    found = JsonObject(pairs)
    if len(found) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        found.repeated = tuple(sorted(name for name, count in counts.items() if count > 1))
    return found


def _float(text: str) -> float:
    """Beyond the greatest float Python reads infinity, which is no JSON when it is written again."""
    number = float(text)
    if isinf(number):
        raise ValueError(f"{text[:20]} is too great for a JSON number here")
    return number


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _kind(value: Any) -> str:
    kinds = {list: "an array", str: "a text", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")

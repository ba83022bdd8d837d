"""Holds a request's parameters to the template of their entry, and reads the values out of them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from taskhook.providers import filling
from taskhook.providers.model import Provider

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NUMBER = re.compile(r"0|[1-9][0-9]*")
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_DAY = 86_400
REGION = re.compile(r"[a-z]{2}-[a-z]+(-[a-z0-9]+)*")


class Mismatch(Exception):
    def __init__(self, kind: Literal["unknown", "missing", "invalid"], name: str) -> None:
        super().__init__(f"{kind}: {name}")
        self.kind = kind
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a request brought. ``first``: how its style numbers the items of a list, None for JSON with its own types.

    ``path``: what was read out of the path already. ``region``: the one that the request's headers name.
    """

    parameters: Mapping[str, Any]
    first: int | None = None
    path: Mapping[str, str] | None = None
    region: str | None = None


def values(provider: Provider, template: Mapping[str, Any], given: Given, now: float) -> dict[str, str]:
    """The values of the template's placeholders. Raises Mismatch for anything but exactly these parameters."""
    wanted = dict(_leaves(template, given.first or 0))
    brought = _brought(given)
    for key in brought:
        if key not in wanted:
            known = {one.partition(".")[0] for one in wanted}
            raise Mismatch("invalid" if _name(key) in known else "unknown", _name(key))
    found = dict(given.path or {})
    integers = {part.name for part in provider.task_id.parts if part.integer}
    for key, leaf in wanted.items():
        if key in brought:
            _merge(found, _read(leaf, brought[key], integers, typed=given.first is None), key)
        elif not _may_be_left_out(provider, leaf):
            raise Mismatch("missing", _name(key))
    _check_common(found, given.region, now)
    return found


def singly(provider: Provider, given: Given) -> list[Given]:
    """The request as one for each id that it carries, whose other parameters are the same. Raises Mismatch.

    Several ids are several items in the lists of the template that hold an id, or several in one text.
    """
    if provider.batch is None:
        return [given]
    first, brought = given.first or 0, _brought(given)
    parts = {part.name for part in provider.task_id.parts}
    keys = [key for key, leaf in _leaves(provider.send, first) if parts & set(filling.names(leaf))]
    join = provider.batch.join
    each = _by_item(brought, keys, first) if join is None else _by_piece(brought, keys, join)
    if len(each) > provider.batch.most:
        raise Mismatch("invalid", _name(keys[0]))
    return [replace(given, parameters=one) for one in each]


def _by_item(brought: Mapping[str, Any], keys: list[str], first: int) -> list[dict[str, Any]]:
    """``JobIds.1`` and ``JobIds.2`` as two times ``JobIds.1``."""
    lists = {place for key in keys for place, number, _ in [f"{key}.".partition(f".{first}.")] if number}
    shared: dict[str, Any] = {}
    items: dict[int, dict[str, Any]] = {}
    for key, value in brought.items():
        place = next((one for one in lists if key.startswith(f"{one}.")), None)
        number, dot, rest = key.removeprefix(f"{place}.").partition(".")
        if place is None or not _NUMBER.fullmatch(number):
            shared[key] = value
        else:
            items.setdefault(int(number), {})[f"{place}.{first}{dot}{rest}"] = value
    if items and sorted(items) != list(range(first, first + len(items))):
        raise Mismatch("invalid", _name(keys[0]))
    return [shared | items[number] for number in sorted(items)] or [shared]


def _by_piece(brought: Mapping[str, Any], keys: list[str], join: str) -> list[dict[str, Any]]:
    """``a,b`` as ``a`` and ``b``. Of an id's several parts, those that all ids share stand there once."""
    pieces = {key: text.split(join) for key in keys if isinstance(text := brought.get(key), str)}
    count = max(map(len, pieces.values()), default=1)
    if any(len(one) not in (1, count) for one in pieces.values()):
        raise Mismatch("invalid", _name(keys[0]))
    return [{**brought, **{key: one[number % len(one)] for key, one in pieces.items()}} for number in range(count)]


def _brought(given: Given) -> dict[str, Any]:
    return dict(given.parameters) if given.first is not None else dict(_leaves(given.parameters, 0))


def _name(key: str) -> str:
    return key.partition(".")[0]


def _leaves(value: Any, first: int, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value under its place, as in ``Filters.0.Name``."""
    if isinstance(value, Mapping) and (value or not prefix):
        for name, one in value.items():
            yield from _leaves(one, first, f"{prefix}.{name}" if prefix else name)
    elif isinstance(value, list) and value:
        for number, one in enumerate(value, first):
            yield from _leaves(one, first, f"{prefix}.{number}")
    else:
        yield prefix, value


def _may_be_left_out(provider: Provider, leaf: Any) -> bool:
    optional = {part.name for part in provider.task_id.parts if part.optional}
    return bool(optional & set(filling.names(leaf)))


def _read(leaf: Any, value: Any, integers: set[str], *, typed: bool) -> dict[str, str] | None:
    """The placeholders' values, None where the value does not fit."""
    if not isinstance(leaf, str):
        expected = leaf if typed else _text(leaf)
        return {} if value == expected and type(value) is type(expected) else None
    whole = _PLACEHOLDER.fullmatch(leaf)
    if whole and whole[1] in integers:
        fits = type(value) is int if typed else value.isascii() and value.isdigit()
        return {whole[1]: str(value)} if fits else None
    if not isinstance(value, str):
        return None
    found = re.fullmatch(pattern(leaf, ".*"), value, re.DOTALL)
    return found.groupdict() if found and all(one.strip() for one in found.groupdict().values()) else None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def pattern(template: str, anything: str) -> str:
    """A regular expression for texts made from a template, with a group for each placeholder."""
    made, seen = "", set[str]()
    for number, piece in enumerate(_PLACEHOLDER.split(template)):
        if number % 2 == 0:
            made += re.escape(piece)
        else:
            made += f"(?P={piece})" if piece in seen else f"(?P<{piece}>{anything})"
            seen.add(piece)
    return made


def _merge(found: dict[str, str], more: Mapping[str, str] | None, key: str) -> None:
    if more is None or any(found.setdefault(name, value) != value for name, value in more.items()):
        raise Mismatch("invalid", _name(key))


def _check_common(found: dict[str, str], region: str | None, now: float) -> None:
    """The region, which is the request's own, and times: of the right form, and within a day of what is meant."""
    for name in list(found):
        if name == "region":
            if found[name] != region if region else not REGION.fullmatch(found[name]):
                raise Mismatch("invalid", "region")
        elif name == "now" or name.startswith("days_ago_"):
            days = 0 if name == "now" else int(name.removeprefix("days_ago_"))
            if abs(_seconds(found.pop(name)) - (now - days * _DAY)) > _DAY:
                raise Mismatch("invalid", name)


def _seconds(text: str) -> float:
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Mismatch("invalid", text) from None

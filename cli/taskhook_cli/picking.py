"""The task id out of a cloud's JSON, by JMESPath expressions, without regard to upper and lower case."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

WRAPPERS = ("Response", "body")
"""What clouds and their tools put around an answer."""

type Value = str | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """``path`` is the expression that found the values, ``below`` the wrapper that it was found in."""

    path: str
    below: str | None
    values: tuple[Value, ...]

    @property
    def where(self) -> str:
        return f"{self.below}.{self.path}" if self.below else self.path


def pick(document: Any, paths: Iterable[str]) -> Picked | None:
    """By the first path that finds anything, as it is written before any other spelling of it."""
    for path in paths:
        for below, inner in _layers(document):
            for values in (_exact(path, inner), _folded(path, inner)):
                if values:
                    return Picked(path=path, below=below, values=values)
    return None


def is_path(path: str) -> bool:
    return _compiled(path) is not None


def members(document: Any) -> list[str]:
    """What there is to choose from, in words for an error: the document's own members, and those of a wrapper."""
    found = []
    for below, inner in _layers(document):
        if isinstance(inner, dict):
            found += [f"{below}.{name}" if below else str(name) for name in inner]
    return found


def _layers(document: Any) -> list[tuple[str | None, Any]]:
    layers: list[tuple[str | None, Any]] = [(None, document)]
    if isinstance(document, dict):
        wrappers = {name.lower() for name in WRAPPERS}
        layers += [
            (name, inner) for name, inner in document.items() if name.lower() in wrappers and isinstance(inner, dict)
        ]
    return layers


def _exact(path: str, document: Any) -> tuple[Value, ...]:
    return _searched(_compiled(path), document)


def _folded(path: str, document: Any) -> tuple[Value, ...]:
    parsed = _compiled(path)
    return _searched(ParsedResult(path, _fold_expression(parsed.parsed)), _fold(document)) if parsed else ()


def _compiled(path: str) -> ParsedResult | None:
    try:
        return jmespath.compile(path)
    except (JMESPathError, RecursionError):
        return None


def _searched(parsed: ParsedResult | None, document: Any) -> tuple[Value, ...]:
    if parsed is None:
        return ()
    try:
        return _values(parsed.search(document))
    except (JMESPathError, RecursionError, ValueError, TypeError, AttributeError):
        return ()  # an expression that does not fit this document


def _values(found: Any) -> tuple[Value, ...]:
    """Each once, in order; nothing where there is anything else than texts and whole numbers."""
    flat = _flat(found) if isinstance(found, list) else [found]
    if not flat or not all(_is_value(one) for one in flat):
        return ()
    return tuple(dict.fromkeys(flat))


def _flat(found: Sequence[Any]) -> list[Any]:
    return [inner for one in found for inner in (_flat(one) if isinstance(one, list) else [one])]


def _is_value(one: Any) -> bool:
    return (isinstance(one, str) and bool(one.strip())) or (isinstance(one, int) and not isinstance(one, bool))


def _fold(document: Any) -> Any:
    if isinstance(document, dict):
        return {str(name).lower(): _fold(inner) for name, inner in document.items()}
    return [_fold(one) for one in document] if isinstance(document, list) else document


def _fold_expression(node: Any) -> Any:
    """The same expression with its member names, and nothing else of it, in lower case."""
    if isinstance(node, list):
        return [_fold_expression(one) for one in node]
    if not isinstance(node, dict):
        return node
    folded = {name: _fold_expression(inner) for name, inner in node.items()}
    return {**folded, "value": node["value"].lower()} if node.get("type") == "field" else folded

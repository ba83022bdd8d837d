"""Placeholders: ``{TaskId}`` in an entry of the catalogue, and what stands for it in a request.

Besides the parts of the task id there are ``{region}``, ``{now}`` and ``{days_ago_29}`` (any number of days): times in
UTC to the second, as in ``2026-11-21T10:00:00Z``.
"""

import re
from collections.abc import Iterator
from typing import Any

from taskhook.providers.model import Question, TaskId, Values
from taskhook.times import rfc3339

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DAYS_AGO = re.compile(r"days_ago_([1-9][0-9]?)")
_DAY = 86400.0


class _Absent:
    """Stands for a parameter whose optional value was left out."""


_ABSENT = _Absent()


def values(task_id: TaskId, question: Question) -> dict[str, str | int]:
    """Everything that a placeholder may stand for, but times."""
    region = {"region": question.region} if question.region else {}
    return {**task_id.values(question.task_id), **region}


def is_known(name: str, names: set[str]) -> bool:
    return name in names or name in ("region", "now") or _DAYS_AGO.fullmatch(name) is not None


def names(template: Any) -> Iterator[str]:
    """The placeholders in a text, or anywhere in lists and objects of texts."""
    if isinstance(template, str):
        yield from _PLACEHOLDER.findall(template)
    elif isinstance(template, dict):
        for value in template.values():
            yield from names(value)
    elif isinstance(template, list):
        for value in template:
            yield from names(value)


def filled(template: Any, known: Values, now: float) -> Any:
    """The template with its values. A text that is one placeholder becomes the value itself, a whole number too.

    What stands for nothing is left out: the member, the item, or an object or list that holds nothing else.
    """
    result = _filled(template, known, now)
    return {} if result is _ABSENT and isinstance(template, dict) else result


def text(template: str, known: Values, now: float) -> str:
    """A text with its values in it."""
    return _PLACEHOLDER.sub(lambda found: str(_value(found[1], known, now)), template)


def _filled(template: Any, known: Values, now: float) -> Any:
    if isinstance(template, str):
        whole = _PLACEHOLDER.fullmatch(template)
        if whole is not None:
            return _value(whole[1], known, now)
        return (
            _ABSENT
            if any(_value(one, known, now) is _ABSENT for one in names(template))
            else text(template, known, now)
        )
    if isinstance(template, dict):
        members = {name: _filled(value, known, now) for name, value in template.items()}
        kept = {name: value for name, value in members.items() if value is not _ABSENT}
        return kept if kept or not template else _ABSENT
    if isinstance(template, list):
        items = [one for value in template if (one := _filled(value, known, now)) is not _ABSENT]
        return items if items or not template else _ABSENT
    return template


def _value(name: str, known: Values, now: float) -> Any:
    if name in known:
        return known[name]
    if name == "now":
        return rfc3339(now)
    days = _DAYS_AGO.fullmatch(name)
    return rfc3339(now - int(days[1]) * _DAY) if days else _ABSENT

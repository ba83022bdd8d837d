"""The members that a record of any type may have: language, rate, progress, pause, filter, escalation."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from taskhook.destinations.model import Escalation, Fault, Filter, Language
from taskhook.states import WATCHED, State

FIELDS = ("language", "rate", "progress", "paused", "filter", "escalate")

_RATE = re.compile(r"[1-9][0-9]{0,4}/(?:s|min)")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LISTS = ("providers", "accounts", "states")
_ENDS = tuple(state.value for state in State if state not in WATCHED and state is not State.STOPPED)
LONGEST_AFTER = 86_400
MOST_LISTED = 50


def faults(record: Mapping[str, Any]) -> list[Fault]:
    return [
        *(Fault(field="language", message=words) for words in _language(record.get("language"))),
        *(Fault(field="rate", message=words) for words in _rate(record.get("rate"))),
        *(Fault(field=name, message=words) for name in ("progress", "paused") for words in _switch(record.get(name))),
        *_filter(record.get("filter")),
        *_escalate(record.get("escalate")),
    ]


def read(record: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a Destination that they make. The record has no faults."""
    wanted, escalate = record.get("filter") or {}, record.get("escalate")
    return {
        "language": Language(record.get("language") or Language.ENGLISH),
        "rate": record.get("rate"),
        "progress": bool(record.get("progress")),
        "paused": bool(record.get("paused")),
        "filter": Filter(
            **{name: tuple(wanted.get(name) or ()) for name in _LISTS}, metadata=dict(wanted.get("metadata") or {})
        ),
        "escalation": Escalation(to=escalate["to"], after=float(escalate["after_seconds"])) if escalate else None,
    }


def _language(value: Any) -> Iterator[str]:
    if value is not None and value not in list(Language):
        yield f"must be one of {', '.join(Language)}"


def _rate(value: Any) -> Iterator[str]:
    if value is not None and not (isinstance(value, str) and _RATE.fullmatch(value)):
        yield "must be how many messages the receiver takes, as 1/s or 20/min"


def _switch(value: Any) -> Iterator[str]:
    if value is not None and not isinstance(value, bool):
        yield "must be true or false"


def _filter(value: Any) -> Iterator[Fault]:
    if value is None:
        return
    if not isinstance(value, Mapping):
        yield Fault(field="filter", message=f"must be an object with any of {', '.join((*_LISTS, 'metadata'))}")
        return
    for name, part in value.items():
        if name in _LISTS:
            yield from (Fault(field=f"filter.{name}", message=words) for words in _list(name, part))
        elif name != "metadata":
            yield Fault(field=f"filter.{name[:64]}", message=f"is none of {', '.join((*_LISTS, 'metadata'))}")
        elif not isinstance(part, Mapping):
            yield Fault(field="filter.metadata", message="must map names to the values that a task must have there")


def _list(name: str, value: Any) -> Iterator[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        yield "must be a list of texts"
    elif len(value) > MOST_LISTED:
        yield f"must have at most {MOST_LISTED}"
    elif name == "states" and not set(value) <= set(_ENDS):
        yield f"must be any of {', '.join(_ENDS)}"


def _escalate(value: Any) -> Iterator[Fault]:
    if value is None:
        return
    if not isinstance(value, Mapping) or not set(value) <= {"to", "after_seconds"}:
        yield Fault(field="escalate", message='must be {"to": "the name of a destination", "after_seconds": 120}')
        return
    if not isinstance(value.get("to"), str) or not _NAME.fullmatch(value["to"]):
        yield Fault(field="escalate.to", message="must be the name of a destination")
    after = value.get("after_seconds")
    if isinstance(after, bool) or not isinstance(after, int) or not 1 <= after <= LONGEST_AFTER:
        yield Fault(field="escalate.after_seconds", message=f"must be a whole number from 1 to {LONGEST_AFTER}")

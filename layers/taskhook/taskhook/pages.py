"""One page of a list of tasks, and the cursor that leads to the next one."""

import base64
import heapq
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from taskhook.listing import Choice, Listing
from taskhook.store import Store
from taskhook.task import Task, digest

_ROUNDS = 3
"""Reads for one page at most: a task may have left the list since the index was read."""
_POSITION = re.compile(r"[0-9TZ:.-]{24}#[a-z2-7]{26}")


@dataclass(frozen=True, slots=True)
class Page:
    tasks: Sequence[Task]
    next: str | None
    """The position after which the next page begins, None where this is the last one."""


def page(
    store: Store,
    listing: Listing,
    choice: Choice,
    *,
    limit: int,
    before: str | None = None,
    accounts: Sequence[str] | None = None,
) -> Page:
    """The newest tasks of a choice ``before`` a position. ``accounts``: those that the caller may see, None for all.

    It may hold fewer than ``limit`` although there is a next one: the index lags behind the table by a moment.
    """
    choices = [choice] if choice.account is not None or accounts is None else [
        replace(choice, account=one) for one in accounts
    ]  # fmt: skip
    if accounts is not None and choice.account is not None and choice.account not in accounts:
        choices = []
    found: list[Task] = []
    for _ in range(_ROUNDS):
        wanted = limit - len(found)
        positions = _merged(listing, choices, before=before, most=wanted + 1)
        known = {task.id: task for task in store.get_many([_id(one) for one in positions[:wanted]], complete=True)}
        listed = [known[id] for one in positions[:wanted] if (id := _id(one)) in known]
        found += [task for task in listed if choice.takes(task)]
        if len(positions) <= wanted:
            return Page(found, None)
        before = positions[wanted - 1]
        if len(found) == limit:
            break
    return Page(found, before)


def _merged(listing: Listing, choices: Sequence[Choice], *, before: str | None, most: int) -> list[str]:
    each = [listing.positions(one, before=before, most=most) for one in choices]
    return list(islice(heapq.merge(*each, reverse=True), most))


def _id(position: str) -> str:
    return position.rpartition("#")[2]


def cursor(position: str, choice: Choice) -> str:
    """A page's successor, in a form that nobody is tempted to write by hand."""
    text = json.dumps([position, _seal(position, choice)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(text: str, choice: Choice) -> str | None:
    """The position in a cursor; None for one that was changed, or belongs to other filters.

    It is checked, not signed: all that it could lead to is another place in the list that the caller may see anyway.
    """
    try:
        position, seal = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, TypeError, RecursionError):
        return None
    if not isinstance(position, str) or not _POSITION.fullmatch(position) or seal != _seal(position, choice):
        return None
    return position


def _seal(position: str, choice: Choice) -> str:
    return digest(position, choice.account or "", choice.provider or "", choice.state or "")[:10]

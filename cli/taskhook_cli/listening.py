"""News of all tasks that match, from now on: which have ended since the last round. Nothing is told twice or left out.

The list of tasks is ordered by submission, not by end. So a round reads which tasks are unfinished (a task that was
among them and is not any more has ended), and the newest tasks of all, back to those that an earlier round has seen
(for the tasks that began and ended between two rounds). Lists may lag behind, so every end is confirmed by the task.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Any, Protocol

from taskhook_cli.errors import Refused
from taskhook_cli.exits import ENDED
from taskhook_cli.story import ended
from taskhook_cli.times import seconds_of

OVERLAP = 120.0
"""Seconds of submissions that every round reads again, for lists that lag behind."""
MOST_TOLD = 10_000
"""Ends that are remembered, beside those of the overlap."""

type Task = dict[str, Any]


class Source(Protocol):
    def tasks(self, filters: dict[str, Any], /) -> Iterable[Task]: ...

    def task(self, id: str, /) -> Task: ...


@dataclass(slots=True)
class Listener:
    """``filters`` are the service's (provider, account); ``states`` are those whose ends are told."""

    source: Source
    filters: dict[str, Any]
    states: frozenset[str] = ENDED
    dropped: Callable[[str], None] = lambda id: None
    _open: set[str] = field(default_factory=set)
    _told: dict[str, str] = field(default_factory=dict)
    _frontier: float | None = None
    _begun: bool = False

    def round(self) -> list[Task]:
        """Tasks that have ended since the round before, in the order of their ends. The first round tells none.

        Memory changes only when a round was whole: one that fails is made again.
        """
        unfinished = self._unfinished()
        recent, frontier = self._recent()
        at_rest = {id: mark(task) for id, task in recent.items() if ended(task)}
        unfinished |= {id for id, task in recent.items() if not ended(task)}
        if self._begun:
            unknown = [id for id, end in at_rest.items() if self._told.get(id) != end]
            news = self._confirmed(dict.fromkeys([*sorted(self._open - unfinished), *unknown]), unfinished)
        else:
            news, self._told = [], {**at_rest}
        self._remember(news, unfinished - {str(task["id"]) for task in news}, frontier, at_rest)
        return [task for task in news if task["state"] in self.states]

    def _unfinished(self) -> set[str]:
        """Queued ones first: a task goes from there to running, and would be missed the other way round."""
        return {
            str(task.get("id"))
            for state in ("queued", "running")
            for task in self.source.tasks({**self.filters, "state": state})
        }

    def _recent(self) -> tuple[dict[str, Task], float | None]:
        """The newest tasks back to the overlap, and the time of the newest of all."""
        found: dict[str, Task] = {}
        newest = self._frontier
        for task in self.source.tasks(self.filters):
            at = seconds_of(task.get("submitted_at"))
            newest = at if newest is None else max(newest, at or newest)
            if at is not None and at < self._limit(newest):
                break
            found[str(task.get("id"))] = task
        return found, newest

    def _limit(self, newest: float | None) -> float:
        """Older submissions are known. Where there was no task at all at first, every one is new."""
        known = self._frontier if self._begun else newest
        return -inf if known is None else known - OVERLAP

    def _confirmed(self, ids: Iterable[str], unfinished: set[str]) -> list[Task]:
        """Those that have really ended, in a way that was not told yet. The others are unfinished still."""
        news = []
        for id in ids:
            try:
                task = self.source.task(id)
            except Refused as refused:
                if refused.status != 404:
                    raise
                self.dropped(id)
                continue
            if not ended(task):
                unfinished.add(id)
            elif self._told.get(id) != mark(task):
                news.append(task)
        return sorted(news, key=lambda task: str(task.get("observed_at") or ""))

    def _remember(
        self, news: list[Task], unfinished: set[str], frontier: float | None, at_rest: dict[str, str]
    ) -> None:
        for task in news:
            self._told.pop(str(task["id"]), None)
            self._told[str(task["id"])] = mark(task)
        surplus = len(self._told) - MOST_TOLD - len(at_rest)
        for id in [id for id in self._told if id not in at_rest][: max(0, surplus)]:
            del self._told[id]
        self._open, self._frontier, self._begun = unfinished, frontier, True


def mark(task: Task) -> str:
    """Tells one end of a task from another, after it was watched again."""
    return f"{task.get('state')} {task.get('observed_at')}"

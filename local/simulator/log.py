"""What was asked of the simulated clouds, and what became of it."""

import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

CAPACITY = 200_000  # entries; the counts go on beyond it


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A task that a request asked about; see :class:`Entry`."""

    task_id: str
    verdict: str
    poll: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request.

    ``api`` as in ``tencent.clb`` (``trap`` for those who followed a redirect, ``unknown`` for a stray path); ``at`` is
    Unix time; ``verdict`` is ``answered <outcome>``, ``fault <kind>`` or ``refused <code>``; ``poll`` numbers the
    polls of its task from 1 (0: refused); ``status`` is the HTTP status (0: none was sent).

    ``ids`` counts the ids that the request carried, repeated ones too (0: refused), ``asked`` has each task once. Of
    several tasks ``task_id`` is None, ``poll`` is 0, and ``verdict`` has all of theirs; ``of`` is one task's view.
    """

    api: str
    task_id: str | None
    at: float
    verdict: str
    poll: int
    status: int
    method: str
    key_id: str | None = None
    region: str | None = None
    ids: int = 0
    asked: tuple[Asked, ...] = ()

    def of(self, task_id: str) -> Self | None:
        """What the request was to one of its tasks, None where it was not about this one."""
        found = (one for one in self.asked if one.task_id == task_id)
        return next((replace(self, task_id=one.task_id, verdict=one.verdict, poll=one.poll) for one in found), None)


class RequestLog:
    """Thread-safe; the entries are read as a snapshot, in order of arrival."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=CAPACITY)
        self._verdicts: dict[tuple[str, str | None], Counter[str]] = {}
        self._requests: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, entry: Entry) -> None:
        with self._lock:
            self._entries.append(entry)
            self._requests[entry.api] += 1
            for one in entry.asked or (entry,):
                self._verdicts.setdefault((entry.api, one.task_id), Counter())[one.verdict] += 1

    def of(self, task_id: str, api: str | None = None) -> list[Entry]:
        """Those that asked about a task, alone or among others, as they are to this task."""
        return [seen for entry in self if api in (None, entry.api) and (seen := entry.of(task_id)) is not None]

    def verdicts(self, task_id: str | None = None) -> list[str]:
        """In order; of one task or of all requests."""
        return [entry.verdict for entry in (self if task_id is None else self.of(task_id))]

    def __iter__(self) -> Iterator[Entry]:
        with self._lock:
            return iter(list(self._entries))

    def __len__(self) -> int:
        """How many requests there were, kept or not."""
        with self._lock:
            return self._requests.total()

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._verdicts.clear()
            self._requests.clear()

    def summary(self) -> dict[str, Any]:
        """Counts per API, and per task with its verdicts; a request for several tasks counts for each of them."""
        with self._lock:
            counted = {key: dict(counter) for key, counter in self._verdicts.items()}
            by_api = self._requests.copy()
        tasks = [
            {"api": api, "task_id": task_id, "requests": sum(counter.values()), "verdicts": counter}
            for (api, task_id), counter in counted.items()
        ]
        return {"requests": by_api.total(), "apis": dict(by_api), "tasks": tasks}


def as_json(entries: list[Entry]) -> list[dict[str, Any]]:
    return [asdict(entry) for entry in entries]

"""What was asked of the simulated clouds, and what became of it."""

import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

CAPACITY = 200_000  # entries; the counts go on beyond it


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request.

    ``api`` as in ``tencent.clb`` (``trap`` for those who followed a redirect, ``unknown`` for a stray path); ``at`` is
    Unix time; ``verdict`` is ``answered <outcome>``, ``fault <kind>`` or ``refused <code>``; ``poll`` numbers the
    polls of its task from 1 (0: refused); ``status`` is the HTTP status (0: none was sent).
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


class RequestLog:
    """Thread-safe; the entries are read as a snapshot, in order of arrival."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=CAPACITY)
        self._verdicts: dict[tuple[str, str | None], Counter[str]] = {}
        self._lock = threading.Lock()

    def add(self, entry: Entry) -> None:
        with self._lock:
            self._entries.append(entry)
            self._verdicts.setdefault((entry.api, entry.task_id), Counter())[entry.verdict] += 1

    def of(self, task_id: str, api: str | None = None) -> list[Entry]:
        return [entry for entry in self if entry.task_id == task_id and api in (None, entry.api)]

    def verdicts(self, task_id: str | None = None) -> list[str]:
        """In order; of one task or of all."""
        return [entry.verdict for entry in self if task_id in (None, entry.task_id)]

    def __iter__(self) -> Iterator[Entry]:
        with self._lock:
            return iter(list(self._entries))

    def __len__(self) -> int:
        """How many requests there were, kept or not."""
        with self._lock:
            return sum(counter.total() for counter in self._verdicts.values())

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._verdicts.clear()

    def summary(self) -> dict[str, Any]:
        """Counts per API, and per task with its verdicts."""
        with self._lock:
            counted = {key: dict(counter) for key, counter in self._verdicts.items()}
        by_api: Counter[str] = Counter()
        for (api, _), counter in counted.items():
            by_api[api] += sum(counter.values())
        tasks = [
            {"api": api, "task_id": task_id, "requests": sum(counter.values()), "verdicts": counter}
            for (api, task_id), counter in counted.items()
        ]
        return {"requests": by_api.total(), "apis": dict(by_api), "tasks": tasks}


def as_json(entries: list[Entry]) -> list[dict[str, Any]]:
    return [asdict(entry) for entry in entries]

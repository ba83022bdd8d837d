"""Follows tasks to their ends by long polls, several at once, through whatever the network does."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from taskhook_cli.api import Api
from taskhook_cli.errors import CommandError, StillRunning
from taskhook_cli.retry import retry_after
from taskhook_cli.story import ended

WAIT_SECONDS = 25
WORKERS = 8
"""So many long polls are open at once; where more tasks are followed, they are asked in turn and nobody waits."""
SHORTEST_GAP = 1.0
"""Seconds between two looks at a task, also where the service answers at once."""

type Task = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watch:
    id: str
    etag: str | None = None


@dataclass(slots=True)
class Follower:
    """``patience`` is how many seconds of failures in a row are borne. ``clock`` is monotonic."""

    api: Api
    ids: Sequence[str]
    patience: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def changes(self, seconds: float | None = None) -> Iterator[Task]:
        """Each task as it is found at first and after each change, until all have ended.

        Raises StillRunning after ``seconds``, and the error of any look that failed for good. The threads are left
        behind then: they look, and change nothing.
        """
        due, found = queue.PriorityQueue[tuple[float, int, _Watch]](), queue.SimpleQueue[Task | Exception]()
        unfinished = dict.fromkeys(self.ids)
        order = count()
        for id in unfinished:
            due.put((0.0, next(order), _Watch(id=id)))
        for _ in range(min(WORKERS, len(unfinished))):
            threading.Thread(target=self._work, args=(due, found, unfinished, order), daemon=True).start()
        deadline = None if seconds is None else self.clock() + seconds
        while unfinished:
            task = self._next(found, deadline, len(unfinished))
            if ended(task):
                unfinished.pop(str(task.get("id")), None)
            yield task

    def _next(self, found: queue.SimpleQueue[Task | Exception], deadline: float | None, left: int) -> Task:
        try:
            seen = found.get(timeout=None if deadline is None else max(0.0, deadline - self.clock()))
        except queue.Empty:
            tasks = "1 task has" if left == 1 else f"{left} tasks have"
            raise StillRunning(f"{tasks} not ended within --wait-timeout") from None
        if isinstance(seen, Exception):
            raise seen
        return seen

    def _work(
        self,
        due: queue.PriorityQueue[tuple[float, int, _Watch]],
        found: queue.SimpleQueue[Task | Exception],
        unfinished: dict[str, None],
        order: Iterator[int],
    ) -> None:
        while True:
            at, _, watch = due.get()
            self.sleep(max(0.0, at - self.clock()))
            try:
                again = self._look(watch, found, crowd=len(unfinished))
            except Exception as error:
                found.put(error)
                return
            if again is not None:
                due.put((again[0], next(order), again[1]))

    def _look(
        self, watch: _Watch, found: queue.SimpleQueue[Task | Exception], crowd: int
    ) -> tuple[float, _Watch] | None:
        """When to look again; None when the task has ended."""
        began = self.clock()
        wait = WAIT_SECONDS if watch.etag is not None and crowd <= WORKERS else 0
        answer = self.api.look(watch.id, etag=watch.etag, wait=wait, patience=self.patience)
        pause = max(
            SHORTEST_GAP, retry_after(answer.headers, time.time()) or 0.0, 0.1 * crowd if crowd > WORKERS else 0
        )
        if answer.status == 304:
            return began + pause, watch
        task = answer.json()
        if task.get("id") != watch.id or not isinstance(task.get("state"), str):
            raise CommandError("the answer is not taskhook's: no task with the id that was asked for")
        found.put(task)
        return None if ended(task) else (began + pause, replace(watch, etag=answer.etag or ""))

"""Threads that play the poll function: each has what a container has, and one event at a time."""

import queue
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from benchmarks.limits.world import MEDIAN
from taskhook import watch
from taskhook.task import Task, task_key
from taskhook.watcher import Watcher

PROVIDER, REGION, ACCOUNT = "tencent.clb.DescribeTaskStatus", "ap-guangzhou", "tencent"
TIMEOUT = 300.0
"""Seconds that an invocation may last, as in template.yaml."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """``answer``: the state machine's next payload; None where a task was only submitted. ``error``: a traceback."""

    id: str
    answer: dict[str, Any] | None
    asked: float
    began: float
    ended: float
    error: str = ""


class Fleet:
    """``made``: a container's watcher, by its number."""

    def __init__(self, containers: int, made: Callable[[int], Watcher]) -> None:
        self._jobs: queue.SimpleQueue[tuple[str, int, float]] = queue.SimpleQueue()
        self.results: queue.SimpleQueue[Done] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, args=(made(number),), daemon=True) for number in range(containers)
        ]

    def submit(self, number: int) -> None:
        self._jobs.put(("", number, time.time()))

    def invoke(self, id: str, watch: int) -> None:
        self._jobs.put((id, watch, time.time()))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """They sleep for their slots, and end with the process."""

    def _work(self, watcher: Watcher) -> None:
        while True:
            id, number, asked = self._jobs.get()
            began, answer, error = time.time(), None, ""
            ends = began + TIMEOUT
            try:
                if id:
                    answer = watch.look(watcher, id, number, left=lambda: ends - time.time())  # noqa: B023
                else:
                    watcher.store.create(_task(number, began))
            except Exception:
                # A broken invocation, not the end of the benchmark.
                error = traceback.format_exc()
            self.results.put(
                Done(id=id or key(number), answer=answer, asked=asked, began=began, ended=time.time(), error=error)
            )


def task_id(number: int) -> str:
    return f"herd-{number:06}"


def key(number: int) -> str:
    return task_key(account=ACCOUNT, provider=PROVIDER, region=REGION, task_id=task_id(number))


def _task(number: int, now: float) -> Task:
    """As submit makes it."""
    return Task(
        id=key(number),
        provider=PROVIDER,
        account=ACCOUNT,
        region=REGION,
        task_id=task_id(number),
        submitted_at=now,
        deadline=now + 20 * MEDIAN,
        next_poll_at=now,
        watch_since=now,
    )

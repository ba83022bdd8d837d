"""Tasks that share a request: some status APIs take many task ids at once, and a request then counts once.

Whoever looks takes along the tasks of the same account, API and region that are due as well, from a sparse index of
tasks of such APIs, ordered by when they are due. Each of them is decided on and written as if it had been looked at
alone. Its own execution wakes as it was told, sees that the task is not due any more, and waits on; only where the task
has ended and that execution sleeps for long, a new one is started to tell the news.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from taskhook.errors import StoreConflict
from taskhook.memory import remember
from taskhook.providers.model import Provider
from taskhook.queues import Queues
from taskhook.store import Store
from taskhook.task import Task

logger = logging.getLogger(__name__)

SOON = 2.0
"""Seconds that a task may be from being due to be taken along."""
SPOILED = 300.0
"""Seconds in which tasks are asked for one by one after a request for many was refused that one was not."""
ASLEEP = 5.0
"""Seconds after which an execution would wake too late to tell that its task has ended."""


def group(task: Task, provider: Provider) -> str | None:
    """Those who may share a request; None for an API that takes one task id, and for a task that is in trouble."""
    if provider.batch is None or task.state.terminal or task.troubles or task.paused is not None:
        return None
    values = provider.task_id.values(task.task_id)
    shared = "".join(f"#{values.get(name, '')}" for name in provider.batch.shared)
    return f"{task.account}#{provider.name}#{task.region or ''}{shared}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """Who shares requests, as far as this process and the table know."""

    store: Store
    queues: Queues
    clock: Callable[[], float]
    _spoiled: dict[str, float] = field(default_factory=dict)

    def with_(self, task: Task, provider: Provider) -> list[Task]:
        """The tasks that a request for this one should ask for too. Never fails: a task can always be alone."""
        name = group(task, provider)
        if name is None or provider.batch is None or self.clock() < self._spoiled.get(name, 0.0):
            return []
        try:
            due = self.store.due(name, until=self.clock() + SOON, most=provider.batch.most)
        except Exception:
            logger.warning("nobody taken along", extra={"task": task.id}, exc_info=True)
            return []
        others = [one for one in due if one.id != task.id and group(one, provider) == name]
        return others[: provider.batch.most - 1]

    def spoiled(self, task: Task, provider: Provider) -> None:
        """A request for many was refused: one of the ids may have been the reason."""
        name = group(task, provider)
        if name is not None:
            remember(self._spoiled, name, self.clock() + SPOILED)

    def wake(self, task: Task) -> None:
        """Have somebody tell the news of a task that has ended, if its own execution sleeps for long."""
        now = self.clock()
        if task.wakes_at is None or task.wakes_at - now <= ASLEEP:
            return
        try:
            self.queues.start_watch(self.store.restart(task, now=now, restarts=0))
        except StoreConflict:
            logger.info("woken already", extra={"task": task.id, "watch": task.watch})
        except Exception:
            # Restarted but not queued, so that the reconciler starts it within minutes.
            logger.exception("not queued", extra={"task": task.id})


def taken_along(seen: Task, after: Task) -> Task:
    """What a look that another task's execution has made changes: not what this task's own execution goes by."""
    return replace(
        after,
        wakes=seen.wakes,
        restarts=seen.restarts,
        slots=seen.slots,
        limit=seen.limit,
        blind=seen.blind,
        wakes_at=seen.wakes_at,
    )

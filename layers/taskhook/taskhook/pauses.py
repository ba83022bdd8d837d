"""Accounts that their cloud refuses: one task tells so, the others wait, and all go on when the credential works.

The task that finds the refusal out is lost, and its destinations hear why. The other tasks of the account are paused:
they stay as they are, look at the stored credential every few minutes and at the provider now and then. When one of
them gets an answer, the account is restored and the task that told is watched again. The reconciler does the same
where no other task is left to notice that the credential has changed.

It is told once for an account, but only tasks of a service that refused it wait: one service may refuse a key that the
others take.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from taskhook.errors import StoreConflict
from taskhook.memory import remember
from taskhook.providers.model import Refusal
from taskhook.queues import Queues
from taskhook.states import State
from taskhook.store import Store, reopened
from taskhook.task import Delivery, Task

logger = logging.getLogger(__name__)

RECHECK_SECONDS = 30.0
"""How long a process believes that a credential is refused before it reads the stored one again."""
PROBE_SECONDS = 300.0
"""How long before it tries the same credential again: a key may have been enabled again without a change here."""


@dataclass(slots=True)
class _Known:
    refusal: Refusal
    recheck_at: float
    probe_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """What this process and the table know of refused accounts."""

    store: Store
    queues: Queues
    clock: Callable[[], float]
    _known: dict[tuple[str, str], _Known] = field(default_factory=dict)
    """By account and service."""

    def recent(self, task: Task) -> Refusal | None:
        """The refusal to answer with, while it is too early to look at the stored credential again."""
        known = self._known.get(_scope(task))
        return replace(known.refusal, asked=False) if known is not None and self.clock() < known.recheck_at else None

    def unchanged(self, task: Task, credential: str) -> Refusal | None:
        """The same, where the stored credential is still the refused one and it is too early to try it again."""
        known, now = self._known.get(_scope(task)), self.clock()
        if known is None or known.refusal.credential != credential or now >= known.probe_at:
            return None
        known.recheck_at = now + RECHECK_SECONDS
        return replace(known.refusal, asked=False)

    def knows(self, task: Task) -> bool:
        return _scope(task) in self._known

    def refused(self, task: Task, refusal: Refusal) -> bool:
        """Note a refusal; whether this task is the one that tells its destinations.

        What is only remembered is not noted again: the account may have been restored meanwhile, by another process.
        """
        if not refusal.asked:
            return False
        now = self.clock()
        remember(self._known, _scope(task), _Known(refusal, now + RECHECK_SECONDS, now + PROBE_SECONDS))
        first = self.store.refuse_account(task.account, refusal.credential or "", task=task.id, now=now)
        if first:
            # The template makes a metric and an alarm of this event.
            logger.error(
                "account refused", extra={"account": task.account, "task": task.id, "code": refusal.problem.code}
            )
        return first

    def answered(self, task: Task) -> None:
        """The provider has answered: if the account was refused, whoever waits for it goes on."""
        if self._known.pop(_scope(task), None) is None and task.paused is None:
            return
        told = self.store.restore_account(task.account)
        logger.info("account restored", extra={"account": task.account, "resumed": len(told)})
        for id in told:
            if id != task.id:
                self.resume(id)

    def resume(self, id: str) -> bool:
        """Watch a task again that was lost because its account was refused. False where it is not so any more."""
        task = self.store.get(id)
        if task is None or task.state is not State.LOST or task.paused is None:
            return False
        now = self.clock()
        again = reopened(
            task,
            state=State.RUNNING,
            observed_at=None,
            next_poll_at=now,
            watch_since=now,
            troubles=0,
            trouble_since=None,
            deliveries={name: Delivery(log=one.log) for name, one in task.deliveries.items()},
        )
        try:
            self.store.replace(again, seen=task)
        except StoreConflict:
            return False
        try:
            self.queues.start_watch(again)
        except Exception:
            # The task is open again, so the reconciler starts it within minutes; the others must not wait for that.
            logger.exception("not queued", extra={"task": id})
        logger.info("resumed", extra={"task": id, "watch": again.watch})
        return True


def _scope(task: Task) -> tuple[str, str]:
    return task.account, task.provider.rpartition(".")[0]

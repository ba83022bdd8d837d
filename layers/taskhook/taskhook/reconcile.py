"""Finds tasks that nobody watches although somebody should, and starts their watch again.

An execution may die of anything: an operator stops it, the emulator is killed, a queue message is lost, a history
grows too long. The record knows better: a task that is ``open`` and has no living execution gets a new one.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from taskhook import aws, watch
from taskhook.bus import Bus
from taskhook.config import Settings
from taskhook.errors import StoreConflict
from taskhook.holding import release
from taskhook.ledger import Ledger
from taskhook.pauses import Pauses
from taskhook.queues import Queues
from taskhook.states import State
from taskhook.store import Store, Watch
from taskhook.task import DeliveryState, Problem, Task

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

logger = logging.getLogger(__name__)

GRACE_SECONDS = 300.0
"""A watch younger than this may still be on the queue, or missing from the list of running executions."""
RESTARTS = 5
"""Watches of one task that may die in a row, without one look or one delivery between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    settings: Settings
    store: Store
    bus: Bus
    queues: Queues
    credential: Callable[[str], str]
    """Which credential is stored for an account now."""
    ledger: Ledger
    version: Callable[[str], str]
    """Which record is stored for a destination now, "" for none."""
    clock: Callable[[], float]
    client: "SFNClient | None" = None

    def sweep(self, *, grace: float = GRACE_SECONDS) -> int:
        """Restart every open task without a living execution, resume accounts and destinations: how many tasks."""
        return self._resume_accounts() + self._resume_destinations() + self._restart_dead(grace)

    def _resume_accounts(self) -> int:
        """A refused account whose credential has changed since is as good as any other."""
        resumed = 0
        pauses = Pauses(store=self.store, queues=self.queues, clock=self.clock)
        for account in self.store.refused_accounts():
            if self.credential(account.name) != account.credential:
                resumed += sum(pauses.resume(id) for id in self.store.restore_account(account.name))
        return resumed

    def _resume_destinations(self) -> int:
        """News that was kept goes out when the destination has been stored anew."""
        released = 0
        for name in list(self.ledger.listed()):
            standing = self.ledger.standing(name)
            known = standing.dead if standing.dead is not None else standing.holding
            if known is not None and self.version(name) != known:
                released += len(release(self.store, self.ledger, self.queues, name, now=self.clock()))
        return released

    def _restart_dead(self, grace: float) -> int:
        now = self.clock()
        candidates = [one for one in self.store.open_watches() if now - one.since >= grace]
        if not candidates:
            return 0
        alive = self._running()
        return sum(self._try_to_revive(one) for one in candidates if one.execution not in alive)

    def _try_to_revive(self, dead: Watch) -> bool:
        """One record that cannot be read must not keep all others from being watched."""
        try:
            return self.revive(dead)
        except Exception:
            logger.exception("not revived", extra={"task": dead.id, "watch": dead.number})
            return False

    def revive(self, dead: Watch) -> bool:
        """Give a task whose watch died a new one, or up. False where there is nothing to do."""
        task = self.store.get(dead.id)
        if task is None or not task.open or task.watch != dead.number:
            return False
        try:
            self._restart(task)
        except StoreConflict:
            return False
        return True

    def lose(self, id: str, number: int, error: str) -> dict[str, Any]:
        """End a watch that keeps breaking: the task is lost, and whoever waits for it is told so.

        Returns the state machine's next payload.
        """
        task = self.store.get(id)
        if task is None or not task.open or task.watch != number:
            return {"id": id, "watch": number, "done": True, "wait_until": "1970-01-01T00:00:00.000Z", "notify": []}
        if not task.state.terminal:
            task = self.store.save_look(_broken(task, error, self.clock()))
        self.bus.announce(task)
        return watch.payload(task)

    def _restart(self, task: Task) -> None:
        if task.restarts < RESTARTS:
            self._begin(task, restarts=task.restarts + 1)
        elif not task.state.terminal:
            # Its own news gets as many watches as the task had.
            self._begin(self.store.save_look(_broken(task, "WatchDied", self.clock())), restarts=1)
        else:
            self._keep_news(task)

    def _begin(self, task: Task, *, restarts: int) -> None:
        restarted = self.store.restart(task, now=self.clock(), restarts=restarts)
        self.queues.start_watch(restarted)
        logger.warning(
            "watch restarted", extra={"task": task.id, "watch": restarted.watch, "restarts": restarted.restarts}
        )

    def _keep_news(self, task: Task) -> None:
        self.bus.announce(task)
        for name in task.pending:
            self.ledger.hold(name, task.id, version=self.version(name), now=self.clock())
            reason = "every execution that should have delivered it died"
            kept = replace(task.deliveries[name], state=DeliveryState.HELD, next_attempt_at=None, reason=reason)
            task = self.store.save_delivery(task, name, kept)
            logger.error("news held", extra={"task": task.id, "destination": name, "delivery": "held"})

    def _running(self) -> frozenset[str]:
        pages = (
            (self.client or aws.stepfunctions())
            .get_paginator("list_executions")
            .paginate(stateMachineArn=self.settings.state_machine, statusFilter="RUNNING")
        )
        return frozenset(one["name"] for page in pages for one in page["executions"])


def _broken(task: Task, error: str, now: float) -> Task:
    problem = Problem(
        code=error[:100],
        message="taskhook itself broke while it watched this task",
        hint="Nothing is known of the task's end. See the log of the poll function, then post the task again.",
    )
    return replace(task, state=State.LOST, error=problem, observed_at=now, next_poll_at=None)

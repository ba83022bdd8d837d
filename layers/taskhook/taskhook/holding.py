"""News that was kept goes out: when its destination works again, or when somebody asks for it."""

import logging
from dataclasses import replace

from taskhook.errors import StoreConflict
from taskhook.ledger import Ledger
from taskhook.queues import Queues
from taskhook.store import Store
from taskhook.task import Delivery, DeliveryState, Task

logger = logging.getLogger(__name__)

_TRIES = 5
"""Rounds of reading and deciding again when somebody else changes the task at the same moment."""


def kept(ledger: Ledger, name: str, *, since: float | None = None) -> list[str]:
    """The tasks whose news is kept for a destination (since a time), the oldest first."""
    return [one.task for one in ledger.held(name) if since is None or one.since >= since]


def release(
    store: Store, ledger: Ledger, queues: Queues, name: str, *, now: float, since: float | None = None
) -> list[str]:
    """Let everything go that is kept for a destination (since a time); the tasks that this concerns."""
    found = kept(ledger, name, since=since)
    ledger.works(name)
    if not found and since is None:
        # Only where nothing is found: the success of what goes out now asks again.
        ledger.emptied(name, now=now)
    for id in found:
        _let_go(store, ledger, queues, id, name, now)
    if found:
        logger.info("held news let go", extra={"destination": name, "tasks": len(found)})
    return found


def _let_go(store: Store, ledger: Ledger, queues: Queues, id: str, name: str, now: float) -> None:
    for _ in range(_TRIES):
        task = store.get(id)
        if task is None or task.deliveries.get(name, Delivery()).state is not DeliveryState.HELD:
            break
        try:
            opened = _reopened(store, task, name, now=now)
        except StoreConflict:
            continue
        # Before it starts: it may be kept again, under the same mark.
        ledger.let_go(name, id)
        queues.start_watch(opened)
        return
    else:
        # The marker stays, so that the next release finds it.
        logger.warning("not let go", extra={"task": id, "destination": name})
        return
    ledger.let_go(name, id)


def again(store: Store, queues: Queues, task: Task, name: str, *, now: float, forced: bool = False) -> Task:
    """Deliver once more, from the first attempt on. Raises StoreConflict where the task has changed meanwhile.

    ``forced``: although the destination is out of order or paused.
    """
    opened = _reopened(store, task, name, now=now, forced=forced)
    queues.start_watch(opened)
    return opened


def _reopened(store: Store, task: Task, name: str, *, now: float, forced: bool = False) -> Task:
    fresh = replace(
        task.deliveries[name],
        state=DeliveryState.PENDING,
        tries=0,
        next_attempt_at=None,
        reason=None,
        forced=forced,
        slot=None,
    )
    return store.reopen(task, {name: fresh}, now=now)

"""News that was kept goes out: when its destination works again, or when somebody asks for it."""

import logging
from dataclasses import replace

from taskhook.errors import StoreConflict
from taskhook.ledger import Ledger
from taskhook.queues import Queues
from taskhook.store import Store
from taskhook.task import Delivery, DeliveryState, Task

logger = logging.getLogger(__name__)

MOST = 200
"""News that is let go in one step: that takes seconds, and there may be thousands."""
_REFUSED = "bad_content"
"""The verdict, without the import of all that sends."""
_TRIES = 5
"""Rounds of reading and deciding again when somebody else changes the task at the same moment."""


def kept(ledger: Ledger, name: str, *, since: float | None = None) -> list[str]:
    """The tasks whose news is kept for a destination (since a time), the oldest first."""
    return [one.task for one in ledger.held(name) if since is None or one.since >= since]


def release(
    store: Store,
    ledger: Ledger,
    queues: Queues,
    name: str,
    *,
    now: float,
    since: float | None = None,
    refused: bool = True,
) -> list[str]:
    """Let go what is kept for a destination (since a time), MOST at a time; the tasks that this concerns.

    The success of what goes out lets the rest go. ``refused``: also what was refused for its content.
    """
    found = kept(ledger, name, since=since)[:MOST]
    ledger.works(name)
    if not found and since is None:
        # Only where nothing is found: the success of what goes out now asks again.
        ledger.emptied(name, now=now)
    gone = [id for id in found if _let_go(store, ledger, queues, id, name, now, refused)]
    if gone:
        logger.info("held news let go", extra={"destination": name, "tasks": len(gone)})
    return gone


def _let_go(store: Store, ledger: Ledger, queues: Queues, id: str, name: str, now: float, refused: bool) -> bool:
    for _ in range(_TRIES):
        task = store.get(id)
        if task is None or task.deliveries.get(name, Delivery()).state is not DeliveryState.HELD:
            break
        if not refused and _is_refused(task.deliveries[name]):
            return False
        try:
            opened = _reopened(store, task, name, now=now)
        except StoreConflict:
            continue
        # Before it starts: it may be kept again, under the same mark.
        ledger.let_go(name, id)
        queues.start_watch(opened)
        return True
    else:
        # The marker stays, so that the next release finds it.
        logger.warning("not let go", extra={"task": id, "destination": name})
        return False
    ledger.let_go(name, id)
    return False


def _is_refused(delivery: Delivery) -> bool:
    """Whether the destination works but does not want this: it would say so each time."""
    return bool(delivery.log) and delivery.log[-1].verdict == _REFUSED


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

"""Somebody else is told when a destination has not taken the news in time."""

import logging

from taskhook.destinations.model import Destination
from taskhook.errors import StoreConflict
from taskhook.task import Delivery, Task
from taskhook.telling import Sender

logger = logging.getLogger(__name__)

_TRIES = 5
"""Rounds of reading and deciding again when somebody else changes the task at the same moment."""


def at(destination: Destination, task: Task) -> float | None:
    """When somebody else is to be told; None where nobody is, or is already."""
    rule = destination.escalation
    if rule is None or rule.to in task.deliveries or rule.to == destination.name or task.observed_at is None:
        return None
    return task.observed_at + rule.after


def due(destination: Destination, task: Task, now: float) -> bool:
    moment = at(destination, task)
    return moment is not None and now >= moment


def sooner(destination: Destination, task: Task, again: float | None) -> float | None:
    """When to come again: in time for the escalation."""
    moment = at(destination, task)
    return again if moment is None or again is None else min(again, moment)


def begin(sender: Sender, destination: Destination, task: Task) -> None:
    """Tell the second destination: a new watch makes its delivery, and goes on with those that are pending."""
    for _ in range(_TRIES):
        if at(destination, task) is None or destination.escalation is None:
            return
        to, reason = destination.escalation.to, f"{destination.name} has not taken the news"
        try:
            opened = sender.store.reopen(task, {to: Delivery(reason=reason)}, now=sender.clock())
        except StoreConflict:
            # Another destination may have been escalated, or let go, at the same moment.
            task = sender.store.get(task.id) or task
            continue
        sender.queues.start_watch(opened)
        logger.warning("escalated", extra={"task": task.id, "destination": destination.name, "to": to})
        return
    logger.error("not escalated: the task keeps changing", extra={"task": task.id, "destination": destination.name})

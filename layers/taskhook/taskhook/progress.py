"""How a task goes on, shown to those who asked for it: a message that is edited, or news of the type ``task.progress``.

It is said at most every few seconds, of the task as it is at that moment, and never after its end. Nothing of it is
promised: what cannot be shown now is shown with the next change, and the end is told by a delivery of its own.
"""

import logging
from dataclasses import replace

from taskhook import destinations, telling
from taskhook.destinations.model import Destination, Live
from taskhook.errors import ConfigError, StoreConflict
from taskhook.filters import unwanted
from taskhook.task import Task
from taskhook.telling import Sender

logger = logging.getLogger(__name__)


def show(sender: Sender, id: str, name: str) -> None:
    """Show one destination how one task stands. Raises nothing that is the destination's fault."""
    task = sender.store.get(id)
    if task is None or task.state.terminal or name not in task.deliveries:
        return
    try:
        destination, version = telling.destination_of(sender, task, name)
    except ConfigError:
        return
    standing = sender.ledger.standing(name)
    if destination.paused or standing.dead == version or standing.until > sender.clock():
        return
    if unwanted(replace(destination.filter, states=()), task) is not None:
        return
    live = destinations.live(destination)
    if live is not None:
        _keep_up(sender, destination, live, task)
    elif destination.progress:
        judgment, _ = telling.exchange(
            sender, destination, lambda: destinations.forms(destination)[0](destination, task, sender.clock())
        )
        _log(task, name, judgment.verdict.value)


def _keep_up(sender: Sender, destination: Destination, live: Live, task: Task) -> None:
    message = task.deliveries[destination.name].message
    form = live.post if message is None else live.edit
    judgment, answer = telling.exchange(sender, destination, lambda: form(destination, task, sender.clock()))
    _log(task, destination.name, judgment.verdict.value)
    posted = live.posted(answer) if answer is not None and judgment.verdict.good else None
    if message is None and posted is not None:
        try:
            sender.store.save_message(task, destination.name, posted)
        except StoreConflict:
            logger.info("posted by somebody else", extra={"task": task.id, "destination": destination.name})


def finish(sender: Sender, destination: Destination, task: Task) -> None:
    """Bring the message that shows a task to its end, after the news of it was told."""
    live, message = destinations.live(destination), task.deliveries[destination.name].message
    if live is not None and message is not None:
        judgment, _ = telling.exchange(sender, destination, lambda: live.edit(destination, task, sender.clock()))
        _log(task, destination.name, judgment.verdict.value)


def _log(task: Task, destination: str, verdict: str) -> None:
    logger.info("shown", extra={"task": task.id, "destination": destination, "verdict": verdict})

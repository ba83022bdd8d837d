"""When a destination may be told, where it takes only so many messages: paced before sending, many news in one message.

Every message to a destination with a rate has a slot on the calendar (see slots.py), whoever sends it. Where the next
slot is some time away, whoever finds that announces himself as the one who speaks next, and all others who come until
then only say that they wait. When the slot has come he tells one failure by itself, the oldest, or all successes
together. Who was not in that message speaks for himself a while later, so a speaker that has died costs that while.
"""

from dataclasses import dataclass, replace

from taskhook import destinations, slots
from taskhook.destinations.model import Destination
from taskhook.ledger import Standing
from taskhook.slots import Rate
from taskhook.states import State
from taskhook.task import Delivery, DeliveryState, Task
from taskhook.telling import ATTEMPT_SECONDS, Sender

SOON = 2.0
"""Seconds that the function waits for a slot by itself."""
LATE = 2.0
"""Seconds after its slot in which a message may still go: chat tools count in minutes, or forgive a second."""
JOIN = ATTEMPT_SECONDS + 5.0
"""Seconds after a message for many that those who are not in it speak for themselves."""
EXACT = 20
"""Requests in a window from which one may be late by the distance of two places: 0.9 of them, and 2, are no more."""
SPREAD = 0.5
"""The share of a pause over which those who have waited for its end come back."""
MOST = 100
"""News in one message."""
SPEAKS = 45.0
"""Seconds that nobody else tells what waits, if who does so never says that he is done: three forms, and some time."""

WAITS = "waits for its turn: the destination takes {rate}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """Not now: the delivery as it should be written, with ``next_attempt_at``."""

    delivery: Delivery


def turn(
    sender: Sender, destination: Destination, task: Task, standing: Standing, *, patience: float = SOON
) -> Later | None:
    """Returns None at the moment when a message may go; else when to come again."""
    delivery, now = task.deliveries[destination.name], sender.clock()
    if standing.until > now:
        # Not all at the same moment: they would be too many again.
        spread = sender.rng.uniform(0, SPREAD * (standing.until - now))
        return _later(delivery, standing.until + spread, reason="the destination has asked for a pause")
    rate = destinations.rate(destination)
    if rate is None:
        return None
    if delivery.slot is not None and now <= delivery.slot + LATE:
        _sleep_until(sender, delivery.slot)
        return None
    reason, together = WAITS.format(rate=rate), destinations.digest(destination) is not None
    if together and standing.next_at > now:
        return _joins(sender, destination, task, standing.next_at, reason)
    slot = _slot(sender, destination, slots.rate(rate, 1.0), now)
    if slot - now <= patience:
        _sleep_until(sender, slot)
        return None
    if together:
        at = sender.ledger.plan(destination.name, slot, now=now)
        if at != slot:
            return _joins(sender, destination, task, at, reason)
        _wait(sender, destination, task)
    return _later(replace(delivery, slot=slot), slot, reason=reason)


def _slot(sender: Sender, destination: Destination, limit: Rate, now: float) -> float:
    """The next place, or the one that has just passed where nobody has taken it: somebody waits for this news.

    That is as exact for 20 in a minute and more, as a tenth of the limit is not planned with; below that it can be one
    message too many in a window, which is for services that say they take short bursts.
    """
    passed = 1 / limit.planned if limit.requests >= EXACT or destinations.bursts(destination) else 0.0
    due = now - passed
    return sender.calendar.reserve(f"slots#out#{destination.name}", limit, due, now=due).at


def alone(sender: Sender, destination: Destination, task: Task) -> Later | None:
    """Returns None where nobody else may be telling this news; whoever waits can be told of by others."""
    delivery, now = task.deliveries[destination.name], sender.clock()
    if not _waits(task, destination.name) or not _together(destination):
        return None
    if sender.ledger.speak(destination.name, task.id, now=now, until=now + SPEAKS):
        return None
    return _later(replace(delivery, slot=None), now + SOON, reason=delivery.reason or "")


def done(sender: Sender, destination: Destination, task: Task) -> None:
    """After ``alone``, of the same task as it was then."""
    if _waits(task, destination.name) and _together(destination):
        sender.ledger.silent(destination.name, task.id)


def _together(destination: Destination) -> bool:
    return destinations.rate(destination) is not None and destinations.digest(destination) is not None


def _joins(sender: Sender, destination: Destination, task: Task, at: float, reason: str) -> Later:
    _wait(sender, destination, task)
    return _later(task.deliveries[destination.name], at + JOIN, reason=reason)


def _wait(sender: Sender, destination: Destination, task: Task) -> None:
    succeeded = task.state is State.SUCCEEDED
    sender.ledger.wait(destination.name, task.id, now=sender.clock(), last=succeeded)


def _later(delivery: Delivery, at: float, *, reason: str) -> Later:
    return Later(delivery=replace(delivery, next_attempt_at=at, reason=reason))


def _sleep_until(sender: Sender, at: float) -> None:
    sender.sleep(max(0.0, at - sender.clock()))


def spoken_of(sender: Sender, destination: Destination, task: Task) -> list[Task]:
    """Whose news should go in the message that ``task`` has the turn for: its own, somebody else's, or many."""
    name = destination.name
    if not _waits(task, name) or not _together(destination):
        return [task]
    waiting = [one.task for one in sender.ledger.waiting(name)][:MOST]
    found = sender.store.get_many([id for id in waiting if id != task.id])
    for one in found:
        if not _waits(one, name):
            sender.ledger.heard(name, one.id)
    everybody = sorted([task, *(one for one in found if _waits(one, name))], key=lambda one: one.observed_at or 0.0)
    failures = [one for one in everybody if one.state is not State.SUCCEEDED]
    return failures[:1] or everybody


def _waits(task: Task, name: str) -> bool:
    """Whether it has had to wait for its turn. What was tried since then has a time of its own."""
    delivery = task.deliveries.get(name)
    pending = delivery is not None and delivery.state is DeliveryState.PENDING and delivery.reason is not None
    return task.state.terminal and task.open and pending

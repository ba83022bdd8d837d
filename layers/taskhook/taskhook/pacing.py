"""When a look's requests may be sent, and where the waits are spent: in the function or in the state machine.

Every request to a provider needs a slot (see slots.py). At the end of a look the slots of the next one are reserved, as
many as it has made requests, and kept with the task. Whoever wakes for a slot sleeps the last moments; whoever comes
too late, or has none, reserves one on the spot; and where that is far away, the look is put off until then.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from taskhook import slots
from taskhook.providers.model import Provider
from taskhook.seats import Seats
from taskhook.slots import Calendar, Rate, Slot
from taskhook.task import Task

TRANSITION = 25e-6
"""Dollars, as the two prices below: us-east-1, docs/polling.md."""
INVOCATION = 0.2e-6
GIGABYTE_SECOND = {"aarch64": 13.3334e-6, "arm64": 13.3334e-6, "x86_64": 16.6667e-6}
LAP = 3
"""Transitions of one lap of the state machine: wait, poll, choose."""

ROOM = 110.0
"""Seconds of an invocation that a look may need: two of 15 s each, a role before each of them, and pages."""
NEAR, NEAREST = 2.0, 0.5
"""Seconds beyond the lead that one may sleep for a slot without asking for a seat: as far as the next place can be."""
EARLY = 0.03
"""Seconds before a slot at which a sleeper wakes: it reads the task anew before it looks."""

UNPACED = "waits for its turn within the provider's rate limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Requests that share a rate limit, by the calendar's key."""

    key: str
    rate: Rate


class PutOff(Exception):
    """The slot of the look's next request is far away: nothing has been decided, the look comes later."""

    def __init__(self, slot: Slot, limit: Limit) -> None:
        super().__init__("the slot is far away")
        self.slot = slot
        self.limit = limit


def break_even(memory: float, machine: str) -> float:
    """Seconds below which it is cheaper to sleep in a function of so many MB than to leave it.

    45 s for 128 MB on arm64 against a lap of three transitions.
    """
    price = GIGABYTE_SECOND.get(machine, GIGABYTE_SECOND["aarch64"])
    return (LAP * TRANSITION + INVOCATION) / (memory / 1024 * price)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What all looks of a process share. ``lead``: seconds before its slot at which an execution is woken."""

    calendar: Calendar
    seats: Seats
    default_rate: float
    """Requests per second to an API that documents no limit."""
    break_even: float
    clock: Callable[[], float]
    lead: float = slots.LEAD
    sleep: Callable[[float], None] = time.sleep

    def limit(self, provider: Provider, account: str, url: str) -> Limit:
        rate = slots.rate(provider.rate_limit, self.default_rate)
        return Limit(key=slots.key(account, provider, urlsplit(url).netloc), rate=rate)

    def near(self, limit: Limit) -> float:
        return self.lead + min(max(1.25 / limit.rate.planned, NEAREST), NEAR)

    def stays(self, until: float, left: float) -> bool:
        """Whether the function waits by itself until then, with ``left`` seconds of its time left."""
        now = self.clock()
        wait = until - now
        if wait + ROOM > left:
            return False
        return wait <= self.lead or (wait <= self.break_even and self.seats.take(now, until))

    def sleep_until(self, then: float) -> None:
        while (wait := then - self.clock()) > 0:
            self.sleep(wait)


class Turn:
    """The requests of one look at a task, and its slots."""

    def __init__(self, pace: Pace, task: Task) -> None:
        self._pace = pace
        self._task = task
        self._held = sorted(task.slots)
        self.used = 0
        self.limit: Limit | None = None
        """That of the latest request."""

    def wait(self, limit: Limit) -> None:
        """Returns when a request may be sent. Raises PutOff where that is later than an invocation should wait."""
        self.limit = limit
        slot = self._slot(limit)
        if slot.at - self._pace.clock() > self._pace.near(limit):
            raise PutOff(slot, limit)
        self._pace.sleep_until(slot.at)
        self.used += 1

    @property
    def price(self) -> float:
        """Of the next look: above 1 where more are due than the limit allows."""
        return self._pace.calendar.price(self.limit.key) if self.limit is not None else 1.0

    def throttled(self) -> None:
        """The provider has refused a request although it had a slot."""
        if self.limit is not None:
            self._pace.calendar.throttled(self.limit.key, self.limit.rate, now=self._pace.clock())

    def put_off(self, task: Task, later: PutOff) -> Task:
        """The task, to be looked at when its slots come: as many as the look has used so far, and as many again.

        Whoever was woken long before his slot (by another clock, or for another reason) has it still. He stays for a
        moment, so that no two clocks can make the state machine spin.
        """
        if self._held:
            self._pace.sleep(self._pace.lead)
        else:
            task = replace(task, reason=UNPACED)
        found = [Slot(at=at, delay=0.0) for at in self._held] or [later.slot]
        woken = replace(task, wakes=task.wakes + 1)
        return self._with_slots(woken, later.limit, found, later.slot.at, 2 * self.used)

    def reserved(self, task: Task) -> Task:
        """The task with the slots of its next look, which is due at ``next_poll_at``; with none where nobody asked."""
        due = task.next_poll_at
        if self.limit is None or self.used == 0 or due is None or task.paused is not None:
            # Who waits for his account reads that first: a slot would be wasted.
            return replace(task, slots=(), limit=None, blind=False)
        return self._with_slots(task, self.limit, [], due, self.used)

    def _with_slots(self, task: Task, limit: Limit, held: Sequence[Slot], due: float, number: int) -> Task:
        found = list(held)
        while len(found) < number and all(one.reserved for one in found):
            found.append(self._pace.calendar.reserve(limit.key, limit.rate, due, now=self._pace.clock()))
        found.sort(key=lambda one: one.at)
        return replace(
            task,
            next_poll_at=found[0].at,
            slots=tuple(one.at for one in found),
            limit=limit.key,
            blind=not all(one.reserved for one in found),
        )

    def _slot(self, limit: Limit) -> Slot:
        now, task = self._pace.clock(), self._task
        if task.limit == limit.key and not task.blind:
            while self._held:
                if self._held[0] > now + self._pace.near(limit):
                    return Slot(at=self._held[0], delay=0.0)
                at = self._held.pop(0)
                if not slots.missed(at, now):
                    return Slot(at=at, delay=0.0)
        self._held = []
        slot = self._pace.calendar.reserve(limit.key, limit.rate, now, now=now)
        if not slot.reserved and task.blind and self.used == 0 and task.next_poll_at is not None:
            # Still no calendar, and this was the moment that a grid of its own had given.
            return replace(slot, at=max(now, task.next_poll_at))
        return slot

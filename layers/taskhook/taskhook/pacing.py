"""When a look's requests may be sent, and where the waits are spent: in the function or in the state machine.

Every request to a provider needs a slot (see slots.py). At the end of a look the slots of the next one are reserved, as
many as it has made requests, and kept with the task. Whoever wakes for a slot sleeps the last moments; whoever comes
too late, or has none, reserves one on the spot; and where that is far away, the look is put off until then.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from taskhook import slots
from taskhook.memory import remember
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
EARLY = 0.25
"""Seconds beyond the lead that a sleeper wakes before a slot: it reads the task anew before it looks."""
MIDWAY = 75.0
"""Seconds that a look which has sent a request already waits for the slot of its next one: leaving would mean to begin
anew, and would be no better where places are a minute apart."""
SPARE = 0.5
"""Seconds between an answer, should it take as long as the longest so far, and the slot of the request after it."""
AHEAD = (0.0, 0.25, 0.5, 1.0)
"""Seconds after which a slot is asked for, in turn, by a look that has missed the one before: a table may be slow, a
sleep too long. Whoever misses all of them has no better moment."""
CONNECTS, SLOWEST = 0.25, 2.5
"""Seconds from a name to a connection as long as nobody has measured it, and at most. Twice as many are allowed for."""
MOMENT, LEADS = 5.0, 4
"""Seconds that an invocation stays at most which has come long before its slot; and no more than so many leads, as
where leads are short there are few places to sleep."""
EARLIER = 60.0
"""Seconds at most that a look is woken earlier which has come too late: machines that start slowly do so again."""

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
    connects: dict[str, float] = field(default_factory=dict)
    """Seconds that it took to get ready for the latest request of a limit: resolver, connection, TLS."""

    def lead_for(self, key: str | None) -> float:
        """Seconds before its slot at which a look should begin: no less than a connection needs."""
        return max(self.lead, 2 * self.connects.get(key or "", CONNECTS))

    def connected(self, key: str, seconds: float) -> None:
        remember(self.connects, key, min(max(0.0, seconds), SLOWEST))

    def limit(self, provider: Provider, account: str, url: str) -> Limit:
        rate = slots.rate(provider.rate_limit, self.default_rate)
        return Limit(key=slots.key(account, provider, urlsplit(url).netloc), rate=rate)

    def near(self, limit: Limit, most: float = NEAR) -> float:
        return self.lead_for(limit.key) + min(max(1.25 / limit.rate.planned, NEAREST), most)

    def stays(self, until: float, left: float) -> bool:
        """Whether the function waits by itself until then, with ``left`` seconds of its time left."""
        now = self.clock()
        wait = max(0.0, until - now)
        if wait + ROOM > left:
            return False
        return wait <= self.lead or (wait <= self.break_even and self.seats.take(now, until))

    def sleep_until(self, then: float) -> None:
        """Returns early where the clock is set back meanwhile: nobody has planned, or taken a seat, for longer."""
        longest = then - self.clock()
        while 0 < (wait := then - self.clock()) <= longest:
            self.sleep(wait)


class Turn:
    """The requests of one look at a task, and its slots.

    A request is made in two steps: ``approach`` waits until a connection should be made, ``go`` until the request may
    be sent. So nothing lies between the slot and the request's first byte: neither a signature nor a handshake.
    """

    def __init__(self, pace: Pace, task: Task) -> None:
        self._pace = pace
        self._task = task
        self._held = sorted(task.slots)
        self._next: Slot | None = None
        self._approached = 0.0
        self._sent = 0.0
        self._took = 0.0
        self._late = 0.0
        self.used = 0
        self.limit: Limit | None = None
        """That of the latest request."""

    def approach(self, limit: Limit) -> None:
        """Returns when it is time to connect. Raises PutOff where that is later than an invocation should wait."""
        self.limit = limit
        if self.used:
            self._took = max(self._took, min(self._pace.clock() - self._sent, MIDWAY))
        self._next = self._near(limit, 2 * self._pace.connects.get(limit.key, CONNECTS))
        self._pace.sleep_until(self._next.at - self._pace.lead_for(limit.key))
        self._approached = self._pace.clock()

    def go(self) -> None:
        """Returns when the request may be sent, and no later than that. Raises PutOff as ``approach`` does."""
        if self.limit is None or self._next is None:
            raise RuntimeError("nobody has approached")
        slot, limit, clock = self._next, self.limit, self._pace.clock
        self._pace.connected(limit.key, clock() - self._approached)
        for ahead in (*AHEAD, None):
            self._pace.sleep_until(slot.at)
            now = clock()
            if now < slot.at:
                raise PutOff(slot, limit)
            if ahead is None or not slot.reserved or not slots.missed(slot.at, now):
                break
            self._late = max(self._late, now - slot.at)
            slot = self._near(limit, ahead)
        self.used += 1
        self._sent = now

    def _near(self, limit: Limit, ahead: float) -> Slot:
        slot = self._slot(limit, ahead)
        if slot.at - self._pace.clock() > self._patience(limit, slot):
            raise PutOff(slot, limit)
        return slot

    @property
    def price(self) -> float:
        """Of the next look: above 1 where more are due than the limit allows."""
        return self._pace.calendar.price(self.limit.key) if self.limit is not None else 1.0

    def throttled(self) -> None:
        """The provider has refused a request although it had a slot."""
        if self.limit is not None:
            self._pace.calendar.throttled(self.limit.key, self.limit.rate, now=self._pace.clock())

    def put_off(self, task: Task, later: PutOff) -> Task:
        """The task, to be looked at when its slots come: twice as many as the look has used, or as many as it had.

        Whoever was woken long before his slot (by another clock, or for another reason) has it still. He stays for a
        moment, so that no two clocks can make the state machine spin. Whoever was woken too late is woken earlier.
        """
        if later.slot.at in task.slots:
            lead = self._pace.lead_for(later.limit.key)
            rest = later.slot.at - self._pace.clock() - lead
            self._pace.sleep(max(0.0, min(rest, MOMENT, LEADS * lead)))
        else:
            task = replace(task, reason=UNPACED)
        found = [later.slot, *(Slot(at=at, delay=0.0) for at in self._held)]
        number = max(2 * self.used, len(task.slots))
        after = self._with_slots(replace(task, wakes=task.wakes + 1), later.limit, found, later.slot.at, number)
        if not self._late:
            return after
        earlier = min(1.25 * self._late + self._pace.lead_for(later.limit.key), EARLIER)
        return replace(after, next_poll_at=max(self._pace.clock(), after.slots[0] - earlier))

    def reserved(self, task: Task) -> Task:
        """The task with the slots of its next look, which is due at ``next_poll_at``; with none where nobody asked."""
        due = task.next_poll_at
        if self.limit is None or due is None or task.paused is not None:
            # Who waits for his account reads that first: a slot would be wasted.
            return replace(task, slots=(), limit=None, blind=False)
        return self._with_slots(task, self.limit, [], due, max(1, self.used))

    def _with_slots(self, task: Task, limit: Limit, held: Sequence[Slot], due: float, number: int) -> Task:
        found = list(held)
        while len(found) < number and (not found or found[-1].reserved):
            after = max(due, found[-1].at + self._took + SPARE) if found else due
            slot = self._pace.calendar.reserve(limit.key, limit.rate, after, now=self._pace.clock())
            if found and not slot.reserved:
                break
            found.append(slot)
        return replace(
            task,
            next_poll_at=found[0].at,
            slots=tuple(one.at for one in found),
            limit=limit.key,
            blind=not found[0].reserved,
        )

    def _slot(self, limit: Limit, ahead: float) -> Slot:
        now, task = self._pace.clock(), self._task
        if task.limit == limit.key and not task.blind:
            while self._held:
                at = self._held.pop(0)
                if not slots.missed(at, now):
                    return Slot(at=at, delay=0.0)
                self._late = max(self._late, now - at)
        self._held = []
        slot = self._pace.calendar.reserve(limit.key, limit.rate, now + ahead, now=now)
        if not slot.reserved and self.used:
            # However far that grid's next moment is: a look that never gets its second answer never ends.
            return replace(slot, at=min(slot.at, now + MIDWAY))
        if not slot.reserved and task.blind and task.next_poll_at is not None:
            # Still no calendar, and this was the moment that a grid of its own had given.
            return replace(slot, at=max(now, task.next_poll_at))
        return slot

    def _patience(self, limit: Limit, slot: Slot) -> float:
        """Seconds that the invocation waits for a slot."""
        held = slot.at in self._task.slots
        if self.used and (held or not slot.reserved):
            return MIDWAY
        near = self._pace.near(limit, MIDWAY if self.used else NEAR)
        return max(near, MOMENT) if held else near

"""A caller waits until something changes, and holds a process of ours all the while."""

from collections.abc import Callable
from dataclasses import dataclass

from taskhook.seats import Seats

LONGEST = 25
"""Seconds: the gateway gives up on a function after 29."""
_QUICKLY = 5.0
"""Seconds for which it is looked every half second; after that, every second."""
_SLICE = 5.0
"""Seconds for which a seat is taken at a time: whoever leaves early has not taken it for long."""
LATER = 2
"""Seconds after which a caller should come again who could not wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    seats: Seats
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    def until[T](
        self, read: Callable[[], T], settled: Callable[[T], bool], *, first: T, seconds: float
    ) -> tuple[T, bool]:
        """What is read once it is settled or the time is over; and whether there was a seat for all of that time."""
        began, seated, latest = self.clock(), 0.0, first
        end = began + min(seconds, LONGEST)
        while not settled(latest):
            now = self.clock()
            pause = 0.5 if now - began < _QUICKLY else 1.0
            if now + pause > end:
                break
            if now + pause > seated:
                seated = min(end, now + _SLICE)
                if not self.seats.take(now, seated):
                    return latest, False
            self.sleep(pause)
            latest = read()
        return latest, True

"""A caller waits for a change: it hears of it soon, never waits too long, and never without a seat."""

from typing import Any

import pytest

from taskhook.waiting import LONGEST, Waiting


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Places:
    def __init__(self, free: int) -> None:
        self.free, self.taken = free, [(0.0, 0.0)][:0]

    def take(self, now: float, until: float) -> bool:
        self.taken.append((now, until))
        return len(self.taken) <= self.free


@pytest.fixture
def clock() -> Clock:
    return Clock()


def waiting(clock: Clock, free: int = 99) -> tuple[Waiting, Places]:
    places: Any = Places(free)
    return Waiting(seats=places, clock=clock, sleep=clock.sleep), places


def changes_at(clock: Clock, moment: float) -> Any:
    return lambda: "new" if clock() >= moment else "old"


@pytest.mark.parametrize("after", [0.1, 3.0, 20.0])
def test_a_change_is_seen_within_a_second(clock: Clock, after: float) -> None:
    here, _ = waiting(clock)
    latest, seated = here.until(changes_at(clock, 1000 + after), lambda one: one == "new", first="old", seconds=25)
    assert (latest, seated) == ("new", True)
    assert clock() - 1000 - after <= 1.0


def test_what_is_settled_already_is_not_waited_for(clock: Clock) -> None:
    here, places = waiting(clock)
    assert here.until(lambda: "new", lambda one: one == "new", first="new", seconds=25) == ("new", True)
    assert (clock(), places.taken) == (1000.0, [])


@pytest.mark.parametrize("seconds", [0, 1, 5, 25, 900])
def test_nobody_waits_longer_than_asked_nor_than_the_gateway_does(clock: Clock, seconds: int) -> None:
    here, _ = waiting(clock)
    assert here.until(lambda: "old", lambda one: False, first="old", seconds=seconds) == ("old", True)
    assert clock() - 1000 <= min(seconds, LONGEST)


def test_where_all_seats_are_taken_the_answer_comes_at_once_and_says_so(clock: Clock) -> None:
    here, _ = waiting(clock, free=0)
    assert here.until(lambda: "old", lambda one: False, first="old", seconds=25) == ("old", False)
    assert clock() == 1000.0


def test_seats_are_taken_for_all_of_the_wait_and_in_short_pieces(clock: Clock) -> None:
    here, places = waiting(clock)
    here.until(lambda: "old", lambda one: False, first="old", seconds=25)
    assert len(places.taken) <= 6
    assert all(until - now <= 5 for now, until in places.taken)
    assert places.taken[0][0] == 1000.0
    assert places.taken[-1][1] >= 1024.0

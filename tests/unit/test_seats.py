"""The laws of the seats, against a table in memory whose single writes are atomic, as DynamoDB's are."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from taskhook.pacing import break_even
from taskhook.seats import Seats
from tests.conftest import NOW
from tests.fakes import CounterTable, make_settings, refused

MINUTE = int(NOW) // 60 * 60
FAULTS = [
    refused("ProvisionedThroughputExceededException"),
    refused("AccessDeniedException"),
    ConnectTimeoutError(endpoint_url="https://dynamodb.example.com"),
]

type Span = tuple[float, float]


def process(table: Any, seats: int = 1) -> Seats:
    """A new process, which knows nothing."""
    return Seats(make_settings(sleeping_polls=seats), table)


def lawful(slept: Iterable[Span], seats: int) -> None:
    """Never more sleepers than seats in any second that they touch."""
    sleepers = Counter(second for now, until in slept for second in range(math.floor(now), math.ceil(until)))
    assert max(sleepers.values(), default=0) <= seats


# --- one after the other --------------------------------------------------------------------------------------------


def test_a_seat_is_taken_for_each_second_that_the_sleep_touches_with_one_write() -> None:
    table = CounterTable()
    assert process(table).take(MINUTE + 3.9, MINUTE + 6.1)
    assert table.items == {
        f"seats#{MINUTE // 60}": {
            **{f"s{second}": {"N": "1"} for second in (3, 4, 5, 6)},
            "expires_at": {"N": str(MINUTE + 60 + 600)},
        }
    }
    assert table.writes == 1


def test_a_sleep_across_minutes_takes_the_later_one_first_as_it_is_the_emptier() -> None:
    table = CounterTable()
    assert process(table).take(MINUTE + 55, MINUTE + 65)
    assert list(table.items) == [f"seats#{MINUTE // 60 + 1}", f"seats#{MINUTE // 60}"]
    assert [len(item) - 1 for item in table.items.values()] == [5, 5]


def test_who_finds_no_seat_does_not_sleep_and_asks_again_after_a_second() -> None:
    table = CounterTable()
    assert process(table).take(NOW, NOW + 10)
    other = process(table)
    assert not other.take(NOW + 5, NOW + 6)
    writes = table.writes
    assert not other.take(NOW + 5.9, NOW + 20)
    assert table.writes == writes
    assert other.take(NOW + 10, NOW + 20)


def test_seats_are_free_again_by_themselves() -> None:
    table = CounterTable()
    assert all(process(table, 5).take(NOW, NOW + 10) for _ in range(5))
    assert not process(table, 5).take(NOW + 9, NOW + 12)
    assert all(process(table, 5).take(NOW + 10, NOW + 12) for _ in range(5))


@pytest.mark.parametrize("seats", [0, -1])
def test_without_seats_nobody_asks_for_one(seats: int) -> None:
    table = CounterTable()
    assert not process(table, seats).take(NOW, NOW + 1)
    assert table.writes == 0


def test_an_operator_may_change_the_number_at_any_time() -> None:
    table = CounterTable()
    assert all(process(table, 3).take(NOW, NOW + 10) for _ in range(3))
    assert not process(table, 2).take(NOW, NOW + 10)
    assert process(table, 4).take(NOW, NOW + 10)


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: str(error)[:60])
def test_a_table_that_refuses_has_no_seats_until_it_works_again(error: Exception) -> None:
    table = CounterTable()

    def refuse() -> None:
        raise error

    table.meanwhile, seats = refuse, process(table)
    assert not seats.take(NOW, NOW + 10)
    table.meanwhile = lambda: None
    assert not seats.take(NOW + 0.5, NOW + 10)
    assert seats.take(NOW + 1, NOW + 10)


@pytest.mark.parametrize("rubbish", [{"S": "x"}, {"NULL": True}, {"L": []}])
def test_a_counter_that_makes_no_sense_means_no_seat_in_its_minute_and_no_other(rubbish: dict[str, Any]) -> None:
    table = CounterTable(items={f"seats#{MINUTE // 60}": {"s7": rubbish}})
    assert not process(table).take(MINUTE + 5, MINUTE + 10)
    assert process(table).take(MINUTE + 60, MINUTE + 70)


def test_the_longest_sleep_still_fits_into_one_expression() -> None:
    """DynamoDB takes 4 kB and 300 operators."""
    said: list[str] = []

    class Table:
        def update_item(self, **call: Any) -> None:
            said.extend([call["ConditionExpression"], call["UpdateExpression"]])

    assert process(Table()).take(MINUTE, MINUTE + 60)
    assert break_even(128, "aarch64") < 60
    assert max(map(len, said)) <= 4096
    assert sum(said[0].count(word) for word in ("OR", "AND", "<", "attribute_not_exists")) <= 300


# --- laws -----------------------------------------------------------------------------------------------------------


@dataclass
class Hall:
    """Processes at one table, which now and then refuses, or does as asked and loses the answer."""

    seats: int
    dice: Random
    faults: float
    table: CounterTable = field(default_factory=CounterTable)
    now: float = NOW
    slept: list[Span] = field(default_factory=list)
    processes: list[Seats] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.processes = [process(self, self.seats) for _ in range(4)]
        self.table.meanwhile = self.meanwhile

    def update_item(self, **call: Any) -> Any:
        fault = self.dice.random() < self.faults
        if fault and self.dice.random() < 0.5:
            raise self.dice.choice(FAULTS)
        answer = self.table.update_item(**call)
        if fault:
            raise FAULTS[-1]
        return answer

    def meanwhile(self) -> None:
        """Another process is quicker: between two writes of one, there are any number of others'."""
        if self.dice.random() < 0.3:
            self.take(self.dice.choice(self.processes), self.dice.uniform(0.1, 45))

    def take(self, by: Seats, seconds: float) -> None:
        now = self.now + self.dice.uniform(0, 2)
        if by.take(now, now + seconds):
            self.slept.append((now, now + seconds))


steps = st.lists(
    st.tuples(st.integers(0, 3), st.floats(0, 50), st.sampled_from([0.0, 0.3, 5.0, 31.7, -180.0, 180.0])),
    min_size=1,
    max_size=25,
)


@given(steps, st.integers(1, 4), st.sampled_from([0.0, 0.2]), st.integers(0, 2**32))
@limits(max_examples=60, deadline=None)
def test_never_more_sleep_than_there_are_seats_in_any_interleaving_and_none_leaks(
    steps: list[tuple[int, float, float]], seats: int, faults: float, seed: int
) -> None:
    """By the clocks that the processes read: two that disagree by minutes are two rooms for as long as they do."""
    hall = Hall(seats, Random(seed), faults)  # noqa: S311
    times = [hall.now]
    for number, seconds, passed in steps:
        hall.take(hall.processes[number], seconds)
        hall.now += passed
        times.append(hall.now)
    lawful(hall.slept, seats)
    # Whatever was taken in vain, or by somebody who died: when its seconds are over all seats are free. Time may have
    # gone back since it was taken.
    end = max([*times, *(until for _, until in hall.slept)]) + 250
    hall.faults = 0.0
    hall.table.meanwhile = lambda: None
    taken = [process(hall.table, seats).take(end, end + 40) for _ in range(seats + 1)]
    assert taken == [True] * seats + [False]


@given(st.lists(st.floats(0.01, 45), min_size=1, max_size=30), st.integers(1, 3))
@limits(deadline=None)
def test_whoever_asks_while_a_seat_is_free_gets_it(sleeps: list[float], seats: int) -> None:
    """In one minute, where all is taken or nothing: no seat is lost to those who were refused."""
    table, slept, start = CounterTable(), list[Span](), float(MINUTE)
    for seconds in sleeps:
        free = all(
            sum(math.floor(now) <= second < math.ceil(until) for now, until in slept) < seats
            for second in range(int(start), math.ceil(start + seconds))
        )
        assert process(table, seats).take(start, start + seconds) is free
        if free:
            slept.append((start, start + seconds))
        start = MINUTE + (start + seconds / 3) % 14

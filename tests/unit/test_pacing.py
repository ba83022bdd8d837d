"""One look's slots, and where its waits are spent. Many looks together are in test_looking.py."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from taskhook.pacing import (
    CONNECTS,
    MIDWAY,
    MOMENT,
    NEAR,
    NEAREST,
    ROOM,
    SPARE,
    UNPACED,
    Limit,
    Pace,
    PutOff,
    Turn,
    break_even,
)
from taskhook.providers.catalogue import Catalogue
from taskhook.seats import Seats
from taskhook.slots import LATE, LEAD, Calendar, Rate
from taskhook.task import Task
from tests.conftest import NOW, MakeTask
from tests.fakes import CounterTable, make_settings, refused

FAST = Limit(key="slots#tencent#clb#DescribeTaskStatus#clb.tencentcloudapi.com", rate=Rate(requests=20))
SLOW = replace(FAST, rate=Rate(requests=1, seconds=60))
SUPPORTED = (Rate(requests=1), Rate(requests=100), Rate(requests=100, seconds=60), Rate(requests=1, seconds=60))


@dataclass
class Time:
    """Passes while somebody sleeps. ``off``: by how much the next sleeps are too long, or too short."""

    now: float = NOW
    slept: list[float] = field(default_factory=list)
    off: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.slept.append(seconds)
        self.now += seconds + (self.off.pop(0) if self.off else 0.0)


def paced(time: Time, table: CounterTable | None = None, seats: int = 1, **changes: Any) -> Pace:
    """That of a new process, which knows nothing."""
    settings, client = make_settings(sleeping_polls=seats), table if table is not None else CounterTable()
    values: dict[str, Any] = {
        "calendar": Calendar(settings, client, Random(1)),  # type: ignore[arg-type]  # noqa: S311
        "seats": Seats(settings, client),  # type: ignore[arg-type]
        "default_rate": 10.0,
        "break_even": 45.0,
        "clock": time,
        "sleep": time.sleep,
    }
    return Pace(**{**values, **changes})


def congested(table: CounterTable, limit: Limit, start: float, until: float) -> None:
    """Others have every place up to then."""
    rival = Calendar(make_settings(), table, Random(2))  # type: ignore[arg-type]  # noqa: S311
    while rival.reserve(limit.key, limit.rate, start, now=start).at < until:
        pass


def refusing() -> CounterTable:
    def refuse() -> None:
        raise refused("ProvisionedThroughputExceededException")

    return CounterTable(meanwhile=refuse)


def take(turn: Turn, limit: Limit) -> None:
    """A request's turn, with a connection that takes no time."""
    turn.approach(limit)
    turn.go()


# --- where it is cheaper to wait ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("memory", "machine", "seconds"),
    [(128, "aarch64", 45.1), (128, "x86_64", 36.1), (256, "arm64", 22.6), (512, "aarch64", 11.3), (128, "riscv", 45.1)],
)
def test_the_break_even_is_where_a_lap_of_the_machine_costs_as_much_as_the_sleep(
    memory: float, machine: str, seconds: float
) -> None:
    assert break_even(memory, machine) == pytest.approx(seconds, abs=0.1)


@given(
    wait=st.floats(-400, 400),
    left=st.floats(0, 900),
    lead=st.floats(0.05, 5),
    dear=st.floats(1, 60),
    seats=st.integers(0, 1),
)
def test_nobody_stays_without_the_time_for_a_look_nor_longer_than_leaving_costs_nor_without_a_seat(
    wait: float, left: float, lead: float, dear: float, seats: int
) -> None:
    time, table = Time(), CounterTable()
    stays = paced(time, table, seats, lead=lead, break_even=dear).stays(NOW + wait, left)
    wait = NOW + wait - NOW
    if stays:
        assert left - max(0.0, wait) >= ROOM
        assert wait <= max(lead, dear)
        assert wait <= lead or (seats and table.writes)
    else:
        assert max(0.0, wait) + ROOM > left or wait > lead
    # An execution is woken so early anyway, so that much costs nothing.
    assert stays or wait > lead or left < ROOM + max(0.0, wait)


def test_a_look_that_is_overdue_needs_its_room_all_the_same() -> None:
    assert not paced(Time()).stays(NOW - 180, ROOM - 1)
    assert paced(Time()).stays(NOW - 180, ROOM)


@given(st.floats(0.1, 60), st.lists(st.floats(-0.9, 3), max_size=6))
def test_a_sleep_that_is_broken_off_is_slept_on(seconds: float, off: list[float]) -> None:
    time = Time()

    def sleep(seconds: float) -> None:
        """Until only a part of it has passed, or too late."""
        share = off.pop() if off else 0.0
        time.now += seconds * (1 + share) if share < 0 else seconds + share

    paced(time, sleep=sleep).sleep_until(NOW + seconds)
    assert time.now >= NOW + seconds


def test_a_clock_that_is_set_back_during_a_sleep_makes_nobody_sleep_for_minutes() -> None:
    time = Time(off=[-180.0])
    paced(time).sleep_until(NOW + 10)
    assert time.slept == [10]


# --- the slots of a look --------------------------------------------------------------------------------------------


def test_a_request_waits_for_the_slot_that_the_task_has(make_task: MakeTask) -> None:
    time, table = Time(), CounterTable()
    take(Turn(paced(time, table), make_task(slots=(NOW + 1.25,), limit=FAST.key)), FAST)
    assert time.slept == [1.25]
    assert table.writes == 0


@pytest.mark.parametrize(
    "changes", [{}, {"slots": (NOW + 1,), "limit": "another"}, {"slots": (NOW - 1,), "limit": FAST.key}]
)
def test_who_has_no_slot_or_comes_too_late_reserves_one_on_the_spot(
    make_task: MakeTask, changes: dict[str, Any]
) -> None:
    time, table = Time(), CounterTable()
    take(Turn(paced(time, table), make_task(**changes)), FAST)
    assert NOW + 2 * CONNECTS <= time.now < NOW + 2 * CONNECTS + 0.3
    assert table.writes == 1


@pytest.mark.parametrize("late", [0.0, LATE - 0.01])
def test_a_little_late_is_in_time(make_task: MakeTask, late: float) -> None:
    time, table = Time(), CounterTable()
    take(Turn(paced(time, table), make_task(slots=(NOW - late,), limit=FAST.key)), FAST)
    assert (time.now, table.writes) == (NOW, 0)


def test_who_sleeps_too_long_has_missed_his_slot_and_takes_another_one(make_task: MakeTask) -> None:
    time, table = Time(off=[2.0]), CounterTable()
    take(Turn(paced(time, table), make_task(slots=(NOW + 1,), limit=FAST.key)), FAST)
    assert table.writes == 1
    assert NOW + 3 <= time.now <= NOW + 3.3


def test_a_host_whose_every_sleep_is_too_long_looks_all_the_same(make_task: MakeTask) -> None:
    time, table = Time(off=[0.3] * 50), CounterTable()
    turn = Turn(paced(time, table), make_task(slots=(NOW + 1,), limit=FAST.key))
    take(turn, FAST)
    assert turn.used == 1
    assert time.now < NOW + 6


def test_a_table_that_is_slow_gives_a_slot_that_is_still_to_come(make_task: MakeTask) -> None:
    time, table = Time(), CounterTable()

    def slow() -> None:
        time.now += 0.3

    table.meanwhile = slow
    take(Turn(paced(time, table), make_task()), FAST)
    taken = [
        int(id.split("#")[-1]) * 120 + int(name[1:])
        for id, item in table.items.items()
        for name in item
        if name != "expires_at"
    ]
    assert 0 <= time.now - max(taken) / 4 < 0.25 + LATE
    assert table.writes <= 3


def test_a_slot_that_is_far_away_is_kept_and_the_look_put_off(make_task: MakeTask) -> None:
    """Another clock has woken it, or another reason."""
    time, table = Time(), CounterTable()
    task = make_task(slots=(NOW + 60, NOW + 61), limit=FAST.key)
    turn = Turn(paced(time, table), task)
    with pytest.raises(PutOff) as later:
        take(turn, FAST)
    after = turn.put_off(task, later.value)
    assert (after.slots, after.next_poll_at, after.wakes) == ((NOW + 60, NOW + 61), NOW + 60, 1)
    assert (time.slept, table.writes) == ([MOMENT], 0)


@pytest.mark.parametrize("lead", [0.05, 1.5, 5.0])
def test_who_is_too_early_never_sleeps_past_the_moment_at_which_he_is_woken_again(
    make_task: MakeTask, lead: float
) -> None:
    time, slot = Time(), NOW + lead + MOMENT + 1
    task = make_task(slots=(slot,), limit=FAST.key)
    turn = Turn(paced(time, lead=lead), task)
    with pytest.raises(PutOff) as later:
        take(turn, FAST)
    turn.put_off(task, later.value)
    assert NOW < time.now <= slot - lead


def test_under_congestion_a_look_comes_later_and_says_why(make_task: MakeTask) -> None:
    time, table = Time(), CounterTable()
    congested(table, FAST, NOW, NOW + 40)
    task = make_task()
    turn = Turn(paced(time, table), task)
    with pytest.raises(PutOff) as later:
        take(turn, FAST)
    after = turn.put_off(task, later.value)
    assert (after.reason, after.next_poll_at, len(after.slots)) == (UNPACED, after.slots[0], 1)
    assert NOW + 40 <= after.slots[0] < NOW + 41
    assert time.slept == []


def test_who_has_missed_several_slots_gets_as_many_again(make_task: MakeTask) -> None:
    time, table = Time(), CounterTable()
    congested(table, FAST, NOW, NOW + 40)
    task = make_task(slots=(NOW - 3, NOW - 2, NOW - 1), limit=FAST.key)
    turn = Turn(paced(time, table), task)
    with pytest.raises(PutOff) as later:
        take(turn, FAST)
    assert len(turn.put_off(task, later.value).slots) == 3


@pytest.mark.parametrize("answered", [0.1, 0.8, 7.0])
def test_the_slots_of_pages_lie_as_far_apart_as_answers_take(make_task: MakeTask, answered: float) -> None:
    time, table = Time(), CounterTable()
    task = make_task(next_poll_at=NOW + 300)
    turn = Turn(paced(time, table), task)
    for _ in range(4):
        take(turn, FAST)
        time.now += answered
    after = turn.reserved(task)
    assert len(after.slots) == 4
    assert after.next_poll_at == after.slots[0] >= NOW + 300
    assert all(answered + SPARE <= later - sooner < answered + 1 for sooner, later in pairwise(after.slots))
    # So that with the same answers each of them serves.
    writes, time.now = table.writes, after.slots[0] - LEAD
    again = Turn(paced(time, table), after)
    for _ in range(4):
        take(again, FAST)
        time.now += answered
    assert table.writes == writes


@given(used=st.integers(1, 8), delay=st.floats(5, 60))
@limits(max_examples=20, deadline=None)
def test_put_off_in_the_middle_a_look_has_twice_as_many_slots_the_next_time(used: int, delay: float) -> None:
    time, table = Time(), CounterTable()
    task = Task(id="x", provider="p", account="a", region=None, task_id="1", submitted_at=NOW, deadline=NOW + 999)
    turn = Turn(paced(time, table), task)
    for _ in range(used):
        take(turn, FAST)
    congested(table, FAST, time.now, time.now + delay)
    with pytest.raises(PutOff) as later:
        take(turn, FAST)
    after = turn.put_off(task, later.value)
    assert len(set(after.slots)) == 2 * used
    assert list(after.slots) == sorted(after.slots)


@pytest.mark.parametrize("rate", SUPPORTED, ids=str)
@pytest.mark.parametrize("table", [CounterTable, refusing])
def test_a_look_that_has_begun_gets_its_second_request_unless_others_are_in_its_way(
    make_task: MakeTask, rate: Rate, table: Callable[[], CounterTable]
) -> None:
    """Of all rates that a provider can document, with a calendar or without: a second look would be no better off."""
    time, limit = Time(), replace(FAST, rate=rate)
    turn = Turn(paced(time, table()), make_task(slots=(NOW,), limit=limit.key))
    take(turn, limit)
    take(turn, limit)
    assert turn.used == 2
    assert time.now <= NOW + MIDWAY


def test_how_near_is_near_depends_on_the_rate_and_has_bounds() -> None:
    pace = paced(Time())
    limits_of = [replace(FAST, rate=rate) for rate in SUPPORTED]
    assert all(LEAD + NEAREST <= pace.near(limit) <= LEAD + NEAR for limit in limits_of)
    assert pace.near(FAST) == LEAD + NEAREST
    assert pace.near(SLOW) == LEAD + NEAR


def test_a_task_whose_account_is_refused_reserves_nothing_nor_one_that_nobody_has_asked_about(
    make_task: MakeTask,
) -> None:
    time, table = Time(), CounterTable()
    turn = Turn(paced(time, table), make_task(slots=(NOW,), limit=FAST.key))
    assert turn.reserved(make_task(slots=(NOW,), limit=FAST.key)).slots == ()
    take(turn, FAST)
    paused = turn.reserved(make_task(paused="1", next_poll_at=NOW + 30))
    assert (paused.slots, paused.limit, paused.next_poll_at) == ((), None, NOW + 30)
    ended = turn.reserved(make_task(next_poll_at=None))
    assert (ended.slots, ended.next_poll_at) == ((), None)
    assert table.writes == 0


# --- without a calendar ---------------------------------------------------------------------------------------------


def looked(time: Time, pace: Pace, task: Task) -> tuple[Task, bool]:
    """One invocation: the task after it, and whether a request was sent."""
    turn = Turn(pace, task)
    try:
        take(turn, FAST)
    except PutOff as later:
        return turn.put_off(task, later), False
    return turn.reserved(replace(task, next_poll_at=time.now + 1)), True


def test_without_a_calendar_one_process_sends_at_most_one_request_in_sixty_places(make_task: MakeTask) -> None:
    time = Time()
    pace, tasks, sent = paced(time, refusing()), [make_task(task_id=str(number)) for number in range(3)], []
    for _ in range(60):
        tasks.sort(key=lambda one: one.next_poll_at or 0.0)
        time.now = max(time.now, (tasks[0].next_poll_at or 0.0) - LEAD)
        tasks[0], has_sent = looked(time, pace, tasks[0])
        sent += [time.now] * has_sent
    assert len(sent) >= 30
    assert min(after - before for before, after in pairwise(sent)) >= 60 / FAST.rate.planned - 0.001


def test_who_is_woken_too_early_without_a_calendar_does_not_spin_either(make_task: MakeTask) -> None:
    time = Time()
    task = make_task(slots=(NOW + 180,), next_poll_at=NOW + 180, limit=FAST.key, blind=True)
    after, sent = looked(time, paced(time, refusing()), task)
    assert (sent, after.next_poll_at, after.blind) == (False, NOW + 180, True)
    assert time.slept == [MOMENT]


def test_a_slot_without_a_calendar_is_reserved_as_soon_as_there_is_one(make_task: MakeTask) -> None:
    time, table = Time(NOW + 10), CounterTable()
    task = make_task(slots=(NOW + 10,), next_poll_at=NOW + 10, limit=FAST.key, blind=True)
    after, sent = looked(time, paced(time, table), task)
    assert (sent, after.blind, table.writes) == (True, False, 2)


def test_a_table_that_fails_in_between_leaves_the_slots_that_there_are(make_task: MakeTask) -> None:
    time, table = Time(), CounterTable()
    turn = Turn(paced(time, table), make_task())
    for _ in range(3):
        take(turn, FAST)
    table.meanwhile = fails_after(1)
    after = turn.reserved(make_task(next_poll_at=NOW + 60))
    assert (len(after.slots), after.blind) == (1, False)


def fails_after(calls: int) -> Callable[[], None]:
    made: list[None] = []

    def call() -> None:
        made.append(None)
        if len(made) > calls:
            raise refused("ThrottlingException")

    return call


# --- limits ---------------------------------------------------------------------------------------------------------


def test_one_api_of_one_account_through_one_host_is_one_limit() -> None:
    pace, find = paced(Time()), Catalogue().find
    clb, other = find("tencent.clb.DescribeTaskStatus"), find("tencent.clb.DescribeAsyncJobs")
    assert clb is not None
    assert other is not None
    host = "https://clb.tencentcloudapi.com"
    asked = [
        pace.limit(clb, "tencent", host),
        pace.limit(clb, "tencent", host + "/path?query"),
        pace.limit(clb, "other", host),
        pace.limit(clb, "tencent", "https://clb.intl.tencentcloudapi.com"),
        pace.limit(other, "tencent", host),
    ]
    assert asked[0] == asked[1]
    assert len({one.key for one in asked}) == 4
    assert pace.limit(replace(clb, rate_limit=None), "tencent", host).rate == Rate(requests=10)

"""The laws of the calendar, against a table in memory whose single writes are atomic, as DynamoDB's are."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from queue import Queue
from random import Random
from threading import Semaphore, Thread, get_ident
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from taskhook import config, slots
from taskhook.config import Settings
from taskhook.providers.listing import built_in
from taskhook.slots import Calendar, Rate, Slot, priced, rate
from tests.conftest import NOW
from tests.fakes import CounterTable as Table
from tests.fakes import refused

KEY = "slots#tencent#clb#DescribeTaskStatus#clb.tencentcloudapi.com"
FAST = Rate(requests=20)
SLOW = Rate(requests=100, seconds=60)
RATES = (FAST, SLOW, Rate(requests=100), Rate(requests=1), Rate(requests=2, seconds=60), Rate(requests=5, seconds=2))
SPAN = 30
"""Seconds of one item."""

type Call = Mapping[str, Any]

rates = st.sampled_from(RATES) | st.builds(Rate, requests=st.integers(1, 300), seconds=st.sampled_from([1, 2, 60]))
moments = st.floats(NOW, NOW + 120)


@pytest.fixture(scope="module")
def settings() -> Settings:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TABLE", "tasks")
        return config.settings.__wrapped__()


@pytest.fixture(scope="module")
def process(settings: Settings) -> Callable[..., Calendar]:
    """A new process, which knows nothing, at a table."""

    def make(table: Any, seed: int = 1) -> Calendar:
        return Calendar(settings, table, Random(seed))  # noqa: S311

    return make


type Process = Callable[..., Calendar]


def worst(times: Iterable[float], window: float) -> int:
    """The most requests in any window. Times that are a window apart, but for the float's last digits, are apart."""
    ordered = sorted(times)
    return max(bisect_left(ordered, one + window - 1e-6) - i for i, one in enumerate(ordered))


def lawful(found: Sequence[float], one: Rate) -> None:
    planned = math.ceil(Fraction(9, 10) * one.requests)
    assert len({round(at, 5) for at in found}) == len(found)
    assert worst(found, one.seconds) <= planned
    assert worst(found, 1) <= math.ceil(Fraction(9, 10) * one.requests / one.seconds)


# --- limits and their grid ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "default", "requests", "seconds"),
    [("20/s", 5, 20, 1), ("100/min", 5, 100, 60), (None, 5.0, 5, 1), (None, 0.5, 1, 2), (None, 2.5, 5, 2)],
)
def test_a_rate_is_what_is_documented_else_the_default(
    text: str | None, default: float, requests: int, seconds: int
) -> None:
    assert rate(text, default) == Rate(requests=requests, seconds=seconds)


@pytest.mark.parametrize("text", ["", "20", "20/h", "/s", "0/s", "-1/s", "20/", "many/s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        rate(text, 5)


@pytest.mark.parametrize("default", [0, -1, 1e-9, float("nan")])
def test_a_default_that_is_no_rate_is_refused(default: float) -> None:
    with pytest.raises(ValueError, match=r"."):
        rate(None, default)


def test_every_rate_of_the_catalogue_is_understood() -> None:
    documented = [entry.rate_limit for entry, _ in built_in() if entry.rate_limit]
    assert {rate(text, 5).seconds for text in documented} == {1, 60}


def test_nine_tenths_of_a_limit_are_planned() -> None:
    assert FAST.planned == 18
    assert SLOW.planned == 1.5


@given(rates, st.integers(0, 10**10))
def test_a_place_belongs_to_the_quarter_of_a_second_that_it_lies_in(one: Rate, quarter: int) -> None:
    period = Fraction(10 * one.seconds, 9 * one.requests)
    places = range(one.first(quarter), one.first(quarter + 1))
    assert len(places) == one.room(quarter)
    assert all(quarter <= 4 * place * period < quarter + 1 for place in places)
    following = one.next(quarter)
    assert one.room(following) > 0
    assert following >= quarter
    assert one.first(following) == one.first(quarter)


@given(rates, st.integers(0, 10**9), st.data())
@limits(max_examples=60)
def test_no_window_holds_more_than_the_limit_even_if_each_request_is_late_by_another_bit(
    one: Rate, first: int, data: st.DataObject
) -> None:
    """Twice what ``missed`` allows, in any pattern: the second half is for the network."""
    count = min(3 * one.requests, 120)
    lates = data.draw(
        st.lists(st.sampled_from([0.0, slots.LATE, 2 * slots.LATE - 1e-5]), min_size=count, max_size=count)
    )
    sent = [one.at(first + i) - one.at(first) + late for i, late in enumerate(lates)]
    assert worst(sent, one.seconds) <= one.requests


def test_a_hundred_a_minute_are_never_three_in_a_second() -> None:
    sent = [SLOW.at(10**9 + i) for i in range(500)]
    assert worst(sent, 60) == 90
    assert worst(sent, 1) == 2


def test_a_slot_is_missed_when_more_than_half_of_the_margin_has_passed() -> None:
    assert not slots.missed(NOW, NOW - 3)
    assert not slots.missed(NOW, NOW + 0.05)
    assert slots.missed(NOW, NOW + 0.06)


# --- reserving ------------------------------------------------------------------------------------------------------


@given(rates, st.lists(moments, min_size=1, max_size=60), st.booleans())
@limits(deadline=None)
def test_a_slot_is_the_first_free_place_of_the_first_free_quarter(
    process: Process, one: Rate, dues: list[float], remembers: bool
) -> None:
    """Against a model that tries one quarter after the other, whatever the process has in mind."""
    table, counts = Table(), Counter[int]()
    calendar = process(table)
    for due in dues:
        calendar = calendar if remembers else process(table)
        quarter = math.ceil(Fraction(due) * 4)
        while counts[quarter] >= one.room(quarter):
            quarter += 1
        counts[quarter] += 1
        slot = calendar.reserve(KEY, one, due, now=NOW)
        assert slot.at == one.at(one.first(quarter) + counts[quarter] - 1)
        assert slot.reserved


@given(rates, st.lists(st.tuples(moments, moments), min_size=1, max_size=40))
@limits(deadline=None)
def test_a_slot_is_never_before_it_is_due_nor_before_now(
    process: Process, one: Rate, wishes: list[tuple[float, float]]
) -> None:
    calendar = process(Table())
    found = []
    for due, now in wishes:
        slot = calendar.reserve(KEY, one, due, now=now)
        assert slot.at >= max(due, now)
        assert slot.delay == slot.at - due
        found.append(slot.at)
    lawful(found, one)


@given(st.sampled_from(RATES), st.lists(moments, min_size=2, max_size=60))
@limits(deadline=None)
def test_who_is_due_later_and_asks_later_is_never_served_before(process: Process, one: Rate, dues: list[float]) -> None:
    table = Table()
    found = [process(table).reserve(KEY, one, due, now=NOW).at for due in sorted(dues)]
    assert all(before < after for before, after in pairwise(found))


@pytest.mark.parametrize("one", RATES, ids=str)
def test_a_free_slot_is_near_and_costs_one_write(process: Process, one: Rate) -> None:
    table = Table()
    slot = process(table).reserve(KEY, one, NOW + 7.1, now=NOW)
    assert 0 <= slot.delay <= 0.25 + 1 / one.planned
    assert (table.writes, table.reads) == (1, 0)


def test_a_crowd_is_served_at_the_planned_rate_without_a_gap(process: Process) -> None:
    table = Table()
    calendars = [process(table) for _ in range(5)]
    found = sorted(calendars[i % 5].reserve(KEY, FAST, NOW, now=NOW).at for i in range(900))
    assert found == [FAST.at(FAST.first(4 * int(NOW)) + i) for i in range(900)]
    assert worst(found, 1) == 18


def test_keys_do_not_share_a_limit(process: Process) -> None:
    calendar = process(Table())
    assert len({calendar.reserve(f"slots#{name}", FAST, NOW, now=NOW).at for name in "abc"}) == 1


def test_a_key_is_an_api_of_an_account_through_a_host() -> None:
    some, *_ = (entry for entry, _ in built_in())
    entries = (some, replace(some, action="Another"), replace(some, service="another"))
    keys = {slots.key(account, entry, host) for account in "ab" for entry in entries for host in ("x", "y")}
    assert len(keys) == 12
    assert all(one.startswith("slots#") for one in keys)


def test_items_go_ten_minutes_after_their_last_slot(process: Process) -> None:
    table = Table()
    slot = process(table).reserve(KEY, FAST, NOW + 1000, now=NOW)
    ((id, item),) = table.items.items()
    assert int(item["expires_at"]["N"]) == int(slot.at // SPAN) * SPAN + SPAN + 600
    assert id == f"{KEY}#{int(slot.at // SPAN)}"


def full(table: Table, seconds: int, one: Rate = FAST) -> None:
    """From now on."""
    for item in range(int(NOW) // SPAN, (int(NOW) + seconds) // SPAN):
        counters = {f"s{i}": {"N": str(one.room(120 * item + i))} for i in range(120)}
        table.items[f"{KEY}#{item}"] = counters


def test_a_full_half_minute_is_skipped_with_one_write_and_remembered(process: Process) -> None:
    table = Table()
    full(table, 60)
    calendar, start = process(table), int(NOW) // SPAN * SPAN
    assert calendar.reserve(KEY, FAST, NOW, now=NOW).at == (start + 60)
    assert (table.writes, table.reads) == (3, 0)
    calendar.reserve(KEY, FAST, NOW + 3, now=NOW + 1)
    assert (table.writes, table.reads) == (4, 0)


@pytest.mark.parametrize("minutes", [3, 10, 60, 300])
def test_a_long_backlog_costs_a_new_process_some_reads_and_finds_the_very_next_slot(
    process: Process, minutes: int
) -> None:
    table = Table()
    full(table, 60 * minutes)
    slot = process(table).reserve(KEY, FAST, NOW, now=NOW)
    assert slot.at == int(NOW) // SPAN * SPAN + 60 * minutes
    assert table.writes <= 5
    assert table.reads <= 2 * math.log2(2 * minutes) + 2


@pytest.mark.parametrize("one", [Rate(requests=1, seconds=60), Rate(requests=2, seconds=60), SLOW], ids=str)
def test_a_slow_rate_has_no_gaps_though_half_minutes_may_be_without_a_place(process: Process, one: Rate) -> None:
    table, first = Table(), one.first(4 * int(NOW))
    found = [process(table).reserve(KEY, one, NOW, now=NOW).at for _ in range(60)]
    assert found == [one.at(first + i) for i in range(60)]


def test_what_is_known_to_be_full_does_not_hide_what_is_free_before(process: Process) -> None:
    table = Table()
    calendar = process(table)
    late = [calendar.reserve(KEY, FAST, NOW + 50, now=NOW).at for _ in range(100)]
    assert max(late) > NOW + 55
    assert calendar.reserve(KEY, FAST, NOW + 10, now=NOW).delay < 0.5
    assert calendar.reserve(KEY, FAST, NOW + 51, now=NOW).at > max(late)


def test_a_process_keeps_a_thousand_keys_in_mind_at_most(process: Process) -> None:
    calendar = process(Table())
    for number in range(1100):
        calendar.reserve(f"slots#{number}", FAST, NOW + 5, now=NOW)
    assert len(calendar._keys) == 1000


# --- interleavings --------------------------------------------------------------------------------------------------


@dataclass
class Turns:
    """A table at which processes (threads here) take turns, request by request, in an order that the test chooses."""

    table: Table
    gates: dict[int, Semaphore] = field(default_factory=dict)
    waiting: "Queue[int | None]" = field(default_factory=Queue)

    def update_item(self, **call: Any) -> dict[str, Any]:
        self.waiting.put(get_ident())
        self.gates[get_ident()].acquire()
        return self.table.update_item(**call)

    get_item = update_item
    """Nothing is read where little is full."""

    def run(self, works: Sequence[Callable[[], None]], choose: Callable[[int], int]) -> None:
        def process(work: Callable[[], None]) -> None:
            gate.acquire()
            self.gates[get_ident()] = Semaphore(0)
            work()
            self.waiting.put(None)

        gate = Semaphore(0)
        threads = [Thread(target=process, args=(work,), daemon=True) for work in works]
        ready: list[int] = []
        for thread in threads:
            thread.start()
            gate.release()
            ready += [one for one in [self.waiting.get(timeout=10)] if one is not None]
        while ready:
            self.gates[ready.pop(choose(len(ready)))].release()
            ready += [one for one in [self.waiting.get(timeout=10)] if one is not None]
        for thread in threads:
            thread.join(10)


@given(
    one=st.sampled_from([FAST, SLOW, Rate(requests=3), Rate(requests=40)]),
    wishes=st.lists(st.lists(st.floats(NOW, NOW + 2), min_size=1, max_size=12), min_size=2, max_size=5),
    data=st.data(),
)
@limits(max_examples=60, deadline=None)
def test_no_interleaving_of_processes_grants_more_than_the_cap_or_a_place_twice(
    process: Process, one: Rate, wishes: list[list[float]], data: st.DataObject
) -> None:
    turns, found = Turns(Table()), list[Slot]()

    def work(dues: list[float]) -> Callable[[], None]:
        calendar = process(turns, len(dues))
        return lambda: found.extend(calendar.reserve(KEY, one, due, now=NOW) for due in dues)

    dice = data.draw(st.randoms(use_true_random=False))
    turns.run([work(dues) for dues in wishes], dice.randrange)
    assert len(found) == sum(map(len, wishes))
    assert all(slot.reserved and slot.delay >= 0 for slot in found)
    lawful([slot.at for slot in found], one)


@pytest.mark.parametrize("seed", range(8))
def test_who_loses_races_spreads_and_still_fills_what_it_has_passed_over(process: Process, seed: int) -> None:
    table, lost = Table(), list[int]()

    class Rival:
        """Quicker, six times."""

        def update_item(self, **call: Any) -> dict[str, Any]:
            if len(lost) < 6:
                quarter = int(call["Key"]["id"]["S"].split("#")[-1]) * 120 + int(
                    call["ExpressionAttributeNames"]["#s"][1:]
                )
                for _ in range(FAST.room(quarter)):
                    table.update_item(**call)
                lost.append(quarter)
            return table.update_item(**call)

    calendar = process(Rival(), seed)
    found = [calendar.reserve(KEY, FAST, NOW, now=NOW).at]
    assert max(after - before for before, after in pairwise(lost)) > 1
    while found[-1] < found[0] + 1 or len(found) < 30:
        found.append(calendar.reserve(KEY, FAST, NOW, now=NOW).at)
    taken = {round(18 * at) for at in found} | {
        place for quarter in lost for place in range(FAST.first(quarter), FAST.first(quarter + 1))
    }
    assert sorted(taken) == list(range(18 * int(NOW), 18 * int(NOW) + len(taken)))


# --- the provider says "too many" all the same ----------------------------------------------------------------------


def granted(table: Table, process: Process, one: Rate, start: float, seconds: float) -> int:
    """How many slots a crowd of other processes gets in a stretch of time."""
    calendar, count = process(table), 0
    while calendar.reserve(KEY, one, start, now=start).at < start + seconds:
        count += 1
    return count


@pytest.mark.parametrize("one", [FAST, SLOW, Rate(requests=100)], ids=str)
@pytest.mark.parametrize("processes", [1, 5])
def test_a_throttled_key_is_halved_for_a_minute_for_everybody_and_not_more_by_many(
    process: Process, one: Rate, processes: int
) -> None:
    table = Table()
    for _ in range(processes):
        calendar = process(table)
        for moment in (NOW, NOW + 0.1, NOW + 0.2):
            calendar.throttled(KEY, one, now=moment)
    assert table.writes == 3 * processes
    count = granted(table, process, one, NOW, 60)
    assert abs(count - one.planned * 30) <= 1
    assert abs(granted(table, process, one, NOW + 120, 60) - one.planned * 60) <= 1


def test_a_minute_that_is_full_already_cannot_be_halved_so_the_next_one_is(process: Process) -> None:
    table = Table()
    full(table, 120)
    calendar, start = process(table), int(NOW) // SPAN * SPAN + 120
    calendar.reserve(KEY, FAST, NOW, now=NOW)
    calendar.throttled(KEY, FAST, now=NOW)
    assert abs(granted(table, process, FAST, start, 60) - 540) <= 1


def test_a_key_that_goes_on_being_throttled_stays_halved_with_a_write_for_each_half_minute(process: Process) -> None:
    table = Table()
    calendar = process(table)
    for second in range(300):
        calendar.throttled(KEY, FAST, now=NOW + second)
    assert table.writes == 300 / SPAN + 3
    assert abs(granted(table, process, FAST, NOW, 300) - 9 * 300) <= 1


@given(st.lists(st.tuples(st.booleans(), st.floats(NOW, NOW + 20)), min_size=1, max_size=80))
@limits(deadline=None)
def test_halving_never_gives_a_place_twice(process: Process, steps: list[tuple[bool, float]]) -> None:
    calendar, found = process(Table()), []
    for brakes, moment in steps:
        if brakes:
            calendar.throttled(KEY, FAST, now=moment)
        else:
            found.append(calendar.reserve(KEY, FAST, moment, now=NOW).at)
    if found:
        lawful(found, FAST)


# --- the table refuses ----------------------------------------------------------------------------------------------


FAULTS = [
    refused("ProvisionedThroughputExceededException"),
    refused("ThrottlingException"),
    refused("AccessDeniedException"),
    refused("ResourceNotFoundException"),
    refused("ValidationException"),
    EndpointConnectionError(endpoint_url="https://dynamodb.example.com"),
]


@dataclass
class Broken:
    error: Exception

    def update_item(self, **_: Any) -> dict[str, Any]:
        raise self.error

    get_item = update_item


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__ + str(error)[-60:-20])
def test_a_table_that_refuses_leaves_a_slot_that_is_not_reserved(process: Process, error: Exception) -> None:
    calendar = process(Broken(error))
    slot = calendar.reserve(KEY, FAST, NOW + 30, now=NOW)
    assert not slot.reserved
    assert 0 <= slot.delay == slot.at - NOW - 30 <= 60 / FAST.planned
    calendar.throttled(KEY, FAST, now=NOW)


@given(st.sampled_from(RATES), st.lists(moments, min_size=1, max_size=50))
@limits(deadline=None)
def test_without_a_calendar_sixty_processes_together_keep_to_the_planned_rate(
    process: Process, one: Rate, dues: list[float]
) -> None:
    calendar = process(Broken(FAULTS[0]))
    found = sorted(calendar.reserve(KEY, one, due, now=NOW).at for due in dues)
    assert min(found) >= NOW
    gaps = [after - before for before, after in pairwise(found)]
    assert all(gap >= 60 / one.planned - 1e-5 for gap in gaps)


def test_without_a_calendar_processes_do_not_march_in_step(process: Process) -> None:
    found = {process(Broken(FAULTS[0]), seed).reserve(KEY, FAST, NOW, now=NOW).at for seed in range(30)}
    assert len(found) == 30


def test_without_a_calendar_nothing_piles_up_in_memory(process: Process) -> None:
    calendar = process(Broken(FAULTS[0]))
    for second in range(2000):
        calendar.reserve(KEY, FAST, NOW + 10 * second, now=NOW + 10 * second)
    assert len(calendar._keys[KEY].alone) <= 3


def test_the_calendar_is_used_again_when_the_table_is_back(process: Process) -> None:
    calendar = process(Broken(FAULTS[0]))
    assert not calendar.reserve(KEY, FAST, NOW, now=NOW).reserved
    calendar._client = Table()  # type: ignore[assignment]
    assert calendar.reserve(KEY, FAST, NOW, now=NOW).reserved


def test_a_write_whose_answer_is_lost_wastes_its_place_and_nothing_else(process: Process) -> None:
    table = Table()

    class Deaf:
        def update_item(self, **call: Any) -> dict[str, Any]:
            table.update_item(**call)
            raise FAULTS[-1]

    assert not process(Deaf()).reserve(KEY, FAST, NOW, now=NOW).reserved
    after = process(table)
    found = [after.reserve(KEY, FAST, NOW, now=NOW).at for _ in range(40)]
    assert found[0] == FAST.at(FAST.first(4 * int(NOW)) + 1)
    lawful(found, FAST)


@pytest.mark.parametrize("rubbish", [{"S": "x"}, {"NULL": True}, {"N": "99999"}, {"M": {}}])
def test_a_counter_that_makes_no_sense_is_full(process: Process, rubbish: dict[str, Any]) -> None:
    table = Table()
    item, counter = divmod(4 * int(NOW), 120)
    table.items[f"{KEY}#{item}"] = {f"s{counter + i}": rubbish for i in range(3)}
    slot = process(table).reserve(KEY, FAST, NOW, now=NOW)
    assert slot.reserved
    assert NOW + 0.75 <= slot.at < NOW + 1


@pytest.mark.parametrize("rubbish", ["-3", "1.5", "-1e9", "0"])
@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_counter_that_somebody_has_changed_gives_no_place_that_is_not_its_own(
    process: Process, rubbish: str, place: int
) -> None:
    table = Table()
    item, counter = divmod(4 * int(NOW), 120)
    table.items[f"{KEY}#{item}"] = {f"s{counter + place}": {"N": rubbish}}
    found = [process(table).reserve(KEY, FAST, NOW, now=NOW).at for _ in range(30)]
    assert min(found) >= NOW
    lawful(found, FAST)


def test_the_fullest_item_still_fits_into_one_write_unit(process: Process) -> None:
    """A kilobyte: names as long as they are, numbers half their digits and one, as DynamoDB counts them."""
    table, key = Table(), KEY + "x" * 60
    calendar, start, fast = process(table), int(NOW) // SPAN * SPAN, Rate(requests=100)
    calendar.throttled(key, fast, now=start)
    while calendar.reserve(key, fast, start, now=start).at < start + SPAN:
        pass
    id, item = f"{key}#{start // SPAN}", table.items[f"{key}#{start // SPAN}"]
    sizes = [len(name) + 1 + (len(value.get("N", "1")) + 1) // 2 for name, value in item.items()]
    assert len(sizes) == 122
    assert 700 < len("id") + len(id) + sum(sizes) <= 1024


def test_a_table_that_answers_no_item_is_walked_quarter_by_quarter(process: Process) -> None:
    """As of an emulator that does not know ALL_OLD."""
    table = Table()
    calendar = process(table)
    for _ in range(18):
        calendar.reserve(KEY, FAST, NOW, now=NOW)

    class Terse:
        def update_item(self, **call: Any) -> dict[str, Any]:
            return table.update_item(**{**call, "ReturnValuesOnConditionCheckFailure": "NONE"})

    assert 1 <= process(Terse()).reserve(KEY, FAST, NOW, now=NOW).delay < 1.25


def test_a_table_that_says_full_for_ever_is_not_asked_for_ever(process: Process) -> None:
    calls = []

    class Full(Broken):
        def update_item(self, **call: Any) -> dict[str, Any]:
            calls.append(call)
            raise refused("ConditionalCheckFailedException")

    assert not process(Full(FAULTS[0])).reserve(KEY, FAST, NOW, now=NOW).reserved
    assert len(calls) == 100


# --- the price of congestion ----------------------------------------------------------------------------------------

prices = st.floats(1, 10_000)
seconds = st.floats(0, 1e6)


@given(prices, seconds, seconds, st.floats(1, 1e9))
def test_a_price_is_never_below_one_nor_without_bounds(p: float, wait: float, delay: float, weight: float) -> None:
    assert 1 <= priced(p, wait, delay, weight) <= slots.HIGHEST_PRICE


@given(prices, seconds, seconds, seconds)
def test_more_delay_is_never_cheaper(p: float, wait: float, delay: float, more: float) -> None:
    assert priced(p, wait, delay) <= priced(p, wait, delay + more)


@given(st.floats(1.01, 10_000), st.floats(1, 1e6), st.floats(0, 2))
def test_a_slot_in_time_makes_it_cheaper(p: float, wait: float, delay: float) -> None:
    assert priced(p, wait, delay) < p
    assert priced(p, wait, delay) == pytest.approx(p * (1 - 1 / 2000))


def test_the_price_is_the_measured_one() -> None:
    assert priced(2.0, 100, 30) == pytest.approx(2 * 1.3 ** (2 / 2000))
    assert priced(2.0, 1, 300) == pytest.approx(2 * 1.5 ** (2 / 2000))
    assert priced(1.0, 100, 2) == 1.0


@given(st.floats(1, 20), st.floats(1, 1000), st.floats(0, 1000), st.integers(2, 50))
def test_a_process_that_sees_one_of_many_reservations_counts_it_for_all(
    p: float, wait: float, delay: float, count: int
) -> None:
    each = p
    for _ in range(count):
        each = priced(each, wait, delay)
    assert priced(p, wait, delay, count) == pytest.approx(each)


def test_a_calendar_keeps_the_price_of_each_key(process: Process) -> None:
    calendar = process(Table())
    for _ in range(600):
        calendar.reserve(KEY, FAST, NOW + 2, now=NOW)
    assert 1.1 < calendar.price(KEY) < 2
    assert calendar.price("another") == 1.0
    calendar.reserve(KEY, FAST, NOW + 1000, now=NOW + 900)
    assert calendar.price(KEY) == 1.0


def test_first_looks_do_not_raise_the_price_as_nobody_can_wait_longer_for_them(process: Process) -> None:
    calendar = process(Table())
    for _ in range(300):
        calendar.reserve(KEY, FAST, NOW, now=NOW)
    assert calendar.price(KEY) == 1.0

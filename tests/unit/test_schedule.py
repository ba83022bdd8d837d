"""The laws of looking again, whatever is remembered, reported or rolled; and what is expected of a few histories."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from math import exp, inf, isfinite, log, nan, sqrt
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskhook import schedule
from taskhook.schedule import (
    AGES,
    RATIOS,
    History,
    Progress,
    Urgency,
    estimate,
    learned,
    next_wait,
    rebased,
    unfinished,
)

any_number = st.floats() | st.integers() | st.booleans() | st.decimals() | st.text(max_size=3) | st.none()
names = st.sampled_from(["k", "inf", "b0", "b17", "b41", "b81", "r0", "r20", "r47", "b82", "ttl", "sk"])
any_item = st.dictionaries(names, any_number)
any_age = st.floats()
ages = st.floats(0, 30 * 86_400)
dice = st.integers(0, 2**32)
urgencies = st.sampled_from(list(Urgency))


@st.composite
def histories(draw: st.DrawFn) -> History:
    """As they can come about: buckets with some weight, and never more than the tasks that were seen."""
    k = draw(st.integers(1, 9_000))
    buckets = draw(st.dictionaries(st.integers(0, 81), st.floats(0.001, 1), max_size=12))
    ratios = draw(st.dictionaries(st.integers(0, 47), st.floats(0.001, 1), max_size=6))
    unended = draw(st.floats(0.001, 1) | st.just(0.0))
    whole = sum(buckets.values()) + unended + sum(ratios.values())
    scale = draw(st.floats(0.1, 1)) * min(k, 140) / max(1.0, whole)
    return History(
        k=k,
        ages=tuple(scale * buckets.get(bucket, 0.0) for bucket in range(82)),
        unended=scale * unended,
        ratios=tuple(scale * ratios.get(bucket, 0.0) for bucket in range(48)),
    )


@st.composite
def progresses(draw: st.DrawFn) -> Progress:
    progress = Progress()
    for age in sorted(draw(st.lists(st.floats(0.1, 1e6), max_size=6))):
        progress = progress.moved(age, draw(st.none() | st.floats(0, 1) | st.floats()))
    return progress


def wait(history: History, age: float, seed: int = 1, **changes: Any) -> float:
    return next_wait(history, age, rng=Random(seed), **changes)  # noqa: S311


def looks(history: History, until: float, seed: int = 1) -> list[float]:
    """The ages at which a task that lives so long is looked at; the last is when its end is seen."""
    rng, found = Random(seed), [0.0]  # noqa: S311
    while found[-1] < until:
        found.append(found[-1] + next_wait(history, found[-1], rng=rng))
    return found


def add(item: dict[str, float], increments: Mapping[str, float]) -> None:
    for name, value in increments.items():
        item[name] = item.get(name, 0.0) + value


def after(*durations: float) -> History:
    """What is known when tasks of these durations have been watched, one after the other."""
    item: dict[str, float] = {}
    for seed, duration in enumerate(durations):
        history = History.from_item(item)
        before, then = looks(history, duration, seed)[-2:]
        add(item, learned(history, before, then))
    return History.from_item(item)


def around(seconds: float, spread: float, count: int) -> list[float]:
    rng = Random(7)  # noqa: S311
    return [seconds * exp(rng.gauss(0, spread)) for _ in range(count)]


# Waiting


@given(any_item, any_age, progresses(), urgencies, st.floats(), dice)
def test_a_wait_is_within_bounds_whatever_is_stored_reported_or_said_by_the_clock(
    item: dict[str, Any], age: float, progress: Progress, urgency: Urgency, price: float, seed: int
) -> None:
    seconds = wait(History.from_item(item), age, seed, progress=progress, urgency=urgency, price=price)
    assert schedule.SHORTEST_WAIT <= seconds <= schedule.LONGEST_WAIT


@given(histories(), ages, st.none() | progresses(), dice)
def test_more_urgency_never_means_a_later_look(
    history: History, age: float, progress: Progress | None, seed: int
) -> None:
    high, normal, low = (
        wait(history, age, seed, progress=progress, urgency=urgency)
        for urgency in (Urgency.HIGH, Urgency.NORMAL, Urgency.LOW)
    )
    assert high <= normal * (1 + 1e-9)
    assert normal <= low * (1 + 1e-9)


@given(histories(), ages, progresses(), st.floats(1, 1e7), st.floats(1, 1e7), dice)
def test_a_higher_price_never_means_an_earlier_look(
    history: History, age: float, progress: Progress, one: float, other: float, seed: int
) -> None:
    cheap, dear = (wait(history, age, seed, progress=progress, price=price) for price in sorted((one, other)))
    assert cheap <= dear * (1 + 1e-9)


def test_urgency_and_price_do_change_when_the_next_look_is() -> None:
    history = after(*around(1200, 0.3, 50))
    waits = [wait(history, 900, urgency=urgency) for urgency in (Urgency.HIGH, Urgency.NORMAL, Urgency.LOW)]
    assert waits[0] * 1.5 < waits[1] < waits[2] / 1.5
    assert wait(history, 900, price=4) == pytest.approx(waits[2])


@given(st.floats(-1e6, 0), dice)
def test_a_task_from_the_future_is_as_young_as_can_be(age: float, seed: int) -> None:
    assert wait(History(), age, seed) == wait(History(), 0.0, seed)


def test_without_earlier_tasks_ages_grow_by_a_factor_first_and_waits_by_the_root_later() -> None:
    for seed in range(50):
        factor = exp(sqrt(2 * schedule.RHO / schedule.ALPHA))
        young, old = (age + wait(History(), age, seed) for age in (60.0, 40_000.0))
        assert factor**0.8 * 60 < young < factor**1.2 * 60
        assert old - 40_000 == pytest.approx(2 * sqrt(schedule.CAP * 40_000), rel=0.2)


def test_two_tasks_of_one_moment_do_not_march_in_step() -> None:
    assert len({wait(History(), 600, seed) for seed in range(20)}) == 20


def test_after_200_tasks_of_20_minutes_the_looks_gather_around_20_minutes() -> None:
    history = after(*around(1200, 0.1, 200))
    tens = Counter(int(age // 300) for age in looks(history, 3600)[1:-1])
    assert tens[3] + tens[4] > 5 * tens[1]
    assert tens[3] + tens[4] >= 5
    assert len(looks(history, 1200)) < 0.6 * len(looks(History(), 1200))


def test_between_a_quick_failure_and_a_slow_success_there_are_few_looks() -> None:
    history = after(
        *(length for pair in zip(around(20, 0.2, 100), around(1200, 0.1, 100), strict=True) for length in pair)
    )
    found = looks(history, 1500)
    quick, between, slow = (sum(lo < age <= hi for age in found) for lo, hi in ((12, 32), (60, 800), (900, 1500)))
    assert quick >= 4
    assert slow >= 4
    assert between <= 4


def test_a_new_quick_failure_is_not_late_for_long() -> None:
    for seed in range(20):
        history = after(*around(1200, 0.1, 200))
        seen = looks(history, 20.0, seed)[-1]
        assert seen < 150
    item = history.to_item()
    for seed in range(10):
        history = History.from_item(item)
        add(item, learned(history, *looks(history, 20.0, seed)[-2:]))
    assert looks(History.from_item(item), 20.0)[-1] < 40


def test_tasks_that_never_end_stop_eating_looks() -> None:
    item = after(*around(600, 0.3, 100)).to_item()
    before = len(looks(History.from_item(item), 86_400))
    for _ in range(30):
        add(item, unfinished(History.from_item(item), 86_400.0))
    assert len(looks(History.from_item(item), 86_400)) < 0.8 * before


# Progress


def reported(*marks: tuple[float, float]) -> Progress:
    progress = Progress()
    for age, share in marks:
        progress = progress.moved(age, share)
    return progress


def test_a_percentage_that_moves_beats_the_histogram() -> None:
    history = after(*around(1200, 0.1, 100))
    nearly, hardly = reported((600, 0.5), (1000, 0.99)), reported((600, 0.02), (1000, 0.05))
    assert wait(history, 1000, progress=nearly) < 60
    assert wait(history, 1000, progress=hardly) > 300
    assert 60 < wait(history, 1000) < 300


@pytest.mark.parametrize(
    "marks",
    [
        ((300, 0.5), (600, 1.0)),
        ((300, 0.9), (600, 0.3)),
        ((300, 0.9), (400, 0.3), (600, 0.6)),
        ((300, 0.5), (600, 0.0)),
        ((100, 0.95),),
        ((600, 0.01),),
        ((600, nan),),
        ((600, -1.0),),
        ((600, 7.0),),
    ],
    ids=[
        "at 100 %",
        "back",
        "back and on",
        "back to nothing",
        "stalled",
        "under 2 %",
        "not a number",
        "negative",
        "over 100 %",
    ],
)
def test_a_percentage_that_says_nothing_leaves_it_to_the_histogram(marks: tuple[tuple[float, float], ...]) -> None:
    history = after(*around(1200, 0.3, 50))
    progress = reported(*marks)
    for seed in range(5):
        assert wait(history, 620, seed, progress=progress) == wait(history, 620, seed)
    assert estimate(history, 620, progress) == estimate(history, 620)


@given(histories(), ages, progresses(), st.floats(0.1, 1e6), st.floats(0.1, 1e6), st.floats(0, 1), dice)
def test_at_100_percent_or_after_a_jump_back_the_age_decides(
    history: History, age: float, progress: Progress, one: float, other: float, share: float, seed: int
) -> None:
    first, second = sorted((one, other))
    alone = wait(history, age, seed)
    for broken in (progress.moved(one, 1.0), progress.moved(first, 0.9).moved(second, 0.8 * share)):
        assert wait(history, age, seed, progress=broken) == alone
        assert estimate(history, age, broken) == estimate(history, age)


@given(
    histories(),
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.none() | st.floats(0, 1) | st.floats()), max_size=8),
    st.floats(-1e6, 1e6),
    st.floats(-1e6, 1e6),
    dice,
)
def test_clocks_that_disagree_about_when_a_percentage_was_seen_break_nothing(
    history: History, seen: list[tuple[float, float | None]], lo: float, hi: float, seed: int
) -> None:
    progress = Progress()
    for age, share in seen:
        progress = progress.moved(age, share)
    assert schedule.SHORTEST_WAIT <= wait(history, hi, seed, progress=progress) <= schedule.LONGEST_WAIT
    added = learned(history, lo, hi, progress=progress)
    assert all(isfinite(value) and value >= 0 for value in added.values())
    guess = estimate(history, hi, progress)
    assert guess is None or 0 <= guess.low <= guess.remaining <= guess.high


def test_a_percentage_that_was_seen_at_once_is_no_mark_to_learn_from() -> None:
    soon = Progress(marks=((5e-324, 0.5), (10.0, 0.6)), steady=True)
    assert all(isfinite(value) and value >= 0 for value in learned(History(), 20, 30, progress=soon).values())


def test_of_a_percentage_the_first_of_each_tenth_and_the_latest_are_kept() -> None:
    progress = reported(*((10.0 * step, step / 100) for step in range(1, 78)))
    assert [share for _, share in progress.marks] == [0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.77]


def test_percentages_that_overtake_time_are_learned() -> None:
    """At half of the percent only a tenth of the time has passed."""
    item: dict[str, float] = {}
    for _ in range(60):
        history = History.from_item(item)
        add(item, learned(history, 990, 1010, progress=reported((100, 0.5))))
    history, same = History.from_item(item), reported((200, 0.5))
    before, guess = estimate(History(), 200, same), estimate(history, 200, same)
    assert before is not None
    assert before.remaining == pytest.approx(200, rel=0.1)
    assert guess is not None
    assert guess.remaining == pytest.approx(1800, rel=0.2)


# Remembering


@given(histories(), ages, ages, st.none() | st.floats(), progresses())
def test_what_a_task_adds_is_its_weight_spread_over_buckets(
    history: History, lo: float, hi: float, end: float | None, progress: Progress
) -> None:
    added = learned(history, lo, hi, end=end, progress=progress)
    scale = 2.0 ** (history.k / schedule.HALF_LIFE)
    assert added.pop("k") == 1
    assert all(isfinite(value) and value > 0 and value == float(f"{value:.5g}") for value in added.values())
    assert sum(value for name, value in added.items() if name[0] == "b") == pytest.approx(scale, rel=1e-3)
    assert sum(value for name, value in added.items() if name[0] == "r") == pytest.approx(
        scale if any(name[0] == "r" for name in added) else 0, rel=1e-3
    )


@given(any_age, any_age, any_age)
def test_no_clock_can_make_it_write_nonsense(lo: float, hi: float, end: float) -> None:
    added = learned(History(), lo, hi, end=end)
    assert all(isfinite(value) and value > 0 for value in added.values())
    assert History.from_item(added).k == 1


@given(histories(), ages, ages)
def test_a_task_ended_where_it_was_seen_to_end(history: History, one: float, other: float) -> None:
    lo, hi = sorted((max(1.0, one), max(1.0, other) + 1))
    for name in learned(history, lo, hi):
        if name != "k":
            bucket = int(name[1:])
            assert AGES[bucket] <= hi or bucket == 81
            assert AGES[bucket + 1] >= lo or bucket == 81


def test_an_end_that_the_provider_told_is_believed_within_what_was_seen() -> None:
    assert set(learned(History(), 100, 900, end=500.0)) == {"k", "b39"}
    assert AGES[39] <= 500 < AGES[40]
    assert learned(History(), 100, 900, end=5000.0) == learned(History(), 100, 900)


def test_an_interval_is_shared_out_by_what_others_took() -> None:
    added = learned(after(*around(1200, 0.1, 100)), 300, 3000)
    near = sum(value for name, value in added.items() if name != "k" and 900 < AGES[int(name[1:])] < 1500)
    assert near > 0.8 * sum(value for name, value in added.items() if name != "k")


@given(histories(), ages)
def test_what_an_unended_task_adds_is_its_weight(history: History, age: float) -> None:
    added = unfinished(history, age)
    assert added.pop("k") == 1
    assert added["inf"] > 0
    assert sum(added.values()) == pytest.approx(2.0 ** (history.k / schedule.HALF_LIFE), rel=1e-3)


def test_giving_up_early_says_little_about_whether_tasks_end() -> None:
    history = after(*around(1200, 0.1, 100))
    early, late = unfinished(history, 60.0), unfinished(history, 86_400.0)
    assert early["inf"] < 0.05 * sum(early.values())
    assert set(late) == {"k", "inf"}


@given(histories())
def test_a_history_comes_back_from_its_item(history: History) -> None:
    again = History.from_item(history.to_item())
    assert again.k == history.k
    for one, other in ((again.ages, history.ages), (again.ratios, history.ratios)):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-4)
    assert again.unended == pytest.approx(history.unended, rel=1e-4, abs=1e-4)


def test_a_database_answers_in_decimals() -> None:
    item = after(*around(60, 0.3, 30)).to_item()
    assert History.from_item({name: Decimal(str(value)) for name, value in item.items()}) == History.from_item(item)


@given(any_item)
def test_no_item_can_make_it_raise_or_remember_what_cannot_be(item: dict[str, Any]) -> None:
    history = History.from_item(item)
    assert all(isfinite(value) and value >= 0 for value in (*history.ages, *history.ratios, history.unended))
    assert sum(history.ages) + history.unended <= min(146.5, 1.01 * history.k)


@pytest.mark.parametrize(
    "wrong",
    [
        {"b40": -1.0},
        {"b40": nan},
        {"b40": inf},
        {"b40": "12"},
        {"b40": None},
        {"b40": True},
        {"b40": 1e60},
        {"r3": -1.0},
        {"inf": 10**400},
        {"inf": Decimal("sNaN")},
        {"k": -1},
        {"k": 0},
        {"k": 2.5},
        {"k": nan},
        {"k": "30"},
        {"k": 10**9},
    ],
    ids=str,
)
def test_a_corrupt_item_is_an_empty_one_and_is_healed(wrong: dict[str, Any]) -> None:
    item = after(*around(60, 0.3, 30)).to_item()
    assert History.from_item(item) != History()
    assert rebased(item) is None
    assert History.from_item(item | wrong) == History()
    healed = rebased(item | wrong)
    assert healed == {"k": 0}
    assert rebased(healed) is None


def test_what_belongs_to_the_table_is_none_of_its_business() -> None:
    item = after(*around(60, 0.3, 30)).to_item()
    assert History.from_item(item | {"pk": "hist#tencent", "sk": 0, "ttl": 1e12}) == History.from_item(item)


@given(histories(), st.integers(schedule.REBASE_AFTER + 1, 9_900), ages)
def test_rebasing_changes_no_decision_and_makes_numbers_small(history: History, k: int, age: float) -> None:
    item = replace(history, k=k).to_item()
    smaller = rebased(item)
    assert smaller is not None
    assert max(smaller.values()) < 2e5
    assert rebased(smaller) is None
    assert wait(History.from_item(smaller), age) == pytest.approx(wait(History.from_item(item), age), rel=1e-3)


def test_newer_tasks_count_more() -> None:
    history = after(*around(1200, 0.1, 200), *around(60, 0.1, 150))
    quick, slow = (
        sum(w for w, low in zip(history.ages, AGES[:-1], strict=True) if lo < low < hi)
        for lo, hi in ((30, 120), (600, 2400))
    )
    assert quick == pytest.approx(slow * (2**1.5 - 1) / (1 - 2**-2), rel=0.2)


# Telling people


@given(any_item | histories().map(History.to_item), any_age, st.none() | progresses())
def test_an_estimate_is_a_range_around_it(item: dict[str, Any], age: float, progress: Progress | None) -> None:
    guess = estimate(History.from_item(item), age, progress)
    if guess is not None:
        assert 0 <= guess.low <= guess.remaining <= guess.high < inf
    assert schedule.reason(History.from_item(item), age, progress)


def test_an_estimate_is_right_where_much_is_known() -> None:
    history = after(*around(1200, 0.3, 200))
    young, old = estimate(history, 0.0), estimate(history, 1200.0)
    assert young is not None
    assert young.remaining == pytest.approx(1200, rel=0.12)
    assert young.low == pytest.approx(1200 * exp(-1.28 * 0.3), rel=0.2)
    assert young.high == pytest.approx(1200 * exp(1.28 * 0.3), rel=0.2)
    assert old is not None
    assert 100 < old.remaining < 400


@pytest.mark.parametrize("count", [0, 1, 4])
def test_of_a_few_tasks_no_estimate_is_made(count: int) -> None:
    history = after(*around(1200, 0.3, count))
    assert estimate(history, 60.0) is None
    assert estimate(after(*around(1200, 0.3, 5)), 60.0) is not None


def test_of_a_task_that_outlives_all_others_no_estimate_is_made() -> None:
    assert estimate(after(*around(1200, 0.3, 100)), 40_000.0) is None


@pytest.mark.parametrize(
    ("history", "age", "progress", "says"),
    [
        (History(), 9, None, "no earlier tasks of this kind: the waits grow with the task's age"),
        (after(60), 9, None, "only 1 earlier task of this kind: the waits grow with the task's age"),
        (after(60, 60), 9, None, "only 2 earlier tasks of this kind: the waits grow with the task's age"),
        (after(*around(1200, 0.1, 120)), 60, None, "typical duration 20 min from 120 earlier tasks"),
        (
            after(*around(1200, 0.1, 120)),
            9000,
            None,
            "later than nearly all of them; typical duration 20 min from 120 earlier tasks",
        ),
        (History(k=9, unended=8.0), 60, None, "most of 9 earlier tasks did not end in time"),
        (History(), 420, reported((200, 0.2), (400, 0.42)), "42 % done, about 9 min to go"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_person_is_told_why(history: History, age: float, progress: Progress | None, says: str) -> None:
    assert schedule.reason(history, age, progress) == says


def test_of_very_many_tasks_the_number_is_not_told() -> None:
    item = after(*around(1200, 0.1, 120)).to_item()
    many = replace(History.from_item(item), k=4000)
    assert schedule.reason(many, 60).endswith("from more than 1,000 earlier tasks")


def test_the_buckets_reach_from_half_a_second_to_eight_days_and_from_a_64th_to_64() -> None:
    assert (AGES[0], RATIOS[0]) == (0.5, 1 / 64)
    assert AGES[-1] == pytest.approx(8.6 * 86_400, rel=0.01)
    assert RATIOS[-1] == pytest.approx(64)
    assert log(AGES[1] / AGES[0]) == pytest.approx(log(2) / 4)

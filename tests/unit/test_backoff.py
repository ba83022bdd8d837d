"""The laws of waiting, whatever the dice say."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskhook import backoff

ages = st.floats(0, 30 * 86_400)
dice = st.randoms(use_true_random=False)


def wait(**changes: Any) -> float:
    usual: dict[str, Any] = {"planned": 10.0, "troubles": 1, "rng": Random(1)}  # noqa: S311
    return backoff.trouble_wait(**{**usual, **changes})


@given(ages, st.integers(0, 10_000), st.booleans(), dice)
def test_a_wait_is_never_shorter_than_the_shortest_nor_longer_than_the_longest(
    planned: float, troubles: int, throttled: bool, rng: Random
) -> None:
    seconds = wait(planned=planned, troubles=troubles, throttled=throttled, rng=rng)
    assert backoff.SHORTEST_WAIT <= seconds <= backoff.LONGEST_WAIT


@given(ages, st.integers(0, 50), st.floats(0, 1e12), dice)
def test_a_provider_is_obeyed_for_a_day_at_most(planned: float, troubles: int, asked: float, rng: Random) -> None:
    seconds = wait(planned=planned, troubles=troubles, retry_after=asked, rng=rng)
    assert min(asked, backoff.LONGEST_RETRY_AFTER) <= seconds <= backoff.LONGEST_RETRY_AFTER


@pytest.mark.parametrize("troubles", range(1, 8))
def test_each_further_trouble_doubles_the_wait(troubles: int) -> None:
    before, after = (wait(planned=0, troubles=n) for n in (troubles, troubles + 1))
    assert after == min(2 * before, after)
    assert after >= before


def test_a_throttled_key_gets_more_room_than_a_broken_answer() -> None:
    assert wait(planned=0, throttled=True) >= 3 * wait(planned=0)


def test_an_old_task_is_looked_at_soon_after_a_broken_answer_but_not_when_throttled() -> None:
    assert wait(planned=270) < 10
    assert wait(planned=270, throttled=True) >= 200


def test_two_tasks_of_one_moment_do_not_march_in_step() -> None:
    assert len({wait(troubles=5, rng=Random(seed)) for seed in range(20)}) == 20  # noqa: S311


@given(st.integers(0, 100), st.integers(1, 100), st.none() | st.floats(0, 1e12), dice)
def test_delivery_is_tried_as_often_as_allowed_and_no_more(
    attempts: int, limit: int, asked: float | None, rng: Random
) -> None:
    seconds = backoff.next_delivery_wait(attempts=attempts, limit=limit, retry_after=asked, rng=rng)
    allowed = attempts < min(limit, len(backoff.DELIVERY_SCHEDULE))
    assert (seconds is not None) is allowed
    if seconds is not None:
        longest = max(backoff.DELIVERY_SCHEDULE) * (1 + backoff.JITTER)
        assert min(asked or 0.0, backoff.LONGEST_RETRY_AFTER) <= seconds <= longest


def test_a_receiver_is_never_called_earlier_than_scheduled() -> None:
    for attempts, least in enumerate(backoff.DELIVERY_SCHEDULE):
        seconds = backoff.next_delivery_wait(attempts=attempts, limit=12, rng=Random(attempts))  # noqa: S311
        assert seconds is not None
        assert seconds >= least


def test_the_waits_between_deliveries_only_grow_and_last_about_two_days() -> None:
    assert list(backoff.DELIVERY_SCHEDULE) == sorted(backoff.DELIVERY_SCHEDULE)
    assert 1.5 * 86_400 <= sum(backoff.DELIVERY_SCHEDULE) <= 2.5 * 86_400

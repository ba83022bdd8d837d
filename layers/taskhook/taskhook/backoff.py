"""When to look again, and when to try a delivery again. Pure: the dice come as an argument."""

from random import Random

SHORTEST_WAIT = 2.0
"""Seconds. Below this a person notices no difference and the provider only sees more calls."""
LONGEST_WAIT = 300.0
RELATIVE_WAIT = 0.15
"""A wait as a share of the task's age: polls then grow with the logarithm of the duration, and the news of a task that
took T is at most about 0.15 T late, whatever T is (the geometric schedule is minimax for relative lag)."""
JITTER = 0.15

DELIVERY_SCHEDULE = (0.0, 2.0, 10.0, 30.0, 120.0, 300.0, 900.0, 3600.0, 10800.0, 21600.0, 43200.0, 86400.0)
"""Seconds before each attempt: a person is waiting, so four tries in the first minute, then a tail of two days."""
LONGEST_RETRY_AFTER = 86400.0


def next_wait(
    *,
    elapsed: float,
    polls: int,
    troubles: int,
    rng: Random,
    retry_after: float | None = None,
    throttled: bool = False,
    progress: float | None = None,
    history: object | None = None,
) -> float:
    """Seconds until the next look at a task.

    ``elapsed`` is the task's age in seconds, ``polls`` how often it has been looked at, ``troubles`` how many looks in
    a row got no answer (then the wait doubles each time), ``retry_after`` what the provider asked for. ``progress``
    (0..1) and ``history`` (what is known of past durations) are taken so that a better schedule needs no other caller.
    """
    del polls, progress, history
    wait = max(SHORTEST_WAIT, RELATIVE_WAIT * elapsed)
    if troubles:
        # A throttled key needs room at once; a broken answer is often gone at the second look.
        first = 4 * SHORTEST_WAIT if throttled else SHORTEST_WAIT
        wait = max(wait if throttled else 0.0, first * 2.0 ** min(troubles - 1, 12))
    jittered = min(LONGEST_WAIT, wait) * rng.uniform(1 - JITTER, 1 + JITTER)
    return max(SHORTEST_WAIT, min(LONGEST_WAIT, jittered), min(retry_after or 0.0, LONGEST_RETRY_AFTER))


def next_delivery_wait(*, attempts: int, limit: int, rng: Random, retry_after: float | None = None) -> float | None:
    """Seconds before the next attempt after ``attempts`` of at most ``limit``; None when there is none left."""
    if attempts >= min(limit, len(DELIVERY_SCHEDULE)):
        return None
    wait = DELIVERY_SCHEDULE[attempts] * rng.uniform(1.0, 1 + JITTER)
    return max(wait, min(retry_after or 0.0, LONGEST_RETRY_AFTER))

"""When to look again after a look that brought no answer, and when to try a delivery again. Pure: the dice come as an
argument. When to look again after an answer is schedule.py's affair.
"""

from random import Random

SHORTEST_WAIT = 2.0
"""Seconds before a look that brought no answer is tried again."""
LONGEST_WAIT = 300.0
JITTER = 0.15

DELIVERY_SCHEDULE = (0.0, 2.0, 10.0, 30.0, 120.0, 300.0, 900.0, 3600.0, 10800.0, 21600.0, 43200.0, 86400.0)
"""Seconds before each attempt: a person is waiting, so four tries in the first minute, then a tail of two days."""
LONGEST_RETRY_AFTER = 86400.0


def trouble_wait(
    *,
    planned: float,
    troubles: int,
    rng: Random,
    retry_after: float | None = None,
    throttled: bool = False,
) -> float:
    """Seconds until the next look after ``troubles`` looks in a row that got no answer: doubled each time.

    ``planned`` is the wait that an answer would have led to, ``retry_after`` what the provider asked for. A throttled
    key needs room at once; a broken answer is often gone at the second look.
    """
    first = 4 * SHORTEST_WAIT if throttled else SHORTEST_WAIT
    wait = max(planned if throttled else 0.0, first * 2.0 ** min(max(troubles, 1) - 1, 12))
    jittered = min(LONGEST_WAIT, wait) * rng.uniform(1 - JITTER, 1 + JITTER)
    return max(SHORTEST_WAIT, min(LONGEST_WAIT, jittered), min(retry_after or 0.0, LONGEST_RETRY_AFTER))


def next_delivery_wait(*, attempts: int, limit: int, rng: Random, retry_after: float | None = None) -> float | None:
    """Seconds before the next attempt after ``attempts`` of at most ``limit``; None when there is none left."""
    if attempts >= min(limit, len(DELIVERY_SCHEDULE)):
        return None
    wait = DELIVERY_SCHEDULE[attempts] * rng.uniform(1.0, 1 + JITTER)
    return max(wait, min(retry_after or 0.0, LONGEST_RETRY_AFTER))

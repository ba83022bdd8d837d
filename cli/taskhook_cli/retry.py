"""When to try again: pure, the dice and the clock come as arguments."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random

SHORTEST, LONGEST = 1.0, 30.0
JITTER = 0.2
PASSING = frozenset({408, 425, 429, *range(500, 600)})
"""Statuses that may be better in a moment."""


def is_passing(status: int) -> bool:
    return status in PASSING and status != 501


def backoff(*, failures: int, rng: Random, retry_after: float | None = None) -> float:
    """Seconds before the next try after ``failures`` in a row: doubled each time, and what was asked for at least."""
    wait = min(LONGEST, SHORTEST * 2.0 ** min(max(failures, 1) - 1, 10)) * rng.uniform(1 - JITTER, 1 + JITTER)
    return max(wait, retry_after or 0.0)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds, from either form of the header (RFC 9110, 10.2.3); None without it or when it makes no sense."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.fromtimestamp(now, UTC)).total_seconds())

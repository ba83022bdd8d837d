"""Times are seconds since the epoch inside, RFC 3339 in UTC outside."""

from datetime import UTC, datetime


def rfc3339(seconds: float | None) -> str | None:
    """``2026-11-21T10:00:00Z``, to the second, as every public answer shows times."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_millis(seconds: float) -> str:
    """``2026-11-21T10:00:00.250Z``, for a Step Functions Wait: a second is long for a short task."""
    millis = round(seconds * 1000)
    moment = datetime.fromtimestamp(millis // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{millis % 1000:03d}Z"


def from_rfc3339(text: str) -> float | None:
    """Seconds since the epoch; None for what is no moment, such as a time without its offset: it is nobody's.

    As forgiving as ISO 8601 where the moment is clear: some APIs leave the seconds out.
    """
    try:
        moment = datetime.fromisoformat(text.strip().upper())
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None else None


def duration(seconds: float) -> str:
    """How long, as a person says it: ``8 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    whole = max(0, round(seconds))
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    for index, (name, size) in enumerate(units):
        if whole >= size or size == 1:
            head, rest = divmod(whole, size)
            tail = rest // units[index + 1][1] if size > 1 else 0
            return f"{head} {name}" + (f" {tail} {units[index + 1][0]}" if tail else "")
    raise AssertionError("unreachable: the last unit is a second")

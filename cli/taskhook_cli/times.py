"""RFC 3339 times of the service, as seconds since 1970 and as people read them."""

import time
from datetime import UTC, datetime


def seconds_of(text: object) -> float | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")


def clock_time(seconds: float, now: float) -> str:
    """In the zone of this machine; with the day when it is another one than that of ``now``."""
    moment, today = time.localtime(seconds), time.localtime(now)
    same_day = moment[:3] == today[:3]
    return time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M", moment)

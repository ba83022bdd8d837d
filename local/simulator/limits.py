"""Rates, and nonces that may be used once: what a provider remembers of the requests before."""

import threading
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    requests: int
    seconds: float


class RateLimiter:
    """Counts the requests of each key in a sliding window."""

    def __init__(self) -> None:
        self._recent: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def allows(self, key: str, limit: Limit, now: float) -> bool:
        with self._lock:
            recent = self._recent.setdefault(key, deque())
            while recent and recent[0] <= now - limit.seconds:
                recent.popleft()
            if len(recent) >= limit.requests:
                return False
            recent.append(now)
            return True


class Once:
    """Remembers what it has seen, for as long as a replay would be accepted by its timestamp."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._seen: dict[str, float] = {}
        self._lock = threading.Lock()

    def is_first(self, key: str, now: float) -> bool:
        with self._lock:
            while self._seen and next(iter(self._seen.values())) + self._window < now:
                del self._seen[next(iter(self._seen))]  # a dict keeps the order of arrival: the oldest is first
            if key in self._seen:
                return False
            self._seen[key] = now
            return True

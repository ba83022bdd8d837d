"""What the simulated APIs share: admitting a request, or refusing it in the provider's own words."""

import threading
import uuid
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from local.simulator.credentials import Cloud, Credential
from local.simulator.lives import Answer, Fault, Moment
from local.simulator.loopback import Reply, Request


class Refused(Exception):
    """The provider's answer to a request that it does not serve. ``status`` is the HTTP status it comes with."""

    def __init__(
        self, code: str | int, message: str, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A request whose signature and parameters are in order."""

    task_id: str
    credential: Credential
    region: str | None


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


class Keyring:
    """The credentials of one cloud, by key id."""

    def __init__(self, credentials: Iterable[Credential], cloud: Cloud) -> None:
        self._by_id = {credential.key_id: credential for credential in credentials if credential.cloud == cloud}

    def get(self, key_id: str) -> Credential | None:
        return self._by_id.get(key_id)


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


class Api(Protocol):
    """One simulated API: what it takes, and how it says things."""

    @property
    def name(self) -> str: ...

    @property
    def limit(self) -> Limit | None: ...

    def admit(self, request: Request, now: float) -> Admitted:
        """Raises :class:`Refused`."""

    def refusal(self, refused: Refused, request: Request) -> Reply: ...

    def fault(self, kind: Fault) -> Refused:
        """How this API says THROTTLED, INTERNAL, REFUSED and NOT_FOUND."""

    def answer(self, answer: Answer, moment: Moment, admitted: Admitted) -> Reply: ...


def request_id() -> str:
    return str(uuid.uuid4())

"""How many processes a function of the emulator may have, and who is next when all of them are busy."""

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class FairSemaphore:
    """`threading.Semaphore` gives no promise about who is next; here it is who has waited longest.

    Whoever uses `as_newcomer` lets others go first, but not for ever: every `_SHARE`th place is a newcomer's.
    """

    _SHARE = 4

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[threading.Event] = deque()
        self._newcomers: deque[threading.Event] = deque()
        self._given = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._take(self._waiting)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._given += 1
            turn = self._newcomers if self._given % self._SHARE == 0 else self._waiting
            queue = turn or self._waiting or self._newcomers
            if queue:
                queue.popleft().set()  # the place goes from hand to hand, so nobody can push in
            else:
                self._free += 1

    @contextmanager
    def as_newcomer(self) -> Iterator[None]:
        self._take(self._newcomers)
        try:
            yield
        finally:
            self.__exit__()

    def _take(self, queue: deque[threading.Event]) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Event()
            queue.append(turn)
        turn.wait()


class Regulars:
    """Events that have been seen before: those of a function that is called again and again with the same ones."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: dict[str, None] = {}

    def knows(self, event: object) -> bool:
        """Whether it has been seen; from now on it has."""
        key = json.dumps(event, sort_keys=True, default=str)
        known = key in self._seen
        self._seen[key] = None
        if len(self._seen) > self._most:
            self._seen.pop(next(iter(self._seen)), None)
        return known


_SLEEPER = "WAKE_LEAD_SECONDS"
"""The setting of a function that mostly sleeps, and whose regulars go first.

They have an appointment, a place in a provider's rate limit, and would miss it behind a crowd of first looks.
"""
_PATIENT = 60
"""Seconds of time limit beyond which a function mostly waits, for its turn or for slow receivers: then it may have
three times as many processes as others."""
_WAITS = "LONG_POLLS"
"""The setting of a function in which callers wait: it may have as many."""
_REGULARS = 50_000


def limit_workers(places: int) -> None:
    from ministack.services import lambda_svc

    execute = lambda_svc._execute_function_warm
    semaphores: dict[str, FairSemaphore] = {}
    regulars = Regulars(_REGULARS)
    creating = threading.Lock()

    def _execute_function_warm(func: dict[str, Any], event: object, request_id: str) -> dict[str, Any]:
        config = func.get("config") or func
        with creating:
            variables = config.get("Environment", {}).get("Variables", {})
            sleeps = _SLEEPER in variables
            waits = _WAITS in variables or int(config.get("Timeout", 0)) > _PATIENT
            semaphore = semaphores.setdefault(config["FunctionArn"], FairSemaphore(3 * places if waits else places))
            newcomer = sleeps and not regulars.knows(event)
        with semaphore.as_newcomer() if newcomer else semaphore:
            result: dict[str, Any] = execute(func, event, request_id)
            return result

    lambda_svc._execute_function_warm = _execute_function_warm
    # Upstream counts those that wait here as running, and refuses calls (429) beyond a number that the machine's memory
    # decides. What that number protects is what the places protect already.
    lambda_svc._ACCOUNT_CONCURRENCY_CAP = 0

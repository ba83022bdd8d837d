"""How many processes a function of the emulator may have, and who is next when all of them are busy."""

import threading
from collections import deque
from typing import Any


class FairSemaphore:
    """`threading.Semaphore` gives no promise about who is next; here it is who has waited longest."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Event()
            self._waiting.append(turn)
        turn.wait()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()  # the place goes from hand to hand, so nobody can push in
            else:
                self._free += 1


_SLEEPER = "WAKE_LEAD_SECONDS"
"""The setting of a function that mostly sleeps, and may have twice as many processes."""


def limit_workers(places: int) -> None:
    from ministack.services import lambda_svc

    execute = lambda_svc._execute_function_warm
    semaphores: dict[str, FairSemaphore] = {}
    creating = threading.Lock()

    def _execute_function_warm(func: dict[str, Any], event: object, request_id: str) -> dict[str, Any]:
        config = func.get("config") or func
        with creating:
            sleeps = _SLEEPER in config.get("Environment", {}).get("Variables", {})
            semaphore = semaphores.setdefault(config["FunctionArn"], FairSemaphore(2 * places if sleeps else places))
        with semaphore:
            result: dict[str, Any] = execute(func, event, request_id)
            return result

    lambda_svc._execute_function_warm = _execute_function_warm
    # Upstream counts those that wait here as running, and refuses calls (429) beyond a number that the machine's memory
    # decides. What that number protects is what the places protect already.
    lambda_svc._ACCOUNT_CONCURRENCY_CAP = 0

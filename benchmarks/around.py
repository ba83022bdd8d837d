"""The simulated providers and the receiver of the news, in a process of their own: neither their time nor their memory
is taskhook's.

    with Around() as around:
        around.simulator, around.hook       # addresses
        around.count()                      # how many news have been taken
        around.taken()                      # all of them, as [(id of the task, when), ...]
        around.lasts({"job-1": 90.0})       # the provider's task runs for so long, from when it is first asked about
        around.asked()                      # all requests, as [(provider's task, when, verdict), ...]
"""

import multiprocessing
from collections.abc import Mapping
from math import isfinite
from multiprocessing.connection import Connection
from typing import Any, Self

from local.receiver import Receiver
from local.settings import Config
from local.simulator import ALIBABA, TENCENT, Answer, Life, Outcome, Simulator, Step

SECRET = "whsec_" + "dGhpcyBpcyBhIHNlY3JldCBvZiB0aGUgdGVzdHM="


class Around:
    def __init__(self, *, rate_limits: bool = False) -> None:
        # A fresh interpreter: a forked one would begin with our threads' locks.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, rate_limits), daemon=True)
        self._process.start()
        theirs.close()
        self.simulator, self.hook = self._pipe.recv()

    def config(self) -> Config:
        return {
            "accounts": {"tencent": TENCENT.account(self.simulator), "alibaba": ALIBABA.account(self.simulator)},
            "destinations": {"default": {"type": "webhook", "secret": SECRET, "url": self.hook}},
        }

    def count(self) -> int:
        return int(self._ask("count"))

    def taken(self) -> list[tuple[str, float]]:
        taken: list[tuple[str, float]] = self._ask("taken")
        return taken

    def lasts(self, seconds: Mapping[str, float]) -> None:
        """Infinite: for ever."""
        self._ask("lasts", dict(seconds))

    def asked(self) -> list[tuple[str, float, str]]:
        asked: list[tuple[str, float, str]] = self._ask("asked")
        return asked

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()  # which it takes for the end
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()

    def _ask(self, what: str, *arguments: Any) -> Any:
        self._pipe.send((what, *arguments))
        return self._pipe.recv()


def _serve(pipe: Connection, rate_limits: bool) -> None:
    with Simulator(rate_limits=rate_limits) as simulator, Receiver(secret=SECRET) as receiver:
        pipe.send((simulator.url, receiver.url("/hook")))
        try:
            while True:
                what, *arguments = pipe.recv()
                pipe.send(_answered(simulator, receiver, what, *arguments))
        except (EOFError, KeyboardInterrupt):
            return


def _answered(simulator: Simulator, receiver: Receiver, what: str, *arguments: Any) -> Any:
    match what:
        case "count":
            return len(receiver.messages)
        case "taken":
            return [(str(one.json["data"]["id"]), one.at) for one in receiver.messages if one.status == 204]
        case "asked":
            return [(one.task_id or "", one.at, one.verdict) for one in simulator.log]
        case "lasts":
            for task_id, seconds in arguments[0].items():
                simulator.script(task_id, _life(seconds))
    return None


def _life(seconds: float) -> Life:
    running, succeeded = (Answer(outcome=one) for one in (Outcome.RUNNING, Outcome.SUCCEEDED))
    steps = (Step(says=running, seconds=seconds if isfinite(seconds) else None), Step(says=succeeded))
    return Life(name="timed", about="running for so long, then success", steps=steps)

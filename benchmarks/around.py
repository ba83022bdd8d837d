"""The simulated providers and the receiver of the news, in a process of their own: neither their time nor their memory
is taskhook's.

    with Around() as around:
        around.simulator, around.hook       # addresses
        around.count()                      # how many news have been taken
        around.taken()                      # all of them, as [(id of the task, when), ...]
"""

import multiprocessing
from multiprocessing.connection import Connection
from typing import Any, Self

from local.receiver import Receiver
from local.settings import Config
from local.simulator import ALIBABA, TENCENT, Simulator

SECRET = "whsec_" + "dGhpcyBpcyBhIHNlY3JldCBvZiB0aGUgdGVzdHM="


class Around:
    def __init__(self) -> None:
        # A fresh interpreter: a forked one would begin with our threads' locks.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()  # which it takes for the end
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()

    def _ask(self, what: str) -> Any:
        self._pipe.send(what)
        return self._pipe.recv()


def _serve(pipe: Connection) -> None:
    with Simulator() as simulator, Receiver(secret=SECRET) as receiver:
        pipe.send((simulator.url, receiver.url("/hook")))
        try:
            while True:
                taken = [one for one in receiver.messages if one.status == 204] if pipe.recv() == "taken" else None
                pipe.send(
                    len(receiver.messages)
                    if taken is None
                    else [(str(one.json["data"]["id"]), one.at) for one in taken]
                )
        except (EOFError, KeyboardInterrupt):
            return

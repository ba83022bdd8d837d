"""Many receivers, some with bad habits, and the simulated providers, in a process of their own.

with Farm() as farm:
    farm.simulator                      # address
    farm.webhook("ci", Habit.DOWN)      # the record of a destination with that habit
    farm.acknowledged()                 # how many posts were answered 204
    farm.posts()                        # all of them, in order of arrival
"""

import json
import multiprocessing
import threading
import time
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.connection import Connection
from typing import Any, Self

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from local.simulator import Simulator
from local.simulator.loopback import LoopbackServer, Reply, Request

SECRET = "whsec_" + "dGhpcyBpcyBhIHNlY3JldCBvZiB0aGUgdGVzdHM="
TAKEN = 204
HANG_SECONDS = 15.0
"""Until the connection is closed: longer than anybody waits."""


class Habit(StrEnum):
    """What a receiver does with the attempts of each piece of news before it takes it, if it does."""

    GOOD = "takes it at once"
    DOWN = "500 twice"
    BUSY = "429 once"
    HANGING = "silent once"
    DEAD = "410 always"


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """``status`` 0: there was no answer. ``again``: this piece of news had been answered 204 before it came."""

    destination: str
    task: str
    at: float
    status: int
    again: bool


class Farm:
    def __init__(self) -> None:
        # A fresh interpreter: a forked one would begin with our threads' locks.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self.simulator, self._receivers = self._pipe.recv()

    def webhook(self, name: str, habit: Habit) -> dict[str, Any]:
        return {"type": "webhook", "secret": SECRET, "url": f"{self._receivers}/{habit.name}/{name}"}

    def acknowledged(self) -> int:
        return int(self._ask("acknowledged"))

    def posts(self) -> list[Post]:
        posts: list[Post] = self._ask("posts")
        return posts

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
    receivers = _Receivers()
    with Simulator(rate_limits=False) as simulator, LoopbackServer(receivers.respond) as server:
        pipe.send((simulator.url, server.url))
        try:
            while True:
                pipe.send(receivers.answer(pipe.recv()))
        except (EOFError, KeyboardInterrupt):
            return


class _Receivers:
    def __init__(self) -> None:
        self._webhook = Webhook(SECRET)
        self._lock = threading.Lock()
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._taken: set[tuple[str, str]] = set()
        self._posts: list[Post] = []

    def answer(self, what: str) -> Any:
        with self._lock:
            return len(self._taken) if what == "acknowledged" else list(self._posts)

    def respond(self, request: Request) -> Reply:
        arrived = time.time()
        _, habit, name = request.path.split("/")
        news = (name, request.headers["webhook-id"])
        forged = not self._verified(request)
        with self._lock:
            self._attempts[news] += 1
            reply = Reply(status=401) if forged else _reply(Habit[habit], self._attempts[news])
            post = Post(
                destination=name,
                task=str(json.loads(request.body)["data"]["id"]),
                at=arrived,
                status=0 if reply.hangup else reply.status,
                again=news in self._taken,
            )
            self._posts.append(post)
            if post.status == TAKEN:
                self._taken.add(news)
        return reply

    def _verified(self, request: Request) -> bool:
        try:
            self._webhook.verify(request.body, dict(request.headers), json_parse=False)
        except (WebhookVerificationError, ValueError):  # ValueError: a signature that is not of the expected form
            return False
        return True


def _reply(habit: Habit, attempt: int) -> Reply:
    match habit:
        case Habit.DOWN if attempt <= 2:
            return Reply(status=500, body=b"down")
        case Habit.BUSY if attempt == 1:
            return Reply(status=429, body=b"busy", headers={"Retry-After": "1"})
        case Habit.HANGING if attempt == 1:
            return Reply(hangup=True, delay=HANG_SECONDS)
        case Habit.DEAD:
            return Reply(status=410, body=b"gone")
    return Reply(status=TAKEN)

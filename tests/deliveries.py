"""Deliveries in memory: what they need of the outside, the state machine that carries them, and processes that die."""

import heapq
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from types import SimpleNamespace
from typing import Any, cast

from requests import Request

from taskhook import deliver
from taskhook.errors import ConfigError
from taskhook.http import Answer
from taskhook.secret import Parameters, Seal
from taskhook.slots import Calendar
from taskhook.task import Delivery, Task
from taskhook.telling import Sender
from taskhook.times import from_rfc3339
from tests.conftest import NOW, Clock
from tests.fakes import CounterTable, Line, MemoryLedger, MemoryQueues, MemoryStore, make_settings

URL = "https://hooks.example.com/services/s3cr3t-path"
HOOK = json.dumps({"type": "webhook", "url": URL})
SLACK = json.dumps({"type": "slack", "url": "https://hooks.slack.com/services/T/B/s3cr3t-path"})


def hook(**members: Any) -> str:
    return json.dumps({**json.loads(HOOK), **members})


class Stage:
    """Tasks in memory, a receiver that answers as told, and what is known of its destination, ``ops``.

    It is the parameters too: ``records`` holds the text of each destination, ``versions`` which one that is.
    """

    def __init__(self, *tasks: Task, answers: list[Answer | Exception], record: str | Exception = HOOK) -> None:
        self.store = MemoryStore(*tasks)
        self.line = Line(answers)
        self.queues = MemoryQueues(make_settings())
        self.ledger = MemoryLedger()
        self.clock = Clock(NOW + 100)
        self.table: Any = CounterTable()
        self.id = tasks[0].id if tasks else ""
        self.records: dict[str, str | Exception] = {"ops": record}
        self.versions: dict[str, str] = {}
        self.limit = 12
        self.measured: list[tuple[str, float]] = []

    # --- parameters ---

    def versioned_destination(self, name: str, *, fresh: bool = False) -> tuple[str, str]:
        record = self.records.get(name, ConfigError(f"no destination '{name}' is configured"))
        if isinstance(record, Exception):
            raise record
        return record, self.versions.get(name, "1")

    def destination_version(self, name: str) -> str:
        return self.versions.get(name, "1") if isinstance(self.records.get(name), str) else ""

    def destinations(self) -> dict[str, tuple[str, str]]:
        return {name: self.versioned_destination(name) for name in sorted(self.records)}

    def store_destination(self, name: str, text: str) -> None:
        self.versions[name] = str(int(self.versions.get(name, "1" if name in self.records else "0")) + 1)
        self.records[name] = text

    def remove_destination(self, name: str) -> bool:
        return self.records.pop(name, None) is not None

    # --- the outside of a function ---

    def sleep(self, seconds: float) -> None:
        self.clock.now += seconds

    @property
    def sender(self) -> Sender:
        return Sender(
            store=self.store,
            parameters=cast(Parameters, self),
            seal=cast(Seal, SimpleNamespace(open=lambda task, sealed: json.dumps({"type": "webhook", "url": sealed}))),
            queues=self.queues,
            ledger=self.ledger,
            calendar=Calendar(make_settings(), self.table, Random(1)),  # noqa: S311
            allow_private=False,
            attempts=self.limit,
            clock=self.clock,
            sleep=self.sleep,
            rng=Random(1),  # noqa: S311
            send=self.line,
            measure=lambda name, seconds: self.measured.append((name, seconds)),
        )

    def attempt(self, name: str = "ops", number: int | None = None, id: str | None = None) -> dict[str, Any]:
        task = id or self.id
        watch = number if number is not None else self.store.tasks[task].watch if task in self.store.tasks else 1
        return deliver.attempt(self.sender, task, watch, name)

    # --- what came of it ---

    @property
    def task(self) -> Task:
        return self.store.tasks[self.id]

    @property
    def delivery(self) -> Delivery:
        return self.task.deliveries["ops"]

    @property
    def kept(self) -> list[str]:
        return [one.task for one in self.ledger.held("ops")]

    @property
    def started(self) -> list[tuple[str, int]]:
        return [(body["id"], body["watch"]) for queue, body in self.queues.sent if queue == "tasks"]


class Killed(BaseException):
    """The process is gone, and no ``except Exception`` notices."""


@dataclass
class Process:
    """A function's process, which dies before or after its n-th call of the outside; from then on it does nothing."""

    point: int
    after: bool
    calls: int = 0
    last: str = ""
    """The call that it died at."""
    dead: bool = False
    at_death: Callable[[], list[tuple[str, str]]] = list
    lost: list[tuple[str, str]] = field(default_factory=list)

    def sender(self, whole: Sender) -> Sender:
        parts = ("store", "parameters", "queues", "ledger", "calendar")
        watched: dict[str, Any] = {name: _Watched(self, getattr(whole, name), name) for name in parts}
        for name in ("send", "sleep", "measure"):
            watched[name] = self._call(getattr(whole, name), name)
        return replace(whole, **watched)

    def _call(self, function: Callable[..., Any], label: str) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if self.dead:
                raise Killed
            number, self.calls = self.calls, self.calls + 1
            self.last = label
            if number == self.point and not self.after:
                self._die()
            answer = function(*args, **options)
            if number == self.point:
                self._die()
            return answer

        return call

    def _die(self) -> None:
        self.dead = True
        self.lost = self.at_death()
        raise Killed


class _Watched:
    def __init__(self, process: Process, thing: Any, name: str) -> None:
        self._parts = process, thing, name

    def __getattr__(self, name: str) -> Any:
        process, thing, label = self._parts
        found = getattr(thing, name)
        return process._call(found, f"{label}.{name}") if callable(found) else found


RETRY_SECONDS = 1.0
GRACE_SECONDS = 300.0


@dataclass
class Machine:
    """The state machine, the start function and the reconciler: one execution for each watch, all of them in turn."""

    stage: Stage
    process: Process | None = None
    retries: bool = True
    """Whether a broken invocation is retried; if not, its execution dies with it."""
    waiting: list[tuple[float, int, str, int, str]] = field(default_factory=list)
    begun: set[tuple[str, int]] = field(default_factory=set)
    number: int = 0

    def run(self, *, rounds: int = 500) -> None:
        """Until there is nothing more to do. The reconciler sweeps when nothing else happens."""
        while rounds := rounds - 1:
            self._start()
            if self.waiting:
                self._deliver(*heapq.heappop(self.waiting))
            elif not self._sweep():
                return
        raise AssertionError("this never ends")

    def _start(self) -> None:
        for id, watch in self.stage.started:
            self._begin(self.stage.store.tasks[id], watch)

    def _begin(self, task: Task, watch: int) -> None:
        if (task.id, watch) not in self.begun and task.watch == watch:
            self.begun.add((task.id, watch))
            for name in task.pending:
                self._later(self.stage.clock.now, task.id, watch, name)

    def _later(self, at: float, *what: Any) -> None:
        self.number += 1
        heapq.heappush(self.waiting, (at, self.number, *what))

    def _deliver(self, at: float, number: int, id: str, watch: int, name: str) -> None:
        self.stage.clock.now = max(self.stage.clock.now, at)
        sender = self.stage.sender
        if self.process is not None and not self.process.dead:
            sender = self.process.sender(sender)
        try:
            payload = deliver.attempt(sender, id, watch, name)
        except Killed:
            if self.retries:
                self._later(self.stage.clock.now + RETRY_SECONDS, id, watch, name)
            return
        if not payload["done"]:
            until = from_rfc3339(payload["wait_until"])
            assert until is not None
            self._later(until, id, watch, name)

    def _sweep(self) -> bool:
        """As the reconciler does it: every open task whose execution is gone is watched again."""
        dead = [task for task in self.stage.store.tasks.values() if task.open and task.state.terminal]
        self.stage.clock.now += GRACE_SECONDS if dead else 0.0
        for task in dead:
            self.stage.queues.start_watch(
                self.stage.store.restart(task, now=self.stage.clock.now, restarts=task.restarts + 1)
            )
        return bool(dead)


def ids(requests: list[Request]) -> Iterator[str]:
    """The webhook-id of each."""
    return (cast(Mapping[str, str], request.headers)["webhook-id"] for request in requests)

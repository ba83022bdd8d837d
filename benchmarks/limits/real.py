"""taskhook's own looks: thousands of tasks of one account, and a provider that counts.

The poll function's look loop runs in as many threads as may look and sleep at a time, each with what a container has
in mind, and one table in memory, at the simulated provider in a process of its own, which refuses whatever
exceeds 20 requests in a sliding second. Only the state machine is played: it wakes a task when it asked for, late as
Step Functions and Lambda are (see ``late``). Nothing is known of how long these tasks take, LN(20 min, .6), and for
each one that ends another one is submitted."""

import heapq
import json
import math
import os
import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import pairwise
from random import Random
from statistics import fmean
from threading import Lock
from typing import Any, cast

from benchmarks import deployed
from benchmarks.around import Around
from benchmarks.limits import INVOCATIONS, LIMIT, TRANSITIONS, USEFUL
from benchmarks.limits.fleet import ACCOUNT, Done, Fleet, key, task_id
from benchmarks.limits.race import RATE, worst
from benchmarks.limits.simulated import HERD_SETTLED, jain
from benchmarks.limits.world import MEDIAN, SIGMA, late
from benchmarks.processes import machine_cpu_seconds
from benchmarks.report import met, table
from taskhook import config
from taskhook.accounts import parse_account
from taskhook.bus import Bus
from taskhook.pacing import Pace, break_even
from taskhook.pauses import Pauses
from taskhook.providers.catalogue import Catalogue
from taskhook.queues import Queues
from taskhook.seats import Seats
from taskhook.sharing import Sharing
from taskhook.slots import Calendar
from taskhook.task import Task
from taskhook.watcher import Watcher
from tests.fakes import CounterTable, MemoryDurations, MemoryStore

LEAVING = 250
"""Threads besides those that hold a seat: looks that wait for their slot, and those under way. Lambda has 1,000."""
SPARE = 2000
"""Tasks that may come for those that end."""
AFTER = 20.0
"""Seconds from the last of the first looks until the steady part."""


@dataclass(slots=True)
class Machine:
    """The state machine, its clock, and what it counts."""

    fleet: Fleet
    tasks: int
    within: float
    """Seconds in which they are submitted."""
    rng: Random = field(default_factory=lambda: Random(1))  # noqa: S311
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    number: int = 0
    submitted: dict[str, float] = field(default_factory=dict)
    next_look: dict[str, float] = field(default_factory=dict)
    """Of those that wait: when they are woken."""
    invoked: list[float] = field(default_factory=list)
    transitions: list[float] = field(default_factory=list)
    flying: dict[str, float] = field(default_factory=dict)
    """Invocations that have not ended, since when."""
    done: list[Done] = field(default_factory=list)
    ended: int = 0

    def at(self, when: float, what: Callable[[], None]) -> None:
        self.number += 1
        heapq.heappush(self.events, (when, self.number, what))

    def run(self, until: float) -> None:
        began = time.time()
        for number in range(self.tasks):
            self.at(began + self.within * number / self.tasks, partial(self.fleet.submit, number))
        while (now := time.time()) < until:
            while self.events and self.events[0][0] <= now:
                heapq.heappop(self.events)[2]()
            pause = self.events[0][0] - time.time() if self.events else 1.0
            try:
                self._take(self.fleet.results.get(timeout=min(max(pause, 0.001), 0.25)))
            except queue.Empty:
                continue

    def _take(self, done: Done) -> None:
        self.done.append(done)
        if done.answer is None and not done.error:
            self.submitted[done.id] = done.began
            self._wake(done.id, 1, done.ended)
            return
        del self.flying[done.id]
        # Ended?
        self.transitions.append(done.ended)
        if done.answer is None:
            # The state machine's own retry.
            self._wake(done.id, 1, done.ended + 1)
        elif done.answer["done"]:
            self.next_look.pop(done.id, None)
            self.ended += 1
            self.fleet.submit(self.tasks + self.ended)
        else:
            self.transitions.append(done.ended)
            when = datetime.fromisoformat(done.answer["wait_until"]).timestamp()
            self.next_look[done.id] = when
            self._wake(done.id, int(done.answer["watch"]), max(when, done.ended))

    def _wake(self, id: str, watch: int, when: float) -> None:
        self.at(when + late(self.rng), partial(self._invoke, id, watch))

    def _invoke(self, id: str, watch: int) -> None:
        now = time.time()
        self.flying[id] = now
        self.invoked.append(now)
        self.transitions.append(now)
        self.fleet.invoke(id, watch)

    def seconds(self, since: float, until: float) -> float:
        """Spent in the function between two moments."""
        spans = [(done.began, done.ended) for done in self.done if done.answer is not None]
        spans += [(began, until) for began in self.flying.values()]
        return sum(max(0.0, min(ended, until) - max(began, since)) for began, ended in spans)


def main(tasks: int, within: float, steady: float) -> None:
    seats = int(deployed.default("SleepingPolls"))
    threads = seats + LEAVING
    print(f"{tasks:,} tasks submitted within {within:g} s, {threads} threads that look; {LIMIT}/s in any second")
    herd = max(within, tasks / RATE.planned) + AFTER
    print(f"the herd until {herd:.0f} s, then {steady:.0f} s with all of them in flight\n", flush=True)
    os.environ.update(_environment())
    config.settings.cache_clear()
    with Around(rate_limits=True) as around:
        rng = Random(2)  # noqa: S311
        numbers = range(tasks + SPARE)
        around.lasts({task_id(number): rng.lognormvariate(math.log(MEDIAN), SIGMA) for number in numbers})
        with Fleet(threads, _watchers(around)) as fleet:
            machine = Machine(fleet, tasks, within)
            began, busy = time.time(), machine_cpu_seconds()
            machine.run(began + herd + steady)
            busy = (machine_cpu_seconds() - busy) / (time.time() - began)
        asked = [(name, at, verdict.startswith("answered")) for name, at, verdict in around.asked()]
    _report(machine, asked, (began + HERD_SETTLED, began + herd, began + herd + steady))
    print(f"the machine had {busy:.2f} of its {os.cpu_count()} cores in use, by others too")


class _Store(MemoryStore):
    """Its writes are one step each, for threads."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()

    def create(self, task: Task) -> bool:
        self.tasks[task.id] = task
        return True

    def save_look(self, task: Task, *, polls: int | None = None) -> Task:
        with self._lock:
            return super().save_look(task, polls=polls)


class _Table(CounterTable):
    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()

    def update_item(self, **call: Any) -> dict[str, Any]:
        with self._lock:
            return super().update_item(**call)


def _watchers(around: Around) -> Callable[[int], Watcher]:
    """As functions/poll makes them, in an installation as the template describes it, but for the table: in this
    process, as no emulator of DynamoDB on a small machine writes as often as a herd of thousands."""
    account = parse_account(ACCOUNT, json.dumps(around.config()["accounts"]["tencent"]), allow_insecure=True)
    known, store, client = config.settings(), _Store(), cast(Any, _Table())
    queues, durations = Queues(known), MemoryDurations()

    def made(number: int) -> Watcher:
        pace = Pace(
            calendar=Calendar(known, client),
            seats=Seats(known, client),
            default_rate=known.provider_rate,
            lead=known.wake_lead,
            break_even=break_even(known.memory, "aarch64"),
            clock=time.time,
        )
        return Watcher(
            store=store,
            account=lambda name, *, fresh: account,
            find=Catalogue().find,
            durations=durations,
            pauses=Pauses(store=store, queues=queues, clock=time.time),
            queues=queues,
            bus=Bus(store, known),
            pace=pace,
            sharing=Sharing(store=store, queues=queues, clock=time.time),
            patience=known.patience,
            clock=time.time,
            rng=Random(number),  # noqa: S311
        )

    return made


def _environment() -> dict[str, str]:
    return {
        "TABLE": "tasks",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": deployed.default("PollMemorySize"),
        "PROVIDER_RATE": deployed.default("ProviderRate"),
        "SLEEPING_POLLS": deployed.default("SleepingPolls"),
        "WAKE_LEAD_SECONDS": deployed.default("WakeLeadSeconds"),
    }


type Asked = Sequence[tuple[str, float, bool]]
"""The provider's task, when, and whether it was answered."""


def _report(machine: Machine, asked: Asked, marks: tuple[float, float, float]) -> None:
    """``marks``: when the herd's figures begin, when the steady ones do, and the end."""
    parts = [_part(machine, asked, since, until) for since, until in pairwise(marks)]
    names = [name for name, *_ in parts[0]]
    rows = [(name, *(part[row][1] for part in parts), *parts[1][row][2:]) for row, name in enumerate(names)]
    print(table(("", "herd", "steady", "aim", "met, steady"), rows))
    first = {name: at for name, at, good in reversed(asked) if good}
    waits = sorted(
        first[task_id(number)] - machine.submitted[key(number)]
        for number in range(machine.tasks)
        if task_id(number) in first
    )
    if waits:
        print(
            f"\nthe first look comes after {fmean(waits):.0f} s, p95 {waits[int(0.95 * len(waits))]:.0f} s; "
            f"{len(waits):,} of {machine.tasks:,} tasks had theirs, {machine.ended} have ended"
        )
    late_starts = sorted(done.began - done.asked for done in machine.done)
    print(
        f"an event waits for a thread for {1000 * fmean(late_starts):.0f} ms, "
        f"p99 {1000 * late_starts[int(0.99 * len(late_starts))]:.0f} ms"
    )
    for done in [done for done in machine.done if done.error][:1]:
        print(f"\nthe first broken invocation:\n{done.error}")


def _part(machine: Machine, asked: Asked, since: float, until: float) -> list[tuple[str, str, str, str]]:
    """Rows of name, figure, aim and whether it is met."""
    within = [(name, at, good) for name, at, good in asked if since <= at < until]
    useful = [at for _, at, good in within if good]
    refused = len(within) - len(useful)
    broken = sum(bool(done.error) for done in machine.done if since <= done.began < until)
    count = max(len(useful), 1)
    per_call, transitions = (
        sum(since <= at < until for at in times) / count for times in (machine.invoked, machine.transitions)
    )
    seconds = machine.seconds(since, until) / count
    rate = len(useful) / (until - since)
    fair = jain(_shares(machine, asked))
    most = worst([at for _, at, _ in within]) if within else 0
    return [
        ("useful calls per second", f"{rate:.2f}", f">= {USEFUL:.0f}", met(round(rate, 1) >= USEFUL)),
        ("share of the provider's limit", f"{rate / LIMIT:.2f}", "", ""),
        ("most calls in a sliding second", str(most), f"<= {LIMIT}", met(most <= LIMIT)),
        ("refused", str(refused), "0", met(not refused)),
        (
            "invocations per useful call",
            f"{per_call:.2f}",
            f"{INVOCATIONS:.0f}",
            met(round(per_call, 2) <= INVOCATIONS),
        ),
        (
            "transitions per useful call",
            f"{transitions:.2f}",
            f"<= {TRANSITIONS:.0f}",
            met(round(transitions, 2) <= TRANSITIONS),
        ),
        ("seconds in the function per useful call", f"{seconds:.2f}", "", ""),
        ("broken invocations", str(broken), "0", met(not broken)),
        ("Jain's fairness, at the end", f"{fair:.3f}", "", ""),
    ]


def _shares(machine: Machine, asked: Asked) -> list[float]:
    """Looks per second of each task that waits: one between its latest look and the slot that it has for the next."""
    latest = {name: at for name, at, good in asked if good}
    return [
        1 / (machine.next_look[key(number)] - latest[task_id(number)])
        for number in range(machine.tasks + SPARE)
        if task_id(number) in latest and machine.next_look.get(key(number), 0.0) > latest[task_id(number)] + 1
    ]

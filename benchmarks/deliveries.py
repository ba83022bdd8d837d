"""How soon and how surely news is taken: by receivers that work, and by a farm of which three in ten do not.

Every task succeeds at its first look, so that nothing but the deliveries takes time; see README.md."""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from random import Random
from typing import Any
from urllib.request import Request, urlopen

from benchmarks.client import post_all
from benchmarks.farm import TAKEN, Farm, Habit, Post
from benchmarks.processes import Tree, child_running, machine_cpu_seconds
from benchmarks.report import met, table
from local.run import serving
from local.settings import Settings
from local.simulator import ALIBABA, TENCENT
from local.stack import Stack
from taskhook.store import from_item
from taskhook.task import Delivery, DeliveryState, Task

TASKS, WORKERS = 1000, 3
ROUNDS = {1: 30, 10: 12, 100: 6}
"""How often news goes to so many destinations at once."""
MOST_NAMED = 10
"""Destinations that one post may name."""
WARM_UP = 10
"""Tasks."""
EACH = 3
"""Destinations of a task of the farm."""
RECEIVERS = {Habit.GOOD: 42, Habit.DOWN: 6, Habit.BUSY: 6, Habit.HANGING: 3, Habit.DEAD: 3}
DEADLINE, ROUND_DEADLINE, SETTLE = 1200.0, 60.0, 3.0
"""Seconds for the farm; for a round; and after the last news, in which a duplicate would still come."""
PATIENCE = 10.0
"""Seconds that an attempt may take (ATTEMPT_SECONDS of the product)."""
READERS = 4

_PARAMETERS = {"ApiRate": "100000", "ApiBurst": "100000", "ProviderRate": "10000"}
_CLOUDS = (
    ("alibaba.bdrc", "cn-shanghai"),
    ("alibaba.ecs", "cn-shanghai"),
    ("alibaba.hbr", "cn-shanghai"),
    ("tencent.dlc", "ap-guangzhou"),
)
"""APIs without a documented limit: looking must not be what takes time."""

type Posted = Sequence[tuple[str, ...]]
"""For each task the destinations that it names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """Seconds from when the task's end was seen: to the first attempt, and until it was known to be taken."""

    attempted: float
    acknowledged: float


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One piece of news for one destination, as taskhook shows it and as the receiver had it.

    ``shown`` is the state that ``GET /tasks/{id}/deliveries`` tells, "" where it tells none.
    """

    habit: Habit
    shown: str
    told: bool
    lag: Lag | None
    posts: Sequence[Post]

    @property
    def taken(self) -> bool:
        return any(post.status == TAKEN for post in self.posts)

    @property
    def again(self) -> int:
        return sum(post.again for post in self.posts)

    @property
    def held(self) -> bool:
        return self.shown == DeliveryState.HELD

    @property
    def waits(self) -> bool:
        return self.shown == DeliveryState.PENDING and not self.taken

    @property
    def lost(self) -> bool:
        return not (self.taken or self.held or self.waits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """``settled``: within the deadline. ``broken`` counts executions that failed, ``begun_again`` watches that died."""

    news: list[News]
    posting: float
    seconds: float
    settled: bool
    broken: int
    begun_again: int
    cores_ours: float
    cores_busy: float
    peak_mb: float


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--farm", type=int, default=TASKS, help=f"deliveries: tasks of the farm ({TASKS:,}; 0: none)")
    parser.add_argument("--rounds", type=float, default=1.0, help="deliveries: share of the usual rounds (1; 0: none)")
    parser.add_argument("--workers", type=int, default=WORKERS, help=f"deliveries: processes a function ({WORKERS})")


def main(tasks: int = TASKS, rounds: float = 1.0, workers: int = WORKERS) -> None:
    with tempfile.TemporaryDirectory(prefix="taskhook-bench-") as folder, Farm() as farm:
        settings = Settings(home=Path(folder), port=0, workers_per_function=workers)
        with serving(settings, config=_config(farm), parameters=_PARAMETERS) as stack:
            bench = _Bench(stack, farm)
            bench.warm_up()
            if rounds:
                _print_times({count: bench.times(count, max(1, round(n * rounds))) for count, n in ROUNDS.items()})
            if tasks:
                print(f"  {tasks:,} tasks of {EACH} destinations each ...", flush=True)
                _print_harvest(bench.harvest(tasks), workers)


def _config(farm: Farm) -> dict[str, dict[str, Any]]:
    steady = {name: farm.webhook(name, Habit.GOOD) for name in _steady(max(ROUNDS))}
    return {
        "accounts": {"tencent": TENCENT.account(farm.simulator), "alibaba": ALIBABA.account(farm.simulator)},
        "destinations": steady | {name: farm.webhook(name, habit) for name, habit in _farmers().items()},
    }


def _steady(count: int) -> list[str]:
    return [f"steady-{number}" for number in range(count)]


def _farmers() -> dict[str, Habit]:
    return {f"{habit.name.lower()}-{number}": habit for habit, many in RECEIVERS.items() for number in range(many)}


# --- measuring -------------------------------------------------------------------------------------------------------


class _Bench:
    def __init__(self, stack: Stack, farm: Farm) -> None:
        self._stack = stack
        self._farm = farm
        self._dynamodb = stack.client("dynamodb")
        self._table = stack.outputs()["TableName"]
        self._posted = 0

    def warm_up(self) -> None:
        """Every process has started, has its clients, and has read most destinations once."""
        steady = [tuple(some) for some in batched(_steady(max(ROUNDS)), MOST_NAMED, strict=False)]
        _, ids = self._post(steady[:WARM_UP])
        self._until_told(ids)
        time.sleep(SETTLE)

    def times(self, destinations: int, rounds: int) -> list[list[Lag]]:
        """For each round the lags of its news."""
        notify = [tuple(some) for some in batched(_steady(destinations), MOST_NAMED, strict=False)]
        return [self._round(notify) for _ in range(rounds)]

    def _round(self, notify: Posted) -> list[Lag]:
        _, ids = self._post(notify)
        tasks = self._until_told(ids)
        return [lag for task in tasks for one in task.deliveries.values() if (lag := _lag(task, one))]

    def _until_told(self, ids: Iterable[str]) -> list[Task]:
        ids, deadline = list(ids), time.monotonic() + ROUND_DEADLINE
        while True:
            tasks = list(self._tasks(ids).values())
            if all(one.told for task in tasks for one in task.deliveries.values()):
                return tasks
            if time.monotonic() > deadline:
                raise RuntimeError(f"not all of {len(ids)} tasks' destinations were told in {ROUND_DEADLINE:.0f} s")
            time.sleep(0.1)

    def harvest(self, count: int) -> Harvest:
        dice, names = Random(count), list(_farmers())  # noqa: S311 - the same farm every time
        notify = [tuple(dice.sample(names, EACH)) for _ in range(count)]
        with Tree(child_running("local.emulator")) as tree:
            before, began = (tree.cpu_seconds(), machine_cpu_seconds()), time.monotonic()
            posting, ids = self._post(notify)
            settled = self._until_settled(began + DEADLINE)
            seconds = time.monotonic() - began
            after = (tree.cpu_seconds(), machine_cpu_seconds())
        time.sleep(SETTLE)
        tasks = self._tasks(ids)
        ours, busy = ((then - first) / seconds for first, then in zip(before, after, strict=True))
        return Harvest(
            news=list(self._news(dict(zip(ids, notify, strict=True)), tasks)),
            posting=posting,
            seconds=seconds,
            settled=settled,
            broken=self._broken(),
            begun_again=sum(task.watch > 1 for task in tasks.values()),
            cores_ours=ours,
            cores_busy=busy,
            peak_mb=tree.peak / 1e6,
        )

    def _news(self, notify: dict[str, tuple[str, ...]], tasks: dict[str, Task]) -> Iterator[News]:
        habits, posts = _farmers(), _by_news(self._farm.posts())
        with ThreadPoolExecutor(READERS) as readers:
            for id, shown in zip(notify, readers.map(self._shown, notify), strict=True):
                for name in notify[id]:
                    delivery = tasks[id].deliveries[name]
                    yield News(
                        habit=habits[name],
                        shown=shown.get(name, ""),
                        told=delivery.told,
                        lag=_lag(tasks[id], delivery),
                        posts=posts.get((name, id), []),
                    )

    def _shown(self, id: str) -> dict[str, str]:
        request = Request(f"{self._stack.url}/tasks/{id}/deliveries", headers={"x-api-key": self._stack.api_key})
        with urlopen(request, timeout=60) as answer:
            return {one["destination"]: one["state"] for one in json.load(answer)["deliveries"]}

    def _until_settled(self, deadline: float) -> bool:
        """Whether no task needs an execution any more."""
        while left := self._open():
            if time.monotonic() > deadline:
                print(f"  {left:,} tasks have not settled in {DEADLINE:.0f} s", flush=True)
                return False
            time.sleep(1)
        return True

    def _open(self) -> int:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            IndexName="open",
            Select="COUNT",
            KeyConditionExpression="#open = :yes",
            ExpressionAttributeNames={"#open": "open"},
            ExpressionAttributeValues={":yes": {"S": "yes"}},
        )
        return sum(page["Count"] for page in pages)

    def _post(self, notify: Posted) -> tuple[float, list[str]]:
        """Seconds, and the tasks' ids in the order of ``notify``."""
        first = self._posted
        self._posted += len(notify)
        bodies = [_body(first + number, names) for number, names in enumerate(notify)]
        seconds, answers = post_all(f"{self._stack.url}/tasks", bodies, {"x-api-key": self._stack.api_key})
        ids = {answer["task_id"]: answer["id"] for answer in answers}
        return seconds, [ids[body["task_id"]] for body in bodies]

    def _tasks(self, ids: Iterable[str]) -> dict[str, Task]:
        """From the table itself, which has fractions of a second where the API has none."""
        found: dict[str, Task] = {}
        for some in batched(ids, 100, strict=False):
            left: Any = {self._table: {"Keys": [{"id": {"S": id}} for id in some], "ConsistentRead": True}}
            while left:
                answer = self._dynamodb.batch_get_item(RequestItems=left)
                tasks = map(from_item, answer["Responses"][self._table])
                found |= {task.id: task for task in tasks}
                left = answer.get("UnprocessedKeys")
        return found

    def _broken(self) -> int:
        machine, steps = self._stack.outputs()["StateMachineArn"], self._stack.client("stepfunctions")
        pages = (
            page
            for status in ("FAILED", "TIMED_OUT", "ABORTED")
            for page in steps.get_paginator("list_executions").paginate(stateMachineArn=machine, statusFilter=status)
        )
        return sum(len(page["executions"]) for page in pages)


def _body(number: int, names: tuple[str, ...]) -> dict[str, Any]:
    provider, region = _CLOUDS[number % len(_CLOUDS)]
    return {"provider": provider, "task_id": f"instant-{number:06}", "region": region, "notify": list(names)}


def _lag(task: Task, delivery: Delivery) -> Lag | None:
    if task.observed_at is None or delivery.first_at is None or delivery.told_at is None:
        return None
    return Lag(attempted=delivery.first_at - task.observed_at, acknowledged=delivery.told_at - task.observed_at)


def _by_news(posts: Iterable[Post]) -> dict[tuple[str, str], list[Post]]:
    found: dict[tuple[str, str], list[Post]] = {}
    for post in posts:
        found.setdefault((post.destination, post.task), []).append(post)
    return found


# --- printing --------------------------------------------------------------------------------------------------------


def _print_times(measured: dict[int, list[list[Lag]]]) -> None:
    header = ("destinations", "rounds", "first attempt p50 ms", "p95 ms", "acknowledged p50 ms", "p95 ms", "last ms")
    rows = []
    for count, rounds in measured.items():
        attempted = [lag.attempted for one in rounds for lag in one]
        acknowledged = [lag.acknowledged for one in rounds for lag in one]
        last = statistics.median(max(lag.acknowledged for lag in one) for one in rounds)
        rows.append(
            (
                f"{count:,}",
                f"{len(rounds)}",
                *(f"{1000 * share:,.0f}" for share in (*_p50_p95(attempted), *_p50_p95(acknowledged), last)),
            )
        )
    print("From a task's end being seen to its news, webhooks on loopback\n")
    print(table(header, rows), "\n")


def _p50_p95(values: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]


def _print_harvest(harvest: Harvest, workers: int) -> None:
    columns = ("news", "taken", "held", "waiting", "lost", "twice", "posts", "p50 s", "p95 s", "last s")
    rows = [_row(habit.value, [one for one in harvest.news if one.habit is habit]) for habit in RECEIVERS]
    print(f"\nA farm of {sum(RECEIVERS.values())} receivers, {workers} processes per function\n")
    print(table(("receiver", *columns), [*rows, _row("all", harvest.news)]), "\n")
    print(table(("", "measured"), list(_figures(harvest, workers))), "\n")
    print(table(("aim", "measured", "met"), list(_judged(harvest))), "\n")


def _row(what: str, news: Sequence[News]) -> tuple[str, ...]:
    lags = [one.lag.acknowledged for one in news if one.lag]
    counts = (
        len(news),
        sum(one.taken for one in news),
        sum(one.held for one in news),
        sum(one.waits for one in news),
        sum(one.lost for one in news),
        sum(one.again for one in news),
        sum(len(one.posts) for one in news),
    )
    seconds = (f"{share:,.1f}" for share in (*_p50_p95(lags), max(lags))) if lags else ("-", "-", "-")
    return what, *(f"{count:,}" for count in counts), *seconds


def _figures(harvest: Harvest, workers: int) -> Iterator[tuple[str, str]]:
    taken = sum(one.taken for one in harvest.news)
    silent = sum(post.status == 0 for one in harvest.news for post in one.posts)
    yield "posting", f"{harvest.posting:.1f} s"
    yield "until all has settled" if harvest.settled else "given up after", f"{harvest.seconds:.1f} s"
    yield "  at least, as silence takes so long", f"{silent * PATIENCE / workers:.1f} s"
    yield "taken per second", f"{taken / harvest.seconds:.1f}"
    yield "executions that failed", f"{harvest.broken}"
    yield "watches begun again", f"{harvest.begun_again}"
    yield "cores ours, cores busy", f"{harvest.cores_ours:.2f}, {harvest.cores_busy:.2f}"
    yield "peak", f"{harvest.peak_mb:,.0f} MB"


def _judged(harvest: Harvest) -> Iterator[tuple[str, ...]]:
    news = harvest.news
    lost, waiting = sum(one.lost for one in news), sum(one.waits for one in news)
    yield "all news is taken or held", f"{lost} lost, {waiting} waiting", met(not lost and not waiting)
    again = sum(one.again for one in news)
    yield "none comes again after its 2xx", f"{again} again", met(not again)
    wrongly = sum(one.held != (one.habit is Habit.DEAD) for one in news)
    yield "held is what goes to the dead, and nothing else", f"{wrongly} otherwise", met(not wrongly)
    differ = sum(one.taken != one.told for one in news)
    yield "what is shown as delivered has been taken", f"{differ} otherwise", met(not differ)
    yield f"all has settled within {DEADLINE:,.0f} s", f"{harvest.seconds:.0f} s", met(harvest.settled)


if __name__ == "__main__":
    main()

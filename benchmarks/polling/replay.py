"""Tasks watched by a schedule: how many looks each took, how late its end was seen, and what that costs."""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from random import Random

import numpy as np

from benchmarks.polling.anchors import Anchor
from benchmarks.polling.shapes import DEADLINE, Floats
from taskhook.schedule import CAP, RHO, History, Progress, learned, next_wait, unfinished

IN_FLIGHT = 20
LOOK = 0.5
SLEPT = 1.667
"""Dollars per million: 300 ms of a 128 MB arm64 function for a look, and each second that it waits by itself."""
LEFT = 75.2
"""Three transitions and an invocation; so above 45 s the state machine waits."""
FIXED = 128.0
"""What a task costs besides: five transitions, three invocations, two writes."""

type Reports = Callable[[int, float], float | None]
"""The share that a task reports, by its number and the share of its duration that has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One row per task. ``lag`` is not a number for those that never ended, ``dollars`` per million tasks."""

    durations: Floats
    looks: Floats
    lag: Floats
    dollars: Floats

    def __getitem__(self, rows: slice) -> "Watched":
        return Watched(**{one.name: getattr(self, one.name)[rows] for one in fields(self)})

    @property
    def late(self) -> float:
        return float(np.nanmean(self.lag))

    @staticmethod
    def joined(parts: "Iterable[Watched]") -> "Watched":
        rows = list(parts)
        return Watched(
            **{one.name: np.concatenate([getattr(row, one.name) for row in rows]) for one in fields(Watched)}
        )


def wait_cost(wait: float) -> float:
    return LOOK + min(SLEPT * wait, LEFT)


def follow(times: list[float], durations: Floats) -> Watched:
    """A schedule that is the same for every task. Its last look is at the deadline."""
    ages = np.array(times)
    seen = np.searchsorted(ages, np.minimum(durations, DEADLINE))
    costs = np.cumsum(LOOK + np.minimum(SLEPT * np.diff(ages, prepend=0.0), LEFT))
    lag = np.where(durations <= DEADLINE, ages[seen] - durations, np.nan)
    return Watched(
        durations=durations, looks=np.asarray(seen + 1.0, dtype=np.float64), lag=lag, dollars=FIXED + costs[seen]
    )


def follow_anchor(anchor: Anchor, durations: Floats, seed: int) -> Watched:
    rng = Random(seed)  # noqa: S311
    if not anchor.random:
        return follow(anchor.times(rng), durations)
    return Watched.joined(follow(anchor.times(rng), durations[row : row + 1]) for row in range(len(durations)))


def follow_learning(
    durations: Floats,
    seed: int,
    *,
    rho: float = RHO,
    cap: float = CAP,
    reports: Reports | None = None,
) -> Watched:
    """taskhook itself, task after task from an empty history, about ``IN_FLIGHT`` at a time."""
    rng, item, history = Random(seed), dict[str, float](), History()  # noqa: S311
    apart = float(np.minimum(durations, DEADLINE).mean()) / IN_FLIGHT
    looks, lag, dollars = (np.zeros(len(durations)) for _ in range(3))
    lag[:] = np.nan
    progress = [Progress()] * len(durations)
    due = [(task * apart, task, 0.0, -1.0) for task in range(len(durations))]
    while due:
        now, task, age, before = heapq.heappop(due)
        duration = durations[task]
        if before >= 0:
            looks[task] += 1
            dollars[task] += wait_cost(age - before)
        if age >= duration or age >= DEADLINE:
            added = (
                learned(history, before, age, progress=progress[task]) if age >= duration else unfinished(history, age)
            )
            lag[task] = age - duration if duration <= DEADLINE else np.nan
            for name, weight in added.items():
                item[name] = item.get(name, 0.0) + weight
            history = History.from_item(item)
            continue
        if reports is not None:
            progress[task] = progress[task].moved(age, reports(task, age / duration))
        wait = next_wait(history, age, rng=rng, progress=progress[task], rho=rho, cap=cap)
        then = min(age + wait, DEADLINE)
        heapq.heappush(due, (now + then - age, task, then, age))
    return Watched(durations=durations, looks=looks, lag=lag, dollars=FIXED + dollars)

"""What a schedule that learns is bad at: tasks that change, the first tasks of all. And what progress is worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from unittest.mock import patch

import numpy as np

from benchmarks.polling.replay import Reports, Watched, follow, follow_learning
from benchmarks.polling.shapes import DEADLINE, SHAPES, Floats
from taskhook import schedule

STEADY, AFTER = 400, 400
WINDOWS = (slice(0, 25), slice(25, 100), slice(100, 400))
_BEFORE, _THEN = slice(STEADY // 2, STEADY), slice(STEADY, STEADY + AFTER)
USUAL, QUICK = 1200.0, 20.0
SPREAD = 0.3


def shortened(rng: np.random.Generator) -> Floats:
    """Four times as quick, all of a sudden."""
    return USUAL / 4 * np.exp(SPREAD * rng.standard_normal(AFTER))


def failing(rng: np.random.Generator) -> Floats:
    """From now on one in ten fails after 20 s."""
    usual, quick = (at * np.exp(SPREAD * rng.standard_normal(AFTER)) for at in (USUAL, QUICK))
    return np.asarray(np.where(rng.random(AFTER) < 0.1, quick, usual))


def slower(rng: np.random.Generator) -> Floats:
    return USUAL * 4 * np.exp(SPREAD * rng.standard_normal(AFTER))


CHANGES = {"4 times as quick": shortened, "1 in 10 fails after 20 s": failing, "4 times as slow": slower}


@dataclass(frozen=True, slots=True)
class Change:
    """Looks per task before and after, and the mean lag of the tasks concerned, by windows of tasks."""

    before: float
    after: float
    lags: tuple[float, ...]

    @property
    def row(self) -> tuple[str, ...]:
        return f"{self.before:.1f}", f"{self.after:.1f}", *(f"{lag:.0f}" for lag in self.lags)


def after(change: str, replicates: int, omega: float = schedule.OMEGA) -> tuple[Change, Change]:
    """Ours, and the constant that looks as often before."""
    rng = np.random.default_rng(11)
    runs = []
    with patch.object(schedule, "OMEGA", omega):
        for seed in range(replicates):
            before = USUAL * np.exp(SPREAD * rng.standard_normal(STEADY))
            runs.append(follow_learning(np.concatenate([before, CHANGES[change](rng)]), seed))
    ours = _change(runs, change)
    steady = np.concatenate([run[_BEFORE].durations for run in runs])
    apart = float(steady.mean()) / (ours.before - 0.5)
    fixed = [follow([*np.arange(apart, DEADLINE, apart), DEADLINE], run.durations) for run in runs]
    return ours, _change(fixed, change)


def _change(runs: Sequence[Watched], change: str) -> Change:
    before, then = (np.concatenate([run[rows].looks for run in runs]) for rows in (_BEFORE, _THEN))
    new = [run[_THEN] for run in runs]
    concerned = 5 * QUICK if CHANGES[change] is failing else DEADLINE
    late = np.array([np.where(run.durations < concerned, run.lag, np.nan) for run in new])
    lags = tuple(float(np.nanmean(late[:, window])) for window in WINDOWS)
    return Change(float(before.mean()), float(then.mean()), lags)


def first_tasks(name: str, replicates: int) -> list[tuple[float, float]]:
    """Looks and mean lag of task 1, 2-10, 11-30, 31-100 of a kind."""
    shape = next(shape for shape in SHAPES if shape.name == name)
    runs = [follow_learning(shape.draw(100, seed), seed) for seed in range(replicates)]
    windows = (slice(0, 1), slice(1, 10), slice(10, 30), slice(30, 100))
    return [
        (float(np.mean([run[one].looks for run in runs])), float(np.nanmean([run[one].lag for run in runs])))
        for one in windows
    ]


def reports(count: int, seed: int) -> Reports:
    """A percentage as it is: not linear (x to the power of g, log-normal .35); one in ten waits at 99 % for its last
    third, one in ten says nothing."""
    rng = np.random.default_rng(seed)
    power = np.exp(0.35 * rng.standard_normal(count))
    kind = rng.random(count)

    def report(task: int, part: float) -> float | None:
        if kind[task] < 0.1:
            return None
        if kind[task] < 0.2:
            return float(min(0.99, (part * 1.5) ** power[task]))
        return float(part ** power[task])

    return report

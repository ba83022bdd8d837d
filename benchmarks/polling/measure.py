"""The runs that the tables are made of, and what is read off them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import inf, sqrt

import numpy as np

from benchmarks.polling.anchors import Anchor
from benchmarks.polling.optimum import optimum
from benchmarks.polling.replay import Watched, follow, follow_anchor, follow_learning
from benchmarks.polling.shapes import DEADLINE, SHAPES, Floats, Shape, phases
from taskhook.schedule import CAP, RHO

TASKS, WARM = 1200, 400
"""Of each shape; the first are not counted, where taskhook has still to learn."""
LAMBDAS = (0.0025, 0.03, 0.12, 0.5, 2.0, 4.0, 10.0, 30.0, 100.0)
"""Seconds of lag that one look is worth at any age: the right measure where mean seconds count."""

type Runs = Mapping[str, Watched]
"""By the name of the shape."""
type Worth = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    looks: float
    lag: float
    p95: float
    relative: float
    ended: float
    dollars: float

    def cost(self, worth: float) -> float:
        return worth * self.looks + self.lag * self.ended


def figures(*parts: tuple[float, Watched]) -> Figures:
    """Of tasks of several shapes, each with its share."""
    all_ = Watched.joined(watched for _, watched in parts)
    weight = np.concatenate([np.full(len(watched.looks), share / len(watched.looks)) for share, watched in parts])
    weight /= weight.sum()
    ended = np.isfinite(all_.lag)
    lag, of_ended = all_.lag[ended], weight[ended] / weight[ended].sum()
    order = np.argsort(lag)
    place = int(np.searchsorted(np.cumsum(of_ended[order]), 0.95))
    return Figures(
        looks=float(weight @ all_.looks),
        lag=float(of_ended @ lag),
        p95=float(lag[order[min(place, len(order) - 1)]]),
        relative=float(of_ended @ (lag / all_.durations[ended])),
        ended=float(weight[ended].sum()),
        dollars=float(weight @ all_.dollars),
    )


def of_mix(runs: Runs) -> Figures:
    return figures(*((shape.mix, runs[shape.name]) for shape in SHAPES if shape.mix))


@cache
def durations(shape: Shape) -> Floats:
    return shape.draw(TASKS, seed=len(shape.name))


def constant(seconds: float) -> Worth:
    return lambda ages: np.full_like(ages, seconds)


def by_default(ages: Floats) -> Floats:
    return np.minimum(RHO * ages, CAP)


def priced(runs: Watched) -> float:
    """What a task costs in looks, a second of lag at what it is worth by default."""
    return float(runs.looks.mean() + np.nansum(runs.lag / by_default(runs.durations)) / len(runs.lag))


@cache
def learning(rho: float = RHO, cap: float = CAP) -> Runs:
    return {shape.name: follow_learning(durations(shape), 1, rho=rho, cap=cap)[WARM:] for shape in SHAPES}


def absolute(worth: float) -> Runs:
    return learning(inf, worth)


def anchored(anchor: Anchor) -> Runs:
    return {shape.name: follow_anchor(anchor, durations(shape)[WARM:], 1) for shape in SHAPES}


def optimal(worth: Worth) -> Runs:
    """With the law known, and where laws take turns, whose turn it is."""

    def of(shape: Shape) -> Watched:
        drawn, turns = durations(shape)[WARM:], phases(shape, TASKS)[WARM:]
        laws = enumerate(shape.laws)
        return Watched.joined(follow(optimum(law, worth), drawn[turns == turn]) for turn, law in laws)

    return {shape.name: of(shape) for shape in SHAPES}


def tuned_constants(worth: float) -> Runs:
    """The best constant for each shape, sqrt(2 λ E[T]), as an operator who knows the mean would set it."""

    def of(shape: Shape) -> Watched:
        drawn = durations(shape)[WARM:]
        apart = max(1.0, sqrt(2 * worth * float(np.minimum(drawn, DEADLINE).mean())))
        return follow([*np.arange(apart, DEADLINE, apart), DEADLINE], drawn)

    return {shape.name: of(shape) for shape in SHAPES}


def at_equal(curve: Sequence[Figures], peer: Figures) -> tuple[float, float]:
    """The peer's lag over ours at as many looks, and its looks over ours at as much lag, between the runs of a curve.

    Not a number where the curve does not reach so far."""
    looks, lag = (np.log([getattr(one, name) for one in curve]) for name in ("looks", "lag"))
    ours = np.interp(np.log(peer.looks), looks[::-1], lag[::-1], left=np.nan, right=np.nan)
    looked = np.interp(np.log(peer.lag), lag, looks, left=np.nan, right=np.nan)
    return float(peer.lag / np.exp(ours)), float(peer.looks / np.exp(looked))

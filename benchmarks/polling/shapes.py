"""How long tasks take: shapes, not data of providers. Medians and spreads are those of reference/polling.md."""

from dataclasses import dataclass
from math import erf, exp, inf, log, sqrt

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]

DEADLINE = 6 * 3600.0
"""Seconds after which a task is given up. The product's default is a day, which is harder on constant intervals."""


@dataclass(frozen=True, slots=True)
class LogNormal:
    median: float
    sigma: float

    def cdf(self, at: float) -> float:
        return 0.5 + 0.5 * erf(log(max(at, 1e-9) / self.median) / self.sigma / sqrt(2))

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        return self.median * np.exp(self.sigma * rng.standard_normal(count))


@dataclass(frozen=True, slots=True)
class Pareto:
    least: float
    tail: float

    def cdf(self, at: float) -> float:
        return 1 - (self.least / at) ** self.tail if at > self.least else 0.0

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        return np.asarray(self.least * rng.random(count) ** (-1 / self.tail))


@dataclass(frozen=True, slots=True)
class Exponential:
    mean: float

    def cdf(self, at: float) -> float:
        return 1 - exp(-at / self.mean)

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        return rng.exponential(self.mean, count)


class Never:
    def cdf(self, at: float) -> float:
        return 0.0

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        return np.full(count, inf)


type Part = tuple[float, LogNormal | Pareto | Exponential | Never]


@dataclass(frozen=True, slots=True)
class Law:
    """A mixture of (share, law)."""

    parts: tuple[Part, ...]

    def cdf(self, at: float) -> float:
        return sum(share * part.cdf(at) for share, part in self.parts)

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        kinds = rng.choice(len(self.parts), size=count, p=[share for share, _ in self.parts])
        return np.choose(kinds, [part.draw(count, rng) for _, part in self.parts])


@dataclass(frozen=True, slots=True)
class Shape:
    """``mix`` is the share of these tasks in the mix. More than one law: they take turns, ``BLOCK`` tasks each."""

    name: str
    laws: tuple[Law, ...]
    mix: float = 0.0

    def draw(self, count: int, seed: int) -> Floats:
        rng = np.random.default_rng(seed)
        turns = phases(self, count)
        drawn = np.stack([law.draw(count, rng) for law in self.laws])
        return np.asarray(drawn[turns, np.arange(count)])


BLOCK = 250


def phases(shape: Shape, count: int) -> NDArray[np.int64]:
    """Which law each of the tasks follows."""
    return np.arange(count) // BLOCK % len(shape.laws)


def _one(*parts: Part) -> tuple[Law, ...]:
    return (Law(parts),)


SHAPES = (
    Shape("short", _one((1.0, LogNormal(6, 0.5))), 0.40),
    Shape("long", _one((1.0, LogNormal(1200, 0.6))), 0.15),
    Shape("bimodal", _one((0.3, LogNormal(25, 0.4)), (0.7, LogNormal(900, 0.25))), 0.10),
    Shape("longer", _one((1.0, LogNormal(3600, 0.5))), 0.10),
    Shape("heavy tail", _one((1.0, Pareto(30, 1.2))), 0.10),
    Shape("some never", _one((0.95, LogNormal(600, 0.5)), (0.05, Never())), 0.10),
    Shape("narrow", _one((1.0, LogNormal(900, 0.08))), 0.05),
    Shape("memoryless", _one((1.0, Exponential(600)))),
    Shape("changing", (Law(((1.0, LogNormal(1200, 0.3)),)), Law(((1.0, LogNormal(300, 0.3)),)))),
)

"""When to look again at a task, learned from the tasks of its kind that have ended. Pure: the dice come as an argument.

Looks as dense as sqrt(h / 2λ) at every age are the cheapest there are: h is the chance that the task ends now, given
that it has not, and λ how many seconds of lag one look is worth. h comes from a histogram of durations and a prior that
knows no scale, α/age. The prior alone gives ages that grow by a factor, and from ``CAP / RHO`` seconds on waits that
grow with the square root of the age; neither needs to know how long tasks take. docs/polling.md has the figures.

Where the provider reports progress, the same rule works on another axis: not the age, but the time since the report as
a share of what was left, had all gone on evenly.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from math import exp, isfinite, log, sqrt
from random import Random
from typing import Any

from taskhook.times import duration

GROWTH = 2**0.25
_STEP = log(GROWTH)
AGES = tuple(0.5 * GROWTH**bucket for bucket in range(83))
"""Seconds: the edges of 82 buckets, from half a second to 8.6 days."""
RATIOS = tuple(2.0**-6 * GROWTH**bucket for bucket in range(49))
"""What was left over what was to be expected: the edges of 48 buckets, from 1/64 to 64."""
_AGES, _RATIOS = len(AGES) - 1, len(RATIOS) - 1

ALPHA = 0.5
KAPPA = 4.0
"""The prior is worth four tasks: what little is known does not yet make anybody wait,"""
OMEGA = 0.04
"""and never less than this share of the tasks that are still possible: the belief that this one is of a new kind."""
RHO = 0.02
CAP = 10.0
"""Seconds. λ is two hundredths of the task's age, and no more than this."""
JITTER = 0.15
SHORTEST_WAIT = 1.0
LONGEST_WAIT = 3600.0
_DEAREST = 1e6
_OLDEST = 1e9

HALF_LIFE = 100
"""Tasks. One that ended so many tasks ago counts half."""
REBASE_AFTER = 5000
"""Tasks. DynamoDB keeps 38 digits: what the first task wrote and what the last one adds must both fit into them."""
REBASED = 1000
_ABSURD = 2 * REBASE_AFTER
_MOST = 1.01 / (1 - 2 ** (-1 / HALF_LIFE))
"""The weight of endlessly many tasks, and room for rounding."""

EARLIEST_SHARE = 0.02
FOLLOWING = 4.0
"""λ times this while a percentage is followed: each look brings a new estimate, so many are not needed."""
STALLED = 4.0
"""A percentage says nothing any more when it has stood still for so many times what was left."""
_RATIO_PRIOR = 5.0
_RATIO_SIGMA = 0.7
_HALFWAY = sqrt(GROWTH)

ENOUGH = 5
"""Tasks of a kind that must have ended before anybody is told when the next one will."""
_DUST = 1e-4
"""A weight, or a share of one, that is not worth writing."""
_COMPARABLE = 2.0
"""Weight of earlier tasks that ran as long as this one already has, below which they say nothing about it."""


class Urgency(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


STRETCH = {Urgency.LOW: 4.0, Urgency.NORMAL: 1.0, Urgency.HIGH: 0.25}
"""Factors on λ: waits are twice or half as long."""


@dataclass(frozen=True, kw_only=True)
class History:
    """How long the tasks of one kind took, newer ones counting more. No slots: what follows from it is kept with it.

    ``k`` tasks have been seen, of which ``unended`` (a weight, like the buckets) had not ended when we gave them up.
    """

    k: int = 0
    ages: tuple[float, ...] = (0.0,) * _AGES
    unended: float = 0.0
    ratios: tuple[float, ...] = (0.0,) * _RATIOS

    @staticmethod
    def from_item(item: Mapping[str, Any]) -> "History":
        """Of what is stored, ``{"k": 312, "b17": ..., "inf": ..., "r20": ...}``. One wrong number: all is empty."""
        k = _number(item.get("k", 0))
        if k is None or k != int(k) or k > _ABSURD:
            return History()
        decay = 2.0 ** (-k / HALF_LIFE)
        weights = {name: _number(item[name]) for name in _NAMES if name in item}
        known = {name: value * decay for name, value in weights.items() if value is not None}
        ages = tuple(known.get(f"b{bucket}", 0.0) for bucket in range(_AGES))
        ratios = tuple(known.get(f"r{bucket}", 0.0) for bucket in range(_RATIOS))
        most = min(_MOST, 1.01 * k)
        if len(known) < len(weights) or sum(ages) + known.get("inf", 0.0) > most or sum(ratios) > most:
            return History()
        return History(k=int(k), ages=ages, unended=known.get("inf", 0.0), ratios=ratios)

    def to_item(self) -> dict[str, float]:
        scale = 2.0 ** (self.k / HALF_LIFE)
        weights = zip(_NAMES, (*self.ages, *self.ratios, self.unended), strict=True)
        return {"k": self.k} | {name: _rounded(weight * scale) for name, weight in weights if weight > _DUST}

    @cached_property
    def age_hazards(self) -> tuple[float, ...]:
        return _hazards(self.ages, self.unended)

    @cached_property
    def ratio_hazards(self) -> tuple[float, ...]:
        return _hazards(self.ratio_weights, 0.0)

    @cached_property
    def ratio_weights(self) -> tuple[float, ...]:
        return tuple(map(sum, zip(self.ratios, _EVENLY, strict=True)))


_NAMES = (*(f"b{bucket}" for bucket in range(_AGES)), *(f"r{bucket}" for bucket in range(_RATIOS)), "inf")
_BELLS = [exp(-0.5 * (log(edge * _HALFWAY) / _RATIO_SIGMA) ** 2) for edge in RATIOS[:-1]]
_EVENLY = tuple(_RATIO_PRIOR * bell / sum(_BELLS) for bell in _BELLS)
"""What is believed of progress before anything is known: it goes on about as it has begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a task has reported: ``marks`` are (age, share), the first of each tenth and the latest.

    ``steady`` until it has jumped back; then its shares are not of one whole.
    """

    marks: tuple[tuple[float, float], ...] = ()
    steady: bool = True

    def moved(self, age: float, share: float | None) -> "Progress":
        """After a look at ``age``; nothing changes where nothing usable is reported."""
        if share is None or not (isfinite(age) and age > 0 and 0 <= share <= 1):
            return self
        last = self.marks[-1][1] if self.marks else 0.0
        if share < last - EARLIEST_SHARE:
            return replace(self, steady=False)
        if share <= last or share < EARLIEST_SHARE:
            return self
        tenths = [int(10 * one) for _, one in self.marks[-2:]]
        marks = self.marks[:-1] if len(tenths) == 2 and tenths[0] == tenths[1] else self.marks
        return replace(self, marks=(*marks, (age, share)))

    def left(self, age: float) -> tuple[float, float] | None:
        """When it moved last, and the seconds that were left then; None where the histogram knows better."""
        if not self.steady or not self.marks:
            return None
        at, share = self.marks[-1]
        rest = at * (1 - share) / share
        return (at, rest) if rest > 0 and age - at <= STALLED * rest else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Seconds from now: as likely sooner as later; and the range that eight of ten tasks end in."""

    remaining: float
    low: float
    high: float


def next_wait(
    history: History,
    age: float,
    *,
    rng: Random,
    progress: Progress | None = None,
    urgency: Urgency = Urgency.NORMAL,
    price: float = 1.0,
    rho: float = RHO,
    cap: float = CAP,
) -> float:
    """Seconds until the next look at a task that runs for ``age`` seconds already (below 0 where clocks disagree).

    ``price`` is at least 1, and more when there are more looks to make than a provider allows.
    An installation may set ``rho`` and ``cap``, both above 0.
    """
    age = _sane(age)
    stretch = STRETCH[urgency] * min(max(1.0, price), _DEAREST)
    need = rng.uniform(1 - JITTER, 1 + JITTER)
    left = progress.left(age) if progress else None
    if left is None:
        then = _crossing(history.age_hazards, AGES, age, need, lambda at: stretch * min(rho * at, cap))
    else:
        since, rest = left
        edges = [rest * edge for edge in RATIOS]
        stretch *= FOLLOWING
        then = since + _crossing(
            history.ratio_hazards, edges, age - since, need, lambda at: stretch * min(rho * (since + at), cap)
        )
    return min(LONGEST_WAIT, max(SHORTEST_WAIT, then - age))


def _crossing(
    hazards: Sequence[float], edges: Sequence[float], start: float, need: float, worth: Callable[[float], float]
) -> float:
    """Where the looks due after ``start`` have added up to ``need``: the integral of sqrt(hazard / (2 worth))."""
    start = max(start, edges[0])
    bucket, root = _bucket(edges, start), sqrt(start)
    while True:
        rate = sqrt(2 * hazards[bucket] / worth(edges[bucket] * _HALFWAY))
        top = sqrt(edges[bucket + 1])
        if bucket == len(hazards) - 1 or rate * (top - root) >= need:
            at = root + need / rate
            return at * at
        need -= rate * (top - root)
        bucket, root = bucket + 1, top


def _hazards(weights: Sequence[float], beyond: float) -> tuple[float, ...]:
    """Per bucket, the chance to end within it for each unit of log(age), given that it is reached."""
    found, reaching = [], sum(weights) + beyond
    for weight in weights:
        prior = max(KAPPA, OMEGA * reaching)
        found.append((weight + prior * ALPHA * _STEP) / ((reaching - weight / 2 + prior) * _STEP))
        reaching = max(0.0, reaching - weight)
    return tuple(found)


def estimate(history: History, age: float, progress: Progress | None = None) -> Estimate | None:
    """When the task will end, should it end at all; None where too little is known."""
    age = _sane(age)
    left = progress.left(age) if progress else None
    if left is not None:
        since, rest = left
        return _remaining(history.ratio_weights, [rest * edge for edge in RATIOS], age - since)
    alive = sum(_surviving(history.ages, AGES, age))
    if history.k < ENOUGH or alive < max(_COMPARABLE, history.unended):
        return None
    return _remaining(history.ages, AGES, age)


def typical(history: History) -> float | None:
    """Seconds that half of the tasks of a kind take at most; None where too little is known, or most do not end."""
    if history.k < ENOUGH or sum(history.ages) <= history.unended:
        return None
    return round(_quantile(history.ages, AGES, 0.0, 0.5), 1)


def _remaining(weights: Sequence[float], edges: Sequence[float], start: float) -> Estimate:
    alive = _surviving(weights, edges, start)
    low, half, high = (max(0.0, _quantile(alive, edges, start, part) - start) for part in (0.1, 0.5, 0.9))
    return Estimate(remaining=half, low=low, high=high)


def _surviving(weights: Sequence[float], edges: Sequence[float], start: float) -> list[float]:
    return [
        weight * _covered(edges, bucket, start, edges[-1]) if weight else 0.0 for bucket, weight in enumerate(weights)
    ]


def _quantile(alive: Sequence[float], edges: Sequence[float], start: float, part: float) -> float:
    rest = part * sum(alive)
    for bucket, weight in enumerate(alive):
        if weight and weight >= rest:
            bottom = max(start, edges[bucket])
            return bottom * exp(log(edges[bucket + 1] / bottom) * rest / weight)
        rest -= weight
    return edges[-1]


def reason(history: History, age: float, progress: Progress | None = None) -> str:
    """Why the next look is when it is, for people."""
    guess = estimate(history, age, progress)
    if progress is not None and guess is not None and progress.left(_sane(age)):
        return f"{int(100 * progress.marks[-1][1])} % done, about {_about(guess.remaining)} to go"
    tasks = f"{'more than ' if history.k > REBASED else ''}{min(history.k, REBASED):,} earlier tasks"
    if history.k < ENOUGH:
        few = f"only {history.k}" if history.k else "no"
        return f"{few} earlier task{'s' * (history.k != 1)} of this kind: the waits grow with the task's age"
    half = typical(history)
    if half is None:
        return f"most of {tasks} did not end in time"
    known = f"typical duration {_about(half)} from {tasks}"
    return known if guess is not None else f"later than nearly all of them; {known}"


def _about(seconds: float) -> str:
    """To two digits or so: nobody knows better."""
    step = next((step for limit, step in ((60, 1), (300, 10), (3600, 60), (36_000, 600)) if seconds < limit), 3600)
    return duration(step * round(seconds / step))


def learned(
    history: History, lo: float, hi: float, *, end: float | None = None, progress: Progress | None = None
) -> dict[str, float]:
    """What one ``ADD`` writes for a task that ran at age ``lo`` and had ended at ``hi``, or at ``end`` if that is told.

    Write on the condition that the stored ``k`` is missing or not below ``history.k``: the weights count from there.
    """
    lo, hi = _sane(lo), max(_sane(lo), _sane(hi))
    if end is not None and lo <= end <= hi:
        lo = hi = end
    shares = {f"b{bucket}": share for bucket, share in _spread(AGES, history.ages, lo, hi).items()}
    marks = [mark for mark in progress.marks if mark[1] < 1] if progress and progress.steady else []
    for at, done in marks:
        rest = at * (1 - done) / done
        if rest <= 0:  # seen so soon that nothing is left of it as a number
            continue
        for bucket, share in _spread(RATIOS, history.ratio_weights, (lo - at) / rest, (hi - at) / rest).items():
            shares[f"r{bucket}"] = shares.get(f"r{bucket}", 0.0) + share / len(marks)
    return _increments(history, shares)


def unfinished(history: History, age: float) -> dict[str, float]:
    """What one ``ADD`` writes for a task that we gave up at ``age``: it ends later, as its like have done, or never."""
    later = _surviving(history.ages, AGES, _sane(age))
    whole = sum(later) + history.unended + 1
    shares = {f"b{bucket}": weight / whole for bucket, weight in enumerate(later) if weight / whole > _DUST}
    return _increments(history, shares | {"inf": 1 - sum(shares.values())})


def _increments(history: History, shares: Mapping[str, float]) -> dict[str, float]:
    scale = 2.0 ** (history.k / HALF_LIFE)
    return {"k": 1} | {name: _rounded(scale * share) for name, share in shares.items()}


def _spread(edges: Sequence[float], weights: Sequence[float], lo: float, hi: float) -> dict[int, float]:
    """Where in (lo, hi] it was, by what is known of others: one step of the self-consistent estimate."""
    floor = 0.02 * sum(weights) / len(weights) + 0.05
    lo, hi = (min(max(edges[0], one), edges[-1]) for one in (lo, hi))
    first, last = _bucket(edges, lo), _bucket(edges, hi)
    parts = {bucket: _covered(edges, bucket, lo, hi) * (weights[bucket] + floor) for bucket in range(first, last + 1)}
    dust = _DUST * sum(parts.values())
    parts = {bucket: part for bucket, part in parts.items() if part > dust}
    whole = sum(parts.values())
    return {bucket: part / whole for bucket, part in parts.items()} or {last: 1.0}


def rebased(item: Mapping[str, Any]) -> dict[str, float] | None:
    """What replaces a stored item whose numbers have grown too large or make no sense; None where all is well.

    Write on the condition that the stored ``k`` is still the one that was read.
    """
    history = History.from_item(item)
    if history == History():
        return {"k": 0} if item.get("k", 0) != 0 or any(name in item for name in _NAMES) else None
    return replace(history, k=REBASED).to_item() if history.k > REBASE_AFTER else None


def _covered(edges: Sequence[float], bucket: int, lo: float, hi: float) -> float:
    """The part of a bucket that lies in (lo, hi], in logarithms."""
    bottom, top = max(lo, edges[bucket]), min(hi, edges[bucket + 1])
    return log(top / bottom) / _STEP if top > bottom else 0.0


def _bucket(edges: Sequence[float], value: float) -> int:
    return min(max(bisect_right(edges, value) - 1, 0), len(edges) - 2)


def _sane(seconds: float) -> float:
    return min(max(0.0, seconds), _OLDEST)


def _number(value: object) -> float | None:
    """A weight or a count; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return None
    return number if isfinite(number) and number >= 0 else None


def _rounded(weight: float) -> float:
    return float(f"{weight:.5g}")

"""What all simulated designs have in common: the clock, the provider, the executions, and what is counted."""

import heapq
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from benchmarks.limits import LIMIT

TASKS = 5000
MEDIAN, SIGMA = 1200.0, 0.6
WORTH = 10.0
START = 1.8e9
CALL = 0.15
"""Seconds that a provider's answer takes."""


@dataclass(slots=True)
class Task:
    born: float
    ends: float
    due: float = 0.0
    refusals: int = 0
    useful: int = 0
    over: float = math.inf
    new: bool = False
    """Of a kind that nothing is known of."""


@dataclass
class World:
    """``until``, ``since``: seconds after the start until and since which is measured. ``renews``: whether another task
    comes for each one that ends."""

    seed: int
    until: float
    since: float
    renews: bool
    rng: Random = field(init=False)
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    accepted: deque[float] = field(default_factory=deque)
    offered: list[float] = field(default_factory=list)
    """When the provider was asked, whatever it said."""
    woken: list[float] = field(default_factory=list)
    """When an execution woke and invoked the function."""
    number: int = 0
    invocations: int = 0
    transitions: int = 0
    writes: int = 0
    reserved: int = 0
    useful: int = 0
    refused: int = 0
    lags: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)  # noqa: S311
        self.now = START

    @property
    def measuring(self) -> bool:
        return self.now >= START + self.since

    def at(self, when: float, what: Callable[[], None]) -> None:
        self.number += 1
        heapq.heappush(self.events, (max(when, self.now), self.number, what))

    def run(self) -> None:
        while self.events and self.events[0][0] < START + self.until:
            self.now, _, what = heapq.heappop(self.events)
            what()

    def task(self) -> Task:
        return Task(
            born=self.now, new=not self.renews, ends=self.now + self.rng.lognormvariate(math.log(MEDIAN), SIGMA)
        )

    def invoked(self, first: bool) -> float:
        """When an execution that wakes now is in the function. A lap is Wait, Poll, Choice; the first has no Wait."""
        if self.measuring:
            self.invocations += 1
            self.transitions += 2 if first else 3
        self.woken.append(self.now - START)
        return self.now + late(self.rng)

    def ask(self, task: Task) -> bool:
        """Whether the provider has answered."""
        while self.accepted and self.accepted[0] <= self.now - 1:
            self.accepted.popleft()
        good = len(self.accepted) < LIMIT
        self.offered.append(self.now - START)
        if good:
            self.accepted.append(self.now)
            task.useful += 1
        if self.measuring:
            self.useful += good
            self.refused += not good
        return good

    def ended(self, task: Task) -> None:
        task.over = self.now
        if self.measuring:
            self.lags.append(self.now - task.ends)


def late(rng: Random) -> float:
    """Seconds between a state machine's waking and its function's first line; one start of fifty is a cold one."""
    usual = rng.lognormvariate(math.log(0.08), 0.6)
    return usual + (1.0 if rng.random() < 0.02 else 0.0)


def wait(task: Task, now: float, rng: Random, price: float = 1.0) -> float:
    """The schedule when all is learned: the root of 2 x 10 s of lag for a look / hazard. The price multiplies that.

    In the herd nothing is learned, and a wait is 15 % of the age.
    """
    age = max(now - task.born, 1.0)
    if task.new:
        return max(0.15 * age, 2.0) * math.sqrt(price) * rng.uniform(0.85, 1.15)
    deviation = math.log(age / MEDIAN) / SIGMA
    density = math.exp(-deviation * deviation / 2) / (age * SIGMA * math.sqrt(2 * math.pi))
    survival = max(math.erfc(deviation / math.sqrt(2)) / 2, 1e-12)
    hazard = max(density / survival, 1e-9)
    return min(max(math.sqrt(2 * WORTH * price / hazard), 1.0), age + 30) * rng.uniform(0.85, 1.15)

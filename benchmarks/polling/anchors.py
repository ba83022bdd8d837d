"""Schedules as the field ships them, each with its source in reference/polling.md. All go on until the deadline here,
whatever the real one does after its own: giving up early would only hide lag."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat
from math import ceil
from random import Random

from benchmarks.polling.shapes import DEADLINE


@dataclass(frozen=True, slots=True)
class Anchor:
    name: str
    first: float
    """When the first look happens; some look at once."""
    waits: Callable[[Random], Iterator[float]]
    random: bool = False

    def times(self, rng: Random) -> list[float]:
        """All looks up to the deadline, at which there is one too."""
        found, now = [], self.first
        for wait in self.waits(rng):
            if now >= DEADLINE:
                break
            found.append(now)
            now += wait
        return [*found, DEADLINE]


def every(seconds: float) -> Callable[[Random], Iterator[float]]:
    return lambda _: repeat(seconds)


def growing(first: float, factor: float, most: float) -> Callable[[Random], Iterator[float]]:
    def waits(_: Random) -> Iterator[float]:
        wait = first
        while True:
            yield min(wait, most)
            wait = min(wait * factor, most)

    return waits


def _google(rng: Random) -> Iterator[float]:
    return (rng.uniform(0, wait) for wait in growing(1, 1.5, 20)(rng))


def _durable(rng: Random) -> Iterator[float]:
    return (max(1, ceil(rng.uniform(0, wait))) for wait in growing(5, 1.5, 300)(rng))


def _airflow_exponential(rng: Random) -> Iterator[float]:
    return (least + rng.randrange(least) for least in (int(60 * 2.0 ** (turn - 2)) for turn in range(1, 60)))


ANCHORS = (
    Anchor("Step Functions job poller, 60 s", 60, every(60)),
    Anchor("azure-core LROPoller, 30 s", 30, every(30)),
    Anchor("Step Functions samples, 10 s", 10, every(10)),
    Anchor("CDK provider, aliyun-cli, 5 s", 0, every(5)),
    Anchor("botocore waiters, 15 s", 0, every(15)),
    Anchor("botocore waiters, 30 s", 0, every(30)),
    Anchor("Temporal, Airflow sensor, 60 s", 0, every(60)),
    Anchor("Terraform retry, x2 to 10 s", 0, growing(0.5, 2, 10)),
    Anchor("terraform tencentcloud 1, 4, 10", 1, growing(3, 2, 10)),
    Anchor("terraform alicloud 5, 8, 14", 5, growing(3, 2, 10)),
    Anchor("terraform alicloud 60, 63, 69", 60, growing(3, 2, 10)),
    Anchor("google-api-core, full jitter", 0, _google, random=True),
    Anchor("Kubernetes Backoff x1.5 to 30 s", 0, growing(1, 1.5, 30)),
    Anchor("Airflow exponential, no cap", 0, _airflow_exponential, random=True),
    Anchor("Lambda durable, x1.5 to 300 s", 0, _durable, random=True),
)

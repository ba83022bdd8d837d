"""The tasks: the mix of docs/polling.md, of APIs that tell nothing but a status and take one task at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count
from random import Random
from types import MappingProxyType
from typing import Any

import numpy as np

from benchmarks.polling.shapes import SHAPES, Shape
from local.stack import Stack
from taskhook.config import Settings
from taskhook.durations import Durations
from taskhook.providers.catalogue import Catalogue
from taskhook.providers.model import Provider
from taskhook.schedule import Progress, next_wait
from taskhook.states import State
from taskhook.task import Task

APIS: Mapping[str, str] = MappingProxyType(
    {
        "short": "tencent.clb.DescribeTaskStatus",
        "long": "tencent.cdb.DescribeAsyncRequestInfo",
        "bimodal": "tencent.gwlb.DescribeTaskStatus",
        "longer": "tencent.mongodb.DescribeAsyncRequestInfo",
        "heavy tail": "tencent.bmlb.DescribeLoadBalancerTaskResult",
        "some never": "tencent.vpc.DescribeVpcTaskResult",
        "narrow": "tencent.ecm.DescribeLoadBalanceTaskStatus",
    }
)
"""Another one for each shape, so that each has a history of its own. 20 requests a second, cdb 40."""
REGION = "ap-guangzhou"
SEED = 20
EARLIER = 400
"""Tasks of each kind that have ended before the run: the stack has run for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    shape: Shape
    provider: Provider

    def job(self, url: str, task_id: str) -> dict[str, Any]:
        """What the sample's functions need."""
        (part,) = self.provider.task_id.parts
        words = {state: [word for word, its in self.provider.spelled.items() if its is state] for state in State}
        return {
            "url": url,
            "service": self.provider.service,
            "region": REGION,
            "version": self.provider.version,
            "action": self.provider.action,
            "send": {part.name: task_id},
            "succeeded": words[State.SUCCEEDED],
            "failed": words[State.FAILED],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One task of the mix; each system has one of its own, of the same duration."""

    number: int
    kind: Kind
    seconds: float
    """How long it takes, infinite for some."""

    def task_id(self, who: str) -> str:
        return f"{who}-{self.number:05}"


@cache
def kinds() -> tuple[Kind, ...]:
    find = Catalogue().find
    providers = {name: find(name) for name in APIS.values()}
    return tuple(
        Kind(shape=shape, provider=provider)
        for shape in SHAPES
        if shape.mix and (provider := providers[APIS[shape.name]]) is not None
    )


def jobs(tasks: int) -> list[Job]:
    """In an order of chance, but with exactly the shares of the mix, as far as they are whole."""
    shares = np.cumsum([kind.shape.mix for kind in kinds()])
    which = np.searchsorted(shares, (np.arange(tasks) + 0.5) / tasks * shares[-1])
    drawn: list[tuple[Kind, float]] = []
    for number, kind in enumerate(kinds()):
        drawn += [(kind, float(seconds)) for seconds in kind.shape.draw(int((which == number).sum()), SEED + number)]
    Random(SEED).shuffle(drawn)  # noqa: S311
    return [Job(number=number, kind=kind, seconds=seconds) for number, (kind, seconds) in enumerate(drawn)]


def remember_earlier(stack: Stack, settings: Settings, deadline: float) -> None:
    """Each kind's history, as taskhook itself would have written it: task after task, looked at by its own schedule."""
    for number, kind in enumerate(kinds()):
        # By a clock on which each question is a minute later: each task is looked at by what the one before has taught.
        durations = Durations(settings, stack.client("dynamodb"), clock=count(0, 61).__next__)
        rng = Random(SEED + number)  # noqa: S311
        for seconds in kind.shape.draw(EARLIER, 2 * SEED + number):
            _remember(durations, _task(kind, deadline), float(seconds), deadline, rng)


def _remember(durations: Durations, task: Task, seconds: float, deadline: float, rng: Random) -> None:
    *_, before, age = _ages(durations, task, seconds, deadline, rng)
    if age < seconds:
        durations.given_up(task, age)
    else:
        durations.ended(task, lo=before, hi=age, end=None, progress=Progress())


def _ages(durations: Durations, task: Task, seconds: float, deadline: float, rng: Random) -> Iterator[float]:
    """When a task is looked at, until its end or the deadline."""
    history, age = durations.of(task), 0.0
    yield age
    while age < seconds and age < deadline:
        age = min(age + next_wait(history, age, rng=rng), deadline)
        yield age


def _task(kind: Kind, deadline: float) -> Task:
    return Task(
        id="earlier",
        provider=kind.provider.name,
        account="tencent",
        region=REGION,
        task_id="0",
        submitted_at=0.0,
        deadline=deadline,
    )

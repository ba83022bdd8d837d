"""Both systems at once on one emulator, with tasks of the same durations, until all have ended or are given up."""

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks import deployed, job_poller
from benchmarks.around import Around
from benchmarks.client import post_all
from benchmarks.cost.counting import RECORD, CountingProcess
from benchmarks.cost.mix import REGION, Job, Kind, jobs, kinds, remember_earlier
from benchmarks.job_poller import app
from local.run import serving
from local.settings import Settings
from local.simulator import TENCENT
from local.stack import Stack
from taskhook import config
from taskhook.providers.catalogue import Catalogue
from taskhook.store import Store
from taskhook.task import Task

WORKERS = 40
"""Processes per function, so that looks that sleep do not wait for each other."""
AS_ON_AWS = ("SleepingPolls", "WakeLeadSeconds")
"""Parameters that local/ sets otherwise, for a machine with few processes."""
WARM_UPS, AT_A_TIME = 12, 3
"""Tasks before the run: enough for a process or three of each function to have started, which is what is needed."""
SPREAD, SPREAD_SHARE = 300.0, 1 / 8
"""Tasks are submitted evenly within so many seconds, or this share of the time until they are given up."""
PATIENCE = 180.0
"""Seconds after the last deadline in which the last news must come."""

type Event = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One task of the mix, as both systems have watched it. Times are Unix time; ``born`` when its provider began."""

    job: Job
    born: tuple[float, float]
    """Of taskhook's task and of the sample's."""
    task: Task | None
    looks: int
    execution: list[Event]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    watched: list[Watched]
    executions: list[list[Event]]
    """The histories of taskhook's."""
    definition: dict[str, Any]
    """Of taskhook's state machine."""
    notes: list[dict[str, Any]]
    functions: dict[str, str]
    """The template's names of taskhook's functions, by those of the emulator."""


def run(count: int, seconds: float) -> Ran:
    os.environ |= {"SECRET_ID": TENCENT.key_id, "SECRET_KEY": TENCENT.secret}
    with (
        tempfile.TemporaryDirectory(prefix="taskhook-bench-") as folder,
        mock.patch("local.stack.EmulatorProcess", CountingProcess),
        Around() as around,
        serving(
            Settings(home=Path(folder), port=0, workers_per_function=WORKERS),
            parameters={name: deployed.default(name) for name in AS_ON_AWS},
            config=around.config(),
            say=_say,
        ) as stack,
    ):
        os.environ["TABLE"] = stack.outputs()["TableName"]
        config.settings.cache_clear()
        _say("Writing what earlier tasks have taught")
        remember_earlier(stack, config.settings(), seconds)
        bench = _Bench(stack, around, seconds)
        _say("Warming up")
        bench.warm_up()
        return bench.measure(jobs(count))


class _Bench:
    def __init__(self, stack: Stack, around: Around, seconds: float) -> None:
        self._stack = stack
        self._around = around
        self._seconds = seconds
        self._machine = job_poller.deploy(stack)
        self._steps = stack.client("stepfunctions")

    def warm_up(self) -> None:
        """Processes have started; of an API that is not in the mix."""
        provider = Catalogue().find("tencent.dts.DescribeAsyncRequestInfo")
        assert provider is not None
        kind = Kind(shape=kinds()[0].shape, provider=provider)
        for number in range(WARM_UPS):
            self._post([_body(kind, f"quick-{number}", 60)])
            job = kind.job(self._around.simulator, f"quick-s{number}")
            job_poller.start(self._stack, self._machine, f"warm-{number}", job, wait_seconds=1)
            if (number + 1) % AT_A_TIME == 0:
                self._wait_for_news(number + 1, 60)
        time.sleep(3)

    def measure(self, planned: list[Job]) -> Ran:
        before, began = self._around.count(), time.time()
        self._around.lasts({job.task_id(who): job.seconds for job in planned for who in ("t", "s")})
        spread = min(SPREAD, SPREAD_SHARE * self._seconds)
        _say(f"{len(planned):,} tasks within {spread:.0f} s, each given up after {self._seconds / 60:g} min")
        started: list[tuple[Job, str, float]] = []
        for job in planned:
            _sleep_until(began + spread * job.number / len(planned))
            started.append((job, self._submit(job), time.time()))
        for _, execution, at in started:
            _sleep_until(at + self._seconds)
            # An error where it has ended.
            with contextlib.suppress(self._steps.exceptions.ClientError):
                self._steps.stop_execution(executionArn=execution)
        self._wait_for_news(before + len(planned), PATIENCE)
        time.sleep(3)
        _say("Reading the histories")
        return self._ran(started, began)

    def _submit(self, job: Job) -> str:
        """To both; taskhook's task begins at the provider when it is posted, the sample's when it is submitted."""
        url = self._around.simulator
        app.status(job.kind.job(url, job.task_id("t")))
        self._post([_body(job.kind, job.task_id("t"), int(self._seconds))])
        sample = job.kind.job(url, job.task_id("s"))
        return job_poller.start(self._stack, self._machine, f"job-{job.number}", sample)

    def _post(self, bodies: list[dict[str, Any]]) -> None:
        post_all(f"{self._stack.url}/tasks", bodies, {"x-api-key": self._stack.api_key})

    def _wait_for_news(self, count: int, patience: float) -> None:
        until = time.monotonic() + patience
        while self._around.count() < count and time.monotonic() < until:
            time.sleep(0.25)

    def _ran(self, started: Sequence[tuple[Job, str, float]], began: float) -> Ran:
        notes = _notes(self._stack.settings.home / RECORD, began)
        born, looks = _seen_by_provider(self._around)
        store = Store(config.settings(), self._stack.client("dynamodb"))
        ids = {task_id: id for id, task_id in self._taskhook_ids(began)}
        machine = self._stack.outputs()["StateMachineArn"]
        return Ran(
            watched=[
                Watched(
                    job=job,
                    born=(born[job.task_id("t")], born.get(job.task_id("s"), at)),
                    task=store.get(ids[job.task_id("t")]),
                    # The first request has begun the task.
                    looks=looks[job.task_id("t")] - 1,
                    execution=list(self._events(execution)),
                )
                for job, execution, at in started
            ],
            executions=[list(self._events(execution)) for execution in self._executions(machine, began)],
            definition=json.loads(self._steps.describe_state_machine(stateMachineArn=machine)["definition"]),
            notes=notes,
            functions=self._functions(),
        )

    def _taskhook_ids(self, began: float) -> Iterator[tuple[str, str]]:
        pages = self._stack.client("dynamodb").get_paginator("scan").paginate(TableName=os.environ["TABLE"])
        for page in pages:
            for item in page["Items"]:
                if "task_id" in item:
                    yield item["id"]["S"], item["task_id"]["S"]

    def _executions(self, machine: str, began: float) -> Iterator[str]:
        pages = self._steps.get_paginator("list_executions").paginate(stateMachineArn=machine)
        for page in pages:
            for one in page["executions"]:
                if one["startDate"].timestamp() >= began:
                    yield one["executionArn"]

    def _events(self, execution: str) -> Iterator[Event]:
        pages = self._steps.get_paginator("get_execution_history").paginate(
            executionArn=execution, includeExecutionData=False, PaginationConfig={"PageSize": 1000}
        )
        for page in pages:
            yield from page["events"]

    def _functions(self) -> dict[str, str]:
        resources = self._stack.client("cloudformation").describe_stack_resources(StackName="taskhook")
        return {
            one["PhysicalResourceId"]: one["LogicalResourceId"]
            for one in resources["StackResources"]
            if one["ResourceType"] == "AWS::Lambda::Function"
        }


def _body(kind: Kind, task_id: str, seconds: int) -> dict[str, Any]:
    return {"provider": kind.provider.name, "task_id": task_id, "region": REGION, "timeout_seconds": seconds}


def _seen_by_provider(around: Around) -> tuple[dict[str, float], dict[str, int]]:
    """When it heard of each task first, and how often."""
    born: dict[str, float] = {}
    looks: dict[str, int] = {}
    for task_id, at, _ in around.asked():
        born.setdefault(task_id, at)
        looks[task_id] = looks.get(task_id, 0) + 1
    return born, looks


def _notes(path: Path, since: float) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [note for note in map(json.loads, file) if note["at"] >= since]


def _sleep_until(when: float) -> None:
    time.sleep(max(0.0, when - time.time()))


def _say(text: str) -> None:
    print(f"  {time.strftime('%H:%M:%S')} {text} ...", flush=True)

"""Processes that play the poll function: each holds its own Watcher, as the function makes it, and one event at a time.

They are forked when everything has been imported, so that they cost little memory; AWS clients are made once, before,
and have no connections yet."""

import importlib
import multiprocessing
import os
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.limits.world import MEDIAN
from taskhook import aws
from taskhook.config import settings
from taskhook.store import Store
from taskhook.task import Task, task_key

PROVIDER, REGION, ACCOUNT = "tencent.clb.DescribeTaskStatus", "ap-guangzhou", "tencent"
TIMEOUT = 300.0
"""Seconds that an invocation may last, as in template.yaml."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """``answer``: the state machine's next payload; None where a task was only submitted. ``error``: a traceback."""

    id: str
    answer: dict[str, Any] | None
    asked: float
    began: float
    ended: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Context:
    """As much of Lambda's as Powertools and the function use."""

    began: float
    function_name: str = "poll"
    memory_limit_in_mb: int = 128
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:poll"
    aws_request_id: str = "benchmark"

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (TIMEOUT - (time.time() - self.began)))


class Fleet:
    def __init__(self, processes: int, log: Path) -> None:
        context: Any = multiprocessing.get_context("fork")
        self._jobs = context.SimpleQueue()
        self.results = context.Queue()
        for make in (aws.dynamodb, aws.ssm, aws.sqs):
            make()
        poll = importlib.import_module("functions.poll.app")
        self._workers = [
            context.Process(target=_work, args=(poll, self._jobs, self.results, log), daemon=True)
            for _ in range(processes)
        ]

    def submit(self, number: int) -> None:
        self._jobs.put(("", number, time.time()))

    def invoke(self, id: str, watch: int) -> None:
        self._jobs.put((id, watch, time.time()))

    def __enter__(self) -> "Fleet":
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.join()


def task_id(number: int) -> str:
    return f"herd-{number:06}"


def key(number: int) -> str:
    return task_key(account=ACCOUNT, provider=PROVIDER, region=REGION, task_id=task_id(number))


def _work(poll: Any, jobs: Any, results: Any, log: Path) -> None:
    with log.open("a") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    store = Store(settings())
    while True:
        id, number, asked = jobs.get()
        began, answer, error = time.time(), None, ""
        try:
            if id:
                answer = poll.handler({"id": id, "watch": number}, _Context(began))
            else:
                store.create(_task(number, began))
        except Exception:
            # A broken invocation, not the end of the benchmark.
            error = traceback.format_exc()
        done = Done(id=id or key(number), answer=answer, asked=asked, began=began, ended=time.time(), error=error)
        results.put(done)


def _task(number: int, now: float) -> Task:
    """As submit makes it."""
    return Task(
        id=key(number),
        provider=PROVIDER,
        account=ACCOUNT,
        region=REGION,
        task_id=task_id(number),
        submitted_at=now,
        deadline=now + 20 * MEDIAN,
        next_poll_at=now,
        watch_since=now,
    )

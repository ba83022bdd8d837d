"""Tasks per second on the emulator with the real template, from the first post to the last news taken.

Every task lives `quick`: its provider says that it runs, and success after a second. So each is posted, stored, queued,
started, looked at, waited for, looked at again, and told to a webhook that checks the signature. A quarter of the tasks
belongs to each provider. They are posted as fast as they are taken, each number of them into a fresh installation."""

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import trivial
from benchmarks.around import Around
from benchmarks.client import THREADS, post_all
from benchmarks.processes import Tree, child_running, machine_cpu_seconds
from benchmarks.report import met, table
from local.run import serving
from local.settings import Settings
from local.stack import Stack

WARM_UP = 40
PEER_POSTS = 500
SETTLE = 3.0
"""Seconds after the last news, in which a duplicate would still come."""
SILENCE = 120.0
"""Seconds without any news after which the rest counts as lost."""

AIM_TASKS, AIM_SECONDS, AIM_MB = 1000, 60.0, 2000.0
AIM_FLATNESS, FLAT_FROM = 1.2, 100
_PARAMETERS = {"ApiRate": "100000", "ApiBurst": "100000", "ProviderRate": "10000"}
_CLOUDS = (
    ("alibaba.bdrc", "cn-shanghai"),
    ("alibaba.ecs", "cn-shanghai"),
    ("alibaba.hbr", "cn-shanghai"),
    ("tencent.dlc", "ap-guangzhou"),
)
"""APIs without a documented limit: what is measured is the emulator, not how a limit is kept (see limits)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    tasks: int
    posting: float
    seconds: float
    peer_rate: float
    """Posts per second that the trivial function took, just before."""
    peak_mb: float
    processes: int
    cpu_seconds: float
    emulator_cpu_seconds: float
    """The emulator's own part of it; the rest is the functions'."""
    cores_ours: float
    cores_busy: float
    """What the whole machine did meanwhile: where it is much more than ours, others were at work."""
    lost: int
    duplicates: int

    @property
    def rate(self) -> float:
        return self.tasks / self.seconds

    @property
    def cpu_millis(self) -> float:
        return 1000 * self.cpu_seconds / self.tasks

    @property
    def row(self) -> tuple[str, ...]:
        return (
            f"{self.tasks:,}",
            f"{self.posting:.1f}",
            f"{self.seconds:.1f}",
            f"{self.rate:.1f}",
            f"{self.peer_rate:.0f}",
            f"{self.rate / self.peer_rate:.3f}",
            f"{self.cpu_millis:.0f}",
            f"{1000 * self.emulator_cpu_seconds / self.tasks:.0f}",
            f"{self.cores_ours:.2f}",
            f"{self.cores_busy:.2f}",
            f"{self.peak_mb:,.0f}",
            str(self.processes),
            str(self.lost),
            str(self.duplicates),
        )


_HEADER = (
    "tasks",
    "posting s",
    "delivered s",
    "tasks/s",
    "peer/s",
    "ratio",
    "CPU ms/task",
    "emulator",
    "cores ours",
    "cores busy",
    "peak MB",
    "procs",
    "lost",
    "twice",
)


def main(sizes: tuple[int, ...]) -> None:
    print(
        "Throughput on the emulator (quick tasks, two looks each, four providers; "
        f"{THREADS} clients; peer: a Lambda that does nothing)\n"
    )
    with tempfile.TemporaryDirectory(prefix="taskhook-bench-") as folder:
        runs = [_run(Path(folder), size) for size in sizes]
    print(table(_HEADER, [run.row for run in runs]), "\n")
    print(table(("aim", "measured", "met"), list(_judged(runs))), "\n")


def _judged(runs: list[Run]) -> Iterator[tuple[str, ...]]:
    lost, twice = sum(run.lost for run in runs), sum(run.duplicates for run in runs)
    yield "every task is delivered exactly once", f"{lost} lost, {twice} twice", met(not lost and not twice)
    for run in runs:
        if run.tasks == AIM_TASKS:
            yield f"{AIM_TASKS:,} tasks in {AIM_SECONDS:.0f} s", f"{run.seconds:.1f} s", met(run.seconds <= AIM_SECONDS)
            yield f"{AIM_TASKS:,} tasks within {AIM_MB:,.0f} MB", f"{run.peak_mb:,.0f} MB", met(run.peak_mb <= AIM_MB)
    flat = [run for run in runs if run.tasks >= FLAT_FROM]
    if len(flat) > 1:
        spread = max(run.cpu_millis for run in flat) / min(run.cpu_millis for run in flat)
        between = f"from {flat[0].tasks:,} to {flat[-1].tasks:,} tasks"
        yield f"CPU per task varies by at most 20 % {between}", f"{spread - 1:.0%}", met(spread <= AIM_FLATNESS)


def _run(folder: Path, tasks: int) -> Run:
    home = folder / str(tasks)
    # What SAM has built for one home serves the next; everything else of it is fresh.
    if built := next(folder.glob("*/sam"), None):
        shutil.copytree(built, home / "sam")
    with (
        Around() as around,
        serving(Settings(home=home, port=0), config=around.config(), parameters=_PARAMETERS) as stack,
    ):
        print(f"  {tasks:,} tasks ...", end="", flush=True)
        _warm_up(stack, around)
        peer = trivial.deploy(stack)
        post_all(peer, range(50), {})
        peer_seconds, _ = post_all(peer, range(PEER_POSTS), {})
        run = _measured(stack, around, tasks, PEER_POSTS / peer_seconds)
    print(f" {run.seconds:.1f} s", flush=True)
    return run


def _warm_up(stack: Stack, around: Around) -> None:
    """Every worker process has started, and has its clients."""
    _post(stack, WARM_UP, "9")
    _wait_for(around, WARM_UP)
    time.sleep(SETTLE)


def _measured(stack: Stack, around: Around, tasks: int, peer_rate: float) -> Run:
    with Tree(child_running("local.emulator")) as tree:
        before = (tree.cpu_seconds(), tree.root_cpu_seconds(), machine_cpu_seconds())
        began = time.time()
        posting, ids = _post(stack, tasks, "1")
        _wait_for(around, WARM_UP + tasks)
        time.sleep(SETTLE)
        after = (tree.cpu_seconds(), tree.root_cpu_seconds(), machine_cpu_seconds())
        whole = time.time() - began
    cpu, emulator_cpu, machine_cpu = (then - first for first, then in zip(before, after, strict=True))
    news = [(id, at) for id, at in around.taken() if id in ids]
    times = Counter(id for id, _ in news)
    return Run(
        tasks=tasks,
        posting=posting,
        seconds=max((at for _, at in news), default=began) - began,
        peer_rate=peer_rate,
        peak_mb=tree.peak / 1e6,
        processes=tree.most_processes,
        cpu_seconds=cpu,
        emulator_cpu_seconds=emulator_cpu,
        cores_ours=cpu / whole,
        cores_busy=machine_cpu / whole,
        lost=tasks - len(times),
        duplicates=sum(count > 1 for count in times.values()),
    )


def _post(stack: Stack, tasks: int, series: str) -> tuple[float, set[str]]:
    seconds, answers = post_all(f"{stack.url}/tasks", _bodies(tasks, series), {"x-api-key": stack.api_key})
    return seconds, {answer["id"] for answer in answers}


def _bodies(tasks: int, series: str) -> Iterator[dict[str, Any]]:
    for number in range(tasks):
        provider, region = _CLOUDS[number % len(_CLOUDS)]
        yield {"provider": provider, "task_id": f"quick-{series}{number:06}", "region": region}


def _wait_for(around: Around, count: int) -> None:
    """Until that many news have been taken, or none has come for a long time."""
    seen, since = around.count(), time.monotonic()
    while seen < count and time.monotonic() - since < SILENCE:
        time.sleep(0.25)
        now = around.count()
        if now > seen:
            seen, since = now, time.monotonic()

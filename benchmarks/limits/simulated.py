"""The designs side by side. Of events, with a seed, so the same figures come out every time.

The provider refuses what exceeds 20 requests in any sliding second. 5,000 tasks last LN(20 min, .6); who ends is
replaced by a new one. An execution starts LN(80 ms, .6) late, in one case of fifty after another 1 s (a cold start),
and a call takes 150 ms. The calendar is taskhook's own, at a table in memory."""

import math
import statistics
import time
from collections.abc import Mapping, Sequence

from benchmarks.limits import INVOCATIONS, REFUSED, TRANSITIONS, USEFUL, WRITES
from benchmarks.limits.designs import Bucket, Design, Reserved, Run, Unlimited
from benchmarks.limits.world import START, TASKS, World
from benchmarks.report import met, table

SHIPPED = "calendar, as taskhook has it"
HORIZON, SETTLED = 2700.0, 1200.0
"""Seconds, and those before measuring begins, so that the first round is over."""
GROWN = 500.0
"""Seconds after which a task counts for the fairness: Jain's index of useful looks per second of age."""
HERD = 60.0
HERD_SETTLED = 5.0
HERD_SECONDS = 600.0

_HEADER = (
    *("", "useful/s", "ratio", "refused", "invocations", "transitions", "writes/slot"),
    *("Jain", "lag mean s", "p95 s", "aims met"),
)


def main() -> Mapping[str, World]:
    """The world under the herd, by the name of the design."""
    print(f"{TASKS:,} tasks in flight, 20/s in any sliding second; {HORIZON - SETTLED:,.0f} s\n")
    _compare(spread=SETTLED / 4, until=HORIZON, since=SETTLED, renews=True)
    print(f"\nA herd: {TASKS:,} submitted within {HERD:,.0f} s, {HERD_SECONDS - HERD_SETTLED:,.0f} s\n")
    herd = _compare(spread=HERD, until=HERD_SECONDS, since=HERD_SETTLED, renews=False)
    return {run.design.name: run.world for run in herd}


def _compare(*, spread: float, until: float, since: float, renews: bool) -> list[Run]:
    begun = time.process_time()
    designs: list[Design] = [
        Unlimited(),
        Bucket(),
        Reserved("calendar, reserved by the starter", priced=True, at_start=True),
        Reserved("calendar without a price"),
        Reserved(SHIPPED, priced=True),
    ]
    runs = [_run(design, World(seed=1, until=until, since=since, renews=renews), spread) for design in designs]
    peer = runs[0].world.useful
    print(table(_HEADER, [_row(run, until - since, peer) for run in runs]), flush=True)
    print(
        f"aims of taskhook: useful/s >= {USEFUL:.0f}, refused {REFUSED:.0f}, invocations {INVOCATIONS:.0f}, "
        f"transitions <= {TRANSITIONS:.0f}, writes <= {WRITES} ({time.process_time() - begun:.0f} s of CPU)"
    )
    return runs


def _run(design: Design, world: World, spread: float) -> Run:
    run = Run(world, design)
    for _ in range(TASKS):
        world.at(START + world.rng.uniform(0, spread), run.submit)
    world.run()
    return run


def _row(run: Run, seconds: float, peer: int) -> tuple[str, ...]:
    world = run.world
    useful = world.useful / seconds
    refused, invocations, transitions = (
        count / max(world.useful, 1) for count in (world.refused, world.invocations, world.transitions)
    )
    writes = world.writes / max(world.reserved or world.useful, 1)
    good = (
        round(useful, 1) >= USEFUL
        and not world.refused
        and round(invocations, 2) <= INVOCATIONS
        and round(transitions, 2) <= TRANSITIONS
        and writes <= WRITES
    )
    ages = [(task, min(task.over, world.now) - task.born) for task in run.tasks]
    lags = sorted(world.lags) or [math.nan]
    return (
        run.design.name,
        *(f"{value:.2f}" for value in (useful, world.useful / peer, refused, invocations, transitions, writes)),
        f"{jain([task.useful / age for task, age in ages if age > GROWN]):.3f}",
        f"{statistics.fmean(lags):.0f}",
        f"{lags[int(0.95 * len(lags))]:.0f}",
        met(good) if run.design.name == SHIPPED else "",
    )


def jain(shares: Sequence[float]) -> float:
    """1 where all have the same share, 1/n where one has everything."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else math.nan

"""`python -m benchmarks.cost`: what a million watched tasks cost, against AWS's own sample of a polling loop.

Counted in a real run on the emulator, in real seconds; see README.md."""

import argparse
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from benchmarks import job_poller
from benchmarks.cost.prices import PRICES, TIMED, Used, sources
from benchmarks.cost.run import Event, Ran, Watched, run
from benchmarks.report import met, table
from taskhook.states import State

TASKS, MINUTES = 200, 40.0
AIM_COST, AIM_LAG = 0.25, 1.0
WATCHING = "PollFunction"
PER_TASK_ONLY = "ReconcileFunction"
"""Sweeps every five minutes, however many tasks there are: no cost of a task."""
OF_WATCHING = ("slots", "seats", "durations")
"""Items that are about looking, whoever writes them."""
FROM_THE_QUEUE = 2.0
"""Requests of Lambda's own for each batch that it takes off a queue: it receives and deletes."""
FINAL = "Get Final Job Status"
NEWS = 3.0
"""Transitions for each attempt to tell somebody: the emulator's histories lack what happens inside of a map. An attempt
is Deliver and Settled?, and before it the wait, or after the last one Settled."""

_AROUND = {"StartFunction": {"queue request": FROM_THE_QUEUE}, "NotifyFunction": {"transition": NEWS}}
"""What an invocation needs besides, and nobody notes."""


def main(tasks: int = TASKS, minutes: float = MINUTES) -> None:
    print(f"The cost of watching: {tasks:,} tasks of the mix, given up after {minutes:g} min\n")
    ran = run(tasks, 60 * minutes)
    ours, sample = (_taskhook(ran, only_watching=True), _sample(ran))
    whole = _taskhook(ran, only_watching=False)
    print("\nWatching only, per million tasks\n")
    print(_costs(ours, sample, tasks))
    print("\n" + _units(ran, tasks))
    print("\nEverything: with the HTTP API, the queue and the news, of which the job poller has none\n")
    print(_costs(whole, sample, tasks))
    lags = _lags(ran.watched)
    print("\nHow late the end is seen, of tasks that both have seen end\n")
    print(_lag_table(ran, lags))
    print("\n" + table(("aim", "measured", "met"), list(_judged(ours, sample, lags))))
    print("\n" + table(("price", "$ per million", "of us-east-1, from"), sources()))


def _taskhook(ran: Ran, *, only_watching: bool) -> Used:
    """Watching is what poll does, whatever is written about slots, seats and durations, and every state but the map
    over the destinations."""
    maps = {name for name, state in ran.definition["States"].items() if state["Type"] == "Map"}
    states = [name for events in ran.executions for name in entered(events)]
    used = Used(amounts={"transition": sum(not only_watching or name not in maps for name in states)})
    for note in ran.notes:
        function = ran.functions.get(note["by"])
        watching = function == WATCHING or note.get("what") in OF_WATCHING
        if function is None or function == PER_TASK_ONLY or (only_watching and not watching):
            continue
        used += _noted(note)
        if note["kind"] == "invocation":
            used += Used(amounts=_AROUND.get(function, {}))
    return used if only_watching else used + Used(amounts={"API request": len(ran.watched)})


def _sample(ran: Ran) -> Used:
    used = Used(amounts={"transition": sum(1 for one in ran.watched for _ in entered(one.execution))})
    for note in ran.notes:
        if note["by"] in job_poller.FUNCTIONS:
            used += _noted(note)
    return used


def _noted(note: dict[str, Any]) -> Used:
    if note["kind"] != "invocation":
        return Used(amounts={note["kind"]: note["units"]})
    gigabytes = note["mb"] / 1024
    return Used(
        amounts={"invocation": 1, TIMED: gigabytes * note["seconds"], "GB of logs": note["logged"] / 1e9},
    )


def entered(events: Iterable[Event]) -> Iterator[str]:
    """The states that an execution has entered: its transitions. A retry is one more."""
    name, scheduled = "", False
    for event in events:
        if event["type"].endswith("StateEntered"):
            name, scheduled = event["stateEnteredEventDetails"]["name"], False
            yield name
        elif event["type"] in ("TaskScheduled", "LambdaFunctionScheduled"):
            if scheduled:
                yield name
            scheduled = True


def _costs(ours: Used, sample: Used, tasks: int) -> str:
    header = ("", "taskhook each", "job poller each", "taskhook $/M", "job poller $/M", "ratio")
    rows = [
        (
            name,
            *(f"{used.of(name) / tasks:.3g}" for used in (ours, sample)),
            *_dollars(ours.dollars(name), sample.dollars(name), tasks),
        )
        for name in PRICES
        if ours.of(name) or sample.of(name)
    ]
    rows += [
        ("all of it", "", "", *_dollars(ours.whole, sample.whole, tasks)),
        (f"all but the {TIMED}s", "", "", *_dollars(ours.untimed, sample.untimed, tasks)),
    ]
    return table(header, rows)


def _units(ran: Ran, tasks: int) -> str:
    """What the units of watching are spent on."""
    spent: defaultdict[tuple[str, str], float] = defaultdict(float)
    for note in ran.notes:
        if ran.functions.get(note["by"]) == WATCHING and note["kind"] in ("write unit", "read unit"):
            spent[note["kind"], note["what"]] += note["units"]
    parts = [f"{what} {units / tasks:.2f} {kind}s" for (kind, what), units in sorted(spent.items())]
    return "of poll, per task: " + ", ".join(parts)


def _dollars(ours: float, sample: float, tasks: int) -> tuple[str, str, str]:
    ratio = f"{ours / sample:.3f}" if sample else "-"
    return f"{1e6 * ours / tasks:,.2f}", f"{1e6 * sample / tasks:,.2f}", ratio


type Lags = tuple[list[float], list[float]]


def _lags(watched: Sequence[Watched]) -> Lags:
    pairs = [(_our_lag(one), _sample_lag(one)) for one in watched]
    both = [(ours, theirs) for ours, theirs in pairs if ours is not None and theirs is not None]
    return [ours for ours, _ in both], [theirs for _, theirs in both]


def _our_lag(one: Watched) -> float | None:
    if one.task is None or one.task.state is not State.SUCCEEDED or one.task.observed_at is None:
        return None
    return one.task.observed_at - one.born[0] - one.job.seconds


def _sample_lag(one: Watched) -> float | None:
    final = next((event["timestamp"].timestamp() for event in one.execution if _is_final(event)), None)
    return final - one.born[1] - one.job.seconds if final is not None else None


def _is_final(event: Event) -> bool:
    return bool(event["type"] == "TaskStateEntered" and event["stateEnteredEventDetails"]["name"] == FINAL)


def _lag_table(ran: Ran, lags: Lags) -> str:
    seen = [sum(lag(one) is not None for one in ran.watched) for lag in (_our_lag, _sample_lag)]
    checks = Counter(name for one in ran.watched for name in entered(one.execution))
    rows = [
        ("looks per task", _our_looks(ran), f"{checks['Get Job Status'] / len(ran.watched):.1f}", ""),
        ("seen to end", *(str(one) for one in seen), ""),
        ("given up", *(str(len(ran.watched) - one) for one in seen), ""),
    ]
    for name, figure in (("mean lag, s", statistics.fmean), ("p95 lag, s", _p95)):
        ours, theirs = (figure(one) if one else float("nan") for one in lags)
        rows.append((name, f"{ours:.1f}", f"{theirs:.1f}", f"{ours / theirs:.2f}"))
    cold = [
        str(sum(bool(note.get("cold")) for note in ran.notes if note["by"] in names))
        for names in (ran.functions, job_poller.FUNCTIONS)
    ]
    rows.append(("cold starts, all functions", *cold, ""))
    return table(("", "taskhook", "job poller", "ratio"), rows)


def _our_looks(ran: Ran) -> str:
    return f"{sum(one.looks for one in ran.watched) / len(ran.watched):.1f}"


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[int(0.95 * len(values))]


def _judged(ours: Used, sample: Used, lags: Lags) -> Iterator[tuple[str, str, str]]:
    ratio = ours.whole / sample.whole
    yield f"watching costs at most {AIM_COST:g} of the job poller", f"{ratio:.3f}", met(ratio <= AIM_COST)
    late = statistics.fmean(lags[0]) / statistics.fmean(lags[1]) if lags[0] else float("nan")
    yield "with less mean lag", f"{late:.2f}", met(late < AIM_LAG)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tasks", type=int, default=TASKS, help=f"cost: how many tasks (default {TASKS})")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"cost: when given up (default {MINUTES:g})")


if __name__ == "__main__":
    reading = argparse.ArgumentParser(prog="python -m benchmarks.cost", description=__doc__)
    arguments(reading)
    options = reading.parse_args()
    main(options.tasks, options.minutes)

"""`python -m benchmarks.polling`: when to look again, against the schedules of the field and the offline optimum.

Deterministic, without AWS; about three minutes. docs/polling.md says what the columns are."""

import time
from collections.abc import Iterator
from math import exp, isfinite, log
from random import Random

from benchmarks.polling import changes, plot
from benchmarks.polling.anchors import ANCHORS
from benchmarks.polling.measure import (
    LAMBDAS,
    Figures,
    Runs,
    absolute,
    anchored,
    at_equal,
    by_default,
    constant,
    figures,
    learning,
    of_mix,
    optimal,
    priced,
    tuned_constants,
)
from benchmarks.polling.replay import FIXED, LEFT, LOOK, Watched, follow_learning
from benchmarks.polling.shapes import SHAPES
from benchmarks.report import met, table
from taskhook.schedule import CAP, OMEGA, RHO, STRETCH, History, Progress, learned, next_wait

AIM_LAG, AIM_COST, AIM_MICROS = 2.0, 1.12, 100.0
SHOWN = (2.0, 4.0, 10.0)
JUDGED = (4.0, 10.0)
"""λ for which the cost is held against the optimum's."""
FINEST = 0.5
"""λ below which the grid of the optimum is too coarse to be one."""
REPLICATES = 10

type Curve = dict[float, Figures]
"""By λ."""

_COLUMNS = ("looks", "lag s", "p95 s", "lag/T", "$/M")


def _row(one: Figures) -> tuple[str, ...]:
    return f"{one.looks:.1f}", f"{one.lag:.1f}", f"{one.p95:.1f}", f"{one.relative:.3f}", f"{one.dollars:,.0f}"


def main() -> None:
    print("When to look again: looks per task, and how late the end is seen. Simulated; seeds fixed.\n")
    _by_shape()
    curve = {worth: of_mix(absolute(worth)) for worth in LAMBDAS}
    best = {worth: of_mix(optimal(constant(worth))) for worth in LAMBDAS}
    tuned = {worth: of_mix(tuned_constants(worth)) for worth in LAMBDAS}
    urgencies = {level.value: of_mix(learning(RHO * factor, CAP * factor)) for level, factor in STRETCH.items()}
    anchors = {anchor.name: anchored(anchor) for anchor in ANCHORS}
    mixed = {name: of_mix(runs) for name, runs in anchors.items()}
    rows = [(f"taskhook, urgency {name}", *_row(one), "", "", "", "") for name, one in urgencies.items()]
    rows += [(f"taskhook, λ {worth:g} s", *_row(curve[worth]), "", "", "", "") for worth in SHOWN]
    rows += [(f"offline optimum, λ {worth:g} s", *_row(best[worth]), "", "", "", "") for worth in SHOWN]
    rows += [_against(f"constant tuned per kind, λ {worth:g} s", tuned[worth], curve, aim=False) for worth in SHOWN]
    rows += [_against(name, one, curve) for name, one in mixed.items()]
    print("The mix (lag x: peer's over ours at as many looks; looks x: at as much lag; aim: lag x >= 2)\n")
    print(table(("", *_COLUMNS, "$/M own loop", "lag x", "looks x", "met"), rows), "\n")
    print("Lag x at as many looks, shape by shape (below 1: the other is better; -: ours never looks so rarely)\n")
    print(table(("", *(shape.name for shape in SHAPES)), list(_cells(anchors))), "\n")
    _changes()
    _first_tasks()
    _progress()
    micros = _micros()
    print(table(("", "CPU µs"), [(name, f"{value:.1f}") for name, value in micros.items()]), "\n")
    print(table(("aim", "measured", "met"), list(_judged(curve, best, mixed, micros))), "\n")
    ideal = {worth: one for worth, one in best.items() if worth >= FINEST}
    lines = (list(runs.values()) for runs in (curve, ideal, tuned))
    print(plot.draw(*lines, urgencies=urgencies, anchors=mixed).name)


def _judged(
    curve: Curve, best: Curve, mixed: dict[str, Figures], micros: dict[str, float]
) -> Iterator[tuple[str, str, str]]:
    for name, one in mixed.items():
        lag, _ = at_equal(list(curve.values()), one)
        yield f"at most half the lag at as many looks: {name}", f"1 / {_ratio(lag)}", met(lag >= AIM_LAG)
    for worth in JUDGED:
        ratio = curve[worth].cost(worth) / best[worth].cost(worth)
        yield f"within 12 % of the optimum's cost, λ {worth:g} s at any age", f"{ratio:.3f}", met(ratio <= AIM_COST)
    ours, ideal = (
        sum(shape.mix * priced(runs[shape.name]) for shape in SHAPES) for runs in (learning(), optimal(by_default))
    )
    yield "the same, λ as shipped", f"{ours / ideal:.3f}", met(ours / ideal <= AIM_COST)
    for name in list(micros)[:2]:
        yield f"{name} in 100 µs CPU", f"{micros[name]:.1f} µs", met(micros[name] <= AIM_MICROS)


def _by_shape() -> None:
    ours, best = learning(), optimal(by_default)
    same, ideal = absolute(JUDGED[0]), optimal(constant(JUDGED[0]))
    rows = []
    for shape in SHAPES:
        cold = Watched.joined(follow_learning(shape.draw(20, seed), seed) for seed in range(REPLICATES))
        name = shape.name
        cost = [figures((1.0, runs[name])).cost(JUDGED[0]) for runs in (same, ideal)]
        for who, runs, ratio in (
            ("learned", ours[name], f"{cost[0] / cost[1]:.2f}"),
            ("first 20 tasks", cold, ""),
            ("optimum", best[name], ""),
        ):
            rows.append((f"{name}, {who}", *_row(figures((1.0, runs))), f"{priced(runs):.1f}", ratio))
    print(f"Shape by shape, λ as shipped (cost: looks + lag/λ; last: cost over the optimum's at λ {JUDGED[0]:g} s)\n")
    print(table(("", *_COLUMNS, "cost", "constant λ"), rows), "\n")


def _against(name: str, one: Figures, curve: Curve, *, aim: bool = True) -> tuple[str, ...]:
    lag, looks = at_equal(list(curve.values()), one)
    loop = FIXED + one.looks * (LEFT + LOOK)
    verdict = met(lag >= AIM_LAG) if aim else ""
    return (name, *_row(one), f"{loop:,.0f}", _ratio(lag), _ratio(looks), verdict)


def _ratio(value: float) -> str:
    return f"{value:.2f}" if isfinite(value) else "-"


def _cells(anchors: dict[str, Runs]) -> Iterator[tuple[str, ...]]:
    curves = {shape.name: [figures((1.0, absolute(worth)[shape.name])) for worth in LAMBDAS] for shape in SHAPES}
    tuned: dict[str, Runs] = {"constant tuned per kind, λ 2 s": tuned_constants(2.0)}
    for name, runs in (tuned | anchors).items():
        yield name, *(_ratio(at_equal(curves[kind], figures((1.0, runs[kind])))[0]) for kind in curves)


def _changes() -> None:
    rows = []
    for change in changes.CHANGES:
        ours, fixed = changes.after(change, REPLICATES)
        rows += [(f"{change}: taskhook", *ours.row), ("  a constant with as many looks before", *fixed.row)]
    print("After a change of tasks of 20 min: mean lag in seconds of the tasks concerned\n")
    print(table(("", "looks before", "after", "next 25", "26-100", "101-400"), rows), "\n")
    rows = []
    for omega in (0.02, OMEGA, 0.1):
        quick, fail = (changes.after(change, 4, omega)[0] for change in list(changes.CHANGES)[:2])
        rows.append((f"omega {omega:g}", f"{quick.before:.1f}", f"{quick.lags[0]:.0f}", f"{fail.lags[0]:.0f}"))
    print("The prior's floor: what it costs in looks, and how late the next 25 are seen\n")
    print(table(("", "looks", "4 times as quick", "1 in 10 fails"), rows), "\n")


def _first_tasks() -> None:
    kinds = {name: changes.first_tasks(name, REPLICATES) for name in ("short", "long", "bimodal")}
    rows = [(name, *(f"{looks:.1f} / {lag:.1f}" for looks, lag in windows)) for name, windows in kinds.items()]
    print("The first tasks of a kind: looks / lag in seconds\n")
    print(table(("", "1st", "2-10", "11-30", "31-100"), rows), "\n")


def _progress() -> None:
    shape = next(shape for shape in SHAPES if shape.name == "longer")
    drawn = shape.draw(600, 3)
    curve, rows = [], []
    for factor in (0.25, 1.0, 4.0, 16.0):
        plain, told = (
            figures((1.0, follow_learning(drawn, 5, rho=RHO * factor, cap=CAP * factor, reports=reports)[200:]))
            for reports in (None, changes.reports(600, 5))
        )
        curve.append(plain)
        rows.append((factor, plain, told))
    print("Tasks of an hour that report progress (noisy; some stop at 99 %, some are silent): looks / lag in seconds\n")
    cells = [
        (
            f"λ x {factor:g}",
            f"{plain.looks:.1f} / {plain.lag:.0f}",
            f"{told.looks:.1f} / {told.lag:.0f}",
            *map(_ratio, at_equal(curve, told)),
        )
        for factor, plain, told in rows
    ]
    print(table(("", "without", "with", "lag, with/without at equal looks", "looks at equal lag"), cells), "\n")


def _micros() -> dict[str, float]:
    rng = Random(1)  # noqa: S311
    item: dict[str, float] = {}
    for _ in range(200):
        history = History.from_item(item)
        end = exp(rng.gauss(log(1200), 0.5))
        for name, weight in learned(history, 0.8 * end, 1.1 * end).items():
            item[name] = item.get(name, 0.0) + weight
    history = History.from_item(item)
    ages = [exp(rng.uniform(-1, 10)) for _ in range(5000)]
    followed = Progress().moved(300.0, 0.2).moved(700.0, 0.6)
    began = time.process_time()
    for age in ages:
        next_wait(history, age, rng=rng)
    decided = time.process_time()
    for _ in ages:
        next_wait(history, 900.0, rng=rng, progress=followed)
    following = time.process_time()
    for _ in range(1000):
        _ = History.from_item(item).age_hazards
    read = time.process_time()
    for age in ages[:1000]:
        learned(history, age, 1.1 * age)
    wrote = time.process_time()
    return {
        "one decision": (decided - began) / 5000 * 1e6,
        "one decision, following progress": (following - decided) / 5000 * 1e6,
        "reading what is remembered, once per function and minute": (read - following) / 1000 * 1e6,
        "what one finished task adds": (wrote - read) / 1000 * 1e6,
    }


if __name__ == "__main__":
    main()

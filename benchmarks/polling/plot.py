"""docs/polling-lag.png: lag against looks on the mix, with every anchor and the optimum."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

from benchmarks.polling.measure import Figures

mpl.use("Agg")
from matplotlib import pyplot

TARGET = Path(__file__).resolve().parents[2] / "docs" / "polling-lag.png"


def draw(
    learned: Sequence[Figures],
    optimal: Sequence[Figures],
    tuned: Sequence[Figures],
    *,
    urgencies: Mapping[str, Figures],
    anchors: Mapping[str, Figures],
) -> Path:
    figure, axes = pyplot.subplots(figsize=(10, 6), layout="constrained")
    for runs, style, label in (
        (learned, "-", "taskhook, learned; one λ for every age"),
        (tuned, ":", "the best constant for each kind of task"),
        (optimal, "--", "offline optimum, durations' laws known"),
    ):
        axes.plot([one.looks for one in runs], [one.lag for one in runs], style, label=label)
    axes.plot(
        [one.looks for one in urgencies.values()],
        [one.lag for one in urgencies.values()],
        "s",
        color="C0",
        label="taskhook as it is shipped: λ is 2 % of the age, at most 10 s",
    )
    axes.plot([one.looks for one in anchors.values()], [one.lag for one in anchors.values()], "o", color="C3")
    for number, (name, one) in enumerate(sorted(anchors.items(), key=lambda pair: pair[1].lag)):
        place = (1.04, 0.02 + 0.96 * number / (len(anchors) - 1))
        line = {"arrowstyle": "-", "color": "0.7", "lw": 0.6}
        axes.annotate(
            name, (one.looks, one.lag), place, textcoords=axes.transAxes, fontsize=8, va="center", arrowprops=line
        )
    for name, one in urgencies.items():
        axes.annotate(name, (one.looks, one.lag), (-6, -11), textcoords="offset points", fontsize=7, ha="right")
    axes.set(xscale="log", yscale="log", xlabel="looks per task", ylabel="mean lag, seconds")
    axes.set_title("The mix of docs/polling.md: how late the end is seen, by how often one looks")
    axes.grid(visible=True, which="both", alpha=0.2)
    axes.legend(loc="lower left", fontsize=8)
    figure.savefig(TARGET, dpi=110)
    return TARGET

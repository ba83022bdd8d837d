"""docs/polling-herd.png: what each second asks of the provider and of AWS after 5,000 tasks have come at once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

from benchmarks.limits import LIMIT
from benchmarks.limits.world import World

mpl.use("Agg")
from matplotlib import pyplot

TARGET = Path(__file__).resolve().parents[2] / "docs" / "polling-herd.png"
SHOWN = 300
"""Seconds."""
STYLES = {
    "no limiter, retry": ("C3", "-", "no limiter; who is refused tries again, later each time"),
    "token bucket at wake": ("C1", "--", "token bucket, asked when an execution is awake"),
    "calendar, as taskhook has it": (
        "C0",
        "-",
        "taskhook: a calendar, the next look's slot reserved at the end of this one",
    ),
}
TICKS = (10, 20, 50, 100, 200, 500)


def draw(herd: Mapping[str, World]) -> Path:
    """``herd``: by the name of the design."""
    figure, (asked, woken) = pyplot.subplots(2, 1, figsize=(10, 7), sharex=True, layout="constrained")
    for name, (color, style, label) in STYLES.items():
        # Two of them ask the same of the provider: the dashed line lies on the other.
        look = {"color": color, "lw": 1.2, "zorder": 4 if style == "--" else 3}
        asked.plot(_by_second(herd[name].offered), style, label=label, **look)
        woken.plot(_by_second(herd[name].woken), style, **look)
    asked.axhline(LIMIT, color="0.2", ls=":", lw=1.2)
    asked.annotate(f"the provider's limit, {LIMIT}/s", (SHOWN, LIMIT), (-4, 4), textcoords="offset points", ha="right")
    for axes, what in ((asked, "requests to the provider per second"), (woken, "invocations per second")):
        axes.set(yscale="log", xlim=(0, SHOWN), ylim=(10, 900), ylabel=what)
        axes.set_yticks(TICKS, [str(tick) for tick in TICKS])
        axes.grid(visible=True, alpha=0.2)
    woken.set_xlabel("seconds since the first was submitted")
    asked.set_title("A herd: 5,000 tasks submitted within a minute (simulated)")
    figure.legend(loc="outside lower center", fontsize=8)
    figure.savefig(TARGET, dpi=110)
    return TARGET


def _by_second(times: Sequence[float]) -> list[int]:
    counts = Counter(int(at) for at in times)
    return [counts[second] for second in range(SHOWN)]

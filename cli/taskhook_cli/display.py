"""How a watch looks while it goes on: bars on a terminal, one plain line for each change elsewhere."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.progress import Progress, ProgressColumn, SpinnerColumn, TaskID
from rich.progress import Task as Row
from rich.progress_bar import ProgressBar
from rich.text import Text

from taskhook_cli.durations import show_duration
from taskhook_cli.out import COLORS, Out, console
from taskhook_cli.safe import short
from taskhook_cli.story import change_key, ended, estimate, fraction, line, name_of, percent, trouble
from taskhook_cli.times import clock_time

MOST_BARS = 20
"""More do not fit on a screen; then there are lines."""

type Task = dict[str, Any]
type Show = Callable[[Task], None]


@contextmanager
def display(out: Out, ids: Sequence[str]) -> Iterator[Show]:
    """On standard error, so that standard output has results only; with ``json`` every change is a result."""
    if out.json:
        yield out.record
    elif out.quiet:
        yield _nothing
    elif console(stderr=True).is_terminal and len(ids) <= MOST_BARS:
        with _progress() as progress:
            yield _Bars(progress, ids).show
    else:
        yield _Lines().show


def _nothing(task: Task) -> None:
    return


class _Lines:
    def __init__(self) -> None:
        self._last: dict[str, Any] = {}

    def show(self, task: Task) -> None:
        id, key, now = str(task.get("id")), change_key(task), time.time()
        if self._last.get(id) != key:
            self._last[id] = key
            click.echo(f"{clock_time(now, now)}  {line(task, now)}", err=True)


class _Bars:
    def __init__(self, progress: Progress, ids: Sequence[str]) -> None:
        self._progress = progress
        self._rows: dict[str, TaskID] = {id: progress.add_task("", total=None, seen={}) for id in ids}

    def show(self, task: Task) -> None:
        row = self._rows.get(str(task.get("id")))
        if row is not None:
            self._progress.update(row, seen=task)


def _progress() -> Progress:
    # disable stays off and refresh is slow: the estimate's countdown moves without news from the service.
    return Progress(_Spinner(), _Name(), _Bar(), _Facts(), console=console(stderr=True), refresh_per_second=4)


class _Spinner(ProgressColumn):
    """Stands still when its task has ended."""

    def __init__(self) -> None:
        super().__init__()
        self._turning = SpinnerColumn("dots")

    def render(self, task: Row) -> Any:
        seen = task.fields["seen"]
        if not ended(seen):
            return self._turning.render(task)
        return Text("✓" if seen["state"] == "succeeded" else "✗", style=COLORS.get(seen["state"], ""))


class _Name(ProgressColumn):
    def render(self, task: Row) -> Text:
        seen = task.fields["seen"]
        return Text(short(name_of(seen), 40) if seen else "asking ...")


class _Bar(ProgressColumn):
    def render(self, task: Row) -> ProgressBar:
        seen = task.fields["seen"]
        done = fraction(seen, time.time())
        return ProgressBar(
            total=1.0,
            completed=done or 0.0,
            width=24,
            pulse=done is None,
            animation_time=time.monotonic(),
            finished_style=COLORS.get(str(seen.get("state")), "bar.finished"),
        )


class _Facts(ProgressColumn):
    def render(self, task: Row) -> Text:
        seen = task.fields["seen"]
        state = str(seen.get("state", ""))
        return Text.assemble(
            (short(state, 12), COLORS.get(state, "")), " " * bool(facts := _facts(seen)), "; ".join(facts)
        )


def _facts(seen: Task) -> list[str]:
    done, now, took = percent(seen), time.time(), seen.get("took_seconds")
    facts = [
        f"{done} %" if done is not None and not ended(seen) else None,
        estimate(seen, now),
        f"took {show_duration(took)}" if ended(seen) and isinstance(took, (int, float)) else None,
        short(words, 120) if (words := trouble(seen)) else None,
    ]
    return [fact for fact in facts if fact]

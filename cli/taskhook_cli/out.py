"""Where words go: results to standard output, all else to standard error. No text reaches a terminal raw."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from taskhook_cli.safe import clean

COLORS = {
    "succeeded": "green",
    "failed": "bold red",
    "lost": "bold red",
    "timed_out": "red",
    "partial": "yellow",
    "canceled": "yellow",
    "stopped": "dim",
    "running": "cyan",
    "queued": "dim",
}


def console(*, stderr: bool = False) -> Console:
    """Without rich's own markup: square brackets in a title are no command."""
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Out:
    """``json``: results are JSON, one document a line. ``quiet``: nothing is said but results and errors."""

    json: bool = False
    quiet: bool = False

    def record(self, value: Any) -> None:
        # ASCII only: no control character, and no encoding that a pipe could lack.
        click.echo(json.dumps(value, ensure_ascii=True, separators=(",", ":")))

    def result(self, text: object) -> None:
        """One line."""
        click.echo(clean(text))

    def say(self, text: object) -> None:
        if not self.quiet:
            self.warn(text)

    def warn(self, text: object) -> None:
        for line in clean(text, lines=True).splitlines():
            click.echo(f"taskhook: {line}", err=True)

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[object]], state_column: int | None = None) -> None:
        """A table for people; for anything but a terminal one line for each row, with tabs, cut nowhere."""
        screen = console()
        if not screen.is_terminal:
            for row in rows:
                click.echo("\t".join(clean(cell) for cell in row))
            return
        table = Table(*heads, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            cells = [Text(clean(cell)) for cell in row]
            if state_column is not None:
                cells[state_column].stylize(COLORS.get(cells[state_column].plain, ""))
            table.add_row(*cells)
        screen.print(table)

    def facts(self, rows: Iterable[tuple[str, object]]) -> None:
        """Names and values, one a line; those without a value are left out."""
        shown = [(name, clean(value)) for name, value in rows if value not in (None, "", [], {})]
        width = max((len(name) for name, _ in shown), default=0)
        for name, value in shown:
            click.echo(f"{name:<{width}}  {value}")

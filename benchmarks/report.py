"""Tables for a terminal, and whether an aim was met."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One comparison with a peer. ``aim`` is the highest ratio that is good enough; None where nothing was promised."""

    name: str
    ours: float
    peer: float
    unit: str
    aim: float | None = None

    @property
    def ratio(self) -> float:
        return self.ours / self.peer

    @property
    def row(self) -> tuple[str, ...]:
        ours, peer = (f"{value:,.1f} {self.unit}" for value in (self.ours, self.peer))
        aim = "" if self.aim is None else f"<= {self.aim:.2f}"
        return self.name, ours, peer, f"{self.ratio:.2f}", aim, met(self.aim is None or self.ratio <= self.aim, aim)


def met(good: bool, aim: str = "aim") -> str:
    return ("yes" if good else "MISSED") if aim else ""


def figures_table(figures: Sequence[Figure], peer: str) -> str:
    return table(("", "taskhook", peer, "ratio", "aim", "met"), [figure.row for figure in figures])


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; all but the first to the right."""
    widths = [max(len(line[column]) for line in (header, *rows)) for column in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )

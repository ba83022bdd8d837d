"""What ends a command.

    CommandError            exit 1   what was given cannot be used
    ├─ UsageFault           exit 2   the command line or the configuration is wrong
    ├─ Refused              exit 1   the service says no; ``status`` is its answer's
    ├─ Unreachable          exit 3   no answer, or only errors, for as long as we were patient
    └─ StillRunning         exit 4   --wait-timeout has passed

They are click's exceptions, so that click's own way out shows them as well. No text ever holds the API key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

import click

from taskhook_cli.exits import Exit
from taskhook_cli.safe import clean


class CommandError(click.ClickException):
    exit_code = Exit.REFUSED

    def show(self, file: IO[Any] | None = None) -> None:
        for line in clean(self.message, lines=True).splitlines() or [""]:
            click.echo(f"taskhook: {line}", file=file, err=file is None)


class UsageFault(CommandError):
    exit_code = Exit.USAGE


class Unreachable(CommandError):
    exit_code = Exit.UNREACHABLE


class StillRunning(CommandError):
    exit_code = Exit.STILL_RUNNING


@dataclass(frozen=True, slots=True)
class FieldFault:
    """As in a problem's ``errors``."""

    field: str
    message: str


class Refused(CommandError):
    """``tries``: beyond one, an earlier request of the same call may have done its work unseen."""

    tries = 1

    def __init__(self, status: int, detail: str, faults: Sequence[FieldFault] = (), hint: str | None = None) -> None:
        self.status = status
        self.detail = detail
        self.faults = tuple(faults)
        self.hint = hint
        super().__init__("\n".join([detail, *(f"  {_named(one)}" for one in faults), *([hint] if hint else [])]))


OPTIONS = {
    "provider": "PROVIDER",
    "task_id": "TASK_ID",
    "region": "--region",
    "account": "--account",
    "notify": "--notify",
    "timeout_seconds": "--timeout",
    "urgency": "--urgency",
    "title": "--title",
    "metadata": "--metadata",
    "state": "--state",
    "limit": "--limit",
    "since": "--since",
}


def option_of(field: str) -> str | None:
    """The option that a field of the API comes from: ``notify[0].url`` from ``--notify``."""
    return OPTIONS.get(field.partition(".")[0].partition("[")[0])


def _named(fault: FieldFault) -> str:
    option = option_of(fault.field)
    where = fault.field if option is None else option if option == fault.field else f"{option} ({fault.field})"
    return f"{where}: {fault.message}" if where else fault.message

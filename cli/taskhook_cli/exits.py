"""What the exit status tells a script. docs/cli.md shows the same table, and a test compares the two."""

from collections.abc import Iterable
from enum import IntEnum


class Exit(IntEnum):
    OK = 0
    """Done; with a watch: every task succeeded."""
    REFUSED = 1
    """Refused by the service, or what was given cannot be used."""
    USAGE = 2
    """The command line or the configuration is wrong."""
    UNREACHABLE = 3
    """The service gave no answer, or only errors, for too long."""
    STILL_RUNNING = 4
    """The time of --wait-timeout passed; the service goes on watching."""
    FAILED = 10
    PARTIAL = 11
    CANCELED = 12
    TIMED_OUT = 13
    LOST = 14
    STOPPED = 15
    DEFECT = 70
    """A defect of this program (sysexits' EX_SOFTWARE)."""
    INTERRUPTED = 130
    """Ctrl-C; the service goes on watching."""


BY_STATE = {
    "failed": Exit.FAILED,
    "lost": Exit.LOST,
    "timed_out": Exit.TIMED_OUT,
    "partial": Exit.PARTIAL,
    "canceled": Exit.CANCELED,
    "stopped": Exit.STOPPED,
    "succeeded": Exit.OK,
}
"""The gravest first: of several tasks, that one decides."""

ENDED = frozenset(BY_STATE)
STATES = ("queued", "running", "succeeded", "failed", "partial", "canceled", "timed_out", "lost", "stopped")


def exit_of(states: Iterable[str]) -> Exit:
    """For tasks that have all ended."""
    found = set(states)
    return next((status for state, status in BY_STATE.items() if state in found), Exit.OK)

"""One word per task, the same for every provider."""

from enum import StrEnum


class State(StrEnum):
    """Where a task stands, as far as taskhook knows."""

    QUEUED = "queued"
    """Accepted, nobody has looked yet."""
    RUNNING = "running"
    """The provider says that it is not finished. An unknown provider word stays here too, never in success."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PARTIAL = "partial"
    """Some resources succeeded and some failed, none is still going."""
    CANCELED = "canceled"
    TIMED_OUT = "timed_out"
    """Our deadline passed while the provider still said running."""
    LOST = "lost"
    """We could not go on looking; the task's error says why."""
    STOPPED = "stopped"
    """The caller asked us to stop watching. Nobody is notified."""

    @property
    def terminal(self) -> bool:
        return self not in WATCHED

    @property
    def event(self) -> str:
        """The type of the news that this state makes, as in ``task.succeeded``."""
        return f"task.{self.value}"


WATCHED = frozenset({State.QUEUED, State.RUNNING})
"""Somebody is, or should be, looking at these."""

ANSWERED = frozenset({State.SUCCEEDED, State.FAILED, State.PARTIAL, State.CANCELED})
"""The provider's last word: looking again can change nothing."""

ABANDONED = frozenset({State.TIMED_OUT, State.LOST, State.STOPPED})
"""Our last word, not the provider's: posting the task again starts a new watch."""

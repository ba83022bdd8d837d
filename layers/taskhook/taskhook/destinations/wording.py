"""What people are told about a task, in words that every chat channel shares. Nothing here knows a channel's syntax."""

from dataclasses import replace

from taskhook.destinations.text import one_line
from taskhook.states import ANSWERED, State
from taskhook.task import Problem, Resource, Task
from taskhook.times import duration

OUTCOMES = {
    State.QUEUED: ("⏳", "Waiting"),
    State.RUNNING: ("⏳", "Still running"),
    State.SUCCEEDED: ("✅", "Succeeded"),
    State.FAILED: ("❌", "Failed"),
    State.PARTIAL: ("⚠️", "Partly failed"),
    State.CANCELED: ("🚫", "Canceled"),
    State.TIMED_OUT: ("⏰", "Still not finished at the deadline"),
    # Not a word of failing here: the job may well be fine, it is we who cannot see it any more.
    State.LOST: ("🔭", "Lost sight of"),
    State.STOPPED: ("⏹️", "No longer watched"),
}
"""The sign and the words that begin every message: on a phone they are all that shows."""


def outcome(task: Task) -> str:
    return " ".join(OUTCOMES[task.state])


def title(task: Task) -> str:
    """What the caller calls the task, else what the provider does."""
    return one_line(task.title or "") or f"{service(task)} {one_line(task.task_id)}"


def service(task: Task) -> str:
    """``tencent.clb``, as callers write it, without the action."""
    return ".".join(task.provider.split(".")[:2])


def place(task: Task) -> str:
    return f"{service(task)}, {task.region}" if task.region else service(task)


def took(task: Task) -> tuple[str, str] | None:
    """How long it took or, where nobody knows, how long it was watched; None where the clocks make no sense.

    A provider's clock is not ours: a span from one to the other can be negative, and then it says nothing.
    """
    label, start, end = "Took", task.started_at or task.submitted_at, ended(task)
    if task.state not in ANSWERED:
        label, start, end = "Watched for", task.submitted_at, task.observed_at
    if end is None or end < start:
        return None
    return label, duration(end - start)


def ended(task: Task) -> float | None:
    return task.finished_at or task.observed_at


def polled(task: Task) -> str:
    return "polled once" if task.polls == 1 else f"polled {task.polls} times"


def why(task: Task) -> Problem | None:
    """The reason of an end that nobody hoped for; a failure without one says so."""
    if not task.state.terminal or task.state is State.SUCCEEDED:
        return None
    if task.error:
        # A bare status word ("1", "failed") explains nothing that the outcome does not say already.
        return replace(task.error, code="") if task.error.code == task.provider_state else task.error
    if task.message:
        return Problem(code=task.provider_state or task.state.value, message=task.message)
    if task.state is State.FAILED:
        return Problem(code=task.provider_state or task.state.value, message="the provider gives no reason")
    return None


def explained(problem: Problem) -> str:
    """Code and message; once only, where a provider repeats itself."""
    code, message = one_line(problem.code), one_line(problem.message)
    return ": ".join(dict.fromkeys(part for part in (code, message) if part))


def unsuccessful(task: Task) -> list[Resource]:
    return [one for one in task.resources if one.state is not State.SUCCEEDED]


def tally(task: Task) -> str:
    """``2 of 5 did not succeed``."""
    return f"{len(unsuccessful(task))} of {len(task.resources)} did not succeed"

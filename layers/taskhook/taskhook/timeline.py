"""A task's story in the order of time: what has happened, in words, and what comes next."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from taskhook.looks import Look
from taskhook.states import State
from taskhook.task import Attempt, Delivery, DeliveryState, Task
from taskhook.times import duration, rfc3339_millis

SUBMITTED, LOOK, GAP, ENDED, ATTEMPT = "submitted", "look", "gap", "ended", "attempt"
KINDS = (SUBMITTED, LOOK, GAP, ENDED, ATTEMPT)
_GOOD = {State.SUCCEEDED: True, State.STOPPED: None, State.CANCELED: None}
_ORDER = {kind: number for number, kind in enumerate((SUBMITTED, GAP, LOOK, ENDED, ATTEMPT))}
_TAKEN = ("delivered", "accepted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    at: float
    kind: str
    text: str
    good: bool | None = None
    destination: str | None = None
    planned: bool = False

    def view(self) -> dict[str, Any]:
        return {
            "at": rfc3339_millis(self.at),
            "kind": self.kind,
            "text": self.text,
            "good": self.good,
            "destination": self.destination,
            "planned": self.planned,
        }


def timeline(task: Task) -> list[Event]:
    """Everything that is known of a task, the earliest first."""
    events = [*_beginning(task), *_looks(task), *_end(task), *_attempts(task), *_plans(task)]
    # To the millisecond, as they are shown: a look and the end that it saw have one time.
    return sorted(events, key=lambda event: (event.planned, round(event.at, 3), _ORDER[event.kind]))


def _beginning(task: Task) -> Iterator[Event]:
    limit = duration(task.deadline - task.submitted_at)
    yield Event(at=task.submitted_at, kind=SUBMITTED, text=f"Submitted; watched for at most {limit}")


def _looks(task: Task) -> Iterator[Event]:
    for look in task.looks:
        if look.skipped:
            looks = "1 look" if look.skipped == 1 else f"{look.skipped} looks"
            yield Event(at=look.at, kind=GAP, text=f"{looks} before this one are no longer kept")
        yield Event(at=look.at, kind=LOOK, text=_seen(look), good=False if look.trouble else None)


def _seen(look: Look) -> str:
    if look.trouble is not None:
        return f"No answer that helps: {look.trouble}"
    said = f"The provider says '{look.said}'" if look.said is not None else "The provider says nothing of its state"
    done = f", {int(100 * look.progress)} % done" if look.progress is not None and look.state == "running" else ""
    return f"{said}: {look.state}{done}"


def _end(task: Task) -> Iterator[Event]:
    if task.finished_at is not None and task.state.terminal:
        yield Event(at=task.finished_at, kind=ENDED, text="Finished, as the provider says", good=_good(task))
    if task.observed_at is not None and task.state.terminal:
        yield Event(at=task.observed_at, kind=ENDED, text=_ending(task), good=_good(task))


def _good(task: Task) -> bool | None:
    return _GOOD.get(task.state, False)


def _ending(task: Task) -> str:
    words = f"Ended: {task.state.value.replace('_', ' ')}"
    if task.state is State.SUCCEEDED:
        return words
    problem = task.error
    why = ": ".join(dict.fromkeys((problem.code, problem.message))) if problem is not None else task.message
    reasons = [why, problem.hint if problem is not None else None]
    return ". ".join([words, *dict.fromkeys(one.rstrip(". ") for one in reasons if one)])


def _attempts(task: Task) -> Iterator[Event]:
    for name, delivery in sorted(task.deliveries.items()):
        for attempt in delivery.log:
            good = attempt.verdict in _TAKEN
            yield Event(at=attempt.at, kind=ATTEMPT, text=_told(name, attempt), good=good, destination=name)
        if delivery.state in (DeliveryState.HELD, DeliveryState.SKIPPED) and delivery.reason is not None:
            at = max([task.observed_at or task.submitted_at, *(one.at for one in delivery.log)])
            yield Event(
                at=at, kind=ATTEMPT, text=f"{name}: {_kept(delivery)}", destination=name,
                good=False if delivery.state is DeliveryState.HELD else None,
            )  # fmt: skip


def _kept(delivery: Delivery) -> str:
    """The reason once, where the latest attempt has given it already."""
    said = bool(delivery.log) and delivery.log[-1].detail == delivery.reason
    return delivery.state.value if said else f"{delivery.state.value}, {delivery.reason}"


def _told(name: str, attempt: Attempt) -> str:
    event = attempt.event.removeprefix("task.").replace("_", " ")
    what = f"{name}: told of '{event}', {attempt.verdict}"
    return f"{what}. {attempt.detail}" if attempt.detail else what


def _plans(task: Task) -> Iterator[Event]:
    if task.next_look is not None and not task.state.terminal:
        why = f": {task.reason}" if task.reason else ""
        yield Event(at=task.next_look, kind=LOOK, text=f"Next look{why}", planned=True)
    if not task.state.terminal or task.state is State.STOPPED:
        return
    for name, delivery in sorted(task.deliveries.items()):
        if delivery.state is DeliveryState.PENDING and delivery.next_attempt_at is not None:
            why = f": {delivery.reason}" if delivery.reason else ""
            yield Event(
                at=delivery.next_attempt_at, kind=ATTEMPT, text=f"{name}: next attempt{why}", destination=name,
                planned=True,
            )  # fmt: skip

"""A task, everything that taskhook knows of it, and how it looks to the outside."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from taskhook.looks import Look, packed, unpacked
from taskhook.states import ANSWERED, State
from taskhook.times import rfc3339, rfc3339_millis


class DeliveryState(StrEnum):
    PENDING = "pending"
    """There is no news yet, or it has not been taken yet."""
    DELIVERED = "delivered"
    ACCEPTED = "accepted"
    """Taken by a service that does not say whether anybody will see it."""
    HELD = "held"
    """Not delivered, and kept: it goes out when the destination works again, or on request."""
    SKIPPED = "skipped"
    """The destination does not want news of such tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One thing that a task works on, such as a machine, with how it fared."""

    id: str
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a task ended badly or cannot be looked at. ``hint`` says what to do about it."""

    code: str
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to deliver one piece of news. ``status`` is None where no HTTP answer came.

    ``code`` is what the answer said in its own terms, ``detail`` what that means in English, ``detail_zh`` in Chinese.
    """

    at: float
    verdict: str
    status: int | None
    seconds: float
    detail: str
    event: str
    code: str | None = None
    detail_zh: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What one destination has been told so far. ``attempts`` counts all of them; ``log`` keeps the latest.

    ``tries`` counts those since the news came about or was let go again. ``reason`` says why it is held, skipped or
    escalated; ``forced`` that somebody wants it sent although the destination is out of order. ``slot`` is the moment
    that is reserved for it where the destination takes only so many messages. ``live``: its channel shows how the task
    goes on, ``message`` names what it shows. ``first_at`` and ``told_at``: the first attempt, and when it was taken.
    """

    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    tries: int = 0
    next_attempt_at: float | None = None
    log: tuple[Attempt, ...] = ()
    reason: str | None = None
    forced: bool = False
    slot: float | None = None
    live: bool = False
    message: Mapping[str, str] | None = None
    first_at: float | None = None
    told_at: float | None = None

    def to_dict(self) -> dict[str, Any]:
        data = {**asdict(self), "log": [_sparse(asdict(one)) for one in self.log]}
        return {name: value for name, value in _sparse(data).items() if name in _ALWAYS or value not in (False, 0)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        log = tuple(Attempt(**{"status": None, **attempt}) for attempt in data.get("log", ()))
        return cls(**{**data, "state": DeliveryState(_OLDER.get(data["state"], data["state"])), "log": log})

    @property
    def told(self) -> bool:
        return self.state in (DeliveryState.DELIVERED, DeliveryState.ACCEPTED)


_ALWAYS = ("state", "attempts")
_OLDER = {"failed": "held"}
"""What version 0.1 has written of news that nobody took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """When a task will end: as likely sooner as later, and the times between which eight of ten end."""

    at: float
    earliest: float
    latest: float


TEST = "taskhook.test"
"""The provider of the task that a test message tells of, which nobody has posted; and the type of that message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One watched task. Times are seconds since the epoch.

    ``watch`` numbers the watches of this task, from 1: a state machine execution that carries an older number has been
    superseded and ends without a word. ``sealed`` holds this task's own destinations, encrypted, by their label.
    ``paused`` is set while its account is refused: it names the stored credential that was. ``type`` is what kind of
    task it is, where the provider says so. ``wakes`` counts the times that its watches woke, with a look or without;
    ``looked_at`` is the latest look that brought an answer; ``marks`` and ``steady`` are the progress that was reported
    (see schedule.py); ``reason`` says why the next look is then. ``slots`` are the moments that are reserved for its
    requests on the calendar of a ``limit``, ``blind`` where the calendar could not be asked (see pacing.py). ``batch``
    names the tasks that it may share a request with and ``due`` when it should, ``wakes_at`` when its own execution
    wakes, where there are such (see sharing.py). ``looks`` are those that are kept, ``typical`` how many seconds half
    of the tasks of its kind take at most. ``unannounced``: the event bus has not been told yet that it has ended.
    """

    id: str
    provider: str
    account: str
    region: str | None
    task_id: str
    submitted_at: float
    deadline: float
    title: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    state: State = State.QUEUED
    provider_state: str | None = None
    progress: float | None = None
    message: str | None = None
    error: Problem | None = None
    resources: tuple[Resource, ...] = ()
    result: Any = None
    request_id: str | None = None
    started_at: float | None = None
    finished_at: float | None = None
    observed_at: float | None = None
    polls: int = 0
    next_poll_at: float | None = None
    deliveries: Mapping[str, Delivery] = field(default_factory=dict)
    sealed: Mapping[str, str] = field(default_factory=dict)
    watch: int = 1
    watch_since: float = 0.0
    restarts: int = 0
    troubles: int = 0
    trouble_since: float | None = None
    paused: str | None = None
    urgency: str = "normal"
    type: str | None = None
    wakes: int = 0
    looked_at: float | None = None
    marks: tuple[tuple[float, float], ...] = ()
    steady: bool = True
    reason: str | None = None
    estimate: Estimate | None = None
    slots: tuple[float, ...] = ()
    limit: str | None = None
    blind: bool = False
    batch: str | None = None
    due: float | None = None
    wakes_at: float | None = None
    looks: tuple[Look, ...] = ()
    typical: float | None = None
    unannounced: bool = False

    @property
    def pending(self) -> list[str]:
        """The destinations that still have to hear the news."""
        return [name for name, one in self.deliveries.items() if one.state is DeliveryState.PENDING]

    @property
    def open(self) -> bool:
        """Whether an execution should be alive for this task: it is watched, or somebody has not been told."""
        if self.state is State.STOPPED:
            return False
        return not self.state.terminal or bool(self.pending) or self.unannounced

    @property
    def event(self) -> str:
        """The type of its news, as in ``task.succeeded``."""
        return TEST if self.provider == TEST else self.state.event

    @property
    def news_id(self) -> str:
        """The same for every attempt and every destination of one piece of news, and for no other."""
        return "msg_" + digest(self.id, self.state.value, f"{self.observed_at or 0:.3f}")

    def to_dict(self) -> dict[str, Any]:
        """JSON-like, without the members that say nothing. The inverse of ``from_dict``."""
        data = asdict(replace(self, looks=()))
        data["looks"] = packed(self.looks) or None
        data["unannounced"] = self.unannounced or None
        data["resources"] = [asdict(one) for one in self.resources]
        data["deliveries"] = {name: one.to_dict() for name, one in self.deliveries.items()}
        return _sparse(data)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        # What a newer version has written, and was then rolled back, is left alone.
        known = {name: value for name, value in data.items() if name in cls.__dataclass_fields__}
        known["state"] = State(known["state"])
        known["error"] = Problem(**known["error"]) if known.get("error") else None
        known["resources"] = tuple(
            Resource(id=one["id"], state=State(one["state"])) for one in known.get("resources", ())
        )
        known["marks"] = tuple((age, share) for age, share in known.get("marks", ()))
        known["slots"] = tuple(known.get("slots", ()))
        known["looks"] = unpacked(known.get("looks", ""))
        known["estimate"] = Estimate(**known["estimate"]) if known.get("estimate") else None
        known["deliveries"] = {name: Delivery.from_dict(one) for name, one in known.get("deliveries", {}).items()}
        known.setdefault("region", None)
        return cls(**known)

    def view(self) -> dict[str, Any]:
        """The task as the HTTP API shows it."""
        return {
            **self.news(),
            "deliveries": [self.delivery_view(name) for name in sorted(self.deliveries)],
        }

    def news(self) -> dict[str, Any]:
        """The task as receivers get it: the same, without the deliveries."""
        return {
            "id": self.id,
            "provider": self.provider,
            "account": self.account,
            "region": self.region,
            "task_id": self.task_id,
            "title": self.title,
            "metadata": dict(self.metadata),
            "state": self.state.value,
            "provider_state": self.provider_state,
            "progress": self.progress,
            "message": self.message,
            "error": asdict(self.error) if self.error else None,
            "resources": [{"id": one.id, "state": one.state.value} for one in self.resources],
            "result": self.result,
            "submitted_at": rfc3339(self.submitted_at),
            "started_at": rfc3339(self.started_at),
            "finished_at": rfc3339(self.finished_at),
            "observed_at": rfc3339(self.observed_at),
            "polls": self.polls,
            "next_poll_at": rfc3339(self.next_look),
            "next_poll_reason": self.reason if self.next_poll_at is not None else None,
            "estimate": self._estimate(),
            "typical_seconds": self.typical,
            "took_seconds": self.took,
            "seen_within_seconds": self.seen_within,
            "urgency": self.urgency,
            "deadline": rfc3339(self.deadline),
        }

    @property
    def next_look(self) -> float | None:
        """The moment of the look itself, where the execution is told to wake long before it."""
        return (
            max(self.slots[0], self.next_poll_at) if self.slots and self.next_poll_at is not None else self.next_poll_at
        )

    def _estimate(self) -> dict[str, str | None] | None:
        if self.estimate is None or self.state.terminal:
            return None
        one = self.estimate
        return {"at": rfc3339(one.at), "earliest": rfc3339(one.earliest), "latest": rfc3339(one.latest)}

    @property
    def took(self) -> float | None:
        """Seconds from the submission to the end, or to when we saw it where the provider gives no time of its own."""
        if self.observed_at is None or self.state not in ANSWERED:
            return None
        ended = self.finished_at if self.finished_at is not None else self.observed_at
        return round(max(0.0, min(ended, self.observed_at) - self.submitted_at), 1)

    @property
    def seen_within(self) -> float | None:
        """How late the end was seen, at most: since the provider's own time, else since the look before."""
        if self.observed_at is None or self.state not in ANSWERED:
            return None
        before = self.looked_at if self.looked_at is not None else self.submitted_at
        if self.finished_at is not None:
            before = max(before, min(self.finished_at, self.observed_at))
        return round(max(0.0, self.observed_at - before), 1)

    def delivery_view(self, name: str) -> dict[str, Any]:
        """The summary of a delivery, as it stands in a task."""
        one = self.deliveries[name]
        # Nobody is told of a task that nobody watches any more.
        unheard = self.state is State.STOPPED and one.state is DeliveryState.PENDING
        return {
            "destination": name,
            "state": DeliveryState.SKIPPED.value if unheard else one.state.value,
            "reason": "the task was stopped" if unheard else one.reason,
            "attempts": one.attempts,
            "next_attempt_at": rfc3339(one.next_attempt_at),
        }

    def with_delivery(self, name: str, delivery: Delivery) -> "Task":
        return replace(self, deliveries={**self.deliveries, name: delivery})


def deliveries_view(task: Task, answers: Mapping[tuple[str, float], str]) -> list[dict[str, Any]]:
    """Every delivery with its attempts; ``answers``: what receivers said, by destination and time of the attempt."""
    return [
        {
            **task.delivery_view(name),
            "first_attempt_at": rfc3339_millis(one.first_at) if one.first_at is not None else None,
            "delivered_at": rfc3339_millis(one.told_at) if one.told_at is not None else None,
            "log": [attempt_view(attempt, answers.get((name, attempt.at))) for attempt in one.log],
        }
        for name, one in sorted(task.deliveries.items())
    ]


def attempt_view(attempt: Attempt, answer: str | None = None) -> dict[str, Any]:
    """One attempt, as the list of deliveries shows it."""
    return {
        "at": rfc3339_millis(attempt.at),
        "event": attempt.event,
        "verdict": attempt.verdict,
        "status": attempt.status,
        "code": attempt.code,
        "seconds": attempt.seconds,
        "detail": attempt.detail,
        "detail_zh": attempt.detail_zh or None,
        "answer": answer,
    }


def task_key(*, account: str, provider: str, region: str | None, task_id: str) -> str:
    """The id of a task, derived from what names it, so that posting it again finds it."""
    return digest(account, provider, region or "", task_id)


def digest(*parts: str) -> str:
    """26 lower-case letters and digits (130 bits), fit for URLs and for the names of executions."""
    raw = hashlib.sha256(json.dumps(parts).encode()).digest()
    return base64.b32encode(raw).decode().lower()[:26]


def is_task_key(text: str) -> bool:
    """Whether a text can be the id of a task at all."""
    return len(text) == 26 and set(text) <= _KEY_ALPHABET


_KEY_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyz234567")


def _sparse(data: Mapping[str, Any]) -> dict[str, Any]:
    """Without what says nothing; an empty ``result`` is an answer and stays."""
    return {
        key: value
        for key, value in data.items()
        if value is not None and (key == "result" or value not in ({}, [], ()))
    }

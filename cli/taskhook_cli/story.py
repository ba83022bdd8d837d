"""A task in words: pure, for one line, for a page of facts, for the columns of a list."""

from typing import Any

from taskhook_cli.durations import show_duration
from taskhook_cli.exits import ENDED
from taskhook_cli.safe import clean, short
from taskhook_cli.times import clock_time, seconds_of

type Task = dict[str, Any]

SERVICE_PARTS = 2
"""Of a provider's name: the cloud and the service, which is what people call it."""


def ended(task: Task) -> bool:
    state = task.get("state")
    return isinstance(state, str) and state in ENDED


def name_of(task: Task) -> str:
    """The title, or what was posted."""
    return clean(task.get("title") or f"{service(task)} {task.get('task_id')}")


def service(task: Task) -> str:
    return ".".join(str(task.get("provider", "")).split(".")[:SERVICE_PARTS])


def percent(task: Task) -> int | None:
    progress = task.get("progress")
    if isinstance(progress, bool) or not isinstance(progress, (int, float)):
        return None
    return round(100 * max(0.0, min(1.0, progress)))


def change_key(task: Task) -> tuple[Any, ...]:
    """What must differ for a change to be worth a line: another look that found the same is not."""
    error = task.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return task.get("state"), task.get("provider_state"), percent(task), task.get("message"), code


def estimate(task: Task, now: float) -> str | None:
    """When it will probably end."""
    found = task.get("estimate")
    at = seconds_of(found.get("at")) if isinstance(found, dict) else None
    if at is None or ended(task):
        return None
    return f"probably done at {clock_time(at, now)}" + (f", in {show_duration(at - now)}" if at > now else "")


def fraction(task: Task, now: float) -> float | None:
    """From 0 to 1: the provider's progress, else how much of the estimated time has gone; None where both lack."""
    if ended(task):
        return 1.0
    if (done := percent(task)) is not None:
        return done / 100
    found = task.get("estimate")
    at = seconds_of(found.get("at")) if isinstance(found, dict) else None
    began = seconds_of(task.get("submitted_at"))
    if at is None or began is None or at <= began:
        return None
    return max(0.0, min(0.95, (now - began) / (at - began)))


def trouble(task: Task) -> str | None:
    """What is wrong and what to do, from the task's error; else the provider's message."""
    error = task.get("error")
    if not isinstance(error, dict):
        return clean(task["message"]) if task.get("message") else None
    parts = (error.get("code"), error.get("message"), error.get("hint"))
    return ": ".join(clean(part) for part in parts if part) or None


def line(task: Task, now: float) -> str:
    """State first, then what, then how far or how long, then why."""
    done, took = percent(task), task.get("took_seconds")
    facts = [
        f"{done} %" if done is not None and not ended(task) else None,
        f"the provider says {short(task['provider_state'], 60)}" if _worth(task) else None,
        estimate(task, now),
        f"took {show_duration(took)}" if ended(task) and isinstance(took, (int, float)) else None,
        short(words, 500) if (words := trouble(task)) else None,
    ]
    said = "; ".join(fact for fact in facts if fact)
    return f"{clean(task.get('state')):<9}  {name_of(task)} [{clean(task.get('id'))}]" + (f"  {said}" if said else "")


def _worth(task: Task) -> bool:
    return bool(task.get("provider_state")) and not ended(task)


COLUMNS = ("id", "state", "provider", "region", "task id", "title", "submitted")


def row(task: Task) -> tuple[object, ...]:
    values = (task.get("id"), task.get("state"), service(task), task.get("region"), task.get("task_id"),
              task.get("title"), task.get("submitted_at"))  # fmt: skip
    return tuple("" if value is None else value for value in values)


FACTS = (
    "id", "provider", "account", "region", "task_id", "title", "provider_state", "urgency", "submitted_at",
    "started_at", "finished_at", "observed_at", "deadline", "polls", "next_poll_at", "next_poll_reason",
)  # fmt: skip


def facts(task: Task, now: float) -> list[tuple[str, object]]:
    """For `show`: the state first."""
    done, took = percent(task), task.get("took_seconds")
    rows: list[tuple[str, object]] = [("state", task.get("state"))]
    rows += [(name.replace("_", " "), task.get(name)) for name in FACTS]
    rows += [
        ("progress", f"{done} %" if done is not None else None),
        ("estimate", estimate(task, now)),
        ("took", show_duration(took) if isinstance(took, (int, float)) else None),
        ("trouble", trouble(task)),
        *((f"metadata {clean(name)}", value) for name, value in _members(task.get("metadata"))),
        *(("resource", _resource(one)) for one in _records(task.get("resources"))),
        *(("delivery", _delivery(one)) for one in _records(task.get("deliveries"))),
    ]
    return rows


def _members(found: Any) -> list[tuple[str, Any]]:
    return list(found.items()) if isinstance(found, dict) else []


def _records(found: Any) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _resource(one: dict[str, Any]) -> str:
    return "  ".join(str(value) for value in one.values() if value is not None)


def _delivery(one: dict[str, Any]) -> str:
    next_at = one.get("next_attempt_at")
    tail = f"next attempt {next_at}" if next_at else ""
    count = one.get("attempts", 0)
    tries = "1 attempt" if count == 1 else f"{count} attempts"
    return f"{one.get('destination')}: {one.get('state')}, {tries} {tail}".strip()


def event_line(event: dict[str, Any]) -> str:
    """One entry of a timeline."""
    mark = {True: "+", False: "!"}.get(event.get("good"), " ") if not event.get("planned") else "~"  # type: ignore[arg-type]
    to = f" [{event['destination']}]" if event.get("destination") else ""
    return f"{event.get('at') or '':<24}  {mark} {clean(event.get('kind')):<9}  {clean(event.get('text'))}{clean(to)}"

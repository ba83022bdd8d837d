"""Accepts a task: stores it, puts it on the queue, and does the right thing when it is known already."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from taskhook.api.keys import UNLIMITED, Key
from taskhook.api.problem import FieldError, ProblemError, invalid
from taskhook.api.wish import Wish
from taskhook.errors import StoreConflict
from taskhook.holding import again
from taskhook.queues import Queues
from taskhook.secret import Seal
from taskhook.states import ABANDONED, WATCHED, State
from taskhook.store import Store, reopened
from taskhook.task import Delivery, DeliveryState, Task, task_key

logger = logging.getLogger(__name__)

_TRIES = 5
"""Rounds of reading and deciding again when a poll changes the task at the same moment."""

FIRST = "waits for its first look"

MOST_DESTINATIONS = 30
"""Of one task over all its posts: with their logs and sealed texts they share the 400 KB of one item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What accepting a task needs of the outside."""

    store: Store
    queues: Queues
    seal: Seal
    clock: Callable[[], float]


def submit(desk: Desk, wish: Wish) -> tuple[Task, bool]:
    """The task, and whether it is new.

    A known task is left alone, except that new destinations are added while it is watched; that they, and those which
    could not be told before, are told at once when it has ended; and that a task which timed out, was lost or was
    stopped is watched again.
    """
    task = _new(desk, wish)
    if desk.store.create(task):
        _start(desk, task)
        return task, True
    for _ in range(_TRIES):
        known = desk.store.get(task.id)
        if known is None:
            return submit(desk, wish)
        try:
            return _again(desk, known, task), False
        except StoreConflict:
            continue
    raise StoreConflict("the task keeps changing")


type Result = tuple[Task, bool] | ProblemError


def submit_many(
    desk: Desk, documents: Sequence[Any], parse: Callable[[Any], Wish], *, left: Callable[[], float]
) -> list[Result]:
    """Each on its own: the task and whether it is new, or what is wrong with it.

    What is not begun ``ENOUGH`` seconds before the time is over is refused: whoever posts it again loses nothing.
    """
    return [_one_of_many(desk, one, parse) if left() > ENOUGH else _LATE for one in documents]


ENOUGH = 5.0
"""Seconds in which one task is stored whatever happens."""
_LATE = ProblemError(503, "There was no time left for this one. Post it again; what was taken is known then.")


def _one_of_many(desk: Desk, document: Any, parse: Callable[[Any], Wish]) -> Result:
    try:
        return submit(desk, parse(document))
    except ProblemError as problem:
        return problem
    except Exception:
        logger.exception("one of many is broken")
        return ProblemError(500, "taskhook itself is at fault; its log says more. Post this one again.")


def stop(desk: Desk, task: Task) -> Task:
    """Stop watching. Raises StoreConflict where the task has ended already."""
    stopped = desk.store.stop(task)
    logger.info("stopped", extra={"task": task.id})
    return stopped


def redeliver(desk: Desk, task: Task, name: str, key: Key = UNLIMITED) -> Task:
    """Tell one destination the news once more, whatever came of it before. Raises ProblemError where there is none."""
    for _ in range(_TRIES):
        if name not in task.deliveries or not (name in task.sealed or key.may_tell(name)):
            raise ProblemError(404, "The task has no such destination; GET /tasks/{id} lists those that it has.")
        if not task.state.terminal or task.state is State.STOPPED:
            raise ProblemError(409, f"There is no news to deliver: the task is '{task.state.value}'.")
        try:
            return again(desk.store, desk.queues, task, name, now=desk.clock(), forced=True)
        except StoreConflict:
            task = desk.store.get(task.id) or task
    raise StoreConflict("the task keeps changing")


def _new(desk: Desk, wish: Wish) -> Task:
    now = round(desk.clock(), 3)
    id = task_key(account=wish.account, provider=wish.provider.name, region=wish.region, task_id=wish.task_id)
    return Task(
        id=id,
        provider=wish.provider.name,
        account=wish.account,
        region=wish.region,
        task_id=wish.task_id,
        title=wish.title,
        metadata=wish.metadata,
        urgency=wish.urgency.value,
        submitted_at=now,
        deadline=now + wish.timeout,
        next_poll_at=now,
        reason=FIRST,
        deliveries={name: Delivery(live=name in wish.live) for name in wish.notify},
        sealed=_sealed(desk, id, wish.notify),
        watch_since=now,
    )


def _sealed(desk: Desk, id: str, notify: Mapping[str, Mapping[str, Any] | None]) -> dict[str, str]:
    return {label: desk.seal.close(id, record) for label, record in notify.items() if record is not None}


def _again(desk: Desk, known: Task, wished: Task) -> Task:
    """What a second post of the same task does."""
    added = {name: one for name, one in wished.deliveries.items() if _untold(known, name)}
    if len({*known.deliveries, *added}) > MOST_DESTINATIONS:
        message = f"would be more than {MOST_DESTINATIONS} destinations of one task, over all its posts"
        raise invalid([FieldError("notify", message)])
    if known.state in ABANDONED:
        return _restarted(desk, known, wished)
    if not added:
        return known
    if known.state in WATCHED:
        return desk.store.add_deliveries(
            known, added, {name: wished.sealed[name] for name in added if name in wished.sealed}
        )
    told = reopened(
        known,
        watch_since=wished.submitted_at,
        deliveries={**known.deliveries, **{name: _afresh(known, name, one) for name, one in added.items()}},
        sealed={**known.sealed, **wished.sealed},
    )
    desk.store.replace(told, seen=known)
    _start(desk, told)
    return told


def _untold(known: Task, name: str) -> bool:
    """New to the task, or kept: whoever posts again has repaired the destination."""
    delivery = known.deliveries.get(name)
    return delivery is None or delivery.state is DeliveryState.HELD


def _afresh(known: Task, name: str, wished: Delivery) -> Delivery:
    """To be told once more, or for the first time. What was said before stays on the record."""
    before = known.deliveries.get(name, wished)
    return Delivery(
        live=wished.live,
        log=before.log,
        attempts=before.attempts,
        message=before.message,
        forced=name in known.deliveries,
    )


def _restarted(desk: Desk, known: Task, wished: Task) -> Task:
    """A new watch with the new post's deadline, title and metadata; everybody who was to be told is told again."""
    everybody = {**known.deliveries, **wished.deliveries}
    fresh = replace(
        wished,
        title=wished.title or known.title,
        metadata=wished.metadata or known.metadata,
        watch=known.watch + 1,
        polls=known.polls,
        started_at=known.started_at,
        state=State.QUEUED,
        deliveries={name: _afresh(known, name, one) for name, one in everybody.items()},
        sealed={**known.sealed, **wished.sealed},
    )
    desk.store.replace(fresh, seen=known)
    _start(desk, fresh)
    return fresh


def _start(desk: Desk, task: Task) -> None:
    """Queue the watch. The task is safe already: where this fails, the reconciler starts it within minutes."""
    try:
        desk.queues.start_watch(task)
    except Exception:
        logger.exception("not queued; the reconciler will start it", extra={"task": task.id})
    else:
        logger.info("accepted", extra={"task": task.id, "provider": task.provider, "watch": task.watch})

"""One look at one task after another: ask the provider, write down what that means, and wait where it is cheaper."""

import logging
from dataclasses import replace
from typing import Any

from taskhook.decide import decide, progress_of, shown
from taskhook.errors import StoreConflict
from taskhook.inquiry import Asked, ask, find
from taskhook.pacing import EARLY, PutOff, Turn
from taskhook.providers.model import Observation, Outcome, Provider, Refusal, Trouble
from taskhook.sharing import group, taken_along
from taskhook.states import ANSWERED, State
from taskhook.task import Problem, Task
from taskhook.times import rfc3339_millis
from taskhook.watcher import Left, Watcher

logger = logging.getLogger(__name__)

WAKES = 1000
"""Times that a task is woken before one execution hands the watch over to a new one. Step Functions ends an execution
with 25,000 events in its history, and each time makes about ten."""

NO_TURN = Refusal(
    trouble=Trouble.TRANSIENT,
    problem=Problem(code="RateLimit", message="more looks are due than the provider's rate limit allows"),
    asked=False,
)


def look(watcher: Watcher, id: str, watch: int, left: Left) -> dict[str, Any]:
    """Look, and return the state machine's next payload (see ``payload``).

    Where the next look is so near that leaving would cost more than waiting, the function sleeps and looks again, for
    as long as it has seconds ``left``. A task that is stopped, superseded by a newer watch or gone ends without a word;
    one that has ended already is not asked about again, but whoever has not been told is.
    """
    while True:
        task = _looked(watcher, id, watch)
        if task is None:
            return _over(id, watch)
        if task.state.terminal:
            watcher.bus.announce(task)
            return payload(task)
        if task.wakes % WAKES == 0:
            return _handed_over(watcher, task)
        then = task.next_poll_at or 0.0
        lead = watcher.pace.lead_for(task.limit)
        if not watcher.pace.stays(then, left()):
            return payload(task, lead)
        watcher.pace.sleep_until(then - lead - EARLY)


def _looked(watcher: Watcher, id: str, watch: int) -> Task | None:
    """The task after one look, as it is stored; None where this watch has no business with it any more."""
    task = watcher.store.get(id)
    if task is None or task.watch != watch or not task.open:
        return None
    if task.state.terminal:
        return task
    if _is_early(watcher, task):
        return _saved(watcher, replace(task, slots=(), wakes_at=task.next_poll_at, wakes=task.wakes + 1))
    provider, turn = find(watcher, task), Turn(watcher.pace, task)
    try:
        asked = ask(watcher, provider, task, turn)
    except PutOff as later:
        if watcher.clock() < task.deadline:
            return _saved(watcher, _grouped(turn.put_off(task, later), provider, due=watcher.clock()))
        asked = Asked(NO_TURN)
    after = _decided(watcher, provider, task, asked.outcome, turn)
    saved = _saved(watcher, _grouped(turn.reserved(after), provider, due=after.next_poll_at))
    if saved is None:
        return None
    if isinstance(asked.outcome, Observation):
        watcher.pauses.answered(task)
    _remember(watcher, saved)
    _log(saved)
    _show(watcher, task, saved)
    if isinstance(provider, Provider):
        for other, outcome in asked.others:
            _take_along(watcher, provider, other, outcome)
    return saved


def _is_early(watcher: Watcher, task: Task) -> bool:
    """Whether somebody else has looked at the task since its execution was told when to wake."""
    if task.wakes_at is None or task.next_poll_at is None:
        return False
    return task.next_poll_at > max(task.wakes_at, watcher.clock() + watcher.pace.lead)


def _grouped(task: Task, provider: Provider | Refusal, *, due: float | None) -> Task:
    """The task, found by others that it may share a request with."""
    batch = group(task, provider) if isinstance(provider, Provider) else None
    if batch is None:
        return replace(task, batch=None, due=None, wakes_at=None)
    return replace(task, batch=batch, due=due, wakes_at=task.next_poll_at)


def _decided(watcher: Watcher, provider: Provider | Refusal, task: Task, outcome: Outcome, turn: Turn) -> Task:
    trouble = outcome.trouble if isinstance(outcome, Refusal) else None
    tells = isinstance(outcome, Refusal) and trouble is Trouble.CREDENTIALS and watcher.pauses.refused(task, outcome)
    if trouble is Trouble.THROTTLED:
        turn.throttled()
    # Where requests are shared, slots that are far away are no congestion: others' requests ask for this task too.
    shares = isinstance(provider, Provider) and provider.batch is not None
    return _after(watcher, task, outcome, tells=tells, price=1.0 if shares else turn.price)


def _after(watcher: Watcher, task: Task, outcome: Outcome, *, tells: bool = False, price: float = 1.0) -> Task:
    type = outcome.type if isinstance(outcome, Observation) else None
    return decide(
        task,
        outcome,
        history=watcher.durations.of(replace(task, type=type or task.type)),
        now=watcher.clock(),
        rng=watcher.rng,
        patience=watcher.patience,
        tells=tells,
        price=price,
    )


def _take_along(watcher: Watcher, provider: Provider, task: Task, outcome: Outcome) -> None:
    """Write a look that was made by another task's execution. Whatever goes wrong, its own execution looks later."""
    if isinstance(outcome, Refusal):
        return
    after = _after(watcher, task, outcome)
    after = taken_along(task, replace(after, batch=group(after, provider), due=after.next_poll_at))
    # An end is an end, whatever somebody else has seen at the same moment.
    polls = None if after.state.terminal else task.polls
    try:
        saved = watcher.store.save_look(after, polls=polls)
    except StoreConflict:
        return
    except Exception:
        logger.warning("not taken along", extra={"task": task.id}, exc_info=True)
        return
    _remember(watcher, saved)
    _log(saved)
    _show(watcher, task, saved)
    if saved.state.terminal and saved.open:
        watcher.sharing.wake(saved)


def _saved(watcher: Watcher, task: Task) -> Task | None:
    """The task as it is stored; where somebody else's look has seen its end, that is what counts."""
    try:
        return watcher.store.save_look(task)
    except StoreConflict:
        known = watcher.store.get(task.id)
        if known is not None and known.watch == task.watch and known.open and known.state.terminal:
            return known
        logger.info("look superseded", extra={"task": task.id, "watch": task.watch})
        return None


def _remember(watcher: Watcher, task: Task) -> None:
    """How long it took, for the tasks of its kind that come after it."""
    now = task.observed_at or task.submitted_at
    if task.state in ANSWERED:
        lo = (task.looked_at or task.submitted_at) - task.submitted_at
        end = task.finished_at - task.submitted_at if task.finished_at is not None else None
        watcher.durations.ended(task, lo=lo, hi=now - task.submitted_at, end=end, progress=progress_of(task))
    elif task.state is State.TIMED_OUT:
        watcher.durations.given_up(task, now - task.submitted_at)


def _show(watcher: Watcher, before: Task, after: Task) -> None:
    """To those who want to see how it goes on. That is worth no retry, and the look no trouble."""
    for name in shown(before, after):
        try:
            watcher.queues.progress(after, name)
        except Exception:
            logger.warning("progress not shown", extra={"task": after.id, "destination": name}, exc_info=True)


def _handed_over(watcher: Watcher, task: Task) -> dict[str, Any]:
    """A new watch goes on, under the next number; the task itself does not notice."""
    try:
        watcher.queues.start_watch(watcher.store.restart(task, now=watcher.clock(), restarts=0))
    except StoreConflict:
        logger.info("stopped while it was handed over", extra={"task": task.id, "watch": task.watch})
    return _over(task.id, task.watch)


def payload(task: Task, lead: float = 0.0) -> dict[str, Any]:
    """What the state machine carries: ``done``, when to wake (``lead`` seconds before the look), and whom to tell."""
    return {
        "id": task.id,
        "watch": task.watch,
        "done": task.state.terminal,
        "wait_until": rfc3339_millis((task.next_poll_at or lead) - lead),
        "notify": [{"id": task.id, "watch": task.watch, "destination": name, "done": False} for name in task.pending]
        if task.state.terminal
        else [],
    }


def _over(id: str, watch: int) -> dict[str, Any]:
    return {"id": id, "watch": watch, "done": True, "wait_until": rfc3339_millis(0.0), "notify": []}


def _log(task: Task) -> None:
    logger.info(
        "looked",
        extra={
            "task": task.id,
            "provider": task.provider,
            "state": task.state.value,
            "provider_state": task.provider_state,
            "polls": task.polls,
            "troubles": task.troubles,
            "code": task.error.code if task.error else None,
            "provider_request_id": task.request_id,
        },
    )

"""One step of one delivery: tell one destination the news of one task, or wait, or keep it; and what comes next."""

import contextlib
import logging
from dataclasses import replace
from typing import Any

from taskhook import backoff, escalation, progress, turns
from taskhook.backoff import LONGEST_RETRY_AFTER
from taskhook.destinations.model import Destination, Judgment, Verdict
from taskhook.errors import ConfigError, StoreConflict
from taskhook.filters import unwanted
from taskhook.holding import release
from taskhook.ledger import Standing
from taskhook.task import Delivery, DeliveryState, Task
from taskhook.telling import Sender, Told, destination_of, tell, tell_all, told, version_of
from taskhook.times import rfc3339_millis
from taskhook.turns import spoken_of, turn

logger = logging.getLogger(__name__)

ATTEMPTS_LOGGED = 24
"""Attempts of one delivery that are kept."""
ALL_LOGGED = 120
"""Attempts of all deliveries of a task: with 30 sealed destinations of 4 KB they share the 400 KB of one item."""
EARLY = 0.5
"""Seconds before its time at which an attempt may be made: clocks differ."""
BUSY_SECONDS = 20.0
"""Seconds that one step may go on telling others' news before its own."""
QUIET_SECONDS = 60.0
"""Seconds without messages after a destination has said "too many" and not for how long."""

_WORTH_TRYING = (Verdict.TRANSIENT, Verdict.THROTTLED)


def attempt(sender: Sender, id: str, watch: int, destination: str) -> dict[str, Any]:
    """Try once, write down what came of it, and return the state machine's next payload for this destination.

    Nothing is sent where the news has been taken or is kept already, nor before the time that a former attempt set.
    """
    task = sender.store.get(id)
    delivery = task.deliveries.get(destination) if task is not None else None
    if task is None or delivery is None or task.watch != watch or not task.state.terminal:
        return _payload(id, watch, destination, None)
    if delivery.state is not DeliveryState.PENDING or not task.open:
        _catch_up(sender, task, destination)
        return _payload(id, watch, destination, None)
    try:
        again = _step(sender, task, destination)
    except StoreConflict:
        logger.info("delivery superseded", extra={"task": id, "destination": destination})
        again = None
    return _payload(id, watch, destination, again)


def _payload(id: str, watch: int, destination: str, again: float | None) -> dict[str, Any]:
    return {
        "id": id,
        "watch": watch,
        "destination": destination,
        "done": again is None,
        "wait_until": rfc3339_millis(again or 0.0),
    }


def _catch_up(sender: Sender, task: Task, name: str) -> None:
    """What follows from an attempt: the function that made it may have died before, and others make attempts too."""
    delivery = task.deliveries[name]
    if not delivery.told:
        return
    _works(sender, name, sender.ledger.standing(name), delivery.told_at or 0.0)
    with contextlib.suppress(ConfigError):
        progress.finish(sender, destination_of(sender, task, name)[0], task)


def _step(sender: Sender, task: Task, name: str) -> float | None:
    """When to come again; None when there is no more to do here."""
    try:
        destination, version = _usable(sender, task, name)
    except ConfigError as error:
        judgment = Judgment(verdict=Verdict.DEAD, detail=str(error)[:200], code="ConfigError")
        version = version_of(sender, task, name)
        _record(sender, None, task, name, version, told(sender, None, task, sender.clock(), judgment, None))
        return None
    reason = unwanted(destination.filter, task)
    if reason is not None and not task.deliveries[name].forced:
        _save(sender, task, name, replace(task.deliveries[name], state=DeliveryState.SKIPPED, reason=reason))
        return None
    if escalation.due(destination, task, sender.clock()):
        escalation.begin(sender, destination, task)
        return None
    if _is_early(sender, task, name):
        return escalation.sooner(destination, task, task.deliveries[name].next_attempt_at)
    return _told_or_kept(sender, destination, version, task)


def _usable(sender: Sender, task: Task, name: str) -> tuple[Destination, str]:
    """The destination and its version; read anew where it cannot work, or is tried again: it may have been repaired."""
    try:
        destination, version = destination_of(sender, task, name)
    except ConfigError:
        return destination_of(sender, task, name, fresh=True)
    if task.deliveries[name].tries == 0 and (destination.paused or task.deliveries[name].attempts):
        return destination_of(sender, task, name, fresh=True)
    return destination, version


def _is_early(sender: Sender, task: Task, name: str) -> bool:
    delivery = task.deliveries[name]
    if delivery.next_attempt_at is None or sender.clock() >= delivery.next_attempt_at - EARLY:
        return False
    if task.restarts:
        # This watch works, it only has to wait: the restarts before it are no reason to give up.
        sender.store.forget_restarts(task)
    return True


def _told_or_kept(sender: Sender, destination: Destination, version: str, task: Task) -> float | None:
    name, began = destination.name, sender.clock()
    while True:
        standing = sender.ledger.standing(name)
        reason = _out_of_order(destination, version, standing)
        if reason is not None and not task.deliveries[name].forced:
            if version_of(sender, task, name, fresh=True) != version:
                return sender.clock()  # it has been stored anew, and this process knows by now
            return _keep(sender, destination, version, task, reason)
        patience = turns.SOON if sender.clock() - began < BUSY_SECONDS else 0.0
        later = turn(sender, destination, task, standing, patience=patience)
        later = later or turns.alone(sender, destination, task)
        if later is not None:
            _save(sender, task, name, later.delivery)
            return escalation.sooner(destination, task, later.delivery.next_attempt_at)
        waited = task
        try:
            task = _spoken(sender, destination, version, task, standing)
        finally:
            turns.done(sender, destination, waited)
        if task.deliveries[name].told:
            progress.finish(sender, destination, task)
        if task.deliveries[name].state is not DeliveryState.PENDING:
            return None
        if task.deliveries[name].next_attempt_at is not None:
            return escalation.sooner(destination, task, task.deliveries[name].next_attempt_at)


def _out_of_order(destination: Destination, version: str, standing: Standing) -> str | None:
    if destination.paused:
        return "the destination is paused"
    return f"the destination is out of order: {standing.reason}" if standing.dead == version else None


def _spoken(sender: Sender, destination: Destination, version: str, task: Task, standing: Standing) -> Task:
    """The task after its turn, or as it is since somebody else has told it, or tried to, while it waited."""
    name, before = destination.name, task.deliveries[destination.name]
    if before.reason is not None:
        known = sender.store.get(task.id)
        if known is None:
            raise StoreConflict("the task is gone")
        now = known.deliveries[name]
        if (now.state, now.attempts) != (before.state, before.attempts):
            return known
    return _told(sender, destination, version, task, spoken_of(sender, destination, task), standing)


def _told(
    sender: Sender, destination: Destination, version: str, task: Task, chosen: list[Task], standing: Standing
) -> Task:
    """Tell one task's news, or several tasks'; the task whose turn it was, as it is afterwards."""
    done = tell(sender, destination, chosen[0]) if len(chosen) == 1 else tell_all(sender, destination, chosen)
    if done.judgment.verdict is Verdict.BAD_CONTENT and len(chosen) > 1:
        # Not as one message, then: the news whose turn it is goes by itself.
        chosen = [task]
        done = tell(sender, destination, task)
    if done.judgment.verdict is Verdict.DEAD and version_of(sender, task, destination.name, fresh=True) != version:
        done = _outdated(done)
    if task.id not in [one.id for one in chosen]:
        # The turn is used up.
        used = replace(task.deliveries[destination.name], slot=None, next_attempt_at=None)
        task = task.with_delivery(destination.name, used)
    for one in chosen:
        if one.id == task.id:
            task = _record(sender, destination, task, destination.name, version, done)
        elif done.judgment.verdict.good or len(chosen) == 1:
            _record_others(sender, destination, one, version, done)
    # Afterwards: what was taken is written down, whatever goes wrong from here on.
    _consequences(sender, destination, version, done, standing)
    return task


def _outdated(done: Told) -> Told:
    """What was refused was a record that has been stored anew meanwhile: the new one deserves a try."""
    judgment = replace(done.judgment, verdict=Verdict.TRANSIENT)
    return replace(done, judgment=judgment, attempt=replace(done.attempt, verdict=judgment.verdict.value))


def _consequences(sender: Sender, destination: Destination, version: str, done: Told, standing: Standing) -> None:
    """What an answer means for all the other news of this destination."""
    name, judgment = destination.name, done.judgment
    match judgment.verdict:
        case Verdict.THROTTLED:
            pause = min(judgment.retry_after or QUIET_SECONDS, LONGEST_RETRY_AFTER)
            sender.ledger.quiet(name, sender.clock() + pause)
        case Verdict.DEAD:
            if sender.ledger.died(name, version, reason=judgment.detail, code=judgment.code, now=sender.clock()):
                logger.error("destination out of order", extra={"destination": name, "code": judgment.code})
        case Verdict.DELIVERED | Verdict.ACCEPTED:
            _works(sender, name, standing, sender.clock())
        case _:
            pass


def _works(sender: Sender, name: str, standing: Standing, at: float) -> None:
    """It has taken news then: what is kept for it goes out, unless it has died since."""
    if standing.dead is None and standing.holding is None:
        return
    if standing.since is None or at >= standing.since:
        release(sender.store, sender.ledger, sender.queues, name, now=sender.clock(), refused=False)


def _record_others(sender: Sender, destination: Destination, task: Task, version: str, done: Told) -> None:
    """Whatever goes wrong, its own execution finds it undelivered and tells it again."""
    its = replace(done, attempt=replace(done.attempt, event=task.event))
    try:
        _record(sender, destination, task, destination.name, version, its)
    except StoreConflict:
        logger.info("delivery superseded", extra={"task": task.id, "destination": destination.name})


def _record(sender: Sender, destination: Destination | None, task: Task, name: str, version: str, done: Told) -> Task:
    """Write down an attempt and what follows from it."""
    delivery = task.deliveries[name]
    after = _next(sender, delivery, done, logged=min(ATTEMPTS_LOGGED, ALL_LOGGED // len(task.deliveries)))
    if after.state is DeliveryState.HELD:
        sender.ledger.hold(name, task.id, version=version, now=sender.clock())
        if destination is not None:
            # Before it is written down: nobody looks after news that is held.
            escalation.begin(sender, destination, task)
    saved = sender.store.save_delivery(task, name, after)
    _log(task, name, after, done)
    if delivery.told_at is None:
        _measure(sender, task, after)
    if done.answer is not None:
        sender.store.save_answer(task, name, done.attempt.at, done.answer)
    if delivery.reason is not None:
        sender.ledger.heard(name, task.id)
    return saved


def _next(sender: Sender, delivery: Delivery, done: Told, *, logged: int) -> Delivery:
    verdict = done.judgment.verdict
    tried = replace(
        delivery,
        attempts=delivery.attempts + 1,
        # Who says "later" has not refused: only time ends that.
        tries=delivery.tries + (verdict is not Verdict.THROTTLED),
        log=(*delivery.log, done.attempt)[-logged:],
        next_attempt_at=None,
        reason=None,
        forced=False,
        slot=None,
        first_at=delivery.first_at or done.attempt.at,
    )
    if verdict.good:
        state = DeliveryState.ACCEPTED if verdict is Verdict.ACCEPTED else DeliveryState.DELIVERED
        return replace(tried, state=state, told_at=sender.clock())
    late = sender.clock() - (tried.first_at or 0.0) > sum(backoff.DELIVERY_SCHEDULE)
    wait = backoff.next_delivery_wait(
        attempts=sender.attempts if late else max(1, tried.tries),
        limit=sender.attempts,
        rng=sender.rng,
        retry_after=done.judgment.retry_after,
    )
    if verdict not in _WORTH_TRYING or wait is None:
        return replace(tried, state=DeliveryState.HELD, reason=done.judgment.detail)
    return replace(tried, next_attempt_at=sender.clock() + wait)


def _keep(sender: Sender, destination: Destination, version: str, task: Task, reason: str) -> float | None:
    """Not sent, not lost. Somebody else is told at once, where there is somebody."""
    delivery = task.deliveries[destination.name]
    sender.ledger.hold(destination.name, task.id, version=version, now=sender.clock())
    escalation.begin(sender, destination, task)
    kept = replace(delivery, state=DeliveryState.HELD, reason=reason[:300], next_attempt_at=None, slot=None)
    _save(sender, task, destination.name, kept)
    logger.warning("news held", extra={"task": task.id, "destination": destination.name})
    return None


def _save(sender: Sender, task: Task, name: str, delivery: Delivery) -> Task:
    return sender.store.save_delivery(task, name, delivery)


def _measure(sender: Sender, task: Task, delivery: Delivery) -> None:
    """How long it all took, the time included for which the news was held."""
    if task.observed_at is None or delivery.told_at is None or delivery.first_at is None:
        return
    if task.finished_at is not None:
        sender.measure("FinishedToObserved", max(0.0, task.observed_at - task.finished_at))
    sender.measure("ObservedToFirstAttempt", max(0.0, delivery.first_at - task.observed_at))
    sender.measure("ObservedToAcknowledged", max(0.0, delivery.told_at - task.observed_at))


def _log(task: Task, destination: str, delivery: Delivery, done: Told) -> None:
    level = logging.INFO if delivery.state is not DeliveryState.HELD else logging.ERROR
    words = {DeliveryState.HELD: "news held", DeliveryState.PENDING: "not told"}
    logger.log(
        level,
        words.get(delivery.state, "told"),
        extra={
            "task": task.id,
            "destination": destination,
            "event": task.event,
            "verdict": done.attempt.verdict,
            "status": done.attempt.status,
            "code": done.attempt.code,
            "attempt": delivery.attempts,
            "seconds": done.attempt.seconds,
            "delivery": delivery.state.value,
        },
    )

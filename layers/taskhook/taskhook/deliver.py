"""One attempt to tell one destination the news of one task, and what follows from its outcome."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import requests

from taskhook import backoff, destinations, http
from taskhook.destinations.model import Destination, Judgment, Verdict
from taskhook.errors import AddressRefused, ConfigError, StoreConflict, TransportError
from taskhook.queues import Queues
from taskhook.secret import Parameters, Seal
from taskhook.store import Store
from taskhook.task import Attempt, Delivery, DeliveryState, Task
from taskhook.times import rfc3339_millis

logger = logging.getLogger(__name__)

ATTEMPT_SECONDS = 10.0
"""The total time that a receiver has for its answer, name resolution and TLS included."""
ANSWER_BYTES = 4096
ATTEMPTS_LOGGED = 12

_WORTH_TRYING = (Verdict.TRANSIENT, Verdict.THROTTLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """What a delivery needs of the outside."""

    store: Store
    parameters: Parameters
    seal: Seal
    queues: Queues
    allow_private: bool
    attempts: int
    clock: Callable[[], float]
    rng: Random
    send: Callable[..., http.Answer] = http.send


def attempt(sender: Sender, id: str, watch: int, destination: str) -> dict[str, Any]:
    """Try once, write down what came of it, and return the state machine's next payload for this destination.

    Nothing is sent where the news has been taken or given up already, nor before the time that a former attempt set.
    """
    task = sender.store.get(id)
    delivery = task.deliveries.get(destination) if task is not None else None
    if task is None or delivery is None or task.watch != watch or not task.state.terminal or not task.open:
        return _payload(id, watch, destination, None)
    if delivery.state is not DeliveryState.PENDING:
        return _payload(id, watch, destination, None)
    now = sender.clock()
    if delivery.next_attempt_at is not None and now < delivery.next_attempt_at - 0.5:
        if task.restarts:
            # This watch works, it only has to wait: the restarts before it are no reason to give up.
            sender.store.forget_restarts(task)
        return _payload(id, watch, destination, delivery.next_attempt_at)
    judgment, record = _tell(sender, task, destination, now)
    after = _next(sender, delivery, judgment, record)
    if after.state is DeliveryState.FAILED:
        # Queue first: news that is on the queue twice is a nuisance, news that is nowhere is a loss.
        sender.queues.undelivered(task, destination, judgment.detail)
    try:
        sender.store.save_delivery(task, destination, after)
    except StoreConflict:
        logger.info("delivery superseded", extra={"task": id, "destination": destination})
        return _payload(id, watch, destination, None)
    _log(task, destination, after, record)
    return _payload(id, watch, destination, after.next_attempt_at)


def _payload(id: str, watch: int, destination: str, again: float | None) -> dict[str, Any]:
    return {
        "id": id,
        "watch": watch,
        "destination": destination,
        "done": again is None,
        "wait_until": rfc3339_millis(again or 0.0),
    }


def _tell(sender: Sender, task: Task, name: str, now: float) -> tuple[Judgment, Attempt]:
    try:
        destination = _destination(sender, task, name)
        first, *plainer = destinations.forms(destination)
        judgment, answer = _send(sender, destination, first(destination, task, now))
        for form in plainer:
            if judgment.verdict is not Verdict.BAD_CONTENT:
                break
            judgment, answer = _send(sender, destination, form(destination, task, now))
            judgment = replace(judgment, detail=f"refused as it was; plainer: {judgment.detail}"[:200])
    except ConfigError as error:
        return _recorded(task, now, Judgment(verdict=Verdict.DEAD, detail=str(error)[:200]), None)
    return _recorded(task, now, judgment, answer, sender.clock())


def _destination(sender: Sender, task: Task, name: str) -> Destination:
    sealed = task.sealed.get(name)
    text = sender.seal.open(task.id, sealed) if sealed is not None else sender.parameters.destination(name)
    return destinations.parse(name, text, allow_private=sender.allow_private)


def _send(sender: Sender, destination: Destination, request: requests.Request) -> tuple[Judgment, http.Answer | None]:
    rule = destinations.address_rule(sender.allow_private)
    try:
        answer = sender.send(request, seconds=ATTEMPT_SECONDS, max_bytes=ANSWER_BYTES, allow=rule)
    except (AddressRefused, ConfigError) as error:
        return Judgment(verdict=Verdict.DEAD, detail=str(error)[:200]), None
    except TransportError as error:
        return Judgment(verdict=Verdict.TRANSIENT, detail=str(error)[:200]), None
    return destinations.judge(destination, answer, now=sender.clock()), answer


def _recorded(
    task: Task, began: float, judgment: Judgment, answer: http.Answer | None, ended: float | None = None
) -> tuple[Judgment, Attempt]:
    return judgment, Attempt(
        at=began,
        verdict=judgment.verdict.value,
        status=answer.status if answer is not None else None,
        seconds=round((ended or began) - began, 3),
        detail=judgment.detail,
        event=task.state.event,
    )


def _next(sender: Sender, delivery: Delivery, judgment: Judgment, record: Attempt) -> Delivery:
    tried = replace(
        delivery,
        attempts=delivery.attempts + 1,
        log=(*delivery.log, record)[-ATTEMPTS_LOGGED:],
        next_attempt_at=None,
    )
    if judgment.verdict is Verdict.DELIVERED:
        return replace(tried, state=DeliveryState.DELIVERED)
    wait = backoff.next_delivery_wait(
        attempts=tried.attempts, limit=sender.attempts, rng=sender.rng, retry_after=judgment.retry_after
    )
    if judgment.verdict not in _WORTH_TRYING or wait is None:
        return replace(tried, state=DeliveryState.FAILED)
    return replace(tried, next_attempt_at=sender.clock() + wait)


def _log(task: Task, destination: str, delivery: Delivery, record: Attempt) -> None:
    level = logging.INFO if delivery.state is not DeliveryState.FAILED else logging.ERROR
    logger.log(
        level,
        "told" if delivery.state is DeliveryState.DELIVERED else "not told",
        extra={
            "task": task.id,
            "destination": destination,
            "event": task.state.event,
            "verdict": record.verdict,
            "status": record.status,
            "attempt": delivery.attempts,
            "seconds": record.seconds,
            "delivery": delivery.state.value,
        },
    )

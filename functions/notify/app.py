"""Tries once to tell one destination the news of one task, and shows how tasks go on to those who want to see it."""

import json
import time
from functools import cache, partial
from random import SystemRandom
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from taskhook import deliver, progress
from taskhook.config import settings
from taskhook.ledger import Ledger
from taskhook.log import duration_metric, function_logger
from taskhook.queues import Queues
from taskhook.secret import Parameters, Seal
from taskhook.slots import Calendar
from taskhook.store import Store
from taskhook.telling import Sender

logger = function_logger()


@cache
def sender() -> Sender:
    return Sender(
        store=Store(settings()),
        parameters=Parameters(settings()),
        seal=Seal(settings()),
        queues=Queues(settings()),
        ledger=Ledger(settings()),
        calendar=Calendar(settings()),
        allow_private=settings().allow_private,
        ports=settings().destination_ports,
        attempts=settings().delivery_attempts,
        clock=time.time,
        sleep=time.sleep,
        rng=SystemRandom(),
        measure=partial(duration_metric, settings().parameters.strip("/")),
    )


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """A step of a delivery, from the state machine; or, from the queue, tasks that go on."""
    for record in event.get("Records", ()):
        message = json.loads(record["body"])
        progress.show(sender(), message["id"], message["destination"])
    if "Records" in event:
        return {}
    return deliver.attempt(sender(), event["id"], event["watch"], event["destination"])

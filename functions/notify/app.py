"""Tries once to tell one destination the news of one task, and tells the state machine what comes next."""

import time
from functools import cache
from random import SystemRandom
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from taskhook import deliver
from taskhook.config import settings
from taskhook.log import function_logger
from taskhook.queues import Queues
from taskhook.secret import Parameters, Seal
from taskhook.store import Store

logger = function_logger()


@cache
def sender() -> deliver.Sender:
    return deliver.Sender(
        store=Store(settings()),
        parameters=Parameters(settings()),
        seal=Seal(settings()),
        queues=Queues(settings()),
        allow_private=settings().allow_private,
        attempts=settings().delivery_attempts,
        clock=time.time,
        rng=SystemRandom(),
    )


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return deliver.attempt(sender(), event["id"], event["watch"], event["destination"])

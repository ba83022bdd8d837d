"""Looks at one task once, and tells the state machine what comes next."""

import time
from functools import cache
from random import SystemRandom
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from taskhook import watch
from taskhook.config import settings
from taskhook.credentials import Accounts
from taskhook.durations import Durations
from taskhook.log import function_logger
from taskhook.pauses import Pauses
from taskhook.providers.catalogue import Catalogue
from taskhook.queues import Queues
from taskhook.secret import Parameters
from taskhook.store import Store

logger = function_logger()


@cache
def watcher() -> watch.Watcher:
    parameters = Parameters(settings())
    store, queues = Store(settings()), Queues(settings())
    return watch.Watcher(
        store=store,
        account=Accounts(parameters, clock=time.time).account,
        find=Catalogue(parameters.provider).find,
        durations=Durations(settings()),
        pauses=Pauses(store=store, queues=queues, clock=time.time),
        queues=queues,
        patience=settings().patience,
        clock=time.time,
        rng=SystemRandom(),
    )


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return watch.look(watcher(), event["id"], event["watch"])

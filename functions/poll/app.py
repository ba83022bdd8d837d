"""Looks at one task, goes on looking while that is cheaper than leaving, and says what comes next."""

import time
from functools import cache
from random import SystemRandom
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from taskhook import watch
from taskhook.bus import Bus
from taskhook.config import settings
from taskhook.credentials import Accounts
from taskhook.durations import Durations
from taskhook.log import function_logger
from taskhook.pacing import Pace, break_even
from taskhook.pauses import Pauses
from taskhook.providers.catalogue import Catalogue
from taskhook.queues import Queues
from taskhook.seats import Seats
from taskhook.secret import Parameters
from taskhook.sharing import Sharing
from taskhook.slots import Calendar
from taskhook.store import Store
from taskhook.watcher import Watcher

logger = function_logger()


@cache
def watcher() -> Watcher:
    known = settings()
    parameters = Parameters(known)
    store, queues = Store(known), Queues(known)
    pace = Pace(
        calendar=Calendar(known),
        seats=Seats(known),
        default_rate=known.provider_rate,
        lead=known.wake_lead,
        break_even=break_even(known.memory, known.machine),
        clock=time.time,
    )
    return Watcher(
        store=store,
        account=Accounts(parameters, clock=time.time).account,
        find=Catalogue(parameters.provider).find,
        durations=Durations(known),
        pauses=Pauses(store=store, queues=queues, clock=time.time),
        queues=queues,
        bus=Bus(store, known),
        pace=pace,
        sharing=Sharing(store=store, queues=queues, clock=time.time),
        patience=known.patience,
        clock=time.time,
        rng=SystemRandom(),
    )


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return watch.look(
        watcher(), event["id"], event["watch"], left=lambda: context.get_remaining_time_in_millis() / 1000
    )

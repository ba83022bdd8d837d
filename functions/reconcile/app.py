"""Sees to it that nothing ends in silence: on a schedule, when an execution died, and when poll keeps breaking."""

import time
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from taskhook.bus import Bus
from taskhook.config import settings
from taskhook.credentials import Accounts
from taskhook.ledger import Ledger
from taskhook.log import function_logger
from taskhook.queues import Queues
from taskhook.reconcile import Reconciler
from taskhook.secret import Parameters
from taskhook.store import Store, Watch
from taskhook.task import is_task_key

logger = function_logger()


@cache
def reconciler() -> Reconciler:
    parameters = Parameters(settings())
    store = Store(settings())
    return Reconciler(
        settings=settings(),
        store=store,
        bus=Bus(store, settings()),
        queues=Queues(settings()),
        credential=Accounts(parameters, clock=time.time).credential,
        ledger=Ledger(settings()),
        version=parameters.destination_version,
        clock=time.time,
    )


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Five kinds of event: a schedule's, a changed account's or destination's, ``{"all": true}`` (every dead watch,
    however young), the status change of an execution, and ``{"lose": {"id", "watch"}, "error"}`` from the state machine
    itself."""
    if "lose" in event:
        lost = event["lose"]
        return reconciler().lose(lost["id"], lost["watch"], str(event.get("error") or "WatchFailed"))
    if event.get("detail-type") == "Step Functions Execution Status Change":
        revived = int(_revive(event["detail"]["name"]))
    else:
        revived = reconciler().sweep(grace=0.0) if event.get("all") else reconciler().sweep()
    logger.info("reconciled", extra={"revived": revived})
    return {"revived": revived}


def _revive(execution: str) -> bool:
    id, _, number = execution.rpartition("-")
    # Somebody may have started an execution by hand, under any name.
    return is_task_key(id) and number.isdecimal() and reconciler().revive(Watch(id=id, number=int(number), since=0.0))

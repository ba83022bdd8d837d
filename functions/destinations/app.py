"""The HTTP API of named destinations: lists, stores, removes and tests them, and lets go what is held for them."""

import time
from functools import cache
from http import HTTPStatus
from random import SystemRandom
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Path
from aws_lambda_powertools.utilities.typing import LambdaContext

from taskhook import registry
from taskhook.api.door import Door, json_answer, parameters, store
from taskhook.api.models import OwnDestination, ReleaseRequest, Unchecked
from taskhook.config import settings
from taskhook.ledger import Ledger
from taskhook.log import function_logger
from taskhook.queues import Queues
from taskhook.secret import Seal
from taskhook.slots import Calendar
from taskhook.telling import Sender

logger = function_logger()
door = Door()
app = door.app
Name = Annotated[str, Path()]


@cache
def ledger() -> Ledger:
    return Ledger(settings())


def here() -> registry.Registry:
    known = settings()
    return registry.Registry(
        parameters=parameters(),
        ledger=ledger(),
        allow_private=known.allow_private,
        ports=known.destination_ports,
        key=door.key,
    )


@cache
def sender() -> Sender:
    known = settings()
    return Sender(
        store=store(),
        parameters=parameters(),
        seal=Seal(known),
        queues=Queues(known),
        ledger=ledger(),
        calendar=Calendar(known),
        allow_private=known.allow_private,
        ports=known.destination_ports,
        attempts=known.delivery_attempts,
        clock=time.time,
        sleep=time.sleep,
        rng=SystemRandom(),
    )


@app.get("/destinations", summary="The named destinations")
def get_destinations() -> Response[Any]:
    return json_answer(HTTPStatus.OK, here().all())


@app.get("/destinations/<name>", summary="A destination")
def get_destination(name: Name) -> Response[Any]:
    return json_answer(HTTPStatus.OK, here().one(name))


@app.put("/destinations/<name>", summary="Store a destination")
def put_destination(name: Name, record: Annotated[Unchecked[OwnDestination], Body()]) -> Response[Any]:
    return json_answer(HTTPStatus.OK, here().store(name, door.unchecked(record)))


@app.delete("/destinations/<name>", summary="Forget a destination")
def delete_destination(name: Name) -> Response[Any]:
    here().remove(name)
    return Response(HTTPStatus.NO_CONTENT, body="")


@app.post("/destinations/<name>/test", summary="Send a test message, now")
def post_test(name: Name) -> Response[Any]:
    here().allow(name)
    return json_answer(HTTPStatus.ACCEPTED, registry.test(sender(), name))


@app.post("/destinations/<name>/deliveries", summary="Deliver what is held for a destination")
def post_deliveries(name: Name, release: Annotated[Unchecked[ReleaseRequest] | None, Body()] = None) -> Response[Any]:
    here().allow(name)
    wish = door.unchecked(release) if release else {}
    return json_answer(HTTPStatus.ACCEPTED, registry.let_go(sender(), name, wish, door.key))


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return door.answer(event, context)

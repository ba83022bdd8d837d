"""The HTTP API where it writes: takes tasks, stops watching them, tells their destinations once more."""

import time
from functools import cache
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Path
from aws_lambda_powertools.utilities.typing import LambdaContext

from taskhook.api.body import parse_each, parse_wish
from taskhook.api.door import Door, json_answer, known, parameters, store
from taskhook.api.keys import seen_by
from taskhook.api.models import BatchRequest, TaskRequest, Unchecked
from taskhook.api.problem import ProblemError
from taskhook.api.wish import Installation
from taskhook.config import settings
from taskhook.errors import StoreConflict
from taskhook.log import function_logger
from taskhook.providers.catalogue import Catalogue
from taskhook.queues import Queues
from taskhook.secret import Seal
from taskhook.submit import Desk, Result, redeliver, stop, submit, submit_many

logger = function_logger()
door = Door()
app = door.app


@cache
def desk() -> Desk:
    return Desk(store=store(), queues=Queues(settings()), seal=Seal(settings()), clock=time.time)


@cache
def catalogue() -> Catalogue:
    return Catalogue(parameters().provider)


def installation() -> Installation:
    return Installation(
        account=parameters().account,
        find=catalogue().find,
        destination=parameters().destination,
        allow_private=settings().allow_private,
        ports=settings().destination_ports,
        more_regions=settings().more_regions,
        key=door.key,
        names=parameters().names,
    )


@app.post("/tasks", summary="Watch a task")
def post_task(task: Annotated[Unchecked[TaskRequest], Body()]) -> Response[Any]:
    taken, new = submit(desk(), parse_wish(door.unchecked(task), installation()))
    return json_answer(_status(new), seen_by(door.key, taken).view(), {"Location": f"/tasks/{taken.id}"})


@app.post("/tasks/batch", summary="Watch many tasks")
def post_tasks(batch: Annotated[Unchecked[BatchRequest], Body()]) -> Response[Any]:
    here, context = installation(), app.lambda_context
    results = submit_many(
        desk(),
        parse_each(door.unchecked(batch)),
        lambda document: parse_wish(document, here),
        left=lambda: context.get_remaining_time_in_millis() / 1000,
    )
    return json_answer(HTTPStatus.MULTI_STATUS, {"results": [_result(one) for one in results]})


@app.delete("/tasks/<id>", summary="Stop watching a task")
def delete_task(id: Annotated[str, Path()]) -> Response[Any]:
    try:
        return json_answer(HTTPStatus.OK, seen_by(door.key, stop(desk(), known(id, door.key))).view())
    except StoreConflict:
        state = known(id, door.key).state.value
        raise ProblemError(409, f"The task has ended already: it is '{state}'.") from None


@app.post("/tasks/<id>/deliveries/<destination>", summary="Tell a destination once more, now")
def post_delivery(id: Annotated[str, Path()], destination: Annotated[str, Path()]) -> Response[Any]:
    told = redeliver(desk(), known(id, door.key), destination, door.key)
    return json_answer(HTTPStatus.ACCEPTED, told.delivery_view(destination))


def _status(new: bool) -> HTTPStatus:
    return HTTPStatus.ACCEPTED if new else HTTPStatus.OK


def _result(one: Result) -> dict[str, Any]:
    if isinstance(one, ProblemError):
        return {"status": one.status, "problem": one.body()}
    task, new = one
    return {"status": int(_status(new)), "task": seen_by(door.key, task).view()}


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return door.answer(event, context)

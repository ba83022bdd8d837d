"""The HTTP API: takes tasks, shows them, stops watching them."""

import json
import time
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from random import SystemRandom
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import ServiceError
from aws_lambda_powertools.utilities.typing import LambdaContext

from taskhook import __version__
from taskhook.api.body import Installation, parse_wish
from taskhook.api.problem import CONTENT_TYPE, ProblemError
from taskhook.config import settings
from taskhook.errors import StoreConflict
from taskhook.ledger import Ledger
from taskhook.log import function_logger
from taskhook.providers import listing
from taskhook.providers.catalogue import Catalogue
from taskhook.queues import Queues
from taskhook.secret import Parameters, Seal
from taskhook.store import Store
from taskhook.submit import Desk, redeliver, stop, submit
from taskhook.task import Task, attempt_view, is_task_key
from taskhook.times import rfc3339_millis

logger = function_logger()
app = APIGatewayRestResolver()


@cache
def desk() -> Desk:
    return Desk(store=Store(settings()), queues=Queues(settings()), seal=Seal(settings()), clock=time.time)


@cache
def parameters() -> Parameters:
    return Parameters(settings())


@cache
def installation() -> Installation:
    return Installation(
        account=parameters().account,
        find=Catalogue(parameters().provider).find,
        destination=parameters().destination,
        allow_private=settings().allow_private,
        ports=settings().destination_ports,
        more_regions=settings().more_regions,
    )


@cache
def registry_module() -> Any:
    """Imported by those calls alone that need it: it sends messages, and most calls send none."""
    return import_module("taskhook.registry")


@cache
def ledger() -> Ledger:
    return Ledger(settings())


@cache
def registry() -> Any:
    here = settings()
    return registry_module().Registry(
        parameters=parameters(), ledger=ledger(), allow_private=here.allow_private, ports=here.destination_ports
    )


@cache
def sender() -> Any:
    telling, slots = import_module("taskhook.telling"), import_module("taskhook.slots")
    return telling.Sender(
        store=desk().store,
        parameters=parameters(),
        seal=desk().seal,
        queues=desk().queues,
        ledger=ledger(),
        calendar=slots.Calendar(settings()),
        allow_private=settings().allow_private,
        ports=settings().destination_ports,
        attempts=settings().delivery_attempts,
        clock=time.time,
        sleep=time.sleep,
        rng=SystemRandom(),
    )


@app.post("/tasks")
def post_task() -> Response[str]:
    task, new = submit(desk(), parse_wish(_body(), installation()))
    location = {"Location": f"/tasks/{task.id}"}
    return _json(HTTPStatus.ACCEPTED if new else HTTPStatus.OK, task.view(), location)


@app.get("/tasks/<id>")
def get_task(id: str) -> Response[str]:
    return _json(HTTPStatus.OK, _known(id).view())


@app.delete("/tasks/<id>")
def delete_task(id: str) -> Response[str]:
    try:
        return _json(HTTPStatus.OK, stop(desk(), _known(id)).view())
    except StoreConflict:
        state = _known(id).state.value
        raise ProblemError(409, f"The task has ended already: it is '{state}'.") from None


@app.get("/tasks/<id>/deliveries")
def get_deliveries(id: str) -> Response[str]:
    task = _known(id)
    answers = desk().store.answers(task)
    deliveries = [
        {
            **task.delivery_view(name),
            "first_attempt_at": rfc3339_millis(one.first_at) if one.first_at is not None else None,
            "delivered_at": rfc3339_millis(one.told_at) if one.told_at is not None else None,
            "log": [attempt_view(attempt, answers.get((name, attempt.at))) for attempt in one.log],
        }
        for name, one in sorted(task.deliveries.items())
    ]
    return _json(HTTPStatus.OK, {"deliveries": deliveries})


@app.post("/tasks/<id>/deliveries/<destination>")
def post_delivery(id: str, destination: str) -> Response[str]:
    return _json(HTTPStatus.ACCEPTED, redeliver(desk(), _known(id), destination).delivery_view(destination))


@app.get("/destinations")
def get_destinations() -> Response[str]:
    return _json(HTTPStatus.OK, registry().all())


@app.get("/destinations/<name>")
def get_destination(name: str) -> Response[str]:
    return _json(HTTPStatus.OK, registry().one(name))


@app.put("/destinations/<name>")
def put_destination(name: str) -> Response[str]:
    return _json(HTTPStatus.OK, registry().store(name, _body()))


@app.delete("/destinations/<name>")
def delete_destination(name: str) -> Response[str]:
    registry().remove(name)
    return Response(HTTPStatus.NO_CONTENT, body="")


@app.post("/destinations/<name>/test")
def post_test(name: str) -> Response[str]:
    return _json(HTTPStatus.ACCEPTED, registry_module().test(sender(), name))


@app.post("/destinations/<name>/deliveries")
def post_deliveries(name: str) -> Response[str]:
    return _json(HTTPStatus.ACCEPTED, registry_module().let_go(sender(), name, _body()))


@app.get("/providers")
def get_providers() -> Response[str]:
    return _json(HTTPStatus.OK, listing.listing(parameters().providers()))


@app.get("/health")
def get_health() -> Response[str]:
    return _json(HTTPStatus.OK, {"status": "ok", "version": __version__})


@app.get("/")
def get_page() -> Response[str]:
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return Response(HTTPStatus.OK, "text/html; charset=utf-8", _page(), headers)


@app.exception_handler(ProblemError)
def on_problem(error: ProblemError) -> Response[str]:
    return _problem(error)


@app.exception_handler(ServiceError)
def on_service_error(error: ServiceError) -> Response[str]:
    return _problem(ProblemError(error.status_code, "There is no such path here."))


@app.exception_handler(Exception)
def on_error(error: Exception) -> Response[str]:
    logger.exception("broken")
    detail = "taskhook itself is at fault; its log says more. Nothing that was accepted before is lost."
    return _problem(ProblemError(500, detail))


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    answer = app.resolve(event, context)
    request = f"{event.get('httpMethod')} {event.get('resource')}"
    logger.info("answered", extra={"request": request, "status": answer["statusCode"]})
    return answer


def _body() -> bytes:
    event = app.current_event
    try:
        return (event.decoded_body or "").encode()
    except ValueError:
        raise ProblemError(400, "The body is not valid Unicode text in UTF-8.") from None


def _known(id: str) -> Task:
    task = desk().store.get(id) if is_task_key(id) else None
    if task is None:
        raise ProblemError(404, "There is no task with this id.")
    return task


def _problem(error: ProblemError) -> Response[str]:
    logger.info("refused", extra={"status": error.status, "fields": [one.field for one in error.errors]})
    return Response(error.status, CONTENT_TYPE, json.dumps(error.body()))


def _json(status: int, body: Any, headers: dict[str, Any] | None = None) -> Response[str]:
    return Response(status, "application/json", json.dumps(body), headers)


_page: Callable[[], str] = cache(lambda: (Path(__file__).parent / "page.html").read_text("utf-8"))

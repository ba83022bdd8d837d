"""The HTTP API where it only reads: tasks, one by one and in lists, the catalogue, and the page for people."""

import json
import time
from functools import cache
from http import HTTPStatus
from pathlib import Path as File
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from taskhook import __version__, pages, timeline, waiting
from taskhook.api import static
from taskhook.api.choice import chosen
from taskhook.api.door import Door, etag, json_answer, matches, parameters, refuse_unknown, store
from taskhook.api.keys import seen_by
from taskhook.api.problem import FieldError, invalid
from taskhook.config import settings
from taskhook.listing import Listing
from taskhook.log import function_logger
from taskhook.providers import listing
from taskhook.providers.catalogue import Catalogue
from taskhook.seats import Seats
from taskhook.states import State
from taskhook.task import Task, deliveries_view

logger = function_logger()
door = Door()
app = door.app
HERE = File(__file__).parent


@cache
def waiter() -> waiting.Waiting:
    seats = Seats(settings(), name="callers", most=settings().long_polls)
    return waiting.Waiting(seats=seats, clock=time.time, sleep=time.sleep)


@app.get("/tasks", summary="The tasks, newest first")
def get_tasks(
    state: Annotated[State | None, Query()] = None,
    provider: Annotated[str | None, Query(min_length=1, description="Full or short name")] = None,
    account: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(description="The next_cursor of the page before")] = None,
) -> Response[Any]:
    refuse_unknown(app.current_event.raw_event, ("state", "provider", "account", "limit", "cursor"))
    choice = chosen(Catalogue(parameters().provider).find, state=state, provider=provider, account=account)
    before = None if cursor is None else pages.read_cursor(cursor, choice)
    if cursor is not None and before is None:
        message = "is none that this list has given: take next_cursor as it is, with the same filters"
        raise invalid([FieldError("cursor", message)], query=True)
    page = pages.page(store(), Listing(settings()), choice, limit=limit, before=before, accounts=door.key.accounts)
    successor = pages.cursor(page.next, choice) if page.next is not None else None
    shown = [seen_by(door.key, one).view() for one in page.tasks]
    return json_answer(HTTPStatus.OK, {"tasks": shown, "next_cursor": successor})


@app.get("/tasks/<id>", summary="How a task stands")
def get_task(
    id: Annotated[str, Path()],
    wait: Annotated[int, Query(ge=0, le=waiting.LONGEST, description="Seconds to wait for a change")] = 0,
    tag: Annotated[str | None, Header(alias="If-None-Match")] = None,
) -> Response[Any]:
    task = door.task(id)
    task, seated = waiter().until(lambda: door.task(id), _changed_since(task, tag), first=task, seconds=wait)
    return json_answer(HTTPStatus.OK, task.view(), {} if seated else {"Retry-After": str(waiting.LATER)})


def _changed_since(task: Task, tag: str | None) -> Any:
    """Anything that the caller does not know yet, by the tag; else the state, which an ended task has for good."""
    if tag is not None:
        return lambda now: not matches(tag, etag(json.dumps(now.view())))
    return lambda now: now.state is not task.state or now.state.terminal


@app.get("/tasks/<id>/timeline", summary="What has happened to a task")
def get_timeline(id: Annotated[str, Path()]) -> Response[Any]:
    events = timeline.timeline(door.task(id))
    return json_answer(HTTPStatus.OK, {"timeline": [one.view() for one in events]})


@app.get("/tasks/<id>/deliveries", summary="Every attempt to tell somebody of a task")
def get_deliveries(id: Annotated[str, Path()]) -> Response[Any]:
    task = door.task(id)
    return json_answer(HTTPStatus.OK, {"deliveries": deliveries_view(task, store().answers(task))})


@app.get("/providers", summary="The catalogue of status APIs")
def get_providers() -> Response[Any]:
    return json_answer(HTTPStatus.OK, listing.listing(parameters().providers()))


@app.get("/health", summary="Whether the service answers")
def get_health() -> Response[Any]:
    return json_answer(HTTPStatus.OK, {"status": "ok", "version": __version__})


@app.get("/openapi.json", summary="This document")
def get_openapi() -> Response[Any]:
    return static.file(HERE / "openapi.json", "application/json")


@app.get("/docs", summary="This document, to be tried out")
def get_docs() -> Response[Any]:
    return static.docs()


@app.get("/", summary="A page for people")
def get_page() -> Response[Any]:
    return static.page(HERE / "page.html")


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return door.answer(event, context)

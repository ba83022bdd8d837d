"""The front door: what the functions behind the HTTP API have in common, from the request's bytes to the access log."""

import base64
import binascii
import difflib
import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from functools import cache
from http import HTTPStatus
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, CORSConfig, Response
from aws_lambda_powertools.event_handler.exceptions import ServiceError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from taskhook.api import shape
from taskhook.api.document import LONGEST_BODY, JsonObject, parse_object
from taskhook.api.keys import UNLIMITED, Key, parse_key, seen_by
from taskhook.api.problem import CONTENT_TYPE, FieldError, ProblemError, invalid
from taskhook.config import settings
from taskhook.errors import ConfigError
from taskhook.secret import Parameters
from taskhook.store import Store
from taskhook.task import Task, is_task_key

if TYPE_CHECKING:
    from pydantic import BaseModel

logger = logging.getLogger(__name__)

type Event = dict[str, Any]
type Reply = dict[str, Any]

LONGEST_BATCH = 1024 * 1024
"""Bytes of a body with many tasks."""
BROKEN = "taskhook itself is at fault; its log says more. Nothing that was accepted before is lost."
_PREFLIGHT_SECONDS = 600
_SAFE = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
_KEY_HEADER, _ONCE_HEADER = "x-api-key", "idempotency-key"


class Door:
    """The routes of one function, and how every request to them is answered."""

    def __init__(self) -> None:
        self.app = APIGatewayRestResolver(enable_validation=True, json_body_deserializer=self._document, debug=False)
        self.app.exception_handler(ProblemError)(problem)
        self.app.exception_handler(RequestValidationError)(_on_invalid)
        self.app.exception_handler(ServiceError)(_on_service_error)
        self.app.exception_handler(Exception)(_on_error)

    def answer(self, event: Event, context: Any) -> Reply:
        began = time.monotonic()
        try:
            reply = self._answer(_plain(event), context)
        except ProblemError as error:
            reply = _as_reply(error)
        except Exception as error:
            # Outside of the routes: an API key's record, or an earlier answer, could not be read.
            reply = _as_reply(_broken(error))
        _log(event, reply, time.monotonic() - began)
        return _with_cors(event, reply)

    def _answer(self, event: Event, context: Any) -> Reply:
        key_of(event)  # one that nobody has said anything of opens no door at all
        name = _header(event, _ONCE_HEADER)
        if name is None or event["httpMethod"] != "POST":
            return _conditional(event, self.app.resolve(event, context))
        once = import_module("taskhook.api.once")
        done: Reply = once.answer(
            name, event, key_id(event), context, settings().table, lambda: self.app.resolve(event, context)
        )
        return done

    def _document(self, text: str) -> JsonObject:
        longest = LONGEST_BATCH if self.app.current_event.path.endswith("/batch") else LONGEST_BODY
        return parse_object(text.encode(), longest)

    @staticmethod
    def unchecked(body: "BaseModel") -> JsonObject:
        """What a route gets for a body that its model describes and nobody has checked yet."""
        return cast(JsonObject, body)

    def task(self, id: str) -> Task:
        """A task, as far as the caller may see it. Raises ProblemError 404."""
        key = self.key
        return seen_by(key, known(id, key))

    @property
    def key(self) -> Key:
        """What the caller's API key may do. Raises ProblemError where nobody has said."""
        return key_of(self.app.current_event.raw_event)


def json_answer(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Response[Any]:
    return Response(status, "application/json", json.dumps(body), {**_SAFE, **(headers or {})})


def problem(error: ProblemError) -> Response[Any]:
    logger.info("refused", extra={"status": error.status, "fields": [one.field for one in error.errors]})
    return Response(error.status, CONTENT_TYPE, json.dumps(error.body()), dict(_SAFE))


@cache
def parameters() -> Parameters:
    return Parameters(settings())


@cache
def store() -> Store:
    return Store(settings())


def known(id: str, key: Key) -> Task:
    """The task, as far as a key may see it. Raises ProblemError 404, which says nothing of what there once was."""
    task = store().get(id) if is_task_key(id) else None
    if task is None or not key.may_use(task.account):
        raise ProblemError(404, "There is no task with this id.")
    return task


def key_id(event: Event) -> str:
    """The gateway's id of the caller's API key; "" where the gateway asks for none."""
    return str(((event.get("requestContext") or {}).get("identity") or {}).get("apiKeyId") or "")


def key_of(event: Event) -> Key:
    id = key_id(event)
    if id in ("", settings().default_key):
        return UNLIMITED
    record = parameters().key(id)
    if record is None:
        parameter = f"{settings().parameters}/keys/{id}"
        raise ProblemError(403, f"Nobody has said yet what this API key may do: SSM parameter {parameter}.")
    try:
        return parse_key(id, record)
    except ConfigError as error:
        logger.warning("key record broken", extra={"key": id, "fault": str(error)})
        raise ProblemError(403, f"What this API key may do cannot be read: {error}.") from None


def _on_invalid(error: RequestValidationError) -> Response[Any]:
    """A query, header or body whose shape is wrong; the places are those of the request, without ``query`` and such."""
    errors = list(error.errors())
    if any(tuple(one["loc"]) == ("body",) and one["type"] == "missing" for one in errors):
        return problem(ProblemError(400, "The body must be a JSON object, as in {...}; it is empty."))
    query = all("body" not in one["loc"][:1] for one in errors)
    return problem(invalid(shape.fields([{**one, "loc": tuple(one["loc"])[1:]} for one in errors]), query=query))


def refuse_unknown(event: Event, names: Sequence[str]) -> None:
    """Raises ProblemError for parameters that there are none of: a misspelt filter would choose everything."""
    unknown = sorted(set(event.get("queryStringParameters") or {}) - set(names))
    if unknown:
        raise invalid([FieldError(one[:100], _no_such_parameter(one, names)) for one in unknown], query=True)


def _no_such_parameter(name: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name[:64], names, n=1)
    meant = f"did you mean '{close[0]}'? " if close else ""
    return f"is not a parameter here; {meant}The parameters are {', '.join(names)}"


def _on_service_error(error: ServiceError) -> Response[Any]:
    return problem(ProblemError(error.status_code, "There is no such path here."))


def _on_error(error: Exception) -> Response[Any]:
    return problem(_broken(error))


def _broken(error: Exception) -> ProblemError:
    logger.error("broken", exc_info=error)
    return ProblemError(500, BROKEN)


def _plain(event: Event) -> Event:
    """With a body that is text, taken as JSON whatever the caller says it is: curl calls everything a form."""
    body = event.get("body")
    if body and event.get("isBase64Encoded"):
        try:
            body = base64.b64decode(body, validate=True).decode()
        except (UnicodeDecodeError, binascii.Error, ValueError):
            raise ProblemError(400, "The body is not valid Unicode text in UTF-8.") from None
    headers = {name: value for name, value in (event.get("headers") or {}).items() if name.lower() != "content-type"}
    return {
        **event,
        "body": body,
        "isBase64Encoded": False,
        "headers": {**headers, "content-type": "application/json"},
    }


def _header(event: Event, name: str) -> str | None:
    return next((value for key, value in (event.get("headers") or {}).items() if key.lower() == name), None)


def _conditional(event: Event, reply: Reply) -> Reply:
    """Nothing where the caller has it already. The tag is that of the body, whatever it was made from."""
    if event["httpMethod"] != "GET" or reply["statusCode"] != HTTPStatus.OK:
        return reply
    tag = etag(reply["body"])
    headers = {**reply["multiValueHeaders"], "ETag": [tag]}
    if matches(_header(event, "if-none-match"), tag):
        return {**reply, "statusCode": int(HTTPStatus.NOT_MODIFIED), "multiValueHeaders": headers, "body": ""}
    return {**reply, "multiValueHeaders": headers}


def etag(body: str) -> str:
    return f'"{base64.urlsafe_b64encode(hashlib.sha256(body.encode()).digest()[:16]).decode().rstrip("=")}"'


def matches(wanted: str | None, tag: str) -> bool:
    """Whether an ``If-None-Match`` has a tag. It is compared weakly, as RFC 9110 says: proxies weaken it."""
    return wanted is not None and any(one.strip().removeprefix("W/") in (tag, "*") for one in wanted.split(","))


def _as_reply(error: ProblemError) -> Reply:
    headers = {name: [value] for name, value in {**_SAFE, "Content-Type": CONTENT_TYPE}.items()}
    return {
        "statusCode": error.status,
        "body": json.dumps(error.body()),
        "isBase64Encoded": False,
        "multiValueHeaders": headers,
    }


def _with_cors(event: Event, reply: Reply) -> Reply:
    """For pages of the configured origins alone; everybody else gets what a page may not read."""
    origins, origin = settings().cors_origins, _header(event, "origin")
    if not origins or origin is None or not (origin in origins or "*" in origins):
        return reply
    allowed = CORSConfig(
        allow_origin=origin,
        allow_headers=["content-type", "if-none-match", _KEY_HEADER, _ONCE_HEADER],
        expose_headers=["ETag", "Location", "Retry-After"],
        max_age=_PREFLIGHT_SECONDS,
    ).to_dict(origin)
    headers = {**reply["multiValueHeaders"], **{name: [value] for name, value in allowed.items()}, "Vary": ["Origin"]}
    if event["httpMethod"] == "OPTIONS":
        methods = "DELETE, GET, OPTIONS, POST, PUT"
        headers = {**headers, "Access-Control-Allow-Methods": [methods]}
        headers.pop("Content-Type", None)
        return {**reply, "statusCode": int(HTTPStatus.NO_CONTENT), "body": "", "multiValueHeaders": headers}
    return {**reply, "multiValueHeaders": headers}


def _log(event: Event, reply: Reply, seconds: float) -> None:
    """The access log: which call by whose key, and what came of it; no path, query, header or body."""
    logger.info(
        "answered",
        extra={
            "request": f"{event.get('httpMethod')} {event.get('resource')}",
            "status": reply["statusCode"],
            "key": key_id(event),
            "bytes": len(reply["body"] or ""),
            "seconds": round(seconds, 3),
        },
    )

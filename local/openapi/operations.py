"""Every call of the API, as its document says it: what it answers, and what each answer means."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel

from local.openapi import answers as model


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """``answers``: by status, what it means and what it holds. ``problems``: statuses that answer with a problem."""

    id: str
    tag: str
    about: str = ""
    answers: Mapping[int, tuple[str, type[BaseModel] | str | None]]
    problems: tuple[int, ...] = ()
    open: bool = False
    """Needs no API key."""
    headers: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


PROBLEMS = {
    400: "The body is no JSON object, or is missing",
    403: "The API key is missing or unknown, or may not do this",
    404: "There is nothing of this name, or the API key may not see it",
    409: "The task or destination is not in a state for this, or a request with this Idempotency-Key is still at work",
    413: "The body is too long",
    422: "Fields are not as they must be; all of them are named",
    429: "The API key makes more requests than its usage plan allows",
    500: "taskhook itself is at fault",
}
ALWAYS = (403, 429, 500)
"""What every call with a key may answer."""

HEADERS = {
    "ETag": "Names what is answered; send it as If-None-Match to get it again only when it has changed",
    "Location": "Where the task is from now on",
    "Retry-After": "Seconds: too many callers wait already, so this answer came at once",
}

_TASK, _TEXT = model.Task, "text/html"
_BODY = (400, 409, 413, 422)

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("post", "/tasks"): Operation(
        id="postTask",
        tag="tasks",
        about="The id of the answer is derived from account, provider, region and task id: posting the same task again "
        "is harmless. While it is watched, new destinations are added; when it has ended, they are told at once; after "
        "timed_out, lost or stopped, watching starts again.",
        answers={202: ("Accepted", _TASK), 200: ("Known already", _TASK)},
        problems=_BODY,
        headers={202: ("Location",), 200: ("Location",)},
    ),
    ("post", "/tasks/batch"): Operation(
        id="postTasks",
        tag="tasks",
        about="At most 100 tasks, each taken or refused on its own.",
        answers={207: ("A result for each task", model.Batch)},
        problems=_BODY,
    ),
    ("get", "/tasks"): Operation(
        id="getTasks",
        tag="tasks",
        about="A page may hold fewer tasks than its limit although there is a next one.",
        answers={200: ("A page", model.Tasks)},
        problems=(422,),
    ),
    ("get", "/tasks/{id}"): Operation(
        id="getTask",
        tag="tasks",
        about="With wait it answers as soon as the state changes; with If-None-Match too, as soon as anything does.",
        answers={200: ("The task", _TASK)},
        problems=(404, 422),
        headers={200: ("Retry-After",)},
    ),
    ("delete", "/tasks/{id}"): Operation(
        id="stopTask",
        tag="tasks",
        about="Nobody is told. Posting the task again starts a new watch.",
        answers={200: ("Stopped", _TASK)},
        problems=(404, 409),
    ),
    ("get", "/tasks/{id}/timeline"): Operation(
        id="getTimeline", tag="tasks", answers={200: ("In the order of time", model.Timeline)}, problems=(404,)
    ),
    ("get", "/tasks/{id}/deliveries"): Operation(
        id="getDeliveries", tag="deliveries", answers={200: ("By destination", model.Deliveries)}, problems=(404,)
    ),
    ("post", "/tasks/{id}/deliveries/{destination}"): Operation(
        id="redeliver",
        tag="deliveries",
        about="Also where the destination is paused, out of order, or has its own filter.",
        answers={202: ("Under way", model.Delivery)},
        problems=(404, 409, 422),
    ),
    ("get", "/destinations"): Operation(
        id="getDestinations", tag="destinations", answers={200: ("By name", model.Destinations)}
    ),
    ("get", "/destinations/{name}"): Operation(
        id="getDestination",
        tag="destinations",
        answers={200: ("What it is and how it is, never its secrets", "AnyDestination")},
        problems=(404,),
    ),
    ("put", "/destinations/{name}"): Operation(
        id="putDestination",
        tag="destinations",
        about="The body is its record; docs/destinations.md has the members of each type. Secrets go in and never come "
        "out. What was held for it goes out.",
        answers={200: ("Stored", "AnyDestination")},
        problems=(400, 404, 413, 422),
    ),
    ("delete", "/destinations/{name}"): Operation(
        id="deleteDestination",
        tag="destinations",
        about="News that is under way to it is held.",
        answers={204: ("Forgotten", None)},
        problems=(404,),
    ),
    ("post", "/destinations/{name}/test"): Operation(
        id="testDestination",
        tag="destinations",
        about="Where the message is taken, all news that is held for it goes out.",
        answers={202: ("What came of it", model.Tested)},
        problems=(404, 409, 422),
    ),
    ("post", "/destinations/{name}/deliveries"): Operation(
        id="releaseDeliveries",
        tag="destinations",
        answers={202: ("The tasks whose news goes out", model.Released)},
        problems=(400, 404, 409, 413, 422),
    ),
    ("get", "/providers"): Operation(
        id="getProviders", tag="providers", answers={200: ("The catalogue", model.Providers)}
    ),
    ("get", "/health"): Operation(
        id="getHealth", tag="service", answers={200: ("It does", model.Health)}, open=True
    ),
    ("get", "/openapi.json"): Operation(
        id="getOpenapi", tag="service", answers={200: ("OpenAPI 3.1", "Document")}, open=True
    ),
    ("get", "/docs"): Operation(id="getDocs", tag="service", answers={200: ("A page", _TEXT)}, open=True),
    ("get", "/"): Operation(id="getPage", tag="service", answers={200: ("A page", _TEXT)}, open=True),
}  # fmt: skip

TAGS = {
    "tasks": "Watching tasks",
    "deliveries": "Telling people of them",
    "destinations": "Whom to tell",
    "providers": "What can be watched",
    "service": "The service itself",
}

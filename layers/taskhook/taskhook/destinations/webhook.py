"""Plain webhooks by the Standard Webhooks specification, version 1 (github.com/standard-webhooks/standard-webhooks).

The body is a CloudEvent 1.0 in structured mode (github.com/cloudevents/spec) for those who ask for one; id, time and
signature stay in the headers, so that one receiver can check both.
"""

import base64
import hmac
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import requests

from taskhook.destinations import answers
from taskhook.destinations.model import Channel, Destination, Fault, Judgment
from taskhook.destinations.text import encodable
from taskhook.http import Answer
from taskhook.states import WATCHED
from taskhook.task import Task, digest
from taskhook.times import rfc3339

PREFIX = "whsec_"
KEY_BYTES = range(24, 65)
MOST_KEYS = 10
MOST_HEADERS = 20
LONGEST_HEADERS = 4096
"""Characters over all names and values: many servers refuse more than 8 KB of headers, and ours are among them."""

CLOUDEVENTS = "cloudevents"
PROGRESS = "task.progress"
"""The type of all news of a task that is still watched."""

_KEY_HELP = f'make one with: echo "{PREFIX}$(openssl rand -base64 32)"'

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")

# RFC 7617 forbids control characters, and the colon ends a user name. A token may be what RFC 9110 allows in a value,
# but for blanks: who pastes one has pasted "Bearer " along with it. Tokens that are signed texts have a thousand
# characters and more.
_AUTH = {
    "bearer": {
        "token": (re.compile("[!-~]{1,2048}"), "1 to 2048 characters of ASCII, no blanks, without the word Bearer"),
    },
    "basic": {
        "username": (re.compile(r"[^\x00-\x1f\x7f-\x9f:]{1,256}"), "1 to 256 characters, no colons nor line breaks"),
        "password": (re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,256}"), "1 to 256 characters, no line breaks"),
    },
}

_WATCHING = {state.event for state in WATCHED}

_RESERVED = frozenset(
    {
        *("accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect", "host"),
        *("keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)
_RESERVED_PREFIXES = ("webhook-", "proxy-")


# --- the record ------------------------------------------------------------------------------------------------------


def check(record: Mapping[str, Any]) -> list[Fault]:
    """A secret is welcome but not required: many receivers (n8n, Zapier) are protected by their URL alone."""
    return [
        *(Fault(field="secret", message=message) for message in _secret_faults(record.get("secret"))),
        *_headers_faults(record.get("headers")),
        *_auth_faults(record.get("auth")),
        *_twice(record.get("headers"), record.get("auth")),
        *_format_faults(record.get("format")),
    ]


def _secret_faults(secret: Any) -> list[str]:
    if secret is None:
        return []
    keys = secret.split() if isinstance(secret, str) else []
    if not keys:
        return [f"must be a text, or left out for news without a signature; {_KEY_HELP}"]
    if len(keys) > MOST_KEYS:
        return [f"must hold at most {MOST_KEYS} keys"]
    if not all(_usable(one) for one in keys):
        return [
            f"must be {PREFIX} and then the base64 of {KEY_BYTES.start} to {KEY_BYTES.stop - 1} bytes (several keys "
            f"are separated by blanks while they are rotated); {_KEY_HELP}"
        ]
    return []


def _usable(secret: str) -> bool:
    try:
        return secret.startswith(PREFIX) and len(_key(secret)) in KEY_BYTES
    except ValueError:
        return False


def _key(secret: str) -> bytes:
    """The bytes to sign with. Padding may be missing, as the libraries for receivers accept that too."""
    encoded = secret.removeprefix(PREFIX).rstrip("=")
    return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)


def _headers_faults(headers: Any) -> list[Fault]:
    if headers is None:
        return []
    if not isinstance(headers, Mapping):
        return [Fault(field="headers", message="must map names to texts")]
    return [
        *(Fault(field="headers", message=message) for message in _together(headers)),
        *(Fault(field=f"headers.{_start(name)}", message=message) for name, message in _one_by_one(headers)),
    ]


def _together(headers: Mapping[str, Any]) -> Iterator[str]:
    if len(headers) > MOST_HEADERS:
        yield f"must be at most {MOST_HEADERS}"
    if sum(len(name) + len(str(value)) for name, value in headers.items()) > LONGEST_HEADERS:
        yield f"must have at most {LONGEST_HEADERS} characters together"
    if any(count > 1 for count in Counter(name.casefold() for name in headers).values()):
        yield "must not hold the same name twice, in whatever case"


def _one_by_one(headers: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            yield name, "is not the name of a header: letters, digits and hyphens"
        elif name.casefold() in _RESERVED or name.casefold().startswith(_RESERVED_PREFIXES):
            yield name, "is set by taskhook and cannot be chosen"
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            yield name, "must have a value of printable ASCII, without blanks around it"


def _auth_faults(auth: Any) -> Iterator[Fault]:
    if auth is None:
        return
    wanted = _AUTH.get(str(auth.get("type"))) if isinstance(auth, Mapping) else None
    if wanted is None:
        field = "auth.type" if isinstance(auth, Mapping) else "auth"
        what = "must be one of " if field == "auth.type" else "must be an object whose type is one of "
        yield Fault(field=field, message=f"{what}{', '.join(_AUTH)}")
        return
    for name in auth:
        if name not in ("type", *wanted):
            message = f"is not known: {auth['type']} has {' and '.join(wanted)}"
            yield Fault(field=f"auth.{_start(name)}", message=message)
    for name, (good, words) in wanted.items():
        value = auth.get(name)
        if not isinstance(value, str) or not good.fullmatch(value):
            yield Fault(field=f"auth.{name}", message=f"must be a text: {words}")


def _twice(headers: Any, auth: Any) -> Iterator[Fault]:
    if auth is None or not isinstance(headers, Mapping):
        return
    for name in headers:
        if name.casefold() == "authorization":
            yield Fault(field=f"headers.{name}", message='is what "auth" is sent as: leave one of them out')


def _format_faults(value: Any) -> Iterator[Fault]:
    if value not in (None, CLOUDEVENTS):
        yield Fault(field="format", message=f"must be {CLOUDEVENTS}, or left out for the body of Standard Webhooks")


def _start(name: str) -> str:
    """As much of the name as can be one: after the colon of ``Authorization: Bearer ...`` comes a secret."""
    token = _TOKEN.match(name)
    return token[0][:64] if token else ""


# --- the message -----------------------------------------------------------------------------------------------------


def request(destination: Destination, task: Task, now: float) -> requests.Request:
    as_event = destination.own.get("format") == CLOUDEVENTS
    content = (cloudevent if as_event else body)(task, now)
    id, timestamp = news_id(task), int(now)
    headers = {
        **_sent_headers(destination),
        "content-type": "application/cloudevents+json" if as_event else "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
    }
    if destination.secrets:
        headers["webhook-signature"] = signatures(destination.secrets, id, timestamp, content)
    return requests.Request("POST", destination.url, headers=headers, data=content)


def _sent_headers(destination: Destination) -> dict[str, str]:
    auth = destination.own.get("auth")
    if not auth:
        return dict(destination.headers)
    return {**destination.headers, "authorization": _authorization(auth)}


def _authorization(auth: Mapping[str, str]) -> str:
    if auth["type"] == "bearer":
        return f"Bearer {auth['token']}"
    pair = encodable(f"{auth['username']}:{auth['password']}")
    return "Basic " + base64.b64encode(pair.encode()).decode()


def event(task: Task) -> str:
    return PROGRESS if task.event in _WATCHING else task.event


def news_id(task: Task) -> str:
    """The same for every attempt at one piece of news. While a task is watched, each look can make another piece."""
    if task.event not in _WATCHING:
        return task.news_id
    return "msg_" + digest(task.id, "progress", str(task.watch), str(task.polls))


def body(task: Task, now: float) -> bytes:
    return _json({"type": event(task), "timestamp": _happened(task, now), "data": task.news()})


def cloudevent(task: Task, now: float) -> bytes:
    """``source`` and ``id`` together are unique, as the specification wants it: ``id`` is so for all of taskhook."""
    return _json(
        {
            "specversion": "1.0",
            "id": news_id(task),
            "source": "taskhook",
            "type": event(task),
            "subject": task.id,
            "time": _happened(task, now),
            "datacontenttype": "application/json",
            "data": task.news(),
        }
    )


def _happened(task: Task, now: float) -> str | None:
    """When the news came about, as both specifications have it; that of sending is in the headers."""
    moments = (task.observed_at, task.looked_at if task.event in _WATCHING else None, now)
    return rfc3339(next(one for one in moments if one is not None))


def _json(value: Mapping[str, Any]) -> bytes:
    return encodable(json.dumps(value, ensure_ascii=False, separators=(",", ":"))).encode()


def signatures(secrets: tuple[str, ...], id: str, timestamp: int, content: bytes) -> str:
    """One signature for each key: a receiver accepts the news when it knows any of them."""
    signed = f"{id}.{timestamp}.".encode() + content
    return " ".join(_signature(secret, signed) for secret in secrets)


def _signature(secret: str, signed: bytes) -> str:
    mac = hmac.digest(_key(secret), signed, "sha256")
    return "v1," + base64.b64encode(mac).decode()


# --- the answer ------------------------------------------------------------------------------------------------------


def judge(destination: Destination, answer: Answer, now: float) -> Judgment:
    """By the status alone: a receiver may write into the body whatever it likes."""
    return answers.judgment(_with_secrets(destination), answer, now, answers.row(answer.status))


def _with_secrets(destination: Destination) -> Destination:
    """With its credentials where secrets are looked for, and as they are sent too: receivers repeat both."""
    auth = destination.own.get("auth")
    if not auth:
        return destination
    known = (value for name, value in auth.items() if name != "type")
    sent = _authorization(auth).partition(" ")[2]
    return replace(destination, secrets=(*destination.secrets, *known, sent), own={})


CHANNEL = Channel(
    type="webhook", fields=("secret", "headers", "auth", "format"), check=check, forms=(request,), judge=judge
)

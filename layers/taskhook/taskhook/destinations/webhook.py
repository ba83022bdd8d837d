"""Plain webhooks by the Standard Webhooks specification, version 1 (github.com/standard-webhooks/standard-webhooks)."""

import base64
import hmac
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import requests

from taskhook.destinations import answers
from taskhook.destinations.model import Channel, Destination, Fault, Judgment
from taskhook.destinations.text import encodable
from taskhook.http import Answer
from taskhook.task import Task
from taskhook.times import rfc3339

PREFIX = "whsec_"
KEY_BYTES = range(24, 65)
MOST_KEYS = 10
MOST_HEADERS = 20
LONGEST_HEADERS = 4096
"""Characters over all names and values: many servers refuse more than 8 KB of headers, and ours are among them."""

_KEY_HELP = f'make one with: echo "{PREFIX}$(openssl rand -base64 32)"'

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")

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


def _start(name: str) -> str:
    """As much of the name as can be one: after the colon of ``Authorization: Bearer ...`` comes a secret."""
    token = _TOKEN.match(name)
    return token[0][:64] if token else ""


# --- the message -----------------------------------------------------------------------------------------------------


def request(destination: Destination, task: Task, now: float) -> requests.Request:
    content = body(task, now)
    timestamp = int(now)
    headers = {
        **destination.headers,
        "content-type": "application/json",
        "webhook-id": task.news_id,
        "webhook-timestamp": str(timestamp),
    }
    if destination.secrets:
        headers["webhook-signature"] = signatures(destination.secrets, task.news_id, timestamp, content)
    return requests.Request("POST", destination.url, headers=headers, data=content)


def body(task: Task, now: float) -> bytes:
    """``timestamp`` is when the news came about, as the specification has it; that of sending is in the headers."""
    news = {
        "type": task.state.event,
        "timestamp": rfc3339(task.observed_at if task.observed_at is not None else now),
        "data": task.news(),
    }
    return encodable(json.dumps(news, ensure_ascii=False, separators=(",", ":"))).encode()


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
    return answers.judgment(destination, answer, now, answers.row(answer.status))


CHANNEL = Channel(type="webhook", fields=("secret", "headers"), check=check, forms=(request,), judge=judge)

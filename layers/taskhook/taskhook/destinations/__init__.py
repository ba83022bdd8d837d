"""Where news can be sent, by the type of the destination."""

import difflib
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from taskhook.destinations import common, urls
from taskhook.destinations.model import Channel, Destination, DigestForm, Fault, Form, Judgment, Live, Verdict
from taskhook.destinations.urls import address_rule
from taskhook.errors import ConfigError

if TYPE_CHECKING:
    from taskhook.http import Answer

__all__ = (
    "TYPES",
    "Destination",
    "Fault",
    "Judgment",
    "Verdict",
    "address_rule",
    "bursts",
    "check",
    "digest",
    "forms",
    "judge",
    "label",
    "live",
    "parse",
    "rate",
)

TYPES = ("dingtalk", "discord", "feishu", "slack", "slack_bot", "teams", "webhook", "wecom")
"""Each is a module here with a ``CHANNEL``."""

LONGEST_LABEL = 100

_UNSAFE = re.compile("[^A-Za-z0-9.-]+")


@cache
def _channel(type: str) -> Channel:
    """Imported when first needed: most installations use one type only."""
    row: Channel = import_module(f"taskhook.destinations.{type}").CHANNEL
    return row


def check(
    record: Mapping[str, Any],
    *,
    allow_private: bool,
    resolve: bool = True,
    ports: Collection[int] = urls.DEFAULT_PORTS,
) -> list[Fault]:
    """Every fault of a destination that a request brings along, at once. No message shows a value.

    With ``resolve`` the host's name is looked up, which takes two seconds at most.
    """
    if not isinstance(record, Mapping):
        return [Fault(field="", message="must be an object")]
    return _faults(record, allow_private=allow_private, resolve=resolve, strict=True, ports=ports)


def parse(name: str, text: str, *, allow_private: bool, ports: Collection[int] = urls.DEFAULT_PORTS) -> Destination:
    """The destination in one SSM parameter, or in a task's own record. Keys that nobody knows are left alone.

    Raises ConfigError that names the keys at fault and never shows a value: any of them may be a secret.
    """
    record = _record(name, text)
    faults = _faults(record, allow_private=allow_private, resolve=False, strict=False, ports=ports)
    if faults:
        words = "; ".join(f'"{fault.field}" {fault.message}' for fault in faults)
        raise ConfigError(f"destination '{name}': {words}")
    return _destination(name, record)


def _destination(name: str, record: Mapping[str, Any]) -> Destination:
    channel = _channel(record["type"])
    # What the type has no field for has not been checked either, and could be anything.
    own = {key: record[key] for key in channel.fields if record.get(key) is not None}
    return Destination(
        name=name,
        type=channel.type,
        url=record.get("url") or channel.url or "",
        secrets=tuple(str(own.pop("secret", "")).split()),
        headers=dict(own.pop("headers", {})),
        own=own,
        **common.read(record),
    )


def forms(destination: Destination) -> tuple[Form, ...]:
    """The ways to write news for it, each plainer than the one before."""
    return _channel(destination.type).forms


def rate(destination: Destination) -> str | None:
    """What it takes, as ``20/min``; None where nobody says."""
    return destination.rate or _channel(destination.type).rate


def bursts(destination: Destination) -> bool:
    """Whether its service forgives a message too many now and then. Of a rate that the owner names nobody knows."""
    return destination.rate is None and _channel(destination.type).bursts


def digest(destination: Destination) -> DigestForm | None:
    """How to tell it of many tasks at once; None where each must be told by itself."""
    return _channel(destination.type).digest


def live(destination: Destination) -> Live | None:
    """How to keep one message of it up to date; None where messages cannot be edited."""
    return _channel(destination.type).live


def judge(destination: Destination, answer: "Answer", now: float) -> Judgment:
    """What the answer means for the news. ``now`` is what a date in ``Retry-After`` is compared with."""
    return _channel(destination.type).judge(destination, answer, now)


def label(record: Mapping[str, Any]) -> str:
    """The name of a destination that has none: the same for the same record, safe in a path, and no secret."""
    url = record.get("url")
    where = f"{record.get('type')}-{urls.host(url) if isinstance(url, str) else ''}"
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"))
    mark = hashlib.sha256(canonical.encode()).hexdigest()[:8]
    readable = _UNSAFE.sub("-", where)[: LONGEST_LABEL - len(mark) - 1].strip("-.")
    return f"{readable}-{mark}"


# --- records ---------------------------------------------------------------------------------------------------------


def _record(name: str, text: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError(f"destination '{name}' is not JSON") from None
    if not isinstance(record, dict):
        raise ConfigError(f"destination '{name}' is not a JSON object")
    return record


def _faults(
    record: Mapping[str, Any], *, allow_private: bool, resolve: bool, strict: bool, ports: Collection[int]
) -> list[Fault]:
    type = record.get("type")
    if type not in TYPES:
        return [Fault(field="type", message=_no_type(type))]
    channel = _channel(type)
    return [
        *(_unknown(record, channel) if strict else ()),
        *_url_faults(record.get("url", channel.url), allow_private=allow_private, resolve=resolve, ports=ports),
        *common.faults(record),
        *channel.check(record),
    ]


def _no_type(type: Any) -> str:
    choices = f"must be one of {', '.join(TYPES)}"
    near = difflib.get_close_matches(type.casefold()[:64], TYPES, n=1) if isinstance(type, str) else []
    return f"{choices}; did you mean {near[0]}?" if near else choices


def _unknown(record: Mapping[str, Any], channel: Channel) -> list[Fault]:
    known = ("type", "url", *channel.fields, *common.FIELDS)
    message = f"is not known: a destination of type {channel.type} has {', '.join(known)}"
    return [Fault(field=name[:64], message=message) for name in record if name not in known]


def _url_faults(url: Any, *, allow_private: bool, resolve: bool, ports: Collection[int]) -> list[Fault]:
    if not isinstance(url, str):
        return [Fault(field="url", message="is required" if url is None else "must be a text")]
    found = urls.faults(url, allow_private=allow_private, resolve=resolve, ports=ports)
    return [Fault(field="url", message=message) for message in found]

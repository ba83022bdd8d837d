"""What a destination is, what its answer means, and what each kind of channel has to know."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import requests

from taskhook.http import Answer
from taskhook.task import Task


class Verdict(StrEnum):
    """What an answer means for the news that was sent."""

    DELIVERED = "delivered"
    THROTTLED = "throttled"
    """Too many messages: again, and not before the time that the receiver names."""
    TRANSIENT = "transient"
    """The receiver is in trouble, or its answer is in doubt: again, after a while."""
    BAD_CONTENT = "bad_content"
    """This message is refused, another might not be: once more and plainer, never again as it is."""
    DEAD = "dead"
    """Nothing will be accepted there until somebody changes something: give up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgment:
    """``detail`` is for people: plain words, at most 200 characters, none of the destination's secrets.

    ``retry_after`` is what the receiver asked for, in seconds.
    """

    verdict: Verdict
    detail: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with one member of a record. ``message`` continues the sentence that ``field`` begins."""

    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where news goes. Whoever knows the URL of a chat channel may post there, so the URL is as secret as the rest."""

    name: str
    type: str
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One kind of destination. Every kind has a URL, which is checked for all of them in urls.py.

    ``fields`` are the other members of its record and ``check`` finds their faults (``url`` may be of any type there).
    ``judge`` takes the current time, because a receiver may name a date to wait for. ``plain`` makes the message of
    last resort for a receiver that refused the content; None where a message cannot be plainer.
    """

    type: str
    fields: tuple[str, ...]
    check: Callable[[Mapping[str, Any]], list[Fault]]
    request: Callable[[Destination, Task, float], requests.Request]
    judge: Callable[[Destination, Answer, float], Judgment]
    plain: Callable[[Destination, Task, float], requests.Request] | None = None

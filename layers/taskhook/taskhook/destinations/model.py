"""What a destination is, what its answer means, and what each kind of channel has to know."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from taskhook.task import Task

if TYPE_CHECKING:
    # Whoever only checks a record, as the API does, starts without what sends messages.
    import requests

    from taskhook.http import Answer


class Verdict(StrEnum):
    """What an answer means for the news that was sent."""

    DELIVERED = "delivered"
    ACCEPTED = "accepted"
    """Taken, and nothing better can be known: the service says yes before it looks at the message."""
    THROTTLED = "throttled"
    """Too many messages: again, and not before the time that the receiver names."""
    TRANSIENT = "transient"
    """The receiver is in trouble, or its answer is in doubt: again, after a while."""
    BAD_CONTENT = "bad_content"
    """This message is refused, another might not be: at once in the next plainer form, never again as it is."""
    DEAD = "dead"
    """Nothing will be accepted there until somebody changes something: give up, and tell the operator."""

    @property
    def good(self) -> bool:
        return self in (Verdict.DELIVERED, Verdict.ACCEPTED)


class Language(StrEnum):
    ENGLISH = "en"
    CHINESE = "zh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgment:
    """``code`` is what the answer says in its own terms (``310000``, ``invalid_blocks``, ``HTTP 410``), None where it
    says nothing. ``detail`` is for people: plain words in English, at most 200 characters, none of the destination's
    secrets; ``detail_zh`` the same in Chinese, empty where there is none. ``retry_after`` is what the receiver asked
    for, in seconds.
    """

    verdict: Verdict
    detail: str
    detail_zh: str = ""
    code: str | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with one member of a record. ``message`` continues the sentence that ``field`` begins."""

    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which tasks a destination hears of; an empty part takes all. ``providers`` are full names or short ones."""

    providers: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """``to``: the name of the destination that is told as well when this one has not taken the news in time."""

    to: str
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where news goes. Whoever knows the URL of a chat channel may post there, so the URL is as secret as the rest.

    ``own`` holds the members of the record that only its type knows, as they were checked; ``rate`` what the owner
    says that the receiver takes, as ``20/min``, None for what its type knows. ``progress``: it is told of running tasks
    too. ``paused``: news is kept until it is not.
    """

    name: str
    type: str
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    own: Mapping[str, Any] = field(default_factory=dict, repr=False)
    language: Language = Language.ENGLISH
    rate: str | None = None
    filter: Filter = field(default_factory=Filter)
    escalation: Escalation | None = None
    progress: bool = False
    paused: bool = False


type Form = Callable[[Destination, Task, float], requests.Request]
"""Writes the news of a task as a request; the float is the current time in seconds since the epoch, which a signature
needs."""
type DigestForm = Callable[[Destination, Sequence[Task], float], requests.Request]


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """For a channel whose messages can be edited: one message for each task, posted when watching begins.

    ``posted`` reads from the answer what names the message, None where it was not posted. The task's delivery has that
    as ``message`` from then on, and a channel's forms may refer to it.
    """

    post: Form
    edit: Form
    posted: "Callable[[Answer], Mapping[str, str] | None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One kind of destination. Its URL is checked for all kinds in urls.py.

    ``fields`` are the members of its record that other kinds do not have and ``check`` finds their faults (``url`` may
    be of any type there). ``url`` is the address for records that name none; None where they must. ``forms`` are the
    ways to write the news, each plainer and smaller than the one before: the next one is for a receiver that has
    refused the content of this one. ``judge`` takes the current time, because a receiver may name a date to wait for.
    ``rate`` is what the service takes, as ``20/min``; None where nobody says; ``bursts``: it forgives some more for a
    moment. ``digest`` writes many tasks' news as one message, None where each must be told by itself.
    """

    type: str
    fields: tuple[str, ...]
    check: Callable[[Mapping[str, Any]], list[Fault]]
    forms: tuple[Form, ...]
    judge: "Callable[[Destination, Answer, float], Judgment]"
    url: str | None = None
    rate: str | None = None
    bursts: bool = False
    digest: DigestForm | None = None
    live: Live | None = None

"""One message to one destination: written, sent, and judged by what came back."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random

import requests

from taskhook import destinations, http
from taskhook.destinations import answers
from taskhook.destinations.model import Destination, Judgment, Verdict
from taskhook.destinations.urls import DEFAULT_PORTS
from taskhook.errors import AddressRefused, ConfigError, TransportError
from taskhook.ledger import Ledger
from taskhook.queues import Queues
from taskhook.secret import Parameters, Seal
from taskhook.slots import Calendar
from taskhook.store import Store
from taskhook.task import Attempt, Task

ATTEMPT_SECONDS = 10.0
"""The total time that a receiver has for its answer, name resolution and TLS included."""
ANSWER_BYTES = 65_536
"""Of an answer that are read: some tools say the whole message back before they say that it is well."""
ANSWER_KEPT = 4096
"""Characters of it that are kept."""

REFUSED_CONTENT = ("refused as it was; plainer: ", "原样被拒绝；改用更简单的格式后：")

type Measure = Callable[[str, float], None]
"""Takes a duration: its name, and seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """What telling somebody needs of the outside."""

    store: Store
    parameters: Parameters
    seal: Seal
    queues: Queues
    ledger: Ledger
    calendar: Calendar
    allow_private: bool
    ports: Collection[int] = DEFAULT_PORTS
    """That a destination's URL may name."""
    attempts: int
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    rng: Random
    send: Callable[..., http.Answer] = http.send
    measure: Measure = lambda name, seconds: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of one message. ``answer`` is what the receiver said, without the destination's secrets."""

    judgment: Judgment
    attempt: Attempt
    answer: str | None


def destination_of(sender: Sender, task: Task, name: str, *, fresh: bool = False) -> tuple[Destination, str]:
    """The destination, and which version of its record that is: "" for a task's own. ``fresh``: as it is stored now,
    not as this process remembers it.

    Raises ConfigError where there is none, or it cannot work.
    """
    sealed = task.sealed.get(name)
    if sealed is not None:
        text, version = sender.seal.open(task.id, sealed), ""
    else:
        text, version = sender.parameters.versioned_destination(name, fresh=fresh)
    return destinations.parse(name, text, allow_private=sender.allow_private, ports=sender.ports), version


def version_of(sender: Sender, task: Task, name: str, *, fresh: bool = False) -> str:
    """The version of a record that may not work: "" where there is none, or it is the task's own."""
    if name in task.sealed:
        return ""
    try:
        return sender.parameters.versioned_destination(name, fresh=fresh)[1]
    except ConfigError:
        return ""


def tell(sender: Sender, destination: Destination, task: Task) -> Told:
    """The news of one task, in the first form that the receiver takes."""
    began = sender.clock()
    first, *plainer = destinations.forms(destination)
    judgment, answer = exchange(sender, destination, partial(first, destination, task, began))
    for form in plainer:
        if judgment.verdict is not Verdict.BAD_CONTENT:
            break
        judgment, answer = exchange(sender, destination, partial(form, destination, task, began))
        judgment = _plainer(judgment)
    return told(sender, destination, task, began, judgment, answer)


def tell_all(sender: Sender, destination: Destination, tasks: Sequence[Task]) -> Told:
    """The news of many tasks in one message. The attempt is the first one's."""
    began = sender.clock()
    form = destinations.digest(destination)
    if form is None:
        raise RuntimeError(f"a destination of type {destination.type} takes one news at a time")
    judgment, answer = exchange(sender, destination, partial(form, destination, tasks, began))
    return told(sender, destination, tasks[0], began, judgment, answer)


def exchange(
    sender: Sender, destination: Destination, make: Callable[[], requests.Request]
) -> tuple[Judgment, http.Answer | None]:
    rule = destinations.address_rule(sender.allow_private)
    try:
        answer = sender.send(make(), seconds=ATTEMPT_SECONDS, max_bytes=ANSWER_BYTES, allow=rule)
    except (AddressRefused, ConfigError) as error:
        return _unsent(Verdict.DEAD, error), None
    except TransportError as error:
        return _unsent(Verdict.TRANSIENT, error), None
    return destinations.judge(destination, answer, now=sender.clock()), answer


_WORDS: Mapping[str, tuple[str, str]] = {
    "AddressRefused": ("store a URL on the public internet", "该地址不允许访问：请使用公网 URL"),
    "CertificateRefused": ("renew the certificate, or correct the URL", "TLS 证书无效：请更新证书或更正 URL"),
    "ConfigError": ("correct the record", "请求无法发出：请更正该目的地的配置"),
    "ConnectionFailed": (
        "see that it runs and can be reached; taskhook tries again",
        "无法连接：请检查接收方，taskhook 会重试",
    ),
    "DeadlineExceeded": (
        "it must answer within ten seconds; taskhook tries again",
        "接收方未在十秒内应答：请尽快应答，taskhook 会重试",
    ),
}
"""What to do about each error, and what it means in Chinese."""


def _unsent(verdict: Verdict, error: Exception) -> Judgment:
    code = type(error).__name__
    to_do, chinese = _WORDS.get(code, ("", ""))
    detail = f"{error}: {to_do}" if to_do else str(error)
    return Judgment(verdict=verdict, detail=detail[:200], detail_zh=chinese, code=code)


def told(
    sender: Sender,
    destination: Destination | None,
    task: Task,
    began: float,
    judgment: Judgment,
    answer: http.Answer | None,
) -> Told:
    record = Attempt(
        at=round(began, 3),
        verdict=judgment.verdict.value,
        status=answer.status if answer is not None else None,
        code=judgment.code,
        seconds=round(sender.clock() - began, 3),
        detail=judgment.detail,
        detail_zh=judgment.detail_zh,
        event=task.event,
    )
    text = answers.redact(destination, answer.text) if destination is not None and answer is not None else None
    return Told(judgment=judgment, attempt=record, answer=text[:ANSWER_KEPT] if text else None)


def _plainer(judgment: Judgment) -> Judgment:
    english, chinese = REFUSED_CONTENT
    said = f"{chinese}{judgment.detail_zh}"[:200] if judgment.detail_zh else ""
    return replace(judgment, detail=f"{english}{judgment.detail}"[:200], detail_zh=said)

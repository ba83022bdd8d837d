"""Alibaba Cloud Backup and Disaster Recovery Center, ``DescribeTask`` 2023-08-08.

Source: help.aliyun.com/zh/bdrc/developer-reference/api-bdrc-2023-08-08-describetask and the docstrings of the official
SDK from 2.0.0 on, the only place that lists the status words in full. That EXPIRED and CANCELED are final follows from
their wording; no page says it. COMPLETED and CANCELLED are accepted because a sibling product (hbr) writes them so.
"""

import re
from collections.abc import Mapping
from typing import Any

import requests

from taskhook.http import Answer
from taskhook.providers import alibaba, reading, regions
from taskhook.providers.model import Observation, Outcome, Provider, Question, TaskId
from taskhook.states import State
from taskhook.task import Problem

_WORDS = {
    "created": State.RUNNING,
    "running": State.RUNNING,
    "complete": State.SUCCEEDED,
    "completed": State.SUCCEEDED,
    "failed": State.FAILED,
    "expired": State.FAILED,
    "canceled": State.CANCELED,
    "cancelled": State.CANCELED,
}

_FULL_SCALE = 10_000
"""``Progress`` runs from 0 to 10,000, not to 100."""


def _ask(provider: Provider, question: Question) -> requests.Request:
    return alibaba.roa_request(provider, question, "/api/v1/tasks/{TaskId}")


def _read(provider: Provider, answer: Answer) -> Outcome:
    return alibaba.roa_read(provider, answer, _observe)


def _observe(provider: Provider, data: Mapping[str, Any]) -> Observation:
    """By ``TaskStatus`` only: the documentation's own running example carries a CompleteTime and an ErrorMessage."""
    word = reading.word(reading.get(data, "TaskStatus"))
    state = provider.state(word)
    ended = state is not None and state.terminal
    return Observation(
        state=state or State.RUNNING,
        provider_state=word,
        known=state is not None,
        progress=_progress(reading.get(data, "Progress")),
        error=_error(word, data) if state is State.FAILED else None,
        result=_result(reading.get(data, "TaskResult")) if ended else None,
        started_at=reading.instant(reading.get(data, "StartTime")),
        finished_at=reading.instant(reading.get(data, "CompleteTime")) if ended else None,
        request_id=reading.text(reading.get(data, "RequestId")),
    )


def _error(word: str | None, data: Mapping[str, Any]) -> Problem:
    message = reading.text(reading.get(data, "ErrorMessage"))
    return Problem(code=word or "FAILED", message=message or f"the task ended as {word}")


def _progress(value: Any) -> float | None:
    number = reading.integer(value)
    return min(max(number, 0), _FULL_SCALE) / _FULL_SCALE if number is not None else None


def _result(value: Any) -> Any:
    """JSON inside a string, read leniently: what is not JSON is shown as it came."""
    if isinstance(value, dict | list):
        return reading.bounded(value)
    shown = reading.text(value)
    if shown is None:
        return None
    parsed = reading.loads(value)
    return shown if parsed is None else reading.bounded(parsed)


PROVIDER = Provider(
    name="alibaba.bdrc.DescribeTask",
    version="2023-08-08",
    task_id=TaskId(
        pattern=re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}"),
        shape="letters, digits and - _ . : (at most 128), as in t-0004d9ctt1ii0000000",
        found="`Data.TaskId` in the answer of CheckRules or UpdateResources",
    ),
    region="required",
    regions=regions.ALIBABA,
    words=_WORDS,
    rate_limit=None,
    source="https://help.aliyun.com/zh/bdrc/developer-reference/api-bdrc-2023-08-08-describetask",
    ask=_ask,
    read=_read,
)

"""Tencent Cloud Data Transmission Service, ``DescribeAsyncRequestInfo`` 2018-03-30 (gone from later versions).

Source: tencentcloud.com/document/product/571 ("DescribeAsyncRequestInfo") and the official SDK (dts v20180330).
"""

import re
from collections.abc import Mapping
from typing import Any

import requests

from taskhook.http import Answer
from taskhook.providers import reading, regions, tencent
from taskhook.providers.model import Observation, Outcome, Provider, Question, TaskId
from taskhook.states import State
from taskhook.task import Problem

_WORDS = {"success": State.SUCCEEDED, "failed": State.FAILED, "running": State.RUNNING}


def _ask(provider: Provider, question: Question) -> requests.Request:
    return tencent.v3_request(provider, question, {"AsyncRequestId": question.task_id})


def _read(provider: Provider, answer: Answer) -> Outcome:
    return tencent.v3_read(provider, answer, _observe)


def _observe(provider: Provider, response: Mapping[str, Any]) -> Observation:
    word = reading.word(reading.get(response, "Status"))
    state = provider.state(word)
    # A page of the documentation has the samples of Info and Status swapped; Info is never read for a status.
    info = reading.text(reading.get(response, "Info"))
    return Observation(
        state=state or State.RUNNING,
        provider_state=word,
        known=state is not None,
        message=info,
        error=Problem(code="failed", message=info or "the operation failed") if state is State.FAILED else None,
        request_id=reading.text(reading.get(response, "RequestId")),
    )


PROVIDER = Provider(
    name="tencent.dts.DescribeAsyncRequestInfo",
    version="2018-03-30",
    task_id=TaskId(
        pattern=re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}"),
        shape="letters, digits and - _ . : (at most 128), as in cafebabe-254f-11ea-8995-e92c139e6918",
        found="`AsyncRequestId` in the answer of the DTS call that started the operation",
    ),
    region="required",
    regions=regions.TENCENT,
    words=_WORDS,
    rate_limit="20/s",
    source="https://www.tencentcloud.com/document/product/571/18125",
    ask=_ask,
    read=_read,
)

"""Tencent Cloud Load Balancer, ``DescribeTaskStatus`` 2018-03-17.

Source: tencentcloud.com/document/product/214/33823 and the official SDK's models (clb v20180317).
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

# 0 is success here and "nothing yet" nowhere: never test it for truth.
_WORDS = {"0": State.SUCCEEDED, "1": State.FAILED, "2": State.RUNNING}


def _ask(provider: Provider, question: Question) -> requests.Request:
    return tencent.v3_request(provider, question, {"TaskId": question.task_id})


def _read(provider: Provider, answer: Answer) -> Outcome:
    return tencent.v3_read(provider, answer, _observe, more=tencent.UNKNOWN_WHILE_YOUNG)


def _observe(provider: Provider, response: Mapping[str, Any]) -> Observation:
    word = reading.word(reading.get(response, "Status"))
    state = provider.state(word)
    message = reading.text(reading.get(response, "Message"))
    created = reading.get(response, "LoadBalancerIds")
    return Observation(
        state=state or State.RUNNING,
        provider_state=word,
        known=state is not None,
        message=message,
        error=Problem(code="1", message=message or "the operation failed") if state is State.FAILED else None,
        result=reading.bounded({"LoadBalancerIds": created}) if created else None,
        # The RequestId of this query; the task's own id is the RequestId of the call that started it.
        request_id=reading.text(reading.get(response, "RequestId")),
    )


PROVIDER = Provider(
    name="tencent.clb.DescribeTaskStatus",
    version="2018-03-17",
    task_id=TaskId(
        pattern=re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}"),
        shape="letters, digits and - _ . : (at most 128), as in 55c85074-3e7f-4c6d-864f-673660d4f8de",
        found="`RequestId` in the answer of the CLB call that started the operation",
    ),
    region="required",
    regions=regions.TENCENT,
    words=_WORDS,
    rate_limit="20/s",
    source="https://www.tencentcloud.com/document/product/214/33823",
    ask=_ask,
    read=_read,
)

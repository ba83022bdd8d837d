"""Alibaba Cloud's ROA APIs: a path, signed with ACS3, errors by HTTP status and ``Code``."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import requests

from taskhook.http import Answer
from taskhook.providers import reading, refusals
from taskhook.providers.model import Observation, Outcome, Provider, Question
from taskhook.signing.acs3 import ACS3Auth

type Observe = Callable[[Provider, Mapping[str, Any]], Observation]


def roa_request(provider: Provider, question: Question, path: str) -> requests.Request:
    """``path`` is a template whose ``{TaskId}`` is filled with the id, percent-encoded once."""
    account = question.account
    return requests.Request(
        "GET",
        roa_base(provider, question) + path.format(TaskId=quote(question.task_id, safe="-_.~")),
        headers={
            "x-acs-action": provider.action,
            "x-acs-version": provider.version or "",
            # XML is what a gateway may send to those who do not ask.
            "Accept": "application/json",
        },
        auth=ACS3Auth(
            account.key_id,
            account.key_secret,
            security_token=account.token,
            clock=question.clock,
            nonce=lambda: uuid.uuid4().hex,
        ),
    )


def roa_base(provider: Provider, question: Question) -> str:
    """No Region parameter is sent: the host is the region, finance regions included."""
    endpoint = question.account.endpoints.get(provider.service)
    return endpoint or f"https://{provider.service}.{question.region}.aliyuncs.com"


def roa_read(provider: Provider, answer: Answer, observe: Observe) -> Outcome:
    """Throttling is a 400 here, so errors are classified by ``Code``, not by HTTP status."""
    body = reading.json_object(answer)
    if body is None:
        return reading.not_an_answer(answer)
    data = reading.mapping(reading.get(body, "Data"))
    code = reading.word(reading.get(body, "Code"))
    if answer.status >= 400 or (code is not None and data is None):
        if code is None:
            return reading.not_an_answer(answer)
        return refusals.refusal(
            refusals.ALIBABA,
            code=code,
            message=reading.text(reading.get(body, "Message")),
            retry_after=reading.retry_after(answer),
            request_id=reading.text(reading.get(body, "RequestId")),
        )
    if answer.status != 200:
        return reading.not_an_answer(answer)
    return observe(provider, {**(data or {}), "RequestId": reading.get(body, "RequestId")})

"""Tencent Cloud's two kinds of API: 2.0 (``/v2/index.php``, parameters signed) and 3.0 (TC3, headers signed)."""

import re
import secrets
from collections.abc import Mapping
from typing import Any

import requests

from taskhook.http import Answer
from taskhook.providers import reading, refusals
from taskhook.providers.model import Provider, Question, Refusal, Table
from taskhook.signing.tc3 import TC3Auth
from taskhook.signing.tencent_v2 import TencentV2Auth

type Body = Mapping[str, Any]

_MODULE_CODE = re.compile(r"^\((\d+)\)")


def v2_request(provider: Provider, question: Question, base: str, parameters: Body) -> requests.Request:
    """A POST whose form holds every parameter, the signature among them.

    The region goes as the user wrote it: API 2.0 has its own short codes (``bj``), newer pages the long ones.
    """
    account = question.account
    region = {"Region": question.region} if question.region else {}
    return requests.Request(
        "POST",
        base + provider.path,
        data={"Action": provider.action, **region, **{name: str(value) for name, value in parameters.items()}},
        auth=TencentV2Auth(
            account.key_id,
            account.key_secret,
            token=account.token,
            method="HmacSHA256",
            clock=question.clock,
            nonce=lambda: secrets.randbelow(2**31 - 1) + 1,
        ),
    )


def v2_base(provider: Provider, question: Question) -> str:
    """The two domains of API 2.0; the host is signed, so a signature for one is wrong on the other."""
    domain = "qcloud.com" if question.account.site == "cn" else "cloud.tencent.com"
    return f"https://{provider.service}.api.{domain}"


def v2_body(answer: Answer, errors: Table) -> Body | Refusal:
    """``code`` 0 means that the *query* worked; everything about the task is in ``data``."""
    body = reading.json_object(answer)
    code = reading.word(reading.get(body, "code"))
    if body is None or code is None:
        return reading.not_an_answer(answer)
    data = reading.mapping(reading.get(body, "data"))
    # 5400 is "partly successful": an answer, if it carries one.
    if code == "0" or (code == "5400" and data):
        return data or {} if answer.status == 200 else reading.not_an_answer(answer)
    return _v2_refusal(body, code, answer, errors)


def _v2_refusal(body: Body, code: str, answer: Answer, errors: Table) -> Refusal:
    message = reading.text(reading.get(body, "message"))
    name = reading.text(reading.get(body, "codeDesc"))
    inner = _MODULE_CODE.match(message or "")
    # The module's own number inside a common code (5100, "(9001)...") says more, and so may the name.
    candidates = [one for one in (name, inner and inner.group(1), code) if one]
    rows = {**refusals.TENCENT_V2, **errors}
    known = next((one for one in candidates if one in rows), code)
    return refusals.refusal(rows, code=known, message=message or name, retry_after=reading.retry_after(answer))


def tc3_request(provider: Provider, question: Question, base: str, parameters: Body) -> requests.Request:
    account = question.account
    headers = {"X-TC-Action": provider.action, "X-TC-Version": provider.version or ""}
    if question.region:
        headers["X-TC-Region"] = question.region
    return requests.Request(
        "POST",
        base + "/",
        headers=headers,
        json=dict(parameters),
        auth=TC3Auth(
            account.key_id,
            account.key_secret,
            service=provider.service,
            token=account.token,
            clock=question.clock,
        ),
    )


def tc3_base(provider: Provider, question: Question) -> str:
    """The nearest access point, but finance regions are reached by a host of their own only."""
    region = question.region or ""
    if "-fsi" in region:
        # Zones add -1, -2...; the host is that of the region.
        finance = region[: region.index("-fsi") + len("-fsi")]
        return f"https://{provider.service}.{finance}.tencentcloudapi.com"
    site = "intl." if question.account.site == "intl" else ""
    return f"https://{provider.service}.{site}tencentcloudapi.com"


def tc3_body(answer: Answer, errors: Table, *, clean: reading.Clean = str) -> Body | Refusal:
    """Errors come inside HTTP 200: ``Response.Error`` is looked at first, whatever the content type says."""
    response = reading.mapping(reading.get(reading.json_object(answer), "Response"))
    if response is None:
        return reading.not_an_answer(answer)
    failure = reading.get(response, "Error")
    if failure is not None:
        error = reading.mapping(failure)
        return refusals.refusal(
            refusals.TENCENT_V3,
            code=reading.word(reading.get(error, "Code")) or "UnknownError",
            message=reading.text(reading.get(error, "Message"), clean),
            more=errors,
            retry_after=reading.retry_after(answer),
            request_id=reading.text(reading.get(response, "RequestId")),
        )
    if answer.status != 200:
        return reading.not_an_answer(answer)
    return response

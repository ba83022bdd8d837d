"""Alibaba Cloud's two kinds of API: RPC (parameters in the query) and ROA (a path), both signed with ACS3.

A product that takes only the older signature of ROA requests says so in its entry.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import requests

from taskhook.http import Answer
from taskhook.providers import reading, refusals
from taskhook.providers.model import Provider, Question, Refusal, Table
from taskhook.signing.acs3 import ACS3Auth
from taskhook.signing.roa1 import ROA1Auth

type Body = Mapping[str, Any]

_CODE = ("Code", "ErrorCode", "ErrCode")
_MESSAGE = ("Message", "ErrorMessage", "ErrMessage")
_FINE = frozenset({"", "0", "200", "ok", "success", "succeed"})
"""What stands in ``Code`` where nothing is wrong."""


def rpc_request(provider: Provider, question: Question, base: str, parameters: Body) -> requests.Request:
    """Every parameter in the query, for GET and POST alike, as the official SDKs do."""
    return _request(provider, question, base + "/", params=dict(flat(parameters)))


def roa_request(provider: Provider, question: Question, base: str, path: str, parameters: Body) -> requests.Request:
    """``path`` is encoded already. A GET has its parameters in the query, a POST as JSON in its body."""
    if provider.method == "GET":
        return _request(provider, question, base + path, params=dict(flat(parameters)))
    return _request(provider, question, base + path, json=dict(parameters))


def _request(provider: Provider, question: Question, url: str, **content: Any) -> requests.Request:
    account = question.account
    return requests.Request(
        provider.method,
        url,
        headers={
            "x-acs-action": provider.action,
            "x-acs-version": provider.version or "",
            # XML is what a gateway may send to those who do not ask.
            "Accept": "application/json",
        },
        auth=(ROA1Auth if provider.signature == "hmac-sha1" else ACS3Auth)(
            account.key_id,
            account.key_secret,
            security_token=account.token,
            clock=question.clock,
            nonce=lambda: uuid.uuid4().hex,
        ),
        **content,
    )


def flat(parameters: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Lists as ``JobIds.1``, ``JobIds.2``, objects as ``Filter.Name``."""
    if isinstance(parameters, Mapping):
        for name, value in parameters.items():
            yield from flat(value, f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(parameters, list):
        for number, value in enumerate(parameters, 1):
            yield from flat(value, f"{prefix}.{number}")
    else:
        yield prefix, str(parameters).lower() if isinstance(parameters, bool) else str(parameters)


def body(
    answer: Answer, errors: Table, *, has_status: Callable[[Body], bool] = lambda _: False, clean: reading.Clean = str
) -> Body | Refusal:
    """Throttling is a 400 here, so errors are classified by ``Code``, not by HTTP status.

    An HTTP 200 can be an error too: ``Success`` is false then, or there is a code and no status of a task.
    """
    found = reading.json_object(answer)
    if found is None:
        return reading.not_an_answer(answer)
    codes = [one for name in _CODE if (one := reading.word(reading.get(found, name)))]
    code = next((one for one in codes if one.casefold() not in _FINE), next(iter(codes), None))
    wrong = code is not None and code.casefold() not in _FINE
    failed = str(reading.get(found, "Success")).casefold() == "false"
    if answer.status >= 400 or failed or (wrong and not has_status(found)):
        return _refusal(found, code, answer, errors, clean)
    if answer.status != 200:
        return reading.not_an_answer(answer)
    return found


def has_status(provider: Provider, found: Body) -> bool:
    """Whether an answer says how its task stands: a code beside that is the task's."""
    place = provider.at.search(found) if provider.at is not None else found
    return bool(place) and (isinstance(place, list) or provider.status.search(place) is not None)


def _refusal(found: Body, code: str | None, answer: Answer, errors: Table, clean: reading.Clean) -> Refusal:
    if code is None:
        return reading.not_an_answer(answer)
    return refusals.refusal(
        refusals.ALIBABA,
        code=code,
        message=next((one for name in _MESSAGE if (one := reading.text(reading.get(found, name), clean))), None),
        more=errors,
        retry_after=reading.retry_after(answer),
        request_id=reading.text(reading.get(found, "RequestId")),
    )

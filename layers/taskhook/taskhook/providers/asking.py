"""From a question to requests, and from their answers to what the provider says: the same for every entry."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote

import requests

from taskhook.accounts import Account
from taskhook.errors import ConfigError
from taskhook.http import Answer
from taskhook.providers import alibaba, filling, observing, reading, tencent
from taskhook.providers.model import Observation, Outcome, Provider, Question, Refusal
from taskhook.states import State

type Send = Callable[[requests.Request], Answer]

MOST_PAGES = 20
"""Of one answer. A task with more items than they hold is running for as long as the provider lists it so."""
PAGES_SECONDS = 25.0
"""Of waiting for answers, after which no further page is asked for. Waiting for the turn to ask does not count."""


def look(provider: Provider, question: Question, send: Send) -> Outcome:
    """One look: one request, or as many as the answer has pages.

    Raises what ``send`` raises, and ConfigError where the account cannot make a request.
    """
    return look_together(provider, [question], send)[0]


def look_together(provider: Provider, questions: Sequence[Question], send: Send) -> list[Outcome]:
    """One look at several tasks that may share a request (see ``Batch``): an outcome for each, in their order.

    They differ in their task ids alone. A refusal of the request is everybody's.
    """
    first = questions[0]
    found: list[list[Any]] = [[] for _ in questions]
    before: list[list[Any]] | None = None
    received = 0
    waited = 0.0
    for page in range(MOST_PAGES):
        asked = [replace(one, page=page, skip=received) for one in questions]
        answer = send(request_together(provider, asked))
        body = _body(provider, _without_secrets(answer, first.account))
        if isinstance(body, Refusal):
            return [body] * len(questions)
        fresh = [observing.items(provider, body, _known(provider, one)) for one in questions]
        # A page that comes again brings nothing, whatever was asked for.
        again = any(fresh) and fresh == before
        came = 0 if again else observing.count(provider, body)
        found = found if again else [[*some, *more] for some, more in zip(found, fresh, strict=True)]
        before, received = fresh, received + came
        others = received > sum(map(len, found))
        outcomes: list[Outcome] = [
            observing.observe(provider, body, items) if items else observing.not_found(others) for items in found
        ]
        settled = all(isinstance(one, Observation) and not one.state.terminal for one in outcomes)
        if settled or not (again or _missing(provider, body, came, received)):
            return outcomes
        waited += answer.elapsed
        if not came or waited > PAGES_SECONDS:
            break
    return [_unfinished(one, received) for one in outcomes]


def _unfinished(outcome: Outcome, received: int) -> Outcome:
    """What was not seen may still run: the provider counts more items than it gave."""
    if isinstance(outcome, Refusal):
        return outcome
    message = f"The provider has shown {received} items so far and counts more; taskhook goes on looking."
    return replace(outcome, state=State.RUNNING, message=message, error=None, result=None, finished_at=None)


def _without_secrets(answer: Answer, account: Account) -> Answer:
    """Some APIs quote what they refuse, and what they quote would stand in a task's error."""
    written = answer.body.decode("utf-8", "surrogateescape")
    clean = account.without_secrets(written)
    return answer if clean == written else replace(answer, body=clean.encode("utf-8", "surrogateescape"))


def _missing(provider: Provider, body: Mapping[str, Any], came: int, received: int) -> bool:
    """Whether there are items that no page has shown yet, whatever size of a page the provider thinks right."""
    if provider.paging is None:
        return False
    total = reading.integer(provider.paging.total.search(body))
    return came >= provider.paging.size if total is None or total < 0 else total > received


def request(provider: Provider, question: Question) -> requests.Request:
    """The request of one look, signed when it is prepared. Raises ConfigError where the account cannot make one."""
    return request_together(provider, [question])


def request_together(provider: Provider, questions: Sequence[Question]) -> requests.Request:
    question = questions[0]
    known = _known(provider, question)
    now = question.clock()
    filled = [filling.filled(provider.send, _known(provider, one), now) for one in questions]
    parameters = {**_together(provider, filled), **_page(provider, question)}
    base = base_url(provider, question)
    match provider.style:
        case "tc3":
            return tencent.tc3_request(provider, question, base, parameters)
        case "v2":
            return tencent.v2_request(provider, question, base, parameters)
        case "rpc":
            return alibaba.rpc_request(provider, question, base, parameters)
        case "roa":
            encoded = {name: quote(str(value), safe="-_.~") for name, value in known.items()}
            return alibaba.roa_request(provider, question, base, filling.text(provider.path, encoded, now), parameters)


def _together(provider: Provider, filled: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The parameters of one request for many tasks: lists one after the other, texts joined, the rest is the same."""
    return {name: _merged(provider, [one[name] for one in filled]) for name in filled[0]}


def _merged(provider: Provider, values: Sequence[Any]) -> Any:
    first = values[0]
    if all(value == first for value in values):
        return first
    if isinstance(first, list):
        return [one for value in values for one in value]
    joint = provider.batch.join if provider.batch is not None else None
    return (joint or ",").join(str(value) for value in values)


def _known(provider: Provider, question: Question) -> dict[str, str | int]:
    return filling.values(provider.task_id, question)


def _page(provider: Provider, question: Question) -> dict[str, int]:
    paging = provider.paging
    if paging is None:
        return {}
    if paging.offset is not None:
        return {paging.offset: question.skip}
    return {str(paging.number): question.page + 1}


def base_url(provider: Provider, question: Question) -> str:
    """The account's own endpoint for this service, else the host of the catalogue, else that of the style.

    Raises ConfigError where that needs a region and there is none.
    """
    region = question.region or ""
    own = question.account.endpoints.get(provider.account_service)
    if own is not None:
        if "{region}" in own and not region:
            name = question.account.name
            raise ConfigError(
                f"account '{name}': the endpoint of {provider.account_service} needs a region, the task has none"
            )
        return own.replace("{region}", region)
    host = provider.hosts.get(region, provider.host)
    if host is not None:
        return "https://" + filling.text(host, _known(provider, question), question.clock()).lower()
    return tencent.v2_base(provider, question) if provider.style == "v2" else tencent.tc3_base(provider, question)


def _body(provider: Provider, answer: Answer) -> Mapping[str, Any] | Refusal:
    match provider.style:
        case "tc3":
            return tencent.tc3_body(answer, provider.errors)
        case "v2":
            return tencent.v2_body(answer, provider.errors)
        case _:
            return alibaba.body(answer, provider.errors, has_status=partial(alibaba.has_status, provider))

"""Answers of any provider: its paths run backwards, so that a test says a word and gets the JSON that would hold it."""

import json
from collections.abc import Sequence
from typing import Any

from taskhook.http import Answer
from taskhook.providers import asking, filling
from taskhook.providers.model import Observation, Outcome, Provider, Question, Refusal, Trouble
from tests.catalogue import sdk
from tests.catalogue.rows import known, question
from tests.catalogue.shapes import compiled, walk


class _Nothing:
    def __repr__(self) -> str:
        return "nothing"


NOTHING = _Nothing()
"""Stands for a member that is not there."""


def placed(node: Any, value: Any) -> Any:
    """The smallest document in which a JMESPath finds the value."""
    children = node.get("children", [])
    match node["type"]:
        case "field":
            return {node["value"]: value}
        case "identity" | "current":
            return value
        case "index":
            return [value]
        case "subexpression" | "index_expression" | "pipe":
            return placed(children[0], placed(children[1], value) if len(children) > 1 else value)
        case "or_expression" | "flatten":
            return placed(children[0], value)
        case "projection":
            return placed(children[0], [placed(children[1], one) for one in value])
        case "function_expression":
            return placed(children[0], value)
    raise NotImplementedError(node["type"])


def merged(one: Any, other: Any) -> Any:
    """Both documents in one."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return other
    both = {name: merged(one[name], other[name]) for name in one.keys() & other.keys()}
    return {**one, **other, **both}


def is_list(provider: Provider) -> bool:
    """Whether ``at`` names a list, by the SDK's model."""
    if provider.at is None or provider.style == "v2":
        return False
    return walk(compiled(provider.at.expression), sdk.answer_shape(provider)).item is not None


def item(provider: Provider, word: Any, *, of: str | None = None) -> dict[str, Any]:
    """One part of an answer, with a status in it; ``of`` is the task id that it is about."""
    asked = question(provider, **({"task_id": of} if of is not None else {}))
    found: dict[str, Any] = {"Else": 1} if word is NOTHING else placed(compiled(provider.status.expression), word)
    for path, text in provider.where.values():
        found = merged(found, placed(compiled(path.expression), filling.text(text, known(provider, asked), 0.0)))
    if provider.code == "media":
        # FINISH is a success only where the task's own object says so.
        found |= {"TaskType": "EditMedia", "EditMediaTask": {"ErrCode": 0, "ErrCodeExt": "SUCCESS", "Status": "FINISH"}}
    return found


def holding(provider: Provider, place: Any, *, total: int | None = None) -> dict[str, Any]:
    """An answer that has this at ``at``: a list of items, one item, or something that should not be there."""
    inner: Any = {}
    if provider.at is None:
        inner = place
    elif place is not NOTHING:
        inner = placed(compiled(provider.at.expression), place)
    if provider.paging is not None:
        count = total if total is not None else len(place) if isinstance(place, list) else 0
        inner = merged(inner, placed(compiled(provider.paging.total.expression), count))
    return wrapped(provider, inner)


def wrapped(provider: Provider, inner: Any) -> dict[str, Any]:
    match provider.style:
        case "tc3":
            return {"Response": {**inner, "RequestId": "r-1"}}
        case "v2":
            return {"code": 0, "message": "OK", "data": inner}
        case _:
            return {"RequestId": "r-1", **inner}


def refusing(provider: Provider, code: str, *, beside: Any = None) -> tuple[dict[str, Any], int]:
    """An answer with an error in it, and its HTTP status; ``beside`` is what else it holds."""
    match provider.style:
        case "tc3":
            error = {"Error": {"Code": code, "Message": "because"}, "RequestId": "r-1"}
            return {"Response": {**(beside or {}).get("Response", {}), **error}}, 200
        case "v2":
            named = {"code": int(code)} if code.isdigit() else {"code": 4000, "codeDesc": code}
            return {**(beside or {}), **named, "message": "because"}, 200
        case _:
            return {**(beside or {}), "Code": code, "Message": "because", "RequestId": "r-1"}, 400


def answer(body: Any, status: int = 200, *, truncated: bool = False) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status=status, headers={}, body=raw, truncated=truncated, elapsed=0.1)


def look(provider: Provider, *answers: Answer, asked: Question | None = None) -> Outcome:
    """One look at answers that come one after the other, the last of them again and again."""
    left = list(answers)
    return asking.look(provider, asked or question(provider), lambda request: left.pop(0) if len(left) > 1 else left[0])


def seen(provider: Provider, words: Sequence[Any]) -> Observation:
    """What a look brings where the parts of a task have these words, or its only part has the only one."""
    parts = [item(provider, word) for word in words]
    outcome = look(provider, answer(holding(provider, parts if is_list(provider) else parts[0])))
    assert isinstance(outcome, Observation), outcome
    return outcome


def refused(provider: Provider, body: Any, status: int = 200, *, truncated: bool = False) -> Refusal:
    outcome = look(provider, answer(body, status, truncated=truncated))
    assert isinstance(outcome, Refusal), outcome
    return outcome


def trouble(provider: Provider, body: Any, status: int = 200, *, truncated: bool = False) -> Trouble:
    return refused(provider, body, status, truncated=truncated).trouble

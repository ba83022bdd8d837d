"""Tencent Cloud Bare Metal, ``DescriptionOperationResult`` (sic), API 2.0.

Source: cloud.tencent.com/document/api/386 ("DescriptionOperationResult") in English and Chinese, which disagree on
where the machines are: the table says ``resourceIds``, both examples return ``instanceIds``.
"""

import re
from collections.abc import Mapping
from typing import Any

import requests

from taskhook.http import Answer
from taskhook.providers import reading, regions, tencent
from taskhook.providers.model import Observation, Outcome, Provider, Question, TaskId
from taskhook.states import State
from taskhook.task import Problem, Resource

_WORDS = {
    "1": State.SUCCEEDED,
    "2": State.FAILED,
    "3": State.PARTIAL,
    # 5, 6 and 7 say that some machines are through; as long as others are not, the task is not.
    "4": State.RUNNING,
    "5": State.RUNNING,
    "6": State.RUNNING,
    "7": State.RUNNING,
}


def _ask(provider: Provider, question: Question) -> requests.Request:
    return tencent.v2_request(provider, question, {"taskId": question.task_id})


def _read(provider: Provider, answer: Answer) -> Outcome:
    return tencent.v2_read(provider, answer, _observe)


def _observe(provider: Provider, data: Mapping[str, Any]) -> Observation:
    word = reading.word(reading.get(data, "status"))
    state = provider.state(word)
    resources = _resources(provider, data)
    done = sum(one.state.terminal for one in resources)
    return Observation(
        state=state or State.RUNNING,
        provider_state=word,
        known=state is not None,
        progress=done / len(resources) if resources else None,
        error=_error(state, resources),
        resources=resources if len(resources) <= reading.MOST_RESOURCES else _worst_first(resources),
    )


def _worst_first(resources: tuple[Resource, ...]) -> tuple[Resource, ...]:
    """Stable: where some have to be left out of the record, it is those that succeeded."""
    return tuple(sorted(resources, key=lambda one: one.state is State.SUCCEEDED)[: reading.MOST_RESOURCES])


def _error(state: State | None, resources: tuple[Resource, ...]) -> Problem | None:
    """BM gives no reason, so the machines that failed are the reason."""
    if state not in (State.FAILED, State.PARTIAL):
        return None
    failed = [one.id for one in resources if one.state is State.FAILED]
    named = ", ".join(failed[:10]) + (f" and {len(failed) - 10} more" if len(failed) > 10 else "")
    return Problem(
        code="2" if state is State.FAILED else "3",
        message=f"{len(failed)} of {len(resources)} machines failed: {named}" if failed else "the operation failed",
        hint="Look at these machines in the bare metal console; the API gives no further reason.",
    )


def _resources(provider: Provider, data: Mapping[str, Any]) -> tuple[Resource, ...]:
    """Both spellings, and all three shapes: a list, one object, or an object keyed by machine."""
    found = reading.get(data, "resourceIds") or reading.get(data, "instanceIds") or []
    if isinstance(found, dict):
        keyed = not {"instanceid", "resourceid"} & {key.casefold() for key in found}
        found = [{"instanceId": key, **_item(value)} for key, value in found.items()] if keyed else [found]
    items = [_item(one) for one in found] if isinstance(found, list) else []
    return tuple(_resource(provider, one) for one in items if _machine(one))


def _item(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {"status": value}


def _machine(item: Mapping[str, Any]) -> str | None:
    name = reading.text(reading.get(item, "instanceId") or reading.get(item, "resourceId"))
    return name[:128] if name else None


def _resource(provider: Provider, item: Mapping[str, Any]) -> Resource:
    word = reading.word(reading.get(item, "status"))
    return Resource(id=_machine(item) or "", state=provider.state(word) or State.RUNNING)


PROVIDER = Provider(
    name="tencent.bm.DescriptionOperationResult",
    version=None,
    task_id=TaskId(
        pattern=re.compile(r"[0-9]{1,19}"),
        shape="a whole number of at most 64 bits",
        found="`taskId` in the answer of the bare metal call that started the operation",
        integer=True,
    ),
    region="optional",
    regions=regions.TENCENT | regions.TENCENT_SHORT,
    words=_WORDS,
    rate_limit="100/min",
    source="https://cloud.tencent.com/document/api/386/6718",
    ask=_ask,
    read=_read,
)

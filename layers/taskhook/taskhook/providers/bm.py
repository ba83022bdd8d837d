"""What data cannot say of Tencent Cloud Bare Metal's ``DescriptionOperationResult`` (sic), API 2.0: its machines.

Source: cloud.tencent.com/document/api/386 ("DescriptionOperationResult") in English and Chinese, which disagree on
where the machines are: the table says ``resourceIds``, both examples return ``instanceIds``.
"""

from collections.abc import Mapping
from typing import Any

from taskhook.providers import observing, reading
from taskhook.providers.model import Observation, Provider
from taskhook.states import State
from taskhook.task import Resource


def observe(provider: Provider, data: Mapping[str, Any]) -> Observation:
    word = reading.word(provider.status.search(data))
    state = provider.state(word)
    resources = _resources(provider, data)
    done = sum(one.state.terminal for one in resources)
    return Observation(
        state=state or State.RUNNING,
        provider_state=word,
        known=state is not None,
        progress=done / len(resources) if resources else None,
        error=observing.problem(provider, state or State.RUNNING, word=word, resources=resources),
        resources=observing.worst_first(resources),
    )


def _resources(provider: Provider, data: Mapping[str, Any]) -> tuple[Resource, ...]:
    """Both spellings, and all three shapes: a list, one object, or an object keyed by machine."""
    found = reading.get(data, "resourceIds") or reading.get(data, "instanceIds") or []
    if isinstance(found, dict):
        keyed = not {"instanceid", "resourceid"} & {key.casefold() for key in found}
        found = (
            [reading.Loose({"instanceId": key, **_item(value)}) for key, value in found.items()] if keyed else [found]
        )
    items = [_item(one) for one in found] if isinstance(found, list) else []
    return tuple(_resource(provider, one) for one in items if _machine(one))


def _item(value: Any) -> dict[str, Any]:
    return reading.Loose(value) if isinstance(value, dict) else reading.Loose(status=value)


def _machine(item: Mapping[str, Any]) -> str | None:
    name = reading.text(reading.get(item, "instanceId") or reading.get(item, "resourceId"))
    return name[:128] if name else None


def _resource(provider: Provider, item: Mapping[str, Any]) -> Resource:
    word = reading.word(reading.get(item, "status"))
    return Resource(id=_machine(item) or "", state=provider.state(word) or State.RUNNING)

"""Which tasks a request is about: each one's id as callers write it, put together from the request's parts."""

from collections.abc import Iterable, Mapping

from local.simulator.matching import Given, Mismatch, singly
from local.simulator.matching import values as matched
from taskhook.providers.model import Provider, TaskId


def identified(provider: Provider, given: Given, now: float) -> tuple[list[dict[str, str]], int]:
    """The values that the request brought for each of its ids, and how many items it skips. Raises Mismatch."""
    paging = provider.paging
    name = (paging.offset or paging.number) if paging is not None else None
    if paging is None or name is None:
        return [matched(provider, provider.send, one, now) for one in singly(provider, given)], 0
    asked = given.parameters.get(name)
    if asked is None:
        raise Mismatch("missing", name)
    number = _whole(asked, typed=given.first is None)
    if number is None or number < (1 if paging.number else 0):
        raise Mismatch("invalid", name)
    template = {**provider.send, name: number}
    values = [matched(provider, template, one, now) for one in singly(provider, given)]
    return values, number if paging.offset else (number - 1) * paging.size


def _whole(value: object, *, typed: bool) -> int | None:
    if typed:
        return value if type(value) is int else None
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None


def completed(task_id: TaskId, values: Mapping[str, str], known: Iterable[str]) -> dict[str, str]:
    """With the parts that are not sent, such as the id of the latest operation on a machine.

    They are those of a task that the simulator was told about (``known``), else the same as the id's first part, so
    that ``quick-1/quick-1`` lives as its name says.
    """
    unsent = [part.name for part in task_id.parts if part.name not in values and not part.optional]
    if not unsent:
        return dict(values)
    told = (found for one in known if (found := _parts(task_id, one)) is not None)
    fitting = next((one for one in told if all(one.get(name) == text for name, text in values.items())), {})
    first = next((values[part.name] for part in task_id.parts if part.name in values), "")
    return {**values, **{name: fitting.get(name, first) for name in unsent}}


def _parts(task_id: TaskId, text: str) -> dict[str, str] | None:
    canonical = task_id.canonical(text)
    if canonical is None:
        return None
    return {name: str(value) for name, value in task_id.values(canonical).items()}


def written(task_id: TaskId, values: Mapping[str, str]) -> str:
    return "/".join(values[part.name] for part in task_id.parts if part.name in values)

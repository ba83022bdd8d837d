"""What data cannot say of Tencent BM's ``DescriptionOperationResult``: its machines, in every documented shape."""

from types import MappingProxyType
from typing import Any

from local.simulator.lives import Answer, Dialect, Outcome

_STATUS = MappingProxyType(
    {
        Outcome.CREATED: 4,
        Outcome.RUNNING: 4,
        Outcome.SUCCEEDED: 1,
        Outcome.FAILED: 2,
        Outcome.PARTIAL: 3,
        Outcome.CANCELED: 2,
        Outcome.EXPIRED: 2,
        Outcome.UNKNOWN: 9,
    }
)


def data(answer: Answer) -> dict[str, Any]:
    number: Any = str if answer.dialect is Dialect.STRINGS else int
    said = {"status": number(_overall(answer))} | _machines(answer, number)
    return {f"{name} ": value for name, value in said.items()} if answer.dialect is Dialect.BLANKS else said


def _overall(answer: Answer) -> int:
    if answer.outcome is not Outcome.RUNNING:
        return _STATUS[answer.outcome]
    said = {outcome for _, outcome in answer.machines}
    some_succeeded, some_failed = Outcome.SUCCEEDED in said, Outcome.FAILED in said
    return {(False, False): 4, (True, False): 5, (False, True): 6, (True, True): 7}[some_succeeded, some_failed]


def _machines(answer: Answer, number: Any) -> dict[str, Any]:
    """Per machine, under either documented name and in every documented shape."""
    blank = " " if answer.dialect is Dialect.BLANKS else ""
    items = [
        {f"instanceId{blank}": machine + blank, f"status{blank}": number(_STATUS[outcome])}
        for machine, outcome in answer.machines
    ]
    match answer.dialect:
        case Dialect.RESOURCE_IDS:
            return {"resourceIds": items}
        case Dialect.OBJECT:
            return {"resourceIds": items[0] if items else {}}
        case Dialect.KEYED:
            return {"resourceIds": {item["instanceId"]: item for item in items}}
        case Dialect.NULLS:
            return {"resourceIds": None, "instanceIds": None}
        case _:
            return {"instanceIds": items}

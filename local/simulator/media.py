"""Media tasks (MPS, VOD): FINISH says nothing yet, the object that TaskType names says how its parts have ended."""

from typing import Any

from local.simulator.lives import Outcome

_FAILED_CODE = 30_000
_WORDS = {Outcome.SUCCEEDED: "SUCCESS", Outcome.CREATED: "WAITING", Outcome.RUNNING: "PROCESSING"}


def added(item: dict[str, Any], service: str, parts: tuple[tuple[str, Outcome], ...], message: str | None) -> Any:
    """``item`` with a task of several transcodings, as the service writes it."""
    kind, member = ("Procedure", "ProcedureTask") if service == "vod" else ("WorkflowTask", "WorkflowTask")
    results = [{"Type": "Transcode", "TranscodeTask": _part(outcome, message)} for _, outcome in parts]
    # The task's own code says only that its source could be read.
    return {**item, "TaskType": kind, member: {"ErrCode": 0, "Message": "", "MediaProcessResultSet": results}}


def _part(outcome: Outcome, message: str | None) -> dict[str, Any]:
    if outcome in _WORDS or outcome is Outcome.UNKNOWN:
        return {"Status": _WORDS.get(outcome, "PROCESSING"), "ErrCode": 0, "ErrCodeExt": "SUCCESS", "Message": ""}
    return {"Status": "FAIL", "ErrCode": _FAILED_CODE, "ErrCodeExt": "SimulatedFailure", "Message": message or ""}

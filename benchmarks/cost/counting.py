"""The emulator of local/, with a note of whatever AWS would charge for: one line of JSON for each, in ``used.jsonl``.

    python -m benchmarks.cost.counting --home ... --port ...    as local.emulator; see CountingProcess

A line says who: functions are told apart by the application id that boto puts into its user agent, which each of them
is given here as part of its environment. What DynamoDB writes and reads cost in units is the emulator's own account,
index included; a condition that fails costs a unit. A function's time is from the event's handing over to the answer
(with the process's start, where there was none), plus the few milliseconds in which the emulator waits for its log."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from local import emulator
from local.process import EmulatorProcess
from local.settings import REPOSITORY

RECORD = "used.jsonl"
_APPLICATION = "app/"
_WRITES = ("PutItem", "UpdateItem", "DeleteItem")
_COUNTED = ("PutItem", "UpdateItem", "DeleteItem", "GetItem", "Query")

type Answer = tuple[int, dict[str, str], bytes]
type Handler = Callable[[str, str, dict[str, str], bytes, dict[str, Any]], Awaitable[Answer]]


class CountingProcess(EmulatorProcess):
    """In the place of the emulator's process in local.stack."""

    def start(self) -> None:
        home = self._settings.home
        command = [sys.executable, "-m", "benchmarks.cost.counting", "--home", str(home), "--port", str(self.port)]
        command += ["--workers", str(self._settings.workers_per_function), "--parent", str(os.getpid())]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )


class Notes:
    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1, encoding="utf-8")
        self._lock = threading.Lock()

    def add(self, **note: Any) -> None:
        with self._lock:
            print(json.dumps({"at": time.time(), **note}), file=self._file)


def install(notes: Notes) -> None:
    """Once the emulator has been imported; what it calls is looked up when it is called."""
    from ministack.core import lambda_runtime
    from ministack.services import dynamodb, sqs

    _name_functions(lambda_runtime)
    _note_invocations(lambda_runtime, notes)
    dynamodb.handle_request = _noting_units(dynamodb.handle_request, notes)
    sqs.handle_request = _noting_requests(sqs.handle_request, notes)


def _name_functions(runtime: Any) -> None:
    given = runtime.execution_credentials

    def execution_credentials(config: dict[str, Any]) -> dict[str, str]:
        return {**given(config), "AWS_SDK_UA_APP_ID": config["FunctionName"][:50]}

    runtime.execution_credentials = execution_credentials


def _note_invocations(runtime: Any, notes: Notes) -> None:
    invoke = runtime.Worker.invoke

    def noting(worker: Any, *arguments: Any, **named: Any) -> dict[str, Any]:
        began = time.monotonic()
        answer: dict[str, Any] = invoke(worker, *arguments, **named)
        config = worker.config
        notes.add(
            kind="invocation",
            by=config["FunctionName"],
            seconds=time.monotonic() - began,
            mb=int(config.get("MemorySize", 128)),
            cold=bool(answer.get("cold_start")),
            logged=len(answer.get("log") or ""),
            good=answer.get("status") == "ok",
        )
        return answer

    runtime.Worker.invoke = noting


def _noting_units(handle: Handler, notes: Notes) -> Handler:
    async def noting(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
    ) -> Answer:
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        asked: dict[str, Any] = json.loads(body) if action in _COUNTED else {}
        if asked:
            body = json.dumps({**asked, "ReturnConsumedCapacity": "TOTAL"}).encode()
        answer = await handle(method, path, headers, body, query_params)
        if asked:
            units = json.loads(answer[2] or b"{}").get("ConsumedCapacity", {}).get("CapacityUnits", 1.0)
            notes.add(
                kind="write unit" if action in _WRITES else "read unit",
                by=caller(headers),
                action=action,
                what=_what(asked),
                units=units,
                good=answer[0] == 200,
            )
        return answer

    return noting


def _noting_requests(handle: Handler, notes: Notes) -> Handler:
    async def noting(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
    ) -> Answer:
        notes.add(
            kind="queue request", by=caller(headers), action=headers.get("x-amz-target", "").rpartition(".")[2], units=1
        )
        return await handle(method, path, headers, body, query_params)

    return noting


def caller(headers: Mapping[str, str]) -> str:
    """The function's name; empty for everybody else."""
    words = headers.get("user-agent", "").split()
    return next((word.removeprefix(_APPLICATION) for word in words if word.startswith(_APPLICATION)), "")


def _what(asked: Mapping[str, Any]) -> str:
    """The first word of the item's key: ``slots``, ``durations``; ``task`` where the key is a task's."""
    key = asked.get("Key") or asked.get("Item") or {}
    word, mark, _ = str(key.get("id", {}).get("S", "")).partition("#")
    return word if mark else "task"


def main() -> int:
    limit_workers: Callable[[int], None] = vars(emulator)["limit_workers"]
    home = Path(sys.argv[sys.argv.index("--home") + 1])

    def limited_and_counted(places: int) -> None:
        install(Notes(home / RECORD))
        limit_workers(places)

    # One of the last things that the emulator does before it serves.
    with mock.patch.object(emulator, "limit_workers", limited_and_counted):
        return emulator.main()


if __name__ == "__main__":
    sys.exit(main())

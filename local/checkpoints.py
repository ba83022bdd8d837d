"""Snapshots of everything that the emulator holds, and what is left out of them because it only grows."""

import asyncio
import copy
import json
import logging
import re
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from local.items import Items
from local.upstream import STEPFUNCTIONS_STATE, store

logger = logging.getLogger(__name__)

KEPT_EXECUTIONS = 2_000
KEPT_LOG_STREAMS = 500  # per log group; upstream opens a stream for every invocation

# Requests to these change state that a kill may lose (the application derives it again) or that is already saved.
_DATA_PLANE = frozenset(
    {"dynamodb", "events", "execute-api", "kms", "lambda", "logs", "monitoring", "sqs", "ssm", "states"}
)
_FREQUENTLY_SAVED = ("stepfunctions", "sqs")
_CHECKPOINT_SECONDS = 2.0
_CHECKPOINT_SHARE = 0.05  # of the time, at most


class Busy(Exception):
    """A stack operation is under way: half a stack is nothing to come back to."""


class Checkpoints:
    """Snapshots of every service, written so that a kill leaves the old file or the new one."""

    def __init__(self, folder: Path, items: Items) -> None:
        from ministack import app
        from ministack.services import stepfunctions

        self._folder = folder
        self._items = items
        self._app = app
        self._stepfunctions = stepfunctions
        self._taking = threading.Lock()
        # A service is read and written under its lock, else an older state could overwrite a newer one.
        self._saving: Mapping[str, threading.Lock] = defaultdict(threading.Lock)
        self.requests: Counter[str] = Counter()

    def install(self) -> None:
        from ministack.services import ssm

        load, handle = self._app._load_persisted_state, ssm.handle_request

        def _load_persisted_state() -> None:
            load()
            self._items.restore()

        async def handle_request(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Any:
            answer = await handle(method, path, headers, body, query_params)
            if not re.search(r"\.(Get|Describe|List)", headers.get("x-amz-target", "")):
                self._save("ssm", ssm.get_state)
            return answer

        self._app._load_persisted_state = _load_persisted_state
        self._app.save_all = self._save_at_the_end
        ssm.handle_request = handle_request
        self._stepfunctions.get_state = self._stepfunctions_state

    def take(self, only: Iterable[str] | None = None) -> None:
        """Raises Busy in the middle of a stack operation."""
        with self._taking:
            if self._stack_in_progress():
                raise Busy
            for service, get_state in self._app._build_persistence_save_dict().items():
                if only is None or service in only:
                    self._save(service, get_state)
            if only is None:
                self._items.compact()
            else:
                self._items.compact_if_worthwhile()

    async def keep_taking(self) -> None:
        pause = _CHECKPOINT_SECONDS
        while True:
            await asyncio.sleep(pause)
            requests, self.requests = self.requests, Counter()
            if not requests:
                continue
            # Here, on the loop, nobody is in the middle of reading what goes.
            prune_executions(self._stepfunctions._executions)
            prune_log_streams()
            started = time.monotonic()
            try:
                await asyncio.to_thread(self.take, None if requests.keys() - _DATA_PLANE else _FREQUENTLY_SAVED)
            except Busy:
                self.requests.update(requests)
            except Exception:
                logger.exception("Checkpoint failed; trying again")
                self.requests.update(requests)
            pause = max(_CHECKPOINT_SECONDS, (time.monotonic() - started) / _CHECKPOINT_SHARE)

    def _save_at_the_end(self, services: object) -> None:
        """In place of upstream's `save_all`, which logs a failure and goes on."""
        try:
            self.take()
        except Busy:
            logger.warning("Stopped during a stack operation: the next start goes back to before it")
        except Exception:
            logger.exception("The last checkpoint failed")

    def _save(self, service: str, get_state: Callable[[], Any]) -> None:
        from ministack.core import persistence

        with self._saving[service]:
            state = _read_steadily(get_state)
            if state is None:  # upstream's way to say that the service never loaded
                return
            wrapped = {"__ministack_format__": persistence._state_format_version(service), "payload": state}
            path = self._folder / f"{service}.json"
            part = path.with_suffix(".part")
            part.write_text(json.dumps(wrapped, default=persistence._json_default), encoding="utf-8")
            part.replace(path)

    def _stepfunctions_state(self) -> dict[str, Any]:
        """Without the executions' histories, which are the bulk; a running one is failed by a restart anyhow."""
        module = self._stepfunctions
        state = {name: copy.deepcopy(store(module, name)) for name in STEPFUNCTIONS_STATE if name != "executions"}
        executions = type(module._executions)()
        for key, execution in module._executions.all_items():
            executions.set_scoped(*key, {**execution, "events": []})
        return {**state, "executions": executions}

    def _stack_in_progress(self) -> bool:
        cloudformation = sys.modules.get("ministack.services.cloudformation")
        if cloudformation is None:
            return False
        return any(
            stack.get("StackStatus", "").endswith("_IN_PROGRESS") for stack in cloudformation._stacks.all_values()
        )


def _read_steadily(get_state: Callable[[], Any], attempts: int = 10) -> Any:
    """Upstream copies live dictionaries, which fails when one grows meanwhile."""
    for attempt in range(attempts):
        try:
            return get_state()
        except RuntimeError:
            if attempt == attempts - 1:
                raise
            time.sleep(0.02)
    return None


def prune_executions(executions: Any, kept: int = KEPT_EXECUTIONS) -> None:
    finished = [(value["stopDate"], key) for key, value in executions.all_items() if value.get("stopDate")]
    for _, key in sorted(finished)[:-kept]:
        executions._data.pop(key, None)


def prune_log_streams(kept: int = KEPT_LOG_STREAMS) -> None:
    logs = sys.modules.get("ministack.services.cloudwatch_logs")
    if logs is None:
        return
    for group in logs._log_groups.all_values():
        for name in list(group["streams"])[:-kept]:  # oldest first, as they were opened
            group["streams"].pop(name, None)

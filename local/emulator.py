"""The AWS emulator of `make run`: ministack in a process of its own, with what it lacks for us wrapped around it.

    python -m local.emulator --home .local --port 4566 [--parent PID] [--workers 3]

Corrected, each by wrapping a function of ministack and never by changing its source:

* A function has at most `--workers` processes; further calls wait in the order in which they came. Upstream starts a
  process for every concurrent call. None of our functions invokes another, so waiting cannot deadlock.
* A confirmed write to DynamoDB or to the SSM parameters survives SIGKILL. Upstream writes its state when it stops.
  Items are journaled (see journal.py) before the answer goes out, parameters are saved with every change, and
  everything else is saved on demand (`POST /_taskhook/checkpoint`), after changes, and at the end. Executions and
  queue messages may be lost or repeated by a kill: the application derives them again from its table.
* Finished executions and log streams are kept in number, not for ever.
* The state can be used on another port.
* It listens on loopback only, keeps every file below `--home`, and ends when its parent does.
"""

import argparse
import asyncio
import contextlib
import contextvars
import copy
import fcntl
import importlib
import inspect
import json
import logging
import os
import re
import resource
import shutil
import signal
import sys
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from local.journal import Image, Journal

logger = logging.getLogger(__name__)

UPSTREAM_VERSION = "1.5.33"
CHECKPOINT_PATH = "/_taskhook/checkpoint"
HEALTH_PATH = "/_ministack/health"

_HANDLER = ("method", "path", "headers", "body", "query_params")
WRAPPED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("ministack.app", "app", ("scope", "receive", "send")),
    ("ministack.app", "save_all", ("services",)),
    ("ministack.app", "_build_persistence_save_dict", ()),
    ("ministack.app", "_load_persisted_state", ()),
    ("ministack.core.persistence", "_json_default", ("obj",)),
    ("ministack.core.persistence", "_state_format_version", ("service",)),
    ("ministack.services.dynamodb", "handle_request", _HANDLER),
    ("ministack.services.dynamodb", "get_state", ()),
    ("ministack.services.dynamodb", "_set_item", ("table", "pk_val", "sk_val", "item")),
    ("ministack.services.dynamodb", "_remove_item", ("table", "pk_val", "sk_val")),
    ("ministack.services.dynamodb", "_items_replaced", ("table",)),
    ("ministack.services.lambda_svc", "_execute_function_warm", ("func", "event", "request_id")),
    ("ministack.services.sqs", "_queue_url_for_account", ("account_id", "name")),
    ("ministack.services.ssm", "handle_request", _HANDLER),
    ("ministack.services.ssm", "get_state", ()),
    ("ministack.services.stepfunctions", "get_state", ()),
)
DYNAMODB_STATE = (
    *("tables", "tags", "ttl_settings", "pitr_settings", "kinesis_destinations", "contributor_insights"),
    *("backups", "resource_policies", "exports", "imports"),
)
STEPFUNCTIONS_STATE = (
    *("state_machines", "executions", "tags", "activities"),
    *("state_machine_versions", "state_machine_aliases", "map_runs"),
)

KEPT_EXECUTIONS = 2_000
KEPT_LOG_STREAMS = 500  # per log group; upstream opens a stream for every invocation

# Requests to these change state that a kill may lose (the application derives it again) or that is already saved.
_DATA_PLANE = frozenset(
    {"dynamodb", "events", "execute-api", "kms", "lambda", "logs", "monitoring", "sqs", "ssm", "states"}
)
_FREQUENTLY_SAVED = ("stepfunctions", "sqs")
_CHECKPOINT_SECONDS = 2.0
_CHECKPOINT_SHARE = 0.05  # of the time, at most
_COMPACT_BYTES = 4_000_000

type Scope = dict[str, Any]
type Receive = Callable[[], Awaitable[dict[str, Any]]]
type Send = Callable[[dict[str, Any]], Awaitable[None]]
type App = Callable[[Scope, Receive, Send], Awaitable[None]]


class UpstreamChangedError(Exception):
    """ministack is not the one these corrections were written for."""


class Busy(Exception):
    """A stack operation is under way: half a stack is nothing to come back to."""


def check_upstream() -> None:
    """Raise UpstreamChangedError, naming everything that is missing or has another signature."""
    faults = [fault for wrapped in WRAPPED if (fault := _signature_fault(*wrapped))]
    for name, expected in (("dynamodb", DYNAMODB_STATE), ("stepfunctions", STEPFUNCTIONS_STATE)):
        state = importlib.import_module(f"ministack.services.{name}").get_state()
        if set(state) != set(expected):
            faults.append(f"{name}.get_state() now has {sorted(set(state) ^ set(expected))} differently")
    for name, variables in (
        ("services.sqs", ("DEFAULT_PORT", "_CANONICAL_NETLOC")),
        ("services.lambda_svc", ("_ACCOUNT_CONCURRENCY_CAP",)),
        ("core.lambda_runtime", ("_workers",)),
    ):
        module = importlib.import_module(f"ministack.{name}")
        faults += [f"{name}.{variable} is missing" for variable in variables if not hasattr(module, variable)]
    installed = version("ministack")
    if installed != UPSTREAM_VERSION:
        faults.append(f"the installed version is {installed}")
    if faults:
        raise UpstreamChangedError(
            f"local/emulator.py wraps private functions of ministack {UPSTREAM_VERSION}, and these have changed: "
            + "; ".join(faults)
            + ". Install the pinned version, or read what changed and adapt the wrappers."
        )


def _signature_fault(module: str, name: str, parameters: tuple[str, ...]) -> str | None:
    function = getattr(importlib.import_module(module), name, None)
    if function is None:
        return f"{module}.{name} is missing"
    actual = tuple(inspect.signature(inspect.unwrap(function)).parameters)
    return None if actual == parameters else f"{module}.{name} takes {actual}"


class FairSemaphore:
    """`threading.Semaphore` gives no promise about who is next; here it is who has waited longest."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Event()
            self._waiting.append(turn)
        turn.wait()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()  # the place goes from hand to hand, so nobody can push in
            else:
                self._free += 1


def limit_workers(places: int) -> None:
    from ministack.services import lambda_svc

    execute = lambda_svc._execute_function_warm
    semaphores: defaultdict[str, FairSemaphore] = defaultdict(lambda: FairSemaphore(places))
    creating = threading.Lock()

    def _execute_function_warm(func: dict[str, Any], event: object, request_id: str) -> dict[str, Any]:
        with creating:
            semaphore = semaphores[(func.get("config") or func)["FunctionArn"]]
        with semaphore:
            result: dict[str, Any] = execute(func, event, request_id)
            return result

    lambda_svc._execute_function_warm = _execute_function_warm
    # Upstream counts those that wait here as running, and refuses calls (429) beyond a number that the machine's memory
    # decides. What that number protects is what the places protect already.
    lambda_svc._ACCOUNT_CONCURRENCY_CAP = 0


def pin_queue_addresses() -> None:
    """Upstream finds a queue by a URL with the port in it, so none would be found after a start on another port."""
    from ministack.services import sqs

    sqs.DEFAULT_PORT = "4566"
    sqs._CANONICAL_NETLOC = f"{sqs.DEFAULT_HOST}:{sqs.DEFAULT_PORT}"


class Items:
    """The items of every DynamoDB table, journaled."""

    def __init__(self, journal: Journal) -> None:
        from ministack.services import dynamodb

        self._dynamodb = dynamodb
        self._journal = journal
        # The keys that the current request has touched; None outside of a request.
        self._touched: contextvars.ContextVar[list[tuple[Any, str, str]] | None] = contextvars.ContextVar(
            "touched", default=None
        )
        self._set_item = dynamodb._set_item

    def install(self) -> None:
        """Every way to write ends in three functions: requests, transactions, and state machines' own puts alike."""
        dynamodb = self._dynamodb
        set_item, remove_item, items_replaced = self._set_item, dynamodb._remove_item, dynamodb._items_replaced
        handle = dynamodb.handle_request

        def _set_item(table: Any, pk_val: str, sk_val: str, item: Any) -> Any:
            old = set_item(table, pk_val, sk_val, item)
            self._touch([(table, pk_val, sk_val)])
            return old

        def _remove_item(table: Any, pk_val: str, sk_val: str) -> Any:
            old = remove_item(table, pk_val, sk_val)
            if old is not None:
                self._touch([(table, pk_val, sk_val)])
            return old

        def _items_replaced(table: Any) -> None:
            items_replaced(table)
            self._touch([(table, key.partition, key.sort) for key in _images(table)])

        async def handle_request(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Any:
            touched: list[tuple[Any, str, str]] = []
            token = self._touched.set(touched)
            try:
                return await handle(method, path, headers, body, query_params)
            finally:
                self._touched.reset(token)
                self._write(touched)  # before the answer goes out, and in one piece: a transaction is all or nothing

        dynamodb._set_item, dynamodb._remove_item = _set_item, _remove_item
        dynamodb._items_replaced, dynamodb.handle_request = _items_replaced, handle_request
        dynamodb.get_state = self._state_without_items

    def restore(self) -> None:
        """Put the journaled items back into the tables that the last snapshot knows."""
        tables = {table["TableArn"]: table for table in self._dynamodb._tables.all_values()}
        for image in self._journal.images():
            table = tables.get(image.table_arn)
            if table is None or table.get("TableId", "") != image.table_id:
                continue
            if image.item is None:
                self._dynamodb._remove_item(table, image.partition, image.sort)
            else:
                self._set_item(table, image.partition, image.sort, image.item)

    def compact(self) -> None:
        number = self._journal.rotate()
        tables = self._dynamodb._tables.all_values()
        self._journal.compact(number, (image for table in tables for image in _images(table)))

    def compact_if_worthwhile(self) -> None:
        if self._journal.bytes_since_base > max(_COMPACT_BYTES, 2 * self._journal.base_bytes):
            self.compact()

    def _touch(self, keys: list[tuple[Any, str, str]]) -> None:
        touched = self._touched.get()
        if touched is None:
            self._write(keys)
        else:
            touched.extend(keys)

    def _write(self, keys: list[tuple[Any, str, str]]) -> None:
        if keys:
            # What the item is by now, not what it was when touched: of two threads that write one key, the later line
            # then holds the later state.
            self._journal.append(_image(*key) for key in keys)

    def _state_without_items(self) -> dict[str, Any]:
        state = {name: copy.deepcopy(_store(self._dynamodb, name)) for name in DYNAMODB_STATE if name != "tables"}
        tables = type(self._dynamodb._tables)()
        for key, table in self._dynamodb._tables.all_items():
            kept = {name: value for name, value in table.items() if name != self._dynamodb._INDEX_MEMBERS}
            tables.set_scoped(*key, copy.deepcopy({**kept, "items": {}, "ItemCount": 0, "TableSizeBytes": 0}))
        return {**state, "tables": tables}


def _image(table: Any, partition: str, sort: str) -> Image:
    item = table["items"].get(partition, {}).get(sort)
    return Image(table["TableArn"], table.get("TableId", ""), partition, sort, item)


def _images(table: Any) -> Iterator[Image]:
    """Safe while others write: `list` of a dictionary's items is one step, and items are replaced, never changed."""
    for partition, by_sort in list(table["items"].items()):
        for sort, item in list(by_sort.items()):
            yield Image(table["TableArn"], table.get("TableId", ""), partition, sort, item)


def _store(module: Any, name: str) -> Any:
    return getattr(module, f"_{name}")


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
        state = {name: copy.deepcopy(_store(module, name)) for name in STEPFUNCTIONS_STATE if name != "executions"}
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


_CREDENTIAL = re.compile(rb"Credential=[^/]+/\d+/[^/]+/([a-z0-9-]+)/")


def with_checkpoints(app: App, checkpoints: Checkpoints) -> App:
    """Counts the requests by service, and answers the one that asks for a checkpoint."""

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == HEALTH_PATH:
            await app(scope, receive, send)
        elif scope["path"] == CHECKPOINT_PATH:
            await _answer_checkpoint(checkpoints, scope, send)
        else:
            authorization = dict(scope["headers"]).get(b"authorization", b"")
            signed = _CREDENTIAL.search(authorization)
            checkpoints.requests[signed[1].decode() if signed else "execute-api"] += 1
            await app(scope, receive, send)

    return counted


async def _answer_checkpoint(checkpoints: Checkpoints, scope: Scope, send: Send) -> None:
    status, problem = (200, "") if scope["method"] == "POST" else (405, "POST only")
    try:
        if status == 200:
            await asyncio.to_thread(checkpoints.take)
    except Busy:
        status, problem = 409, "a stack operation is in progress"
    except Exception as error:
        logger.exception("Checkpoint failed")
        status, problem = 500, str(error)
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps({"problem": problem}).encode()})


def environment(home: Path, port: int) -> dict[str, str]:
    """What ministack reads when it is imported. Nothing of the person's AWS set-up reaches it or the functions."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        # With a PYTHONPATH the functions would import from the repository what is missing from their layer.
        if not name.startswith(("AWS_", "LOCALSTACK_", "MINISTACK_", "LAMBDA_", "PYTHONPATH"))
    }
    local = ",".join(filter(None, (inherited.get("NO_PROXY", inherited.get("no_proxy")), "127.0.0.1,localhost")))
    return {
        **inherited,
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(home / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(home / "s3"),
        "TMPDIR": str(home / "tmp"),
        "LOG_LEVEL": os.environ.get("TASKHOOK_EMULATOR_LOG_LEVEL", "WARNING"),
        # Docker is never asked: functions run as plain processes.
        "DOCKER_HOST": f"unix://{home / 'tmp' / 'no-docker.sock'}",
        "NO_PROXY": local,
        "no_proxy": local,
    }


@contextlib.contextmanager
def sole_user(path: Path, patience: float) -> Iterator[None]:
    """Hold the lock on this file. Raises TimeoutError when another process keeps it."""
    deadline = time.monotonic() + patience
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{path} is locked by another process") from None
                time.sleep(0.05)
        yield


def prepare_folders(home: Path) -> None:
    shutil.rmtree(home / "tmp", ignore_errors=True)  # unpacked functions of the last run
    for name in ("tmp", "state", "s3"):
        (home / name).mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)  # the state holds what was given to it as secret


async def serve(app: App, checkpoints: Checkpoints, port: int, parent: int | None) -> None:
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from ministack.core import hypercorn_compat

    hypercorn_compat.install()
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    config.loglevel = "WARNING"
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    background = [asyncio.create_task(checkpoints.keep_taking())]
    if parent is not None:
        background.append(asyncio.create_task(_stop_with(parent, stop)))
    await hypercorn_serve(app, config, shutdown_trigger=stop.wait)


async def _stop_with(parent: int, stop: asyncio.Event) -> None:
    """An orphan is adopted by another process: the one way to notice that works on every system."""
    while os.getppid() == parent:
        await asyncio.sleep(0.25)
    stop.set()


def _end() -> None:
    """Without waiting for upstream's threads: each may be asleep in a state machine's wait, or in a function."""
    from ministack.core import lambda_runtime

    # Not upstream's reset: it also unlinks the workers' thousands of unpacked files, while the next start waits for
    # the lock. That start empties the folder anyway.
    for worker in [one for pool in list(lambda_runtime._workers.values()) for one in pool]:
        if worker._proc is not None:
            worker._proc.kill()
    logging.shutdown()
    os._exit(0)


def run(home: Path, port: int, *, workers: int, parent: int | None) -> None:
    prepare_folders(home)
    os.environ.clear()
    os.environ.update(environment(home, port))
    check_upstream()
    from ministack import app as ministack_app

    items = Items(Journal(home / "state" / "journal"))
    items.install()
    checkpoints = Checkpoints(home / "state", items)
    checkpoints.install()
    limit_workers(workers)
    pin_queue_addresses()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65_536), most))

    async def serve_and_end() -> None:
        await serve(with_checkpoints(ministack_app.app, checkpoints), checkpoints, port, parent)
        _end()

    asyncio.run(serve_and_end())


def main() -> int:
    os.umask(0o077)  # the state holds every secret that was stored
    parser = argparse.ArgumentParser(prog="python -m local.emulator")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--parent", type=int, help="end when this process is no longer the parent")
    parser.add_argument("--workers", type=int, default=3, help="processes per function")
    arguments = parser.parse_args()
    home: Path = arguments.home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    try:
        # A predecessor whose parent was killed may still be writing its last snapshot.
        with sole_user(home / "emulator.lock", patience=20):
            run(home, arguments.port, workers=arguments.workers, parent=arguments.parent)
    except (UpstreamChangedError, TimeoutError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The AWS emulator of `make run`: ministack in a process of its own, with what it lacks for us wrapped around it.

    python -m local.emulator --home .local --port 4566 [--parent PID] [--workers 3]

Corrected, each by wrapping a function of ministack (upstream.py lists them) and never by changing its source:

* A function has at most `--workers` processes (workers.py); further calls wait in the order in which they came.
  Upstream starts a process for every concurrent call. None of our functions invokes another, so waiting cannot
  deadlock.
* A confirmed write to DynamoDB or to the SSM parameters survives SIGKILL. Upstream writes its state when it stops.
  Items are journaled (items.py, journal.py) before the answer goes out, parameters are saved with every change, and
  everything else is saved (checkpoints.py) on demand (`POST /_taskhook/checkpoint`), after changes, and at the end.
  Executions and queue messages may be lost or repeated by a kill: the application derives them again from its table.
* Finished executions and log streams are kept in number, not for ever (checkpoints.py).
* The state can be used on another port.
* A function is told which API key a request came with, and a key that was disabled is.
* It listens on loopback only, keeps every file below `--home`, and ends when its parent does.
"""

import argparse
import asyncio
import contextlib
import fcntl
import json
import logging
import os
import re
import resource
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from local.checkpoints import Busy, Checkpoints
from local.items import Items
from local.journal import Journal
from local.upstream import UpstreamChangedError, check_upstream
from local.workers import limit_workers

logger = logging.getLogger(__name__)

CHECKPOINT_PATH = "/_taskhook/checkpoint"
HEALTH_PATH = "/_ministack/health"
_CREDENTIAL = re.compile(rb"Credential=[^/]+/\d+/[^/]+/([a-z0-9-]+)/")

type Scope = dict[str, Any]
type Receive = Callable[[], Awaitable[dict[str, Any]]]
type Send = Callable[[dict[str, Any]], Awaitable[None]]
type App = Callable[[Scope, Receive, Send], Awaitable[None]]


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


def pin_queue_addresses() -> None:
    """Upstream finds a queue by a URL with the port in it, so none would be found after a start on another port."""
    from ministack.services import sqs

    sqs.DEFAULT_PORT = "4566"
    sqs._CANONICAL_NETLOC = f"{sqs.DEFAULT_HOST}:{sqs.DEFAULT_PORT}"


def name_api_keys() -> None:
    """Upstream does not tell a function whose request it has got."""
    from ministack.services import apigateway_v1

    build = apigateway_v1._build_lambda_event_v1

    def _build_lambda_event_v1(*args: Any, **options: Any) -> dict[str, Any]:
        event: dict[str, Any] = build(*args, **options)
        value = apigateway_v1._api_key_from_request(event["headers"])
        key = apigateway_v1._resolve_api_key(value)
        if key is not None:
            event["requestContext"]["identity"] |= {"apiKey": value, "apiKeyId": key["id"]}
        return event

    resolve = apigateway_v1._resolve_api_key

    def _resolve_api_key(value: str | None) -> Any:
        """Upstream keeps what a patch says as text, and takes any text for a yes."""
        key = resolve(value)
        return None if key is not None and str(key.get("enabled", True)).lower() == "false" else key

    apigateway_v1._build_lambda_event_v1 = _build_lambda_event_v1
    apigateway_v1._resolve_api_key = _resolve_api_key


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
    name_api_keys()
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
    parser.add_argument(
        "--workers", type=int, default=3, help="processes per function; three times as many for poll, which sleeps"
    )
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

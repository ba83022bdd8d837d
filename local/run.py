"""taskhook on one machine: `make run`.

    python -m local.run

starts the AWS emulator, deploys the repository's template to it, hands it the accounts and destinations of the
configuration file, wakes the watches that a kill interrupted, and says where to send the first task. Tests and
benchmarks do the same with `with serving(Settings(home=...)) as stack`."""

import os
import signal

if __name__ == "__main__":
    # Ctrl-C while the rest is still being imported: nothing runs yet, so there is nothing to stop or to say.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))

import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import FrameType

from local import deploy
from local.emulator import sole_user
from local.keys import sync_keys
from local.process import free_port, wait_for_port
from local.settings import REPOSITORY, Config, RunError, Settings, config_warnings, read_config, read_providers
from local.stack import Stack, Stopped

_PORT_PATIENCE = 5.0


def _quiet(_: str) -> None:
    pass


@contextlib.contextmanager
def serving(
    settings: Settings,
    *,
    parameters: Mapping[str, str] | None = None,
    config: Config | None = None,
    template: Path = REPOSITORY / "template.yaml",
    say: Callable[[str], None] = _quiet,
    stop: threading.Event | None = None,
) -> Iterator[Stack]:
    """Everything that `make run` does, until the block ends. `config` replaces the configuration file.

    Raises RunError with a message for the person who started it, and Stopped once `stop` is set."""
    home = settings.home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    settings = replace(settings, home=home, port=settings.port or free_port())
    stack = Stack(settings, stop or threading.Event())
    with _lock(home):
        settings.endpoint_path.unlink(missing_ok=True)  # of a run that was killed
        tables = read_config(settings.config_path) if config is None else config
        providers = read_providers(home)
        complete = {"accounts": {}, "destinations": {}, "keys": {}, **tables}
        warnings = [f"! {warning}" for warning in config_warnings(complete, providers)]
        wait_for_port(settings.port, _PORT_PATIENCE, stack.pause)
        try:
            say("Starting the emulator")
            stack.emulator.start()
            _ = stack.session  # something to do while it starts
            stack.emulator.wait_until_ready(stack.pause)
            _prepare(stack, {**deploy.default_parameters(), **(parameters or {})}, template, tables, providers, say)
            _write_endpoint(stack)
            stack.warnings = warnings
            yield stack
        finally:
            settings.endpoint_path.unlink(missing_ok=True)
            stack.emulator.stop()


@contextlib.contextmanager
def _lock(home: Path) -> Iterator[None]:
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(sole_user(home / "run.lock", patience=0))
        except TimeoutError:
            raise RunError(
                f"taskhook already runs with {home}. Stop it, or use another home: TASKHOOK_HOME=... make run"
            ) from None
        yield


def _prepare(
    stack: Stack,
    parameters: Mapping[str, str],
    template: Path,
    config: Config,
    providers: Mapping[str, str],
    say: Callable[[str], None],
) -> None:
    fresh = stack.status() is None
    deploy.Deployment(stack, template, parameters, say).ensure()
    deploy.sync_config(stack, config, providers)
    stack.keys = sync_keys(stack, config.get("keys", {}))
    outputs = stack.outputs()
    key = stack.client("apigateway").get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)
    stack.api_key = key["value"]
    stack.url = f"{stack.endpoint}/_aws/execute-api/{outputs['ApiId']}/{outputs['ApiStage']}"
    if not fresh:
        _wake(stack, outputs["ReconcileFunction"], say)
    stack.checkpoint()


def _wake(stack: Stack, reconcile: str, say: Callable[[str], None]) -> None:
    """Watches that a stop or a kill interrupted. Not in a fresh installation: a task that is posted now has no
    execution yet, and would be taken for one that had."""
    say("Waking interrupted watches")
    # In the background, as there may be thousands; should it fail, the schedule's sweep follows within five minutes.
    stack.client("lambda").invoke(
        FunctionName=reconcile, InvocationType="Event", Payload=json.dumps({"all": True}).encode()
    )


def _write_endpoint(stack: Stack) -> None:
    content = {"url": stack.url, "api_key": stack.api_key, "page": stack.page, "pid": os.getpid()}
    _write(stack.settings.home / "keys.json", stack.keys)
    _write(stack.settings.endpoint_path, content)


def _write(path: Path, content: Mapping[str, object]) -> None:
    """For its owner's eyes, and at once."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    part.replace(path)


def welcome(stack: Stack) -> str:
    body = '{"provider": "tencent.clb", "region": "ap-guangzhou", "task_id": "55c85074-3e7f-4c6d-864f-673660d4f8de"}'
    return f"""
taskhook is ready.

  Page       {stack.page}
  Endpoint   {stack.url}
  API key    {stack.api_key}
  Accounts   {stack.settings.config_path}

Watch a task:

  curl {stack.url}/tasks \\
    -H 'x-api-key: {stack.api_key}' -H 'content-type: application/json' \\
    -d '{body}'

Stop with Ctrl-C."""


def stop_on_signals() -> threading.Event:
    """Set by Ctrl-C and SIGTERM, any number of times: an orderly end is not cut short by impatience."""
    stop = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    return stop


def say(message: str) -> None:
    print(message, flush=True)


def wait_until_stopped(stack: Stack) -> None:
    """Raises Stopped when asked to, and RunError when the emulator is no longer there."""
    while stack.emulator.alive():
        stack.pause(0.2)
    raise RunError(f"The emulator ended by itself; see {stack.emulator.log}. The state is kept: run again.")


def main() -> int:
    stop = stop_on_signals()
    started = time.monotonic()
    try:
        with serving(Settings.from_env(), say=lambda step: say(f"{step} ..."), stop=stop) as stack:
            say(welcome(stack))
            for warning in stack.warnings:
                say(warning)
            say(f"(started in {time.monotonic() - started:.1f} s)")
            try:
                wait_until_stopped(stack)
            finally:
                say("Stopping ...")
    except Stopped:
        say("Stopped; the state is kept.")
        return 0
    except RunError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""taskhook with everybody else played: `make demo`.

    python -m local.demo [--once] [--timeout SECONDS]

does what `make run` does, with accounts that point to simulated clouds and destinations that point to a receiver which
prints what arrives. Posts one task for each kind of life a task can have, shows the news as it comes, and sums up.
Then it goes on serving until Ctrl-C, unless `--once` is given. The exit code is 1 when news is missing or wrong.
"""

import os
import signal

if __name__ == "__main__":
    # Ctrl-C while the rest is still being imported: nothing runs yet, so there is nothing to stop or to say.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))

import argparse
import base64
import contextlib
import re
import secrets
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import requests

from local.receiver import Message, Receiver, render_slack
from local.run import say, serving, stop_on_signals, wait_until_stopped
from local.settings import Config, RunError, Settings
from local.simulator import ALIBABA, LIVES, TENCENT, Simulator
from local.stack import Stack, Stopped

DESTINATIONS = ("default", "slack")
PATIENCE_SECONDS = 240.0
POST_TIMEOUT = (3.05, 30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One task of the demonstration: the life it leads and the state it must end in."""

    life: str
    provider: str
    title: str
    ends: str
    region: str | None = None

    def task_id(self, run: int) -> str | int:
        """Its own in every run, as taskhook would know a repeated one."""
        if self.provider == "tencent.bm":
            return int(f"{LIVES[self.life].digits}{run}")
        return f"{self.life}-{run}"


def _scene(life: str, provider: str, title: str, ends: str) -> Scene:
    regions = {"tencent.bm": "bj", "alibaba.bdrc": "cn-shanghai"}
    return Scene(life=life, provider=provider, title=title, ends=ends, region=regions.get(provider, "ap-guangzhou"))


SCENES = (
    _scene("quick", "tencent.clb", "Create listener for shop.example", "succeeded"),
    _scene("slow", "tencent.bm", "Reinstall three servers", "succeeded"),
    _scene("flaky", "alibaba.bdrc", "Check protection rules, on a bad day", "succeeded"),
    _scene("throttled", "tencent.dts", "Start migration of orders_db", "succeeded"),
    _scene("failing", "tencent.dts", "Verify migration of users_db", "failed"),
    _scene("partial", "tencent.bm", "Power on the new rack", "partial"),
    _scene("canceled", "alibaba.bdrc", "Update resources, then think better of it", "canceled"),
    _scene("progress", "alibaba.bdrc", "Update protected resources", "succeeded"),
    _scene("lost", "tencent.clb", "Delete listener that nobody remembers", "lost"),
)


@dataclass(slots=True, kw_only=True)
class Expected:
    """What became of a posted scene. The receiver's threads fill it in."""

    scene: Scene
    task_id: str
    posted: float
    state: str | None = None
    seconds: float | None = None
    told_slack: bool = False

    @property
    def missing(self) -> list[str]:
        arrived = {"default": self.state is not None, "slack": self.told_slack}
        return [name for name in DESTINATIONS if not arrived[name]]

    @property
    def fault(self) -> str | None:
        if self.missing:
            return f"no news for {' and '.join(self.missing)}"
        return None if self.state == self.scene.ends else f"{self.state} instead of {self.scene.ends}"


class Board:
    """Prints each message as it arrives and ticks off what was expected."""

    def __init__(self) -> None:
        self.expected: list[Expected] = []
        self._lock = threading.Lock()

    def show(self, message: Message) -> None:
        text = _slack_text(message) if message.path == "/slack" else _webhook_text(message)
        with self._lock:
            self._tick_off(message)
            say(text)

    def _tick_off(self, message: Message) -> None:
        if message.path == "/slack":
            rendered = render_slack(_payload(message))
            for one in self.expected:
                # Whole ids only: one may be the beginning of another.
                if re.search(rf"(?<![\w-]){re.escape(one.task_id)}(?![\w-])", rendered):
                    one.told_slack = True
        elif message.status == 204:
            payload = _payload(message)
            data = payload.get("data", {})
            for one in self.expected:
                if one.task_id == data.get("task_id") and payload.get("type") == f"task.{data.get('state')}":
                    one.seconds = message.at - one.posted
                    one.state = data["state"]

    def is_complete(self) -> bool:
        return not any(one.missing for one in self.expected)


def _payload(message: Message) -> dict[str, Any]:
    """Empty for anything but a JSON object: the receiver is open to whoever likes to try it."""
    try:
        payload = message.json
    except ValueError:
        payload = None
    return payload if isinstance(payload, dict) else {}


def _webhook_text(message: Message) -> str:
    signature = {True: "signature verified", False: "SIGNATURE WRONG", None: "not signed"}[message.verified]
    payload = _payload(message)
    data = payload.get("data", {})
    error = data.get("error") or {}
    lines = [
        f"\n◀ webhook  {payload.get('type')}  ({signature}, answered {message.status})",
        f"    {data.get('title')}",
        f"    {data.get('provider')}  {data.get('region') or ''}  {data.get('task_id')}  polls: {data.get('polls')}",
    ]
    if error:
        lines.append(f"    {error.get('code')}: {error.get('message')}")
    failed = [one for one in data.get("resources") or () if one.get("state") != "succeeded"]
    lines += [f"    {one.get('id')}: {one.get('state')}" for one in failed]
    return "\n".join(lines)


def _slack_text(message: Message) -> str:
    body = "\n".join(f"    │ {line}" for line in render_slack(_payload(message)).splitlines())
    return f"\n◀ slack\n{body}"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    stop = stop_on_signals()
    try:
        return _demonstrate(options, stop)
    except Stopped:
        say("Stopped.")
        return 0
    except RunError as error:
        print(error, file=sys.stderr)
        return 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.demo", description="taskhook against simulated clouds")
    parser.add_argument("--once", action="store_true", help="end after the summary")
    parser.add_argument("--timeout", type=float, default=PATIENCE_SECONDS, help="how long to wait for the news, in s")
    return parser.parse_args(arguments)


def _demonstrate(options: argparse.Namespace, stop: threading.Event) -> int:
    settings = Settings.from_env()
    # A home of its own: the accounts of `make run` are real, and its tasks are nobody's example.
    settings = replace(settings, home=settings.home / "demo")
    secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    board = Board()
    with (
        Simulator() as simulator,
        Receiver(secret=secret, show=board.show) as receiver,
        serving(
            settings, config=_config(simulator, receiver, secret), say=lambda step: say(f"{step} ..."), stop=stop
        ) as stack,
    ):
        say(_welcome(stack, simulator, receiver))
        passed = _play(stack, board, options.timeout)
        if not options.once:
            say("\nServing on. Watch tasks of your own (ids: see /_lives above); stop with Ctrl-C.")
            with contextlib.suppress(Stopped):
                wait_until_stopped(stack)
        return 0 if passed else 1


def _config(simulator: Simulator, receiver: Receiver, secret: str) -> Config:
    return {
        "accounts": {"tencent": TENCENT.account(simulator.url), "alibaba": ALIBABA.account(simulator.url)},
        "destinations": {
            "default": {"type": "webhook", "url": receiver.url("/hook"), "secret": secret},
            "slack": {"type": "slack", "url": receiver.url("/slack")},
        },
    }


def _welcome(stack: Stack, simulator: Simulator, receiver: Receiver) -> str:
    return f"""
taskhook is ready, among simulated clouds.

  Page       {stack.page}
  Endpoint   {stack.url}
  API key    {stack.api_key}
  Clouds     {simulator.url}/_lives  {simulator.url}/_log
  Receiver   {receiver.url("/hook")}  {receiver.url("/slack")}
"""


def _play(stack: Stack, board: Board, timeout: float) -> bool:
    """Whether every piece of news arrived and was right."""
    run = int(time.time())
    for scene in SCENES:
        _post(stack, board, scene, run)
    deadline = time.monotonic() + timeout
    while not board.is_complete() and time.monotonic() < deadline:
        if not stack.emulator.alive():
            raise RunError(f"The emulator ended by itself; see {stack.emulator.log}.")
        stack.pause(0.1)
    say(summary(board.expected))
    return all(one.fault is None for one in board.expected)


def _post(stack: Stack, board: Board, scene: Scene, run: int) -> None:
    task_id = scene.task_id(run)
    body: dict[str, Any] = {
        "provider": scene.provider,
        "task_id": task_id,
        "region": scene.region,
        "notify": list(DESTINATIONS),
        "title": scene.title,
        "metadata": {"demo": scene.life},
    }
    # Before the call: the news of a quick task may arrive before the answer to the post.
    board.expected.append(Expected(scene=scene, task_id=str(task_id), posted=time.time()))
    response = stack.interruptible(lambda: _send(stack, body))
    say(f"▶ POST /tasks  {scene.provider:<13} {task_id:<20} {scene.title}  → {response.status_code}")
    if response.status_code not in (200, 202):
        raise RunError(f"The post was refused with HTTP {response.status_code}: {response.text[:1000]}")


def _send(stack: Stack, body: dict[str, Any]) -> requests.Response:
    url, headers = f"{stack.url}/tasks", {"x-api-key": stack.api_key}
    try:
        return requests.post(url, json=body, headers=headers, timeout=POST_TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        raise RunError(f"The service does not answer: {type(error).__name__}") from error


def summary(expected: Sequence[Expected]) -> str:
    """A table for the terminal, and what is missing or wrong below it."""
    rows = [("TASK", "PROVIDER", "STATE", "SECONDS")]
    rows += [
        (
            one.scene.title,
            one.scene.provider,
            one.state or "-",
            f"{one.seconds:.1f}" if one.seconds is not None else "-",
        )
        for one in expected
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)) for row in rows]
    faults = [f"✗ {one.scene.title} ({one.task_id}): {one.fault}" for one in expected if one.fault]
    return "\n".join(["", *lines, "", *(faults or ["All news arrived, at both destinations."])])


if __name__ == "__main__":
    sys.exit(main())

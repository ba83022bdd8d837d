"""What the tests of the command line share: a service, and two ways to call the command."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from taskhook_cli.app import cli
from taskhook_cli.client import Client
from taskhook_cli.config import Target
from taskhook_cli.secret import ApiKey
from tests.cli.service import KEY, Service, serving
from tests.conftest import ROOT

type Run = Callable[..., Result]
type Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def service() -> Iterator[Service]:
    with serving(Service()) as one:
        yield one


@pytest.fixture
def variables(service: Service, tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing of this machine's user is found."""
    return {
        "TASKHOOK_URL": service.url,
        "TASKHOOK_API_KEY": KEY,
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }


@pytest.fixture
def run(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """In this process, with waits between tries taken out; ``stdin`` is standard input."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TASKHOOK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("taskhook_cli.client.backoff", lambda **_: 0.01)
    monkeypatch.setattr("taskhook_cli.follow.SHORTEST_GAP", 0.02)

    def call(
        *words: str, stdin: str | bytes | None = None, env: Mapping[str, str | None] | None = None, **more: Any
    ) -> Result:
        given: dict[str, str | None] = {**variables, **(env or {})}
        return CliRunner(mix_stderr=False).invoke(cli, list(words), input=stdin, env=given, **more)

    return call


@pytest.fixture
def start(variables: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """As a process of its own, with real pipes and signals."""
    started: list[subprocess.Popen[str]] = []

    def begin(
        *words: str, env: dict[str, str] | None = None, args: list[str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "cli"), **variables, **(env or {})}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            args or [sys.executable, "-m", "taskhook_cli", *words],
            cwd=tmp_path,
            env=given,
            text=True,
            **{**pipes, **options},
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


@pytest.fixture
def client(service: Service) -> Client:
    return Client(target=Target(url=service.url, key=ApiKey(KEY)), sleep=lambda seconds: None)

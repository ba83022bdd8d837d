"""The emulator's process, as its parent sees it."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from local.emulator import CHECKPOINT_PATH, HEALTH_PATH
from local.settings import REPOSITORY, RunError, Settings

_START_SECONDS = 120.0
_STOP_SECONDS = 20.0


class EmulatorProcess:
    def __init__(self, settings: Settings) -> None:
        self.port = settings.port
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self._settings.home / "emulator.log"

    def start(self) -> None:
        home = self._settings.home
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))
        command = [sys.executable, "-m", "local.emulator", "--home", str(home), "--port", str(self.port)]
        command += ["--workers", str(self._settings.workers_per_function), "--parent", str(os.getpid())]
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C at the terminal is ours to handle, and its workers are in one group with it.
            self._process = subprocess.Popen(
                command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def wait_until_ready(self, pause: Callable[[float], None] = time.sleep) -> None:
        """Raises RunError with the end of its log. `pause` may raise to give up earlier."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if not self.alive():
                raise RunError(f"The emulator ended while starting. The end of {self.log}:\n{tail(self.log)}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self._request("GET", HEALTH_PATH, timeout=2)[0] == 200:
                    return
            pause(0.05)
        raise RunError(f"The emulator does not answer. The end of {self.log}:\n{tail(self.log)}")

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def checkpoint(self) -> None:
        """Everything is on disk when this returns."""
        status, body = self._request("POST", CHECKPOINT_PATH, timeout=60)
        if status != 200:
            raise RunError(f"The emulator could not save its state (HTTP {status}): {body}")

    def stop(self) -> None:
        """Ask it to save its state and end; insist after a while."""
        if self._process is None:
            return
        if self.alive():
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
        self.kill()  # whatever is left of its group

    def kill(self) -> None:
        """SIGKILL to it and to its functions' processes."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _request(self, method: str, path: str, timeout: float) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        finally:
            connection.close()


def tail(path: Path, lines: int = 25) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    return ""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for_port(port: int, patience: float, pause: Callable[[float], None] = time.sleep) -> None:
    """A killed predecessor may need a moment to end. Raises RunError when the port stays taken."""
    deadline = time.monotonic() + patience
    while _is_taken(port):
        if time.monotonic() > deadline:
            raise RunError(f"Port {port} is in use. Stop what uses it, or choose another: TASKHOOK_PORT=4567 make run")
        pause(0.1)


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as the server does; else TIME_WAIT counts as taken
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    with socket.socket() as probe:
        # On macOS a listener on all interfaces does not hinder a bind to loopback.
        return probe.connect_ex(("127.0.0.1", port)) == 0

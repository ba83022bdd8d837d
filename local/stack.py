"""What is running: where it is, how to reach it, and how to put an end to it."""

import os
import threading
from collections.abc import Callable
from functools import cached_property
from typing import Any

from local.process import EmulatorProcess
from local.settings import REGION, STACK_NAME, Settings

_READ_SECONDS = 120


class Stopped(Exception):
    """Raised at the next pause after Ctrl-C or SIGTERM."""


class Stack:
    """What is running, for those who use it: `url`, `api_key`, `client("dynamodb")`, `outputs()`, `kill()`."""

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        self.settings = settings
        self.emulator = EmulatorProcess(settings)
        self.url = ""
        self.api_key = ""
        self.keys: dict[str, str] = {}
        """The values of further API keys by their names."""
        self.warnings: list[str] = []
        self._stop = stop

    @property
    def endpoint(self) -> str:
        return self.emulator.endpoint

    @property
    def page(self) -> str:
        return self.url + "/"

    @staticmethod
    def credentials() -> dict[str, str]:
        """An environment in which no AWS tool looks further."""
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str) -> Any:
        session, config = self.session
        return session.client(service, endpoint_url=self.endpoint, config=config)

    @cached_property
    def session(self) -> tuple[Any, Any]:
        # Imported late: it takes half a second, which the emulator's start can use, and in which Ctrl-C must be ours.
        import boto3
        from botocore.config import Config

        session = boto3.Session(
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - the emulator takes anything
            region_name=REGION,
        )
        return session, Config(
            retries={"max_attempts": 2}, proxies={}, read_timeout=_READ_SECONDS, inject_host_prefix=False
        )

    def status(self) -> str | None:
        """CloudFormation's word for the stack; None while there is none."""
        return self._describe().get("StackStatus")

    def outputs(self) -> dict[str, str]:
        return {output["OutputKey"]: output["OutputValue"] for output in self._describe().get("Outputs", [])}

    def _describe(self) -> dict[str, Any]:
        client = self.client("cloudformation")
        try:
            described: dict[str, Any] = client.describe_stacks(StackName=STACK_NAME)["Stacks"][0]
        except client.exceptions.ClientError:  # "does not exist" has no class of its own
            return {}
        return described

    def checkpoint(self) -> None:
        """What has been done so far survives a kill when this returns."""
        self.emulator.checkpoint()

    def kill(self) -> None:
        """SIGKILL to the emulator and its functions, as a power cut would."""
        self.emulator.kill()

    def pause(self, seconds: float) -> None:
        """Sleep, unless somebody asks to stop."""
        if self._stop.wait(seconds):
            raise Stopped

    def interruptible[T](self, call: Callable[[], T]) -> T:
        """The call's result, or Stopped while it still goes on."""
        results: list[T] = []
        failures: list[Exception] = []

        def run() -> None:
            try:
                results.append(call())
            except Exception as error:
                failures.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        while thread.is_alive():
            self.pause(0)
            thread.join(0.02)
        if failures:
            raise failures[0]
        return results[0]

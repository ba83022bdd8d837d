"""What all tests share: no way out of this machine, and factories for the values that tests are about."""

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped, unused-ignore]
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from taskhook.accounts import Account
from taskhook.http import Answer
from taskhook.states import State
from taskhook.task import Delivery, Task, task_key

ROOT = Path(__file__).parent.parent

# A machine that is busy with something else is no fault of a test.
hypothesis_settings.register_profile("taskhook", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# For the quick round: laws are tried on fewer examples than in the whole one.
hypothesis_settings.register_profile(
    "quick", deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("taskhook")
NOW = 1_790_000_000.0

type MakeTask = Callable[..., Task]
type MakeAnswer = Callable[..., Answer]
type MakeAccount = Callable[..., Account]


@dataclass
class Clock:
    """Stands still until a test moves it."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session", autouse=True)
def no_way_out() -> Iterator[None]:
    """Connections lead to this machine only, and names other than its own lead nowhere."""
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guarded(real: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
        def call(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(address[0]):
                raise PermissionError(f"a test wants to connect to {address[0]}")
            return real(self, address)

        return call

    def here(host: Any, *args: Any, **options: Any) -> Any:
        if host is None or _is_here(host) or _is_address(host):
            return look_up(host, *args, **options)
        raise socket.gaierror(socket.EAI_NONAME, "names are not looked up in tests")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(connect))
        patch.setattr(socket.socket, "connect_ex", guarded(connect_ex))
        patch.setattr(socket, "getaddrinfo", here)
        yield


def _is_address(host: Any) -> bool:
    try:
        ip_address(_text(host))
    except ValueError:
        return False
    return True


def _is_here(host: Any) -> bool:
    name = _text(host)
    return name in ("localhost", "") or (_is_address(name) and ip_address(name).is_loopback)


def _text(host: Any) -> str:
    return host.decode(errors="replace") if isinstance(host, bytes) else str(host)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rng() -> Random:
    return Random(7)  # noqa: S311 - the same throws in every run


@pytest.fixture
def make_task() -> MakeTask:
    """A task that was submitted just now; ``notify`` names its destinations."""

    def make(*, notify: tuple[str, ...] = ("ops",), **changes: Any) -> Task:
        values: dict[str, Any] = {
            "provider": "tencent.clb.DescribeTaskStatus",
            "account": "tencent",
            "region": "ap-guangzhou",
            "task_id": "55c85074-3e7f-4c6d-864f-673660d4f8de",
            "submitted_at": NOW,
            "deadline": NOW + 86_400,
            "watch_since": NOW,
            "next_poll_at": NOW,
            "deliveries": {name: Delivery() for name in notify},
            **changes,
        }
        named = {name: values[name] for name in ("account", "provider", "region", "task_id")}
        return Task(**{"id": task_key(**named), **values})

    return make


@pytest.fixture
def make_ended(make_task: MakeTask) -> MakeTask:
    """A task that the provider has finished, with news that nobody has heard yet."""

    def make(state: State = State.SUCCEEDED, **changes: Any) -> Task:
        told: dict[str, Any] = {"state": state, "observed_at": NOW + 60, "polls": 3, "next_poll_at": None}
        return make_task(**{**told, **changes})

    return make


@pytest.fixture
def make_answer() -> MakeAnswer:
    """An HTTP answer; ``body`` is written as JSON unless it is bytes."""

    def make(body: Any = b"", *, status: int = 200, headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Answer(**{"status": status, "headers": headers or {}, "body": raw, "truncated": False, "elapsed": 0.1,
                         **more})  # fmt: skip

    return make


@pytest.fixture
def make_account() -> MakeAccount:
    def make(cloud: str = "tencent", **changes: Any) -> Account:
        values = {"name": cloud, "cloud": cloud, "key_id": "AKIDEXAMPLE", "key_secret": "not-a-real-secret"}
        return Account(**{**values, **changes})

    return make


class _Yaml(yaml.SafeLoader):  # type: ignore[misc, unused-ignore]
    """YAML with CloudFormation's tags, written out as in CloudFormation's JSON."""


def _intrinsic(loader: Any, suffix: str, node: Any) -> Any:
    kinds = {
        yaml.ScalarNode: loader.construct_scalar,
        yaml.SequenceNode: lambda sequence: loader.construct_sequence(sequence, deep=True),
        yaml.MappingNode: lambda mapping: loader.construct_mapping(mapping, deep=True),
    }
    value = kinds[type(node)](node)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Yaml.add_multi_constructor("!", _intrinsic)


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """The template, so that a test reads a fact instead of repeating it."""
    loaded: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text("utf-8"), Loader=_Yaml)  # noqa: S506
    return loaded


@pytest.fixture(scope="session")
def machine() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / "statemachine/watch_task.asl.json").read_text("utf-8"))
    return loaded

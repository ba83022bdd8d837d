"""What this process remembers of SSM, and for how long."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from taskhook import memory
from taskhook.config import Settings
from taskhook.errors import ConfigError
from taskhook.memory import MOST_REMEMBERED, remember
from taskhook.secret import Parameters
from tests.conftest import Clock

ACCOUNT = '{"cloud": "tencent", "secret_id": "AKIDEXAMPLE", "secret_key": "s3cr3t"}'


@dataclass
class Ssm:
    """SSM in memory, as far as Parameters uses it."""

    values: dict[str, str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    fails: str | None = None

    def put(self, name: str, value: str) -> None:
        self.values[f"/here/{name}"] = value
        self.versions[f"/here/{name}"] = self.versions.get(f"/here/{name}", 0) + 1

    def get_parameter(self, *, Name: str, WithDecryption: bool) -> Any:  # noqa: N803 - boto3's names
        assert WithDecryption
        self.calls.append(Name)
        code = self.fails or (None if Name in self.values else "ParameterNotFound")
        if code is not None:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "GetParameter")
        return {"Parameter": self._one(Name)}

    def put_parameter(self, *, Name: str, Value: str, Type: str, Overwrite: bool) -> None:  # noqa: N803 - boto3's names
        assert (Type, Overwrite) == ("SecureString", True)
        self.calls.append(f"put {Name}")
        self.put(Name.removeprefix("/here/"), Value)

    def delete_parameter(self, *, Name: str) -> None:  # noqa: N803 - boto3's names
        code = self.fails or (None if Name in self.values else "ParameterNotFound")
        if code is not None:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "DeleteParameter")
        del self.values[Name]

    def get_paginator(self, operation: str) -> Any:
        assert operation == "get_parameters_by_path"
        return self

    def paginate(self, *, Path: str, WithDecryption: bool) -> Iterator[Any]:  # noqa: N803 - boto3's names
        assert WithDecryption
        self.calls.append(f"{Path}/")
        for name in self.values:
            if name.startswith(f"{Path}/"):
                yield {"Parameters": [self._one(name)]}
        yield {"Parameters": []}

    def _one(self, name: str) -> dict[str, Any]:
        return {"Name": name, "Value": self.values[name], "Version": self.versions[name]}


@pytest.fixture
def ssm() -> Ssm:
    return Ssm()


@pytest.fixture
def parameters(ssm: Ssm, clock: Clock) -> Parameters:
    settings = SimpleNamespace(parameters="/here", allow_insecure=False)
    return Parameters(cast(Settings, settings), cast(Any, ssm), clock)


def test_an_account_has_the_version_of_its_parameter(ssm: Ssm, parameters: Parameters) -> None:
    ssm.put("accounts/tencent", ACCOUNT)
    assert parameters.account("tencent").version == "1"
    ssm.put("accounts/tencent", ACCOUNT)
    assert parameters.account("tencent", fresh=True).version == "2"


def test_an_account_is_remembered_for_five_minutes_unless_it_must_be_fresh(
    ssm: Ssm, parameters: Parameters, clock: Clock
) -> None:
    ssm.put("accounts/tencent", ACCOUNT)
    for seconds, calls in ((0, 1), (299, 1), (1, 2)):
        clock.now += seconds
        parameters.account("tencent")
        assert len(ssm.calls) == calls
    parameters.account("tencent", fresh=True)
    assert len(ssm.calls) == 3


def test_an_account_that_cannot_work_is_read_again_soon(ssm: Ssm, parameters: Parameters, clock: Clock) -> None:
    ssm.put("accounts/tencent", "{}")
    for seconds, calls in ((0, 1), (1, 1), (3.9, 1), (0.1, 2)):
        clock.now += seconds
        with pytest.raises(ConfigError):
            parameters.account("tencent")
        assert len(ssm.calls) == calls
    ssm.put("accounts/tencent", ACCOUNT)
    clock.now += 5
    assert parameters.account("tencent").version == "2"


def test_an_absent_account_or_destination_is_believed_for_five_seconds(
    ssm: Ssm, parameters: Parameters, clock: Clock
) -> None:
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"no account 'x' .* SSM parameter /here/accounts/x "):
            parameters.account("x")
        with pytest.raises(ConfigError, match=r"no destination 'x' .* SSM parameter /here/destinations/x "):
            parameters.destination("x")
    assert len(ssm.calls) == 2
    ssm.put("accounts/x", ACCOUNT)
    ssm.put("destinations/x", "text")
    clock.now += 5
    assert parameters.account("x").cloud == "tencent"
    assert parameters.destination("x") == "text"


def test_an_entry_is_remembered_for_five_minutes_and_its_absence_for_one(
    ssm: Ssm, parameters: Parameters, clock: Clock
) -> None:
    ssm.put("providers/tencent.foo", "a = 1")
    for seconds in (0, 59, 1, 239):
        clock.now += seconds
        assert parameters.provider("tencent.foo") == "a = 1"
        assert parameters.provider("tencent.bar") is None
    assert ssm.calls.count("/here/providers/tencent.foo") == 1
    assert ssm.calls.count("/here/providers/tencent.bar") == 3
    clock.now += 1
    parameters.provider("tencent.foo")
    assert ssm.calls.count("/here/providers/tencent.foo") == 2


def test_all_entries_come_by_their_service_from_every_page(ssm: Ssm, parameters: Parameters, clock: Clock) -> None:
    assert parameters.providers() == {}
    for number in range(25):
        ssm.put(f"providers/tencent.s{number}", str(number))
    ssm.put("accounts/tencent", ACCOUNT)
    clock.now += 60
    assert parameters.providers() == {f"tencent.s{number}": str(number) for number in range(25)}
    assert ssm.calls == ["/here/providers/", "/here/providers/"]


def test_a_list_of_entries_is_believed_for_a_minute_and_is_the_callers_own(
    ssm: Ssm, parameters: Parameters, clock: Clock
) -> None:
    ssm.put("providers/tencent.foo", "a = 1")
    parameters.providers().clear()
    assert parameters.providers() == {"tencent.foo": "a = 1"}
    assert len(ssm.calls) == 1
    clock.now += 60
    parameters.providers()
    assert len(ssm.calls) == 2


def test_an_entry_that_was_listed_is_not_asked_for_again(ssm: Ssm, parameters: Parameters) -> None:
    ssm.put("providers/tencent.foo", "a = 1")
    parameters.providers()
    assert parameters.provider("tencent.foo") == "a = 1"
    assert len(ssm.calls) == 1


@pytest.mark.parametrize("name", ["", "a b", "a/b", "../x", "x\n", "任务", "x" * 129])
def test_a_name_that_no_parameter_can_have_is_not_asked_for(ssm: Ssm, parameters: Parameters, name: str) -> None:
    assert parameters.provider(name) is None
    with pytest.raises(ConfigError, match="no account"):
        parameters.account(name)
    with pytest.raises(ConfigError, match="no destination"):
        parameters.destination(name)
    assert ssm.calls == []


def test_a_refusal_of_ssm_is_not_an_absence(ssm: Ssm, parameters: Parameters) -> None:
    ssm.put("accounts/tencent", ACCOUNT)
    ssm.fails = "AccessDeniedException"
    with pytest.raises(ClientError):
        parameters.account("tencent")
    ssm.fails = None
    assert parameters.account("tencent").cloud == "tencent"


def test_no_more_is_remembered_than_a_process_can_hold(
    ssm: Ssm, parameters: Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MOST_REMEMBERED", 10)
    for number in range(100):
        parameters.provider(f"tencent.s{number}")
    assert len(parameters._remembered) == 10
    assert "providers/tencent.s99" in parameters._remembered


def test_the_oldest_is_forgotten_first_and_what_is_renewed_is_not_old() -> None:
    kept: dict[str, int] = {}
    for number in range(MOST_REMEMBERED):
        remember(kept, str(number), number)
    remember(kept, "0", 0)
    remember(kept, "new", 1)
    assert len(kept) == MOST_REMEMBERED
    assert "0" in kept
    assert "1" not in kept


def test_what_is_remembered_shows_no_secret(ssm: Ssm, parameters: Parameters) -> None:
    ssm.put("accounts/tencent", ACCOUNT)
    parameters.account("tencent")
    assert "s3cr3t" not in repr(parameters._remembered)


# --- destinations ----------------------------------------------------------------------------------------------------


def test_a_destination_is_remembered_for_half_a_minute_unless_it_must_be_fresh(
    ssm: Ssm, parameters: Parameters, clock: Clock
) -> None:
    ssm.put("destinations/ops", "one")
    for seconds, calls in ((0, 1), (29, 1), (1, 2)):
        clock.now += seconds
        assert parameters.versioned_destination("ops") == ("one", "1")
        assert len(ssm.calls) == calls
    ssm.put("destinations/ops", "two")
    assert parameters.versioned_destination("ops") == ("one", "1")
    assert parameters.versioned_destination("ops", fresh=True) == ("two", "2")
    assert parameters.versioned_destination("ops") == ("two", "2")


def test_what_was_stored_or_removed_here_is_known_here_at_once(ssm: Ssm, parameters: Parameters) -> None:
    parameters.store_destination("ops", "one")
    assert parameters.destination("ops") == "one"
    parameters.store_destination("ops", "two")
    assert parameters.versioned_destination("ops") == ("two", "2")
    assert parameters.remove_destination("ops") is True
    with pytest.raises(ConfigError, match="no destination 'ops'"):
        parameters.destination("ops")
    assert parameters.remove_destination("ops") is False


def test_the_version_of_a_destination_is_that_of_now(ssm: Ssm, parameters: Parameters) -> None:
    assert parameters.destination_version("ops") == ""
    ssm.put("destinations/ops", "one")
    assert parameters.destination_version("ops") == "1"
    ssm.put("destinations/ops", "two")
    assert parameters.destination_version("ops") == "2"


def test_all_destinations_come_by_name_as_they_are_now(ssm: Ssm, parameters: Parameters) -> None:
    assert parameters.destinations() == {}
    for name in ("b", "a", "b"):
        ssm.put(f"destinations/{name}", name.upper())
    ssm.put("accounts/tencent", ACCOUNT)
    assert parameters.destinations() == {"a": ("A", "1"), "b": ("B", "2")}
    assert list(parameters.destinations()) == ["a", "b"]


def test_a_refusal_to_remove_is_not_an_absence(ssm: Ssm, parameters: Parameters) -> None:
    ssm.put("destinations/ops", "one")
    ssm.fails = "AccessDeniedException"
    with pytest.raises(ClientError):
        parameters.remove_destination("ops")

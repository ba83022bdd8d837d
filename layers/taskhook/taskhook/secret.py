"""Secrets: accounts, destinations, keys' rights and catalogue entries in SSM, tasks' own destinations sealed by KMS."""

import base64
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from taskhook import aws
from taskhook.accounts import Account, parse_account
from taskhook.config import Settings
from taskhook.errors import ConfigError
from taskhook.memory import remember

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_ssm import SSMClient

_REMEMBERED_SECONDS = {"accounts": 300.0, "destinations": 30.0, "providers": 300.0, "keys": 30.0}
"""How long a value is used before it is read again. A refused credential is read again at once; a destination that was
repaired says nothing, so it is read more often."""
_MISSING_SECONDS = {"accounts": 5.0, "destinations": 5.0, "providers": 5.0, "keys": 5.0}
"""How long an absence is believed: an operator who has just stored a value should not have to wait."""
_BROKEN_SECONDS = 5.0
"""How long an account that cannot work is believed to be so."""
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")

LONGEST_SEALED = 4096
"""Bytes that KMS encrypts in one call."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """A parameter's value and version. ``value`` is None where there is no such parameter."""

    value: str | None = field(repr=False)
    version: str = ""
    until: float = 0.0


class Parameters:
    """SSM parameters under the installation's prefix, remembered for a while in this process."""

    def __init__(
        self,
        settings: Settings,
        client: "SSMClient | None" = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock
        self._remembered: dict[str, _Stored] = {}
        self._all_providers: tuple[float, dict[str, str]] = (0.0, {})

    def account(self, name: str, *, fresh: bool = False) -> Account:
        """The account as it is stored: one with a role has not assumed it. Its version is the parameter's.

        Raises ConfigError where there is none of that name, or it cannot work.
        """
        stored = self._read("accounts", name, fresh=fresh)
        if stored.value is None:
            raise ConfigError(f"no account '{name}' is configured; {self._where('accounts', name)}")
        try:
            return parse_account(
                name, stored.value, allow_insecure=self._settings.allow_insecure, version=stored.version
            )
        except ConfigError:
            self._doubt(f"accounts/{name}")
            raise

    def destination(self, name: str) -> str:
        """The destination's JSON text. Raises ConfigError where there is none of that name."""
        return self.versioned_destination(name)[0]

    def versioned_destination(self, name: str, *, fresh: bool = False) -> tuple[str, str]:
        """The same, and the version of the parameter."""
        stored = self._read("destinations", name, fresh=fresh)
        if stored.value is None:
            raise ConfigError(f"no destination '{name}' is configured; {self._where('destinations', name)}")
        return stored.value, stored.version

    def destination_version(self, name: str) -> str:
        """The version of a destination's parameter as it is now, "" where there is none."""
        return self._read("destinations", name, fresh=True).version

    def names(self, kind: str) -> list[str]:
        """What is configured of a kind, ``accounts`` or ``destinations``, by name alone."""
        folder = f"{self._settings.parameters}/{kind}"
        pages = self._ssm.get_paginator("get_parameters_by_path").paginate(Path=folder)
        return [one["Name"].removeprefix(f"{folder}/") for page in pages for one in page["Parameters"]]

    def key(self, id: str) -> str | None:
        """The record that says what an API key may do, None where there is none."""
        return self._read("keys", id).value

    def provider(self, service: str) -> str | None:
        """The catalogue entry that an operator stored for this service, None where there is none."""
        return self._read("providers", service).value

    def providers(self) -> dict[str, str]:
        """Every such entry by its service. A list is believed as long as an absence."""
        now = self._clock()
        until, known = self._all_providers
        if now >= until:
            known = self._fetch_providers(now)
            self._all_providers = (now + _MISSING_SECONDS["providers"], known)
        return dict(known)

    def _where(self, kind: str, name: str) -> str:
        parameter = f"{self._settings.parameters}/{kind}/{name}"
        call = f"with PUT /destinations/{name}, or " if kind == "destinations" else ""
        return f"store it {call}as SSM parameter {parameter} (on one machine: [{kind}.{name}] in config.toml)"

    def _read(self, kind: str, name: str, *, fresh: bool = False) -> _Stored:
        if not _NAME.fullmatch(name):  # no parameter has it, and SSM would be angry
            return _Stored(None)
        path = f"{kind}/{name}"
        now = self._clock()
        known = self._remembered.get(path)
        if known is not None and not fresh and now < known.until:
            return known
        stored = self._fetch(path)
        keep = (_MISSING_SECONDS if stored.value is None else _REMEMBERED_SECONDS)[kind]
        return self._remember(path, replace(stored, until=now + keep))

    def _remember(self, path: str, stored: _Stored) -> _Stored:
        remember(self._remembered, path, stored)
        return stored

    def _doubt(self, path: str) -> None:
        """What cannot work is read again soon: its operator is repairing it."""
        stored = self._remembered[path]
        self._remembered[path] = replace(stored, until=min(stored.until, self._clock() + _BROKEN_SECONDS))

    @property
    def _ssm(self) -> "SSMClient":
        return self._client or aws.ssm()

    def _fetch(self, path: str) -> _Stored:
        try:
            answer = self._ssm.get_parameter(Name=f"{self._settings.parameters}/{path}", WithDecryption=True)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ParameterNotFound":
                return _Stored(None)
            raise
        return _Stored(answer["Parameter"]["Value"], str(answer["Parameter"]["Version"]))

    def _fetch_providers(self, now: float) -> dict[str, str]:
        found = {}
        for service, stored in self._fetch_all("providers").items():
            found[service] = stored.value or ""
            self._remember(f"providers/{service}", replace(stored, until=now + _REMEMBERED_SECONDS["providers"]))
        return found

    def _fetch_all(self, kind: str) -> dict[str, _Stored]:
        folder = f"{self._settings.parameters}/{kind}"
        pages = self._ssm.get_paginator("get_parameters_by_path").paginate(Path=folder, WithDecryption=True)
        return {
            one["Name"].removeprefix(f"{folder}/"): _Stored(one["Value"], str(one["Version"]))
            for page in pages
            for one in page["Parameters"]
        }

    def destinations(self) -> dict[str, tuple[str, str]]:
        """The JSON text and the version of every destination by its name, as they are now."""
        return {name: (one.value or "", one.version) for name, one in sorted(self._fetch_all("destinations").items())}

    def store_destination(self, name: str, text: str) -> None:
        parameter = f"{self._settings.parameters}/destinations/{name}"
        self._ssm.put_parameter(Name=parameter, Value=text, Type="SecureString", Overwrite=True)
        self._remembered.pop(f"destinations/{name}", None)

    def remove_destination(self, name: str) -> bool:
        """Whether there was one of that name."""
        self._remembered.pop(f"destinations/{name}", None)
        try:
            self._ssm.delete_parameter(Name=f"{self._settings.parameters}/destinations/{name}")
        except ClientError as error:
            if error.response["Error"]["Code"] != "ParameterNotFound":
                raise
            return False
        return True


class Seal:
    """Encrypts a task's own destinations. The task's id is part of the context, so no text opens for another task."""

    def __init__(self, settings: Settings, client: "KMSClient | None" = None) -> None:
        self._settings = settings
        self._client = client

    @property
    def _kms(self) -> "KMSClient":
        return self._client or aws.kms()

    def close(self, task: str, destination: Mapping[str, Any]) -> str:
        sealed = self._kms.encrypt(
            KeyId=self._settings.key,
            Plaintext=json.dumps(destination).encode(),
            EncryptionContext={"task": task},
        )
        return base64.b64encode(sealed["CiphertextBlob"]).decode()

    def open(self, task: str, sealed: str) -> str:
        opened = self._kms.decrypt(
            KeyId=self._settings.key,
            CiphertextBlob=base64.b64decode(sealed),
            EncryptionContext={"task": task},
        )
        return opened["Plaintext"].decode()

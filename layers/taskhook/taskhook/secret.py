"""Secrets: accounts and destinations in SSM, a task's own destinations sealed with KMS."""

import base64
import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from taskhook import aws
from taskhook.accounts import Account, parse_account
from taskhook.config import Settings
from taskhook.errors import ConfigError

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_ssm import SSMClient

_REMEMBERED_SECONDS = {"accounts": 300.0, "destinations": 30.0}
"""How long a value is used before it is read again. A refused credential is read again at once; a destination that was
repaired says nothing, so it is read more often."""
_MISSING_SECONDS = 5.0
"""How long an absence is believed: an operator who has just stored a value should not have to wait."""

LONGEST_SEALED = 4096
"""Bytes that KMS encrypts in one call."""


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
        self._remembered: dict[str, tuple[float, str | None]] = {}

    def account(self, name: str, *, fresh: bool = False) -> Account:
        """Raises ConfigError where there is none of that name, or it cannot work."""
        text = self._read(f"accounts/{name}", fresh=fresh)
        if text is None:
            raise ConfigError(f"no account '{name}' is configured; {self._where('accounts', name)}")
        return parse_account(name, text, allow_insecure=self._settings.allow_insecure)

    def destination(self, name: str) -> str:
        """The destination's JSON text. Raises ConfigError where there is none of that name."""
        text = self._read(f"destinations/{name}")
        if text is None:
            raise ConfigError(f"no destination '{name}' is configured; {self._where('destinations', name)}")
        return text

    def _where(self, kind: str, name: str) -> str:
        parameter = f"{self._settings.parameters}/{kind}/{name}"
        return f"store it as SSM parameter {parameter} (on one machine: [{kind}.{name}] in config.toml)"

    def _read(self, name: str, *, fresh: bool = False) -> str | None:
        now = self._clock()
        known = self._remembered.get(name)
        if known is not None and not fresh and now < known[0]:
            return known[1]
        value = self._fetch(name)
        keep = _REMEMBERED_SECONDS[name.partition("/")[0]] if value is not None else _MISSING_SECONDS
        self._remembered[name] = (now + keep, value)
        return value

    def _fetch(self, name: str) -> str | None:
        client = self._client or aws.ssm()
        try:
            answer = client.get_parameter(Name=f"{self._settings.parameters}/{name}", WithDecryption=True)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ParameterNotFound":
                return None
            raise
        return answer["Parameter"]["Value"]


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

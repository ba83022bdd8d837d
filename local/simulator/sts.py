"""Temporary credentials: ``AssumeRole`` of both clouds' STS, which the other APIs then accept until they expire."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.simulator.credentials import Cloud, Credential
from local.simulator.matching import Mismatch

ACTION = "AssumeRole"
FORBIDDEN = "forbidden"  # in the name of a role that nobody may assume
_OPTIONAL = ("DurationSeconds", "ExternalId", "Policy")


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumeRole:
    """What one cloud's STS takes. ``seconds``: the least, the usual and the most that its credentials live."""

    name: str
    cloud: Cloud
    version: str
    seconds: tuple[int, int, int]
    arn: re.Pattern[str]
    session: re.Pattern[str]
    key_prefix: str


# Sources: cloud.tencent.com/document/product/1312/48197; help.aliyun.com, api-sts-2015-04-01-assumerole.
TENCENT = AssumeRole(
    name=f"tencent.sts.{ACTION}",
    cloud="tencent",
    version="2018-08-13",
    seconds=(1, 7200, 43_200),
    arn=re.compile(r"qcs::cam::uin/[0-9]+:(role|roleName|roleId)/\S+"),
    session=re.compile(r"[A-Za-z0-9_+=,.@-]{2,128}"),
    key_prefix="AKID",
)
ALIBABA = AssumeRole(
    name=f"alibaba.sts.{ACTION}",
    cloud="alibaba",
    version="2015-04-01",
    seconds=(900, 3600, 43_200),
    arn=re.compile(r"acs:ram::[0-9]+:role/\S+"),
    session=re.compile(r"[A-Za-z0-9_.@-]{2,64}"),
    key_prefix="STS.",
)
REFUSALS: Mapping[Cloud, tuple[str, str]] = {
    "tencent": ("UnauthorizedOperation", "You are not authorized to assume this role"),
    "alibaba": ("NoPermission", "You are not authorized to do this action. You should be authorized by RAM."),
}


def assumed(api: AssumeRole, parameters: Mapping[str, Any], now: float, *, typed: bool) -> Credential | None:
    """A fresh credential, None for a role that must not be assumed. Raises Mismatch for a request in disorder."""
    for name in parameters:
        if name not in ("RoleArn", "RoleSessionName", *_OPTIONAL):
            raise Mismatch("unknown", name)
    role = _text(parameters, "RoleArn", api.arn)
    _text(parameters, "RoleSessionName", api.session)
    seconds = _seconds(api, parameters.get("DurationSeconds"), typed=typed)
    if FORBIDDEN in role:
        return None
    return Credential(
        cloud=api.cloud,
        key_id=api.key_prefix + secrets.token_hex(16),
        secret=secrets.token_hex(16),
        token=secrets.token_urlsafe(48),
        expires=now + seconds,
    )


def _text(parameters: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    if name not in parameters:
        raise Mismatch("missing", name)
    value = parameters[name]
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Mismatch("invalid", name)
    return value


def _seconds(api: AssumeRole, value: Any, *, typed: bool) -> int:
    least, usual, most = api.seconds
    if value is None:
        return usual
    fits = type(value) is int if typed else value.isascii() and value.isdigit()
    if not fits or not least <= int(value) <= most:
        raise Mismatch("invalid", "DurationSeconds")
    return int(value)


def told(api: AssumeRole, parameters: Mapping[str, Any], issued: Credential) -> dict[str, Any]:
    """The credential as the cloud's STS answers it."""
    expires = int(issued.expires or 0)
    expiration = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if api.cloud == "tencent":
        keys = {"Token": issued.token, "TmpSecretId": issued.key_id, "TmpSecretKey": issued.secret}
        return {"Credentials": keys, "ExpiredTime": expires, "Expiration": expiration}
    keys = {"AccessKeyId": issued.key_id, "AccessKeySecret": issued.secret, "SecurityToken": issued.token}
    session = f"{parameters['RoleArn'].replace(':role/', ':assumed-role/')}/{parameters['RoleSessionName']}"
    return {
        "Credentials": {**keys, "Expiration": expiration},
        "AssumedRoleUser": {"Arn": session, "AssumedRoleId": f"3{secrets.randbelow(10**17):017}"},
    }

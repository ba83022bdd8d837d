"""Temporary credentials of a role, from the security token service (STS) of either cloud: one request each.

Sources: tencentcloud-sdk-python-sts 3.0.1459 (``sts.v20180813.models``, ``errorcodes``), alibabacloud_sts20150401
1.2.0 (``assume_role_with_options``), and Alibaba Cloud's page on errors of AssumeRole (help.aliyun.com 42775).
"""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import requests

from taskhook.accounts import Account, Role
from taskhook.http import Answer
from taskhook.providers import alibaba, reading, refusals, tencent
from taskhook.providers.model import Clock, Refusal, Row, Table, Trouble
from taskhook.signing import ACS3Auth, TC3Auth
from taskhook.task import Problem

type Send = Callable[..., Answer]
type Body = Mapping[str, Any]

STS_SECONDS = 10.0
"""The total time for the request."""

_TRUST = (
    "Check that role {arn} exists, that its trust policy admits the user whose key account '{source}' holds, "
    "and that this user has permission sts:AssumeRole on the role."
)
_FORM = (
    "Check role_arn, role_session_name, external_id and duration_seconds of account '{target}'; "
    "the role may allow shorter sessions only."
)
_KEY = "It is the key of account '{source}' that assumes the role."
_LONG_LIVED = "Give account '{source}' the permanent key of a user: a temporary one cannot assume this role."
_USER = "Give account '{source}' the key of a RAM user: that of the Alibaba Cloud account itself assumes no role."

_ROLE = Row(trouble=Trouble.CREDENTIALS, hint=_TRUST)
_ARGUMENT = Row(trouble=Trouble.CREDENTIALS, hint=_FORM)

_TENCENT: Table = {
    "UnauthorizedOperation": _ROLE,
    "ResourceNotFound": _ROLE,
    # "role not exist", says the message.
    "InternalError.GetRoleError": _ROLE,
    "InternalError.IllegalRole": _ROLE,
    "InvalidParameter": _ARGUMENT,
    "InvalidParameterValue": _ARGUMENT,
    "InvalidParameter.AccountNotAvaliable": _ROLE,
    "InvalidParameter.GrantOtherResource": _ROLE,
    "InvalidParameter.OverLimit": refusals.KINDS["throttled"],
    "InvalidParameter.AccessKeyNotSupport": Row(trouble=Trouble.CREDENTIALS, hint=_LONG_LIVED),
    "FailedOperation.TempKeyNotAllowed": Row(trouble=Trouble.CREDENTIALS, hint=_LONG_LIVED),
}
_ALIBABA: Table = {
    "NoPermission": _ROLE,
    "Forbidden": _ROLE,
    "AuthenticationFail.NoPermission": _ROLE,
    "EntityNotExist": _ROLE,
    "InvalidParameter": _ARGUMENT,
    "MissingParameter": _ARGUMENT,
}


def assume(source: Account, target: Account, *, send: Send, clock: Clock) -> Account | Refusal:
    """The target with the credentials that STS gave to the source's key, or why it gave none. Makes one request.

    What came back looks like any account: it has a token with its expiry, and no role. A refusal that is about keys,
    roles or permissions is CREDENTIALS, never FINAL, and says what to repair; no text of it holds a secret.
    Raises what ``send`` raises. ``target`` must have a role.
    """
    role = target.role
    if role is None:
        raise ValueError("only an account with a role assumes one")
    request = (_tencent_request if target.cloud == "tencent" else _alibaba_request)(source, target, role, clock)
    answer = send(request, seconds=STS_SECONDS)
    found = _body(answer, source, target)
    if isinstance(found, Refusal):
        return _repairable(found, source, target, role)
    return _assumed(found, target, role, answer, clock())


def _body(answer: Answer, source: Account, target: Account) -> Body | Refusal:
    def clean(message: str) -> str:
        """A refused signature is answered with what was signed."""
        return target.without_secrets(source.without_secrets(message))

    # Only messages are cleaned: an external id of two letters is likely to be a part of the token that was given.
    if target.cloud == "tencent":
        return tencent.tc3_body(answer, _TENCENT, clean=clean)
    return alibaba.body(answer, _ALIBABA, clean=clean)


def _base(source: Account, target: Account, default: str) -> str:
    return target.endpoints.get("sts") or source.endpoints.get("sts") or default


# --- Tencent Cloud ---------------------------------------------------------------------------------------------------

_TENCENT_REGION = "ap-guangzhou"
"""The API wants a region, and roles are the same in all; finance regions are islands with hosts of their own."""
_FINANCE_HOST = re.compile(r"sts\.(?:internal\.)?([a-z]+-[a-z]+-fsi)\.tencentcloudapi\.com")


def _tencent_request(source: Account, target: Account, role: Role, clock: Clock) -> requests.Request:
    site = "intl." if source.site == "intl" else ""
    base = _base(source, target, f"https://sts.{site}tencentcloudapi.com")
    finance = _FINANCE_HOST.fullmatch(urlsplit(base).hostname or "")
    return requests.Request(
        "POST",
        base + "/",
        headers={
            "X-TC-Action": "AssumeRole",
            "X-TC-Version": "2018-08-13",
            "X-TC-Region": finance[1] if finance else _TENCENT_REGION,
        },
        json={**_parameters(role), "DurationSeconds": role.seconds},
        auth=TC3Auth(source.key_id, source.key_secret, service="sts", token=source.token, clock=clock),
    )


# --- Alibaba Cloud ---------------------------------------------------------------------------------------------------


def _alibaba_request(source: Account, target: Account, role: Role, clock: Clock) -> requests.Request:
    return requests.Request(
        "POST",
        _base(source, target, "https://sts.aliyuncs.com") + "/",
        params={**_parameters(role), "DurationSeconds": str(role.seconds)},
        headers={"x-acs-action": "AssumeRole", "x-acs-version": "2015-04-01", "Accept": "application/json"},
        auth=ACS3Auth(
            source.key_id,
            source.key_secret,
            security_token=source.token,
            clock=clock,
            nonce=lambda: uuid.uuid4().hex,
        ),
    )


# --- both ------------------------------------------------------------------------------------------------------------


def _parameters(role: Role) -> dict[str, str]:
    external = {"ExternalId": role.external_id} if role.external_id else {}
    return {"RoleArn": role.arn, "RoleSessionName": role.session_name, **external}


def _repairable(refusal: Refusal, source: Account, target: Account, role: Role) -> Refusal:
    """Nothing is final but the account's state: whoever repairs it need not post the tasks again."""
    problem = refusal.problem
    hint = problem.hint or ""
    named = {"arn": role.arn, "source": source.name, "target": target.name}
    if refusal.trouble in (Trouble.FINAL, Trouble.NOT_FOUND):
        endpoint = hint == refusals.KINDS["endpoint"].hint
        hint = "Check the \"sts\" endpoint and the site of account '{target}'." if endpoint else _TRUST
        refusal = replace(refusal, trouble=Trouble.CREDENTIALS)
    elif "root account" in problem.message:
        hint = _USER
    elif refusal.trouble is Trouble.CREDENTIALS and hint not in (_TRUST, _FORM, _LONG_LIVED):
        hint = f"{hint} {_KEY}"
    message = f"role {role.arn} cannot be assumed: {problem.message}"
    return replace(refusal, problem=replace(problem, message=message, hint=hint.format(**named) or None))


def _assumed(found: Body, target: Account, role: Role, answer: Answer, now: float) -> Account | Refusal:
    given = reading.mapping(reading.get(found, "Credentials"))
    names = (
        ("TmpSecretId", "TmpSecretKey", "Token")
        if target.cloud == "tencent"
        else ("AccessKeyId", "AccessKeySecret", "SecurityToken")
    )
    key_id, key_secret, token = (_secret(reading.get(given, name)) for name in names)
    if key_id is None or key_secret is None or token is None:
        return _no_credentials(answer, role)
    expiry = reading.get(found, "ExpiredTime") if target.cloud == "tencent" else reading.get(given, "Expiration")
    return replace(
        target,
        key_id=key_id,
        key_secret=key_secret,
        token=token,
        # The shortest session is the least that was promised.
        expires_at=reading.instant(expiry) or now + 900,
        role=None,
    )


def _secret(value: Any) -> str | None:
    """A text that can go into a header."""
    return value if isinstance(value, str) and re.fullmatch(r"[!-~]+", value) else None


def _no_credentials(answer: Answer, role: Role) -> Refusal:
    return Refusal(
        trouble=Trouble.DOUBTFUL,
        problem=Problem(
            code=f"HTTP{answer.status}",
            message=f"role {role.arn} cannot be assumed: the answer holds no credentials",
            hint='Check the "sts" endpoint: something other than the API answers there.',
        ),
    )

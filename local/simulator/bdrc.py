"""Alibaba Cloud BDRC, signed with ACS3-HMAC-SHA256: ``DescribeTask`` at ``/api/v1/tasks/{TaskId}``."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

from alibabacloud_tea_openapi.utils import Utils
from darabonba.request import DaraRequest

from local.simulator.api import Admitted, Keyring, Limit, Once, Refused, request_id
from local.simulator.credentials import Credential
from local.simulator.lives import Answer, Dialect, Fault, Moment, Outcome
from local.simulator.loopback import Reply, Request, json_reply

PREFIX = "/api/v1/tasks/"
ACTION = "DescribeTask"
VERSION = "2023-08-08"
ALGORITHM = "ACS3-HMAC-SHA256"
WINDOW_SECONDS = 900
FULL_PROGRESS = 10_000
EMPTY = " empty"  # what the documentation's example carries where a string is empty

_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Credential=(?P<key_id>[^,]+), ?SignedHeaders=(?P<signed>[a-z0-9;-]+), ?Signature=(?P<signature>\w+)"
)
_WORDS = MappingProxyType(
    {
        Outcome.CREATED: "CREATED",
        Outcome.RUNNING: "RUNNING",
        Outcome.SUCCEEDED: "COMPLETE",
        Outcome.FAILED: "FAILED",
        Outcome.PARTIAL: "FAILED",
        Outcome.CANCELED: "CANCELED",
        Outcome.EXPIRED: "EXPIRED",
        Outcome.UNKNOWN: "SUSPENDED",
    }
)


class Bdrc:
    name = "alibaba.bdrc"
    limit: Limit | None = None  # none is documented

    def __init__(self, credentials: Iterable[Credential]) -> None:
        self._keyring = Keyring(credentials, "alibaba")
        self._nonces = Once(2 * WINDOW_SECONDS)

    def admit(self, request: Request, now: float) -> Admitted:
        credential = self._authenticate(request, now)
        if request.headers.get("x-acs-version") != VERSION:
            raise Refused("NoSuchVersion", "The specified version does not exist.", status=400)
        if request.headers.get("x-acs-action") != ACTION:
            raise Refused("InvalidAction.NotFound", "The specified action does not exist.", status=404)
        if request.method != "GET":
            raise Refused("UnsupportedHTTPMethod", "This http method is not supported.", status=400)
        if not credential.allowed:
            raise self.fault(Fault.REFUSED)
        task_id = unquote(request.path.removeprefix(PREFIX))
        if not task_id.strip() or "/" in task_id:
            raise Refused("InvalidParameter", "The parameter TaskId is invalid.", status=400)
        return Admitted(task_id=task_id, credential=credential, region=None)

    def _authenticate(self, request: Request, now: float) -> Credential:
        claim = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        if claim is None:
            raise Refused("IncompleteSignature", "The request signature does not conform to standards.", status=400)
        for name in ("x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce"):
            if not request.headers.get(name):
                raise Refused("MissingParameter", f"The header {name} is mandatory for this action.", status=400)
        credential = self._keyring.get(claim["key_id"])
        if credential is None:
            raise Refused("InvalidAccessKeyId.NotFound", "Specified access key is not found.", status=404)
        if not credential.active:
            raise Refused("InvalidAccessKeyId.Inactive", "Specified access key is disabled.", status=400)
        _check_date(request.headers["x-acs-date"], now)
        _check_signature(request, claim, credential)
        _check_token(request.headers.get("x-acs-security-token"), credential)
        if not self._nonces.is_first(request.headers["x-acs-signature-nonce"], now):
            raise Refused("SignatureNonceUsed", "Specified signature nonce was used already.", status=400)
        return credential

    def refusal(self, refused: Refused, request: Request) -> Reply:
        payload = {
            "RequestId": (identifier := request_id().upper()),
            "HostId": request.host,
            "Code": refused.code,
            "Message": refused.message,
            "Recommend": f"https://api.aliyun.com/troubleshoot?q={refused.code}&product=bdrc&requestId={identifier}",
        }
        return json_reply(payload, status=refused.status, headers=refused.headers)

    def fault(self, kind: Fault) -> Refused:
        wait = {"x-acs-retry-after": "1000"}
        return {
            Fault.THROTTLED: Refused("Throttling.User", "Request was denied due to user flow control.", status=400,
                                     headers=wait),
            Fault.INTERNAL: Refused("InternalError", "The request processing has failed.", status=500),
            Fault.REFUSED: Refused("Forbidden.RAM", "User not authorized to operate on the specified resource.",
                                   status=403),
            Fault.NOT_FOUND: Refused("TaskNotFound", "The specified task does not exist.", status=404),
        }[kind]  # fmt: skip

    def answer(self, answer: Answer, moment: Moment, admitted: Admitted) -> Reply:
        progress: Any = _progress(answer, moment.fraction)
        over = answer.outcome not in (Outcome.CREATED, Outcome.RUNNING, Outcome.UNKNOWN)
        started = int(moment.born)
        data = {
            "TaskId": admitted.task_id,
            "TaskName": "simulated",
            "TaskDescription": None if answer.dialect is Dialect.NULLS else EMPTY,
            "TaskType": "UPDATE_RESOURCES",
            "TaskPriority": "HIGH",
            "RequestId": "784076D6-BD6D-5564-9CEA-834EB11F0C62",
            "TaskDetail": json.dumps({"resourceTypes": ["ACS::ECS::Instance", "ACS::OSS::Bucket"]}),
            "ExecutionId": EMPTY,
            "Progress": str(progress) if answer.dialect is Dialect.STRINGS else progress,
            "TaskStatus": _WORDS[answer.outcome],
            # The documented example is RUNNING, complete, expired before it started and full of errors, all at once.
            "ErrorMessage": (answer.message or EMPTY) if over else "too many requests.",
            "StartTime": started,
            "CompleteTime": int(moment.since) if over else started + 1,
            "ExpireTime": started - 86_400,
            "TaskResult": _result(answer),
        }
        return json_reply({"Data": data, "RequestId": request_id().upper()})


def _check_date(date: str, now: float) -> None:
    try:
        at = datetime.strptime(date, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise Refused("InvalidTimeStamp.Format", "Specified time stamp is not well formatted.", status=400) from None
    if abs(now - at.timestamp()) > WINDOW_SECONDS:
        raise Refused("InvalidTimeStamp.Expired", "Specified time stamp is expired.", status=400)


def _check_signature(request: Request, claim: re.Match[str], credential: Credential) -> None:
    signed = set(claim["signed"].split(";"))
    due = {name for name in request.headers if name.startswith("x-acs-") or name in ("host", "content-type")}
    if not due <= signed <= set(request.headers):
        raise Refused("IncompleteSignature", "Every x-acs- header, host and content-type must be signed.", status=400)
    payload = hashlib.sha256(request.body).hexdigest()
    expected = _AUTHORIZATION.fullmatch(_authorization(request, signed, payload, credential))
    matches = expected is not None and hmac.compare_digest(expected["signature"], claim["signature"])
    if not matches or request.headers.get("x-acs-content-sha256") != payload:
        raise Refused("SignatureDoesNotMatch", "Specified signature does not match our calculation.", status=400)


def _authorization(request: Request, signed: set[str], payload: str, credential: Credential) -> str:
    """Computed by the official SDK from the request as it arrived."""
    received = DaraRequest()
    received.method = request.method
    received.pathname = request.path
    received.query = request.query
    received.headers = {name: value for name, value in request.headers.items() if name in signed}
    return str(Utils.get_authorization(received, ALGORITHM, payload, credential.key_id, credential.secret))


def _check_token(token: str | None, credential: Credential) -> None:
    if token == credential.token and not credential.expired:
        return
    if credential.token and not token:
        raise Refused("MissingSecurityToken", "SecurityToken is mandatory for this action.", status=400)
    if token == credential.token:
        raise Refused("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.", status=400)
    raise Refused(
        "InvalidSecurityToken.MismatchWithAccessKey", "Specified SecurityToken mismatches the AccessKey.", status=400
    )


def _progress(answer: Answer, fraction: float) -> int:
    if answer.progress is None:
        done = sum(outcome is Outcome.SUCCEEDED for _, outcome in answer.machines)
        return FULL_PROGRESS * done // max(1, len(answer.machines))
    first, last = answer.progress
    return round(FULL_PROGRESS * (first + (last - first) * fraction))


def _result(answer: Answer) -> str:
    if answer.outcome is not Outcome.SUCCEEDED:
        return EMPTY
    return json.dumps({"resourceCounts": [{"resourceType": "ACS::OSS::Bucket", "count": 2}]})

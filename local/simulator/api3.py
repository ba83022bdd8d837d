"""Tencent API 3.0, signed with TC3-HMAC-SHA256: CLB ``DescribeTaskStatus`` and DTS ``DescribeAsyncRequestInfo``."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from tencentcloud.common.abstract_client import AbstractClient
from tencentcloud.common.http.request import RequestInternal
from tencentcloud.common.sign import Sign

from local.simulator.api import Admitted, Keyring, Limit, Refused, request_id
from local.simulator.credentials import Credential
from local.simulator.lives import Answer, Dialect, Fault, Moment, Outcome
from local.simulator.loopback import Reply, Request, json_reply

PATH = "/"
WINDOW_SECONDS = 300
_AUTHORIZATION = re.compile(
    r"TC3-HMAC-SHA256 Credential=(?P<key_id>[^/]+)/(?P<date>\d{4}-\d\d-\d\d)/(?P<service>[a-z0-9]+)/tc3_request, ?"
    r"SignedHeaders=(?P<signed>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
_REGION = re.compile(r"[a-z]{2}-[a-z]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What one API of the family takes. ``others``: versions that exist but lack the action."""

    name: str
    service: str
    action: str
    version: str
    task_id: str
    also: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    not_found: tuple[str, str]
    words: Mapping[Outcome, str | int]


CLB = Service(
    name="tencent.clb",
    service="clb",
    action="DescribeTaskStatus",
    version="2018-03-17",
    task_id="TaskId",
    also=("DealName",),
    # Which code an unknown task yields is documented nowhere; this is the likelier of the two that could.
    not_found=("InvalidParameter", "The task does not exist"),
    words={
        Outcome.CREATED: 2,
        Outcome.RUNNING: 2,
        Outcome.SUCCEEDED: 0,
        Outcome.FAILED: 1,
        Outcome.PARTIAL: 1,
        Outcome.CANCELED: 1,
        Outcome.EXPIRED: 1,
        Outcome.UNKNOWN: 7,
    },
)
DTS = Service(
    name="tencent.dts",
    service="dts",
    action="DescribeAsyncRequestInfo",
    version="2018-03-30",
    task_id="AsyncRequestId",
    others=("2021-12-06",),
    not_found=("ResourceNotFound", "The request does not exist"),
    words={
        Outcome.CREATED: "running",
        Outcome.RUNNING: "running",
        Outcome.SUCCEEDED: "success",
        Outcome.FAILED: "failed",
        Outcome.PARTIAL: "failed",
        Outcome.CANCELED: "failed",
        Outcome.EXPIRED: "failed",
        Outcome.UNKNOWN: "pausing",
    },
)
SERVICES = MappingProxyType({service.service: service for service in (CLB, DTS)})


class Api3:
    limit = Limit(requests=20, seconds=1)

    def __init__(self, service: Service, credentials: Iterable[Credential]) -> None:
        self.service = service
        self._keyring = Keyring(credentials, "tencent")

    @property
    def name(self) -> str:
        return self.service.name

    def admit(self, request: Request, now: float) -> Admitted:
        credential = self._authenticate(request, now)
        self._check_common(request)
        if not credential.allowed:
            raise self.fault(Fault.REFUSED)
        return Admitted(
            task_id=self._task_id(_params(request)), credential=credential, region=request.headers["x-tc-region"]
        )

    def _authenticate(self, request: Request, now: float) -> Credential:
        claim = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        if claim is None:
            raise Refused("AuthFailure.InvalidAuthorization", "The Authorization header is missing or malformed")
        timestamp = request.headers.get("x-tc-timestamp", "")
        if not timestamp.isdigit():
            raise Refused("MissingParameter", "The request is missing the required parameter `Timestamp`")
        credential = self._keyring.get(claim["key_id"])
        if credential is None:
            raise Refused("AuthFailure.SecretIdNotFound", "The SecretId is not found")
        if abs(now - int(timestamp)) > WINDOW_SECONDS:
            raise Refused("AuthFailure.SignatureExpire", "The timestamp is more than 5 minutes off")
        if not _signed(request, claim, timestamp, credential):
            raise Refused("AuthFailure.SignatureFailure", "The provided signature does not match the calculated one")
        if request.headers.get("x-tc-token") != credential.token or credential.expired:
            raise Refused("AuthFailure.TokenFailure", "The token is missing, wrong or expired")
        return credential

    def _check_common(self, request: Request) -> None:
        action, version = (request.headers.get(f"x-tc-{name}", "") for name in ("action", "version"))
        for name, value in (("Action", action), ("Version", version)):
            if not value:
                raise Refused("MissingParameter", f"The request is missing the required parameter `{name}`")
        if version != self.service.version and version not in self.service.others:
            raise Refused("NoSuchVersion", f"The version `{version}` does not exist")
        if action != self.service.action or version != self.service.version:
            raise Refused("InvalidAction", f"The action `{action}` does not exist in version `{version}`")
        region = request.headers.get("x-tc-region", "")
        if not region:
            raise Refused("MissingParameter", "The request is missing the required parameter `Region`")
        if not _REGION.fullmatch(region):
            raise Refused("UnsupportedRegion", f"The region `{region}` is not supported")

    def _task_id(self, params: Mapping[str, Any]) -> str:
        names = (self.service.task_id, *self.service.also)
        for name in params:
            if name not in names:
                raise Refused("UnknownParameter", f"The parameter `{name}` is not recognized")
        given = [(name, params[name]) for name in names if params.get(name) is not None]
        if not given:
            raise Refused("MissingParameter", f"The request is missing the required parameter `{names[0]}`")
        name, value = given[0]
        if not isinstance(value, str) or not value:
            raise Refused("InvalidParameter", f"The value of the parameter `{name}` is not a string")
        return value

    def refusal(self, refused: Refused, request: Request) -> Reply:
        error = {"Code": refused.code, "Message": refused.message}
        return json_reply({"Response": {"Error": error, "RequestId": request_id()}}, headers=refused.headers)

    def fault(self, kind: Fault) -> Refused:
        return {
            Fault.THROTTLED: Refused("RequestLimitExceeded", "More requests than the limit of `20` for a second"),
            Fault.INTERNAL: Refused("InternalError", "An internal error has occurred. Retry your request"),
            Fault.REFUSED: Refused("UnauthorizedOperation", "You are not authorized to perform this operation"),
            Fault.NOT_FOUND: Refused(*self.service.not_found),
        }[kind]

    def answer(self, answer: Answer, moment: Moment, admitted: Admitted) -> Reply:
        status = self.service.words[answer.outcome]
        body: dict[str, Any] = {"Status": str(status) if answer.dialect is Dialect.STRINGS else status}
        body |= _clb_extras(answer) if self.service is CLB else _dts_extras(answer)
        return json_reply({"Response": body | {"RequestId": request_id()}})


def _clb_extras(answer: Answer) -> dict[str, Any]:
    created = ["lb-6efswuxa"] if answer.outcome is Outcome.SUCCEEDED else None
    return {"LoadBalancerIds": created, "Message": answer.message}


def _dts_extras(answer: Answer) -> dict[str, Any]:
    if answer.dialect is Dialect.NULLS:
        return {"Info": None}
    return {"Info": answer.message or ("ok" if answer.outcome is Outcome.SUCCEEDED else "")}


def _params(request: Request) -> Mapping[str, Any]:
    if request.method == "GET":
        return request.query
    try:
        params = json.loads(request.body)
    except ValueError:
        params = None
    if not isinstance(params, dict):
        raise Refused("InvalidRequest", "The body is not a JSON object")
    return params


def _signed(request: Request, claim: re.Match[str], timestamp: str, credential: Credential) -> bool:
    date = datetime.fromtimestamp(int(timestamp), UTC).strftime("%Y-%m-%d")
    signed = claim["signed"].split(";")
    if date != claim["date"] or not {"content-type", "host"} <= set(signed) or not set(signed) <= set(request.headers):
        return False
    if request.method == "GET" and request.headers["content-type"] != "application/x-www-form-urlencoded":
        return False
    sign = _signature if signed == ["content-type", "host"] else _signature_with_more_headers
    expected = sign(request, claim, timestamp, credential)
    return hmac.compare_digest(expected, claim["signature"])


def _signature(request: Request, claim: re.Match[str], timestamp: str, credential: Credential) -> str:
    """Computed by the official SDK from the request as it arrived."""
    headers = {
        "Content-Type": request.headers["content-type"],
        "Host": request.host,
        "X-TC-Timestamp": timestamp,
        "X-TC-Content-SHA256": request.headers.get("x-tc-content-sha256"),
    }
    data = request.query_string if request.method == "GET" else request.body
    received = RequestInternal(request.host, request.method, PATH, headers, data)
    # Unbound on purpose: the method uses nothing of a client, and a client would open a session per call.
    signature = AbstractClient._get_tc3_signature(
        None, None, received, claim["date"], claim["service"], credential.secret
    )
    return str(signature)


def _signature_with_more_headers(request: Request, claim: re.Match[str], timestamp: str, credential: Credential) -> str:
    """The documentation also signs ``x-tc-action``; the SDK cannot: the canonical form is ours, the key its."""
    more = [name for name in claim["signed"].split(";") if name not in ("content-type", "host")]
    block = f"content-type:{request.headers['content-type']}\nhost:{request.host}\n"
    block += "".join(f"{name}:{request.headers[name].strip().lower()}\n" for name in more)
    payload = hashlib.sha256(request.body).hexdigest()
    canonical = f"{request.method}\n{PATH}\n{request.query_string}\n{block}\n{claim['signed']}\n{payload}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"TC3-HMAC-SHA256\n{timestamp}\n{claim['date']}/{claim['service']}/tc3_request\n{digest}"
    return str(Sign.sign_tc3(credential.secret, claim["date"], claim["service"], text))

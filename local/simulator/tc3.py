"""Tencent API 3.0, signed with TC3-HMAC-SHA256: any action of any service in the catalogue."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from tencentcloud.common.abstract_client import AbstractClient
from tencentcloud.common.http.request import RequestInternal
from tencentcloud.common.sign import Sign

from local.simulator import sts
from local.simulator.api import Refused, request_id
from local.simulator.credentials import Cloud, Credential, Keyring
from local.simulator.lives import Dialect, Fault
from local.simulator.loopback import Reply, Request, json_reply
from local.simulator.matching import REGION, Given, Mismatch
from local.simulator.rows import Row
from local.simulator.sts import AssumeRole

PATH = "/"
WINDOW_SECONDS = 300
_AUTHORIZATION = re.compile(
    r"TC3-HMAC-SHA256 Credential=(?P<key_id>[^/]+)/(?P<date>\d{4}-\d\d-\d\d)/(?P<service>[a-z0-9]+)/tc3_request, ?"
    r"SignedHeaders=(?P<signed>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
_WRONG = {"missing": "MissingParameter", "unknown": "UnknownParameter", "invalid": "InvalidParameter"}


class Tc3:
    cloud: Cloud = "tencent"

    def __init__(self, rows: Iterable[Row], keyring: Keyring) -> None:
        self._rows = [row for row in rows if row.provider.style == "tc3"]
        self._keyring = keyring

    def find(self, request: Request) -> Row | AssumeRole:
        claim = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        service = claim["service"] if claim else ""
        action, version = (request.headers.get(f"x-tc-{name}", "") for name in ("action", "version"))
        for name, value in (("Action", action), ("Version", version)):
            if not value:
                raise Refused("MissingParameter", f"The request is missing the required parameter `{name}`")
        rows = [row for row in self._rows if row.provider.service == service]
        if not rows and service != "sts":
            raise Refused("NoSuchProduct", f"The product `{service}` does not exist")
        if version not in {row.provider.version for row in rows} | (
            {sts.TENCENT.version} if service == "sts" else set()
        ):
            raise Refused("NoSuchVersion", f"The version `{version}` does not exist")
        if (service, action) == ("sts", sts.ACTION):
            return sts.TENCENT
        for row in rows:
            if (row.provider.action, row.provider.version) == (action, version):
                return row
        raise Refused("InvalidAction", f"The action `{action}` does not exist in version `{version}`")

    def authenticate(self, request: Request, now: float) -> Credential:
        claim = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        if claim is None:
            raise Refused("AuthFailure.InvalidAuthorization", "The Authorization header is missing or malformed")
        timestamp = request.headers.get("x-tc-timestamp", "")
        if not timestamp.isdigit():
            raise Refused("MissingParameter", "The request is missing the required parameter `Timestamp`")
        credential = self._keyring.get("tencent", claim["key_id"])
        if credential is None:
            raise Refused("AuthFailure.SecretIdNotFound", "The SecretId is not found")
        if abs(now - int(timestamp)) > WINDOW_SECONDS:
            raise Refused("AuthFailure.SignatureExpire", "The timestamp is more than 5 minutes off")
        if not _signed(request, claim, timestamp, credential):
            raise Refused("AuthFailure.SignatureFailure", "The provided signature does not match the calculated one")
        if request.headers.get("x-tc-token") != credential.token or credential.is_expired(now):
            raise Refused("AuthFailure.TokenFailure", "The token is missing, wrong or expired")
        return credential

    def given(self, request: Request, row: Row | None) -> Given:
        region = request.headers.get("x-tc-region", "")
        if not region and (row is None or row.provider.region == "required"):
            raise Refused("MissingParameter", "The request is missing the required parameter `Region`")
        if region and not REGION.fullmatch(region):
            raise Refused("UnsupportedRegion", f"The region `{region}` is not supported")
        first = 0 if request.method == "GET" else None
        return Given(parameters=_params(request), first=first, region=region or None)

    def mismatch(self, mismatch: Mismatch) -> Refused:
        return Refused(_WRONG[mismatch.kind], f"The parameter `{mismatch.name}` is {mismatch.kind}")

    def fault(self, kind: Fault, row: Row | None = None) -> Refused:
        unknown = (row.not_found if row is not None else None) or "ResourceNotFound"
        return {
            Fault.THROTTLED: Refused("RequestLimitExceeded", "More requests than the limit for a second"),
            Fault.INTERNAL: Refused("InternalError", "An internal error has occurred. Retry your request"),
            Fault.REFUSED: Refused("UnauthorizedOperation", "You are not authorized to perform this operation"),
            Fault.NOT_FOUND: Refused(unknown, "The task does not exist"),
        }[kind]

    def refusal(self, refused: Refused, request: Request) -> Reply:
        error = {"Code": refused.code, "Message": refused.message}
        return json_reply({"Response": {"Error": error, "RequestId": request_id()}}, headers=refused.headers)

    def reply(self, body: Mapping[str, Any], dialect: Dialect = Dialect.PLAIN) -> Reply:
        return json_reply({"Response": {**body, "RequestId": request_id()}})


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

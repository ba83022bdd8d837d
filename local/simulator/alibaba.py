"""Alibaba Cloud's APIs: what its two styles, RPC (rpc.py) and ROA (roa.py), share.

Both are signed with ACS3 (acs3.py); a product that takes only the older signature (roa1.py) says so in its entry.

The wire names an action and a version but no service: that is in the host. Here it is in the path, as in
``/alibaba/rds/``, or left out where only one service has the action.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from local.simulator import acs3, roa, roa1, rpc, sts
from local.simulator.api import Refused, request_id
from local.simulator.credentials import PREFIX, Cloud, Credential, Keyring
from local.simulator.limits import Once
from local.simulator.lives import Dialect, Fault
from local.simulator.loopback import Reply, Request, json_reply
from local.simulator.matching import Given, Mismatch
from local.simulator.rows import Row
from local.simulator.sts import AssumeRole

WINDOW_SECONDS = 900


class Alibaba:
    cloud: Cloud = "alibaba"

    def __init__(self, rows: Iterable[Row], keyring: Keyring) -> None:
        self._rows = [row for row in rows if row.provider.style in ("rpc", "roa")]
        self._keyring = keyring
        self._nonces = Once(2 * WINDOW_SECONDS)

    def is_for(self, request: Request) -> bool:
        """Whether the request is for Alibaba at all: by its path, or by what it says."""
        if request.path.startswith(PREFIX) or "x-acs-action" in request.headers:
            return True
        if acs3.key_id(request) is not None:
            return True
        paths = (row.provider.path for row in self._rows if row.provider.style == "roa")
        return any(roa.matched(path, request.path) is not None for path in paths)

    def find(self, request: Request) -> Row | AssumeRole:
        service, path = parted(request.path)
        action, version = (request.headers.get(f"x-acs-{name}", "") for name in ("action", "version"))
        if action == sts.ACTION and service in (None, "sts"):
            return _assume_role(version)
        rows = [row for row in self._rows if service in (None, row.provider.account_service)]
        if not rows:
            raise Refused("InvalidProduct.NotFound", f"The product {service} does not exist.", status=404)
        if version not in {row.provider.version for row in rows}:
            raise Refused("NoSuchVersion", "The specified version does not exist.", status=400)
        found = [row for row in rows if (row.provider.action, row.provider.version) == (action, version)]
        if not found:
            raise Refused("InvalidAction.NotFound", "The specified action does not exist.", status=404)
        if len(found) > 1:
            names = ", ".join(row.provider.account_service for row in found)
            raise Refused("InvalidProduct.NotFound", f"The path must say which of {names} is meant.", status=404)
        _check_place(found[0], request, path)
        return found[0]

    def authenticate(self, request: Request, now: float) -> Credential:
        scheme = roa1 if roa1.is_used(request) else acs3
        key_id = scheme.key_id(request)
        if key_id is None:
            raise Refused("IncompleteSignature", "The request signature does not conform to standards.", status=400)
        for name in ("x-acs-action", "x-acs-version", scheme.DATE, "x-acs-signature-nonce"):
            if not request.headers.get(name):
                raise Refused("MissingParameter", f"The header {name} is mandatory for this action.", status=400)
        credential = self._keyring.get("alibaba", key_id)
        if credential is None:
            raise Refused("InvalidAccessKeyId.NotFound", "Specified access key is not found.", status=404)
        if not credential.active:
            raise Refused("InvalidAccessKeyId.Inactive", "Specified access key is disabled.", status=400)
        _check_date(scheme.signed_at(request), now)
        if not scheme.is_complete(request):
            raise Refused("IncompleteSignature", "The request signature is not complete.", status=400)
        if not scheme.matches(request, credential):
            raise Refused("SignatureDoesNotMatch", "Specified signature does not match our calculation.", status=400)
        _check_token(request.headers.get("x-acs-security-token"), credential, now)
        if not self._nonces.is_first(request.headers["x-acs-signature-nonce"], now):
            raise Refused("SignatureNonceUsed", "Specified signature nonce was used already.", status=400)
        return credential

    def given(self, request: Request, row: Row | None) -> Given:
        if row is not None and row.provider.style == "roa":
            return roa.given(request, row.provider, parted(request.path)[1])
        return rpc.given(request)

    def mismatch(self, mismatch: Mismatch) -> Refused:
        if mismatch.kind == "missing":
            return Refused("MissingParameter", f"{mismatch.name} is mandatory for this action.", status=400)
        return Refused("InvalidParameter", f"The parameter {mismatch.name} is {mismatch.kind}.", status=400)

    def fault(self, kind: Fault, row: Row | None = None) -> Refused:
        unknown = (row.not_found if row is not None else None) or "InvalidTaskId.NotFound"
        wait = {"x-acs-retry-after": "1000"}
        return {
            Fault.THROTTLED: Refused("Throttling.User", "Request was denied due to user flow control.", status=400,
                                     headers=wait),
            Fault.INTERNAL: Refused("InternalError", "The request processing has failed.", status=500),
            Fault.REFUSED: Refused("Forbidden.RAM", "User not authorized to operate on the specified resource.",
                                   status=403),
            Fault.NOT_FOUND: Refused(unknown, "The specified task does not exist.", status=404),
        }[kind]  # fmt: skip

    def refusal(self, refused: Refused, request: Request) -> Reply:
        payload = {
            "RequestId": (identifier := request_id().upper()),
            "HostId": request.host,
            "Code": refused.code,
            "Message": refused.message,
            "Recommend": f"https://api.aliyun.com/troubleshoot?q={refused.code}&requestId={identifier}",
        }
        return json_reply(payload, status=refused.status, headers=refused.headers)

    def reply(self, body: Mapping[str, Any], dialect: Dialect = Dialect.PLAIN) -> Reply:
        return json_reply({**body, "RequestId": request_id().upper()})


def parted(path: str) -> tuple[str | None, str]:
    """The service that our own prefix names, and the path of the API behind it."""
    if not path.startswith(PREFIX):
        return None, path
    service, _, rest = path.removeprefix(PREFIX).partition("/")
    return service, f"/{rest}"


def _assume_role(version: str) -> AssumeRole:
    if version != sts.ALIBABA.version:
        raise Refused("NoSuchVersion", "The specified version does not exist.", status=400)
    return sts.ALIBABA


def _check_place(row: Row, request: Request, path: str) -> None:
    if request.method != row.provider.method:
        raise Refused("UnsupportedHTTPMethod", "This http method is not supported.", status=400)
    if roa.matched(row.provider.path, path) is None:
        raise Refused("InvalidApi.NotFound", "The specified api is not found.", status=404)
    if (row.provider.signature == "hmac-sha1") != roa1.is_used(request):
        raise Refused("IncompleteSignature", "The product does not take this kind of signature.", status=400)


def _check_date(at: datetime | None, now: float) -> None:
    if at is None:
        raise Refused("InvalidTimeStamp.Format", "Specified time stamp is not well formatted.", status=400)
    if abs(now - at.timestamp()) > WINDOW_SECONDS:
        raise Refused("InvalidTimeStamp.Expired", "Specified time stamp is expired.", status=400)


def _check_token(token: str | None, credential: Credential, now: float) -> None:
    if token == credential.token and not credential.is_expired(now):
        return
    if credential.token and not token:
        raise Refused("MissingSecurityToken", "SecurityToken is mandatory for this action.", status=400)
    if token == credential.token:
        raise Refused("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.", status=400)
    raise Refused(
        "InvalidSecurityToken.MismatchWithAccessKey", "Specified SecurityToken mismatches the AccessKey.", status=400
    )

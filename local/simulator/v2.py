"""Tencent API 2.0: every parameter in the query of a GET or the form of a POST to ``/v2/index.php``, signed."""

import hmac
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

from QcloudApi.common.sign import Sign

from local.simulator.api import Refused
from local.simulator.credentials import Cloud, Credential, Keyring
from local.simulator.limits import Once
from local.simulator.lives import Dialect, Fault
from local.simulator.loopback import Reply, Request, json_reply
from local.simulator.matching import Given, Mismatch
from local.simulator.rows import Row

PATH = "/v2/index.php"
WINDOW_SECONDS = 300
_COMMON = frozenset(
    {"Action", "Nonce", "Region", "RequestClient", "SecretId", "Signature", "SignatureMethod", "Timestamp", "Token"}
)

# The numbers are documented. The words beside them are not for this API; newer pages of the family add such words.
_WORDS: Mapping[str | int, str] = MappingProxyType(
    {
        4000: "InvalidParameter",
        4100: "AuthFailure",
        4200: "AuthFailure.RequestExpired",
        4300: "UnauthorizedOperation",
        4400: "InvalidRequest.LimitExceeded",
        4500: "AuthFailure.ReplayAttack",
        5000: "ResourceNotFound",
        6000: "InternalError",
        6100: "InvalidAction",
        10001: "InvalidParameter",
    }
)


class V2:
    cloud: Cloud = "tencent"

    def __init__(self, rows: Iterable[Row], keyring: Keyring) -> None:
        self._by_action = {row.provider.action: row for row in rows if row.provider.style == "v2"}
        self._keyring = keyring
        self._nonces = Once(2 * WINDOW_SECONDS)

    def find(self, request: Request) -> Row:
        """The service stands in the host only, which is ours; no two services share an action here."""
        action = _params(request).get("Action", "")
        row = self._by_action.get(action)
        if row is None:
            raise Refused(6100, f"The action {action!r} does not exist")
        return row

    def authenticate(self, request: Request, now: float) -> Credential:
        params = _params(request)
        for name in ("Action", "Timestamp", "Nonce"):
            if not params.get(name):
                raise Refused(4000, f"The parameter {name} is missing")
        credential = self._keyring.get("tencent", params.get("SecretId", ""))
        if credential is None:
            raise Refused(4100, "The SecretId does not exist")
        if not _signed(request, params, credential):
            raise Refused(4100, "The signature does not match")
        if (params.get("Token") or None) != credential.token:
            raise Refused(4100, "The token is missing or wrong")
        if credential.is_expired(now):
            raise Refused(4200, "The token has expired")
        self._check_replay(params, now)
        return credential

    def _check_replay(self, params: Mapping[str, str], now: float) -> None:
        timestamp, nonce = params["Timestamp"], params["Nonce"]
        if not (timestamp.isdigit() and nonce.isdigit() and int(nonce) > 0):
            raise Refused(4000, "Timestamp and Nonce are positive integers")
        if abs(now - int(timestamp)) > WINDOW_SECONDS:
            raise Refused(4500, "The timestamp is more than 5 minutes off")
        if not self._nonces.is_first(f"{params['SecretId']} {nonce} {timestamp}", now):
            raise Refused(4500, "The nonce was used before")

    def given(self, request: Request, row: Row | None) -> Given:
        params = _params(request)
        own = {name: value for name, value in params.items() if name not in _COMMON}
        return Given(parameters=own, first=0, region=params.get("Region"))

    def mismatch(self, mismatch: Mismatch) -> Refused:
        wrong = mismatch.kind == "invalid"
        return Refused(10001 if wrong else 4000, f"The parameter {mismatch.name} is {mismatch.kind}")

    def refusal(self, refused: Refused, request: Request) -> Reply:
        payload = {"code": refused.code, "message": refused.message, "codeDesc": _WORDS.get(refused.code, "Unknown")}
        return json_reply(payload, status=refused.status, headers=refused.headers)

    def fault(self, kind: Fault, row: Row | None = None) -> Refused:
        return {
            Fault.THROTTLED: Refused(4400, "Too many requests: 100 per minute"),
            Fault.INTERNAL: Refused(6000, "Internal error, please try again later"),
            Fault.REFUSED: Refused(4300, "CAM denies this action"),
            Fault.NOT_FOUND: Refused(5000, "The task does not exist"),
        }[kind]

    def reply(self, body: Mapping[str, Any], dialect: Dialect = Dialect.PLAIN) -> Reply:
        code: Any = "0" if dialect is Dialect.STRINGS else 0
        return json_reply({"code": code, "message": "OK", "data": body})


def _params(request: Request) -> dict[str, str]:
    """From the query of a GET or the form of a POST: the two are never mixed."""
    if request.method == "GET":
        return request.query
    if request.method == "POST" and request.headers.get("content-type", "").startswith(
        "application/x-www-form-urlencoded"
    ):
        return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    raise Refused(4000, "GET with a query, or POST with a form")


def _signed(request: Request, params: Mapping[str, str], credential: Credential) -> bool:
    unsigned = {name: value for name, value in params.items() if name != "Signature"}
    expected = Sign(credential.key_id, credential.secret).make(
        request.host, PATH, unsigned, request.method, params.get("SignatureMethod", "HmacSHA1")
    )
    return hmac.compare_digest(expected.encode(), params.get("Signature", "").encode())

"""The signature ACS3-HMAC-SHA256, computed by the official SDK from the request as it arrived."""

import hashlib
import hmac
import re
from datetime import UTC, datetime

from alibabacloud_tea_openapi.utils import Utils
from darabonba.request import DaraRequest

from local.simulator.credentials import Credential
from local.simulator.loopback import Request

ALGORITHM = "ACS3-HMAC-SHA256"
DATE = "x-acs-date"
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Credential=(?P<key_id>[^,]+), ?SignedHeaders=(?P<signed>[a-z0-9;-]+), ?Signature=(?P<signature>\w+)"
)


def key_id(request: Request) -> str | None:
    claim = _claim(request)
    return claim["key_id"] if claim else None


def signed_at(request: Request) -> datetime | None:
    try:
        return datetime.strptime(request.headers[DATE], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def is_complete(request: Request) -> bool:
    """Whether everything is signed that must be."""
    due = {name for name in request.headers if name.startswith("x-acs-") or name in ("host", "content-type")}
    return due <= _signed(request) <= set(request.headers)


def matches(request: Request, credential: Credential) -> bool:
    payload = hashlib.sha256(request.body).hexdigest()
    received = DaraRequest()
    received.method = request.method
    received.pathname = request.path
    received.query = request.query
    received.headers = {name: value for name, value in request.headers.items() if name in _signed(request)}
    made = Utils.get_authorization(received, ALGORITHM, payload, credential.key_id, credential.secret)
    claim, expected = _claim(request), _AUTHORIZATION.fullmatch(str(made))
    if claim is None or expected is None or request.headers.get("x-acs-content-sha256") != payload:
        return False
    return hmac.compare_digest(expected["signature"], claim["signature"])


def _claim(request: Request) -> re.Match[str] | None:
    return _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))


def _signed(request: Request) -> set[str]:
    claim = _claim(request)
    return set(claim["signed"].split(";")) if claim else set()

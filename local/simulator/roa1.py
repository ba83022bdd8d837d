"""The older signature of ROA requests, HMAC-SHA1, computed by the official SDK from the request as it arrived."""

import hmac
import re
from datetime import datetime
from email.utils import parsedate_to_datetime

from alibabacloud_tea_openapi.utils import Utils
from darabonba.request import DaraRequest

from local.simulator.credentials import Credential
from local.simulator.loopback import Request

DATE = "date"
_AUTHORIZATION = re.compile(r"acs (?P<key_id>[^: ]+):(?P<signature>[A-Za-z0-9+/]+=*)")
_KIND = {"x-acs-signature-method": "HMAC-SHA1", "x-acs-signature-version": "1.0"}


def is_used(request: Request) -> bool:
    return _claim(request) is not None


def key_id(request: Request) -> str | None:
    claim = _claim(request)
    return claim["key_id"] if claim else None


def signed_at(request: Request) -> datetime | None:
    try:
        return parsedate_to_datetime(request.headers[DATE])
    except ValueError:
        return None


def is_complete(request: Request) -> bool:
    """Everything that is signed at all is signed always; but the request must say how."""
    return all(request.headers.get(name) == value for name, value in _KIND.items())


def matches(request: Request, credential: Credential) -> bool:
    received = DaraRequest()
    received.method = request.method
    received.pathname = request.path
    received.query = request.query
    received.headers = dict(request.headers)
    expected = str(Utils.get_roasignature(Utils.get_string_to_sign(received), credential.secret))
    claim = _claim(request)
    return claim is not None and hmac.compare_digest(expected, claim["signature"])


def _claim(request: Request) -> re.Match[str] | None:
    return _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))

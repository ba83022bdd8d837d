"""Alibaba Cloud's older signature of ROA requests, HMAC-SHA1: what PDS still wants.

Source: alibabacloud-tea-openapi 0.4.6 (``Config(signature_algorithm="v2")``), alibabacloud-gateway-pds 0.1.2.
"""

import base64
import hmac
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from email.utils import formatdate

from requests import PreparedRequest
from requests.auth import AuthBase

from taskhook.signing import parts


@dataclass(frozen=True, slots=True, eq=False)
class ROA1Auth(AuthBase):
    """Adds Date, x-acs-signature-nonce, -method and -version, Host, Authorization, and a header for a token.

    x-acs-action and x-acs-version are ordinary headers of the request. Signed are the method, Accept, Content-MD5,
    Content-Type, Date, every x-acs-* header, the path and the query; the host is not, nor is a body without a
    Content-MD5. ``clock`` gives seconds since the epoch, and the server accepts fifteen minutes either way; ``nonce``
    gives text that is new for every request.
    """

    access_key_id: str = field(repr=False)
    access_key_secret: str = field(repr=False)
    _: KW_ONLY
    security_token: str | None = field(default=None, repr=False)
    clock: Callable[[], float] = field(repr=False)
    nonce: Callable[[], str] = field(repr=False)

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        parts.pin_body(r)
        parts.pin_host(r)
        r.headers["Date"] = formatdate(int(self.clock()), usegmt=True)
        r.headers["x-acs-signature-nonce"] = self.nonce()
        r.headers["x-acs-signature-method"] = "HMAC-SHA1"
        r.headers["x-acs-signature-version"] = "1.0"
        if self.security_token:
            r.headers["x-acs-security-token"] = self.security_token
        digest = hmac.digest(self.access_key_secret.encode(), string_to_sign(r).encode(), "sha1")
        r.headers["Authorization"] = f"acs {self.access_key_id}:{base64.b64encode(digest).decode()}"
        return r


def string_to_sign(r: PreparedRequest) -> str:
    """The path is signed as it is sent, the query with its values decoded and sorted by name."""
    url = parts.split_url(r)
    plain = [str(r.method), *(parts.header(r, name) for name in ("Accept", "Content-MD5", "Content-Type", "Date"))]
    names = sorted(name for name in map(str.lower, r.headers) if name.startswith("x-acs-"))
    query = "&".join(f"{name}={value}" if value else name for name, value in _query(url.query))
    resource = (url.path or "/") + (f"?{query}" if query else "")
    return "\n".join([*plain, *(f"{name}:{parts.header(r, name)}" for name in names), resource])


def _query(query: str) -> list[tuple[str, str]]:
    return sorted(parts.form_items(query)) if query else []

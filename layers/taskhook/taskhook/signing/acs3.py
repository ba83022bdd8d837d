"""Alibaba Cloud: ACS3-HMAC-SHA256, for ROA and RPC alike.

Source: alibabacloud-tea-openapi 0.4.6, ``Utils.get_authorization``.
"""

from collections.abc import Callable, Collection
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

from requests import PreparedRequest
from requests.auth import AuthBase

from taskhook.signing import parts

ALGORITHM = "ACS3-HMAC-SHA256"
REQUIRED = ("host", "content-type")


@dataclass(frozen=True, slots=True, eq=False)
class ACS3Auth(AuthBase):
    """Adds x-acs-date, x-acs-signature-nonce, x-acs-content-sha256, Host, Authorization, and two headers for a token.

    x-acs-action and x-acs-version are ordinary headers of the request. Host, Content-Type and every x-acs-* header are
    signed, and those of ``also_sign`` (lower-case names) which the request has; the SDK adds accept and user-agent.
    ``clock`` gives seconds since the epoch, and the server accepts fifteen minutes either way; ``nonce`` gives text
    that is new for every request.
    """

    access_key_id: str = field(repr=False)
    access_key_secret: str = field(repr=False)
    _: KW_ONLY
    security_token: str | None = field(default=None, repr=False)
    clock: Callable[[], float] = field(repr=False)
    nonce: Callable[[], str] = field(repr=False)
    also_sign: Collection[str] = ()

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        body_hash = parts.sha256_hex(parts.pin_body(r))
        self._add_headers(r, body_hash)
        names = self._signed_names(r)
        text = f"{ALGORITHM}\n{parts.sha256_hex(_canonical_request(r, names, body_hash).encode())}"
        signature = parts.hmac_sha256(self.access_key_secret.encode(), text).hex()
        r.headers["Authorization"] = (
            f"{ALGORITHM} Credential={self.access_key_id},SignedHeaders={';'.join(names)},Signature={signature}"
        )
        return r

    def _add_headers(self, r: PreparedRequest, body_hash: str) -> None:
        parts.pin_host(r)
        r.headers["x-acs-date"] = f"{datetime.fromtimestamp(int(self.clock()), UTC):%Y-%m-%dT%H:%M:%SZ}"
        r.headers["x-acs-signature-nonce"] = self.nonce()
        r.headers["x-acs-content-sha256"] = body_hash
        if self.security_token:
            r.headers["x-acs-accesskey-id"] = self.access_key_id
            r.headers["x-acs-security-token"] = self.security_token

    def _signed_names(self, r: PreparedRequest) -> list[str]:
        # Nothing else is signed: a proxy may change what it likes among User-Agent, Accept-Encoding and Connection.
        wanted = {*REQUIRED, *self.also_sign}
        return sorted(name for name in map(str.lower, r.headers) if name in wanted or name.startswith("x-acs-"))


def _canonical_request(r: PreparedRequest, names: list[str], body_hash: str) -> str:
    url = parts.split_url(r)
    headers = "".join(f"{name}:{parts.header(r, name)}\n" for name in names)
    return "\n".join((str(r.method), url.path or "/", _canonical_query(url.query), headers, ";".join(names), body_hash))


def _canonical_query(query: str) -> str:
    """Sorted by name and encoded by RFC 3986, however the URL writes it: the server decodes before it compares."""
    return "&".join(f"{_encode(name)}={_encode(value)}" for name, value in sorted(parts.form_items(query)))


def _encode(text: str) -> str:
    return quote(text, safe="~")

"""Tencent Cloud API 3.0: TC3-HMAC-SHA256. Source: tencentcloud-sdk-python-common 3.1.195, ``_get_tc3_signature``."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime

from requests import PreparedRequest
from requests.auth import AuthBase

from taskhook.signing import parts

ALGORITHM = "TC3-HMAC-SHA256"
DEFAULT_SIGNED_HEADERS = ("content-type", "host")


@dataclass(frozen=True, slots=True, eq=False)
class TC3Auth(AuthBase):
    """Adds X-TC-Timestamp, X-TC-Token (which is not signed), Host, Content-Type where it is missing, and Authorization.

    ``service`` is the first label of the host, as in ``clb``. X-TC-Action, -Version and -Region are ordinary headers of
    the request. ``clock`` gives seconds since the epoch; the server accepts five minutes either way. ``signed_headers``
    are lower-case names in the order of the alphabet: the documentation signs x-tc-action as well, the SDK does not,
    and both are accepted.
    """

    secret_id: str = field(repr=False)
    secret_key: str = field(repr=False)
    _: KW_ONLY
    service: str
    token: str | None = field(default=None, repr=False)
    clock: Callable[[], float] = field(repr=False)
    signed_headers: tuple[str, ...] = DEFAULT_SIGNED_HEADERS

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        timestamp = int(self.clock())
        self._add_headers(r, timestamp)
        scope = f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d}/{self.service}/tc3_request"
        text = "\n".join((ALGORITHM, str(timestamp), scope, parts.sha256_hex(self._canonical_request(r).encode())))
        signature = parts.hmac_sha256(self._key(scope), text).hex()
        r.headers["Authorization"] = (
            f"{ALGORITHM} Credential={self.secret_id}/{scope}, "
            f"SignedHeaders={';'.join(self.signed_headers)}, Signature={signature}"
        )
        return r

    def _add_headers(self, r: PreparedRequest, timestamp: int) -> None:
        parts.pin_host(r)
        r.headers["X-TC-Timestamp"] = str(timestamp)
        # A GET has no body, and its parameters are a form for the server all the same.
        r.headers.setdefault("Content-Type", parts.FORM if r.method == "GET" else "application/json")
        if self.token:
            r.headers["X-TC-Token"] = self.token

    def _canonical_request(self, r: PreparedRequest) -> str:
        """The query counts as sent, and the path is always ``/``."""
        headers = "".join(f"{name}:{_canonical_value(name, r)}\n" for name in self.signed_headers)
        body = parts.sha256_hex(parts.pin_body(r))
        return "\n".join((str(r.method), "/", parts.split_url(r).query, headers, ";".join(self.signed_headers), body))

    def _key(self, scope: str) -> bytes:
        """The key of one day and one service, derived along the scope."""
        key = f"TC3{self.secret_key}".encode()
        for part in scope.split("/"):
            key = parts.hmac_sha256(key, part)
        return key


def _canonical_value(name: str, r: PreparedRequest) -> str:
    """The documentation lowers the values of what it signs; the SDK keeps Content-Type and Host as they are sent."""
    value = parts.header(r, name)
    return value if name in DEFAULT_SIGNED_HEADERS else value.lower()

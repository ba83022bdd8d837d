"""The parts of a prepared request that a signature covers, in the form in which they are sent."""

import hashlib
import hmac
from urllib.parse import SplitResult, parse_qsl, urlsplit

from requests import PreparedRequest

FORM = "application/x-www-form-urlencoded"
_DEFAULT_PORTS = {"http": 80, "https": 443}


def split_url(request: PreparedRequest) -> SplitResult:
    """The URL as it will be called."""
    return urlsplit(request.url or "")


def pin_host(request: PreparedRequest) -> str:
    """Name of the host called, lower case, with its port unless the scheme implies it; the Host header is set to it."""
    url = split_url(request)
    name = url.hostname or ""
    bracketed = f"[{name}]" if ":" in name else name
    implied = url.port in (None, _DEFAULT_PORTS.get(url.scheme))
    host = bracketed if implied else f"{bracketed}:{url.port}"
    request.headers["Host"] = host
    return host


def pin_body(request: PreparedRequest) -> bytes:
    """The body as bytes, which from now on is also what is sent. ``TypeError`` for a stream: it is read only once."""
    if request.body is None:
        return b""
    if isinstance(request.body, str):
        request.body = request.body.encode()
    if not isinstance(request.body, bytes):
        raise TypeError("a streamed body cannot be signed")
    return request.body


def header(request: PreparedRequest, name: str) -> str:
    """A header's value as a signature sees it: text without blanks around it, empty when the header is missing."""
    value: str | bytes = request.headers.get(name, "")
    return (value.decode("latin-1") if isinstance(value, bytes) else value).strip()


def form_items(encoded: str) -> list[tuple[str, str]]:
    """Names and values of a query or a form, decoded. ``ValueError`` for what is neither, such as a JSON body."""
    return parse_qsl(encoded, keep_blank_values=True, strict_parsing=True, errors="strict")


def sha256_hex(data: bytes) -> str:
    """SHA-256 in lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def hmac_sha256(key: bytes, message: str) -> bytes:
    """HMAC-SHA256 of the UTF-8 message, 32 bytes."""
    return hmac.digest(key, message.encode(), "sha256")

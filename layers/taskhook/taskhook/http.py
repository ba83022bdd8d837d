"""The one door out over HTTP: a deadline that holds, an address that was checked, an answer that is bounded.

``requests`` stays the language (its ``Request``, its auth objects, its adapter), but an exchange never goes through a
``Session``. That would read proxies and netrc from the environment, and even with redirects switched off it reads and
decompresses the whole body of a redirect. What else ``requests`` does not promise is added where urllib3 opens a
connection: the name is resolved once, every address is put to the caller's rule, and the sockets know the deadline.
"""

import http.client
import logging
import os
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.exceptions import SSLError as Urllib3SSLError
from urllib3.exceptions import TimeoutError as Urllib3TimeoutError
from urllib3.util.ssl_ import create_urllib3_context

from taskhook import __version__
from taskhook.addresses import AddressRule
from taskhook.errors import (
    AddressRefused,
    CertificateRefused,
    ConfigError,
    ConnectionFailed,
    DeadlineExceeded,
    TransportError,
)

DEFAULT_HEADERS = {"User-Agent": f"taskhook/{__version__}"}
# A frozen Lambda would find a kept connection dead, and a compressed answer has no size that could be trusted.
FORCED_HEADERS = {"Connection": "close", "Accept-Encoding": "identity"}

# These write whole URLs into the log, at DEBUG and for malformed headers at WARNING, and some URLs are secrets.
for _name in ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(lambda record: False)

# RFC 9110, 5.1 and 5.5.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

type SocketAddress = tuple[str, int] | tuple[str, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, whatever its status.

    ``headers`` are looked up without regard to case. ``body`` has any content encoding taken off and holds at most
    ``max_bytes``; ``truncated`` says that there was more. ``elapsed`` is the whole exchange in seconds.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool
    elapsed: float

    @property
    def text(self) -> str:
        """The body as UTF-8; what is not UTF-8 becomes U+FFFD."""
        return self.body.decode(errors="replace")


def send(
    request: requests.Request,
    *,
    seconds: float,
    max_bytes: int = 1 << 20,
    allow: AddressRule | None = None,
    verify: bool | str = True,
) -> Answer:
    """Makes one exchange: no redirect is followed, nothing is tried again, no connection is kept.

    ``seconds`` covers name resolution, connect, TLS, headers and body together. ``allow`` must hold for every address
    that the name resolves to, and one of these is then called, with SNI and certificate by name. ``verify`` is as in
    ``requests``: a path names the certificates to trust.

    Raises ``TransportError`` when no whole answer came, and ``ConfigError`` when the request cannot be sent by anybody.
    """
    started = time.monotonic()
    prepared = _prepare(request)
    call = _Call(host=_host_and_port(prepared), deadline=started + seconds, allow=allow)
    try:
        status, headers, body = _exchange(prepared, call, max_bytes, verify)
    except _LOWER as error:
        fault = _translate(error, call)
    else:
        return Answer(
            status=status,
            headers=headers,
            body=body[:max_bytes],
            truncated=len(body) > max_bytes,
            elapsed=time.monotonic() - started,
        )
    # Outside of the except clause, so that no traceback shows the lower error: its text carries the URL.
    raise fault


@dataclass(frozen=True, slots=True)
class _Call:
    """What the sockets and connections of one exchange have to know."""

    host: str
    deadline: float
    allow: AddressRule | None

    def left(self) -> float:
        """Seconds left. Always positive: at the deadline it raises."""
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise DeadlineExceeded(self.host, "no whole answer in time")
        return seconds


# --- the request -----------------------------------------------------------------------------------------------------


def _prepare(request: requests.Request) -> requests.PreparedRequest:
    ours = copy(request)
    ours.headers = CaseInsensitiveDict[str | bytes](DEFAULT_HEADERS)
    for headers in (request.headers or {}, FORCED_HEADERS):
        ours.headers.update(headers)
    try:
        prepared = ours.prepare()
        _check_headers(prepared)
    except (requests.RequestException, UnicodeError) as error:
        fault = ConfigError(f"the request cannot be sent: {_unsendable(error)}")
    else:
        if urlsplit(prepared.url).scheme in ("http", "https"):
            return prepared
        fault = ConfigError("the request cannot be sent: only http and https URLs can be called")
    raise fault


def _check_headers(prepared: requests.PreparedRequest) -> None:
    """``requests`` looks at headers before auth adds its own, and http.client would quote a bad one, token and all."""
    for name, value in prepared.headers.items():
        text = value.decode("latin-1") if isinstance(value, bytes) else value
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(text):
            raise requests.exceptions.InvalidHeader


def _unsendable(error: Exception) -> str:
    """Which part is at fault. The error's own text would show the URL or the header."""
    if isinstance(error, requests.exceptions.InvalidHeader):
        return "a header has a name or a value that HTTP does not allow"
    if isinstance(error, requests.exceptions.InvalidJSONError):
        return "the body cannot be written as JSON"
    if isinstance(error, UnicodeError):
        return "it has text that is not valid Unicode"
    return "the URL is not complete or not valid"


def _host_and_port(prepared: requests.PreparedRequest) -> str:
    """As the URL has them, without the user and password that it may have before them."""
    return urlsplit(str(prepared.url)).netloc.rpartition("@")[2]


# --- the exchange ----------------------------------------------------------------------------------------------------


def _exchange(
    prepared: requests.PreparedRequest, call: _Call, max_bytes: int, verify: bool | str
) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers, and of the body one byte more than allowed, if there is one."""
    adapter = _Adapter(call)
    try:
        response = adapter.send(prepared, stream=True, timeout=call.left(), verify=verify)
        with response:
            body = response.raw.read(max_bytes + 1, decode_content=True)
    finally:
        adapter.close()
    return response.status_code, response.headers, body


class _Adapter(HTTPAdapter):
    """Carries one exchange over a connection of its own."""

    def __init__(self, call: _Call) -> None:
        super().__init__()
        self._call = call
        self._pool: HTTPConnectionPool | None = None

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: bool | str | None, proxies: Any = None, cert: Any = None
    ) -> HTTPConnectionPool:
        url = urlsplit(str(request.url))
        host = str(url.hostname)
        if url.scheme == "https":
            context = _tls_context(True if verify is None else verify)
            self._pool = _HTTPSPool(host, url.port, call=self._call, ssl_context=context)
        else:
            self._pool = _HTTPPool(host, url.port, call=self._call)
        return self._pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing is left to do: the TLS context knows whom to trust."""

    def close(self) -> None:
        if self._pool:
            self._pool.close()
        super().close()


@cache
def _tls_context(verify: bool | str) -> ssl.SSLContext:
    """One context per set of trusted certificates: to read them takes longer than the rest of an exchange."""
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if verify else ssl.CERT_NONE)
    context.sslsocket_class = _TLSSocket
    trusted = DEFAULT_CA_BUNDLE_PATH if verify is True else verify
    if trusted and os.path.isdir(trusted):
        context.load_verify_locations(capath=trusted)
    elif trusted:
        context.load_verify_locations(cafile=trusted)
    return context


# --- the connection --------------------------------------------------------------------------------------------------


class _Head:
    """The stream during the status line and the headers. Remembers whether it ended inside of them."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.cut = False

    def readline(self, limit: int = -1) -> bytes:
        line = self._stream.readline(limit)
        self.cut = not line.endswith(b"\n")
        return line

    def close(self) -> None:
        self._stream.close()


class _Response(http.client.HTTPResponse):
    """``http.client`` takes the end of the stream for the end of the headers, so half an answer would be a 200."""

    def begin(self) -> None:
        stream = self.fp
        head = _Head(stream)
        self.fp = cast(Any, head)
        try:
            super().begin()
        finally:
            self.fp = self.fp and stream  # None once begin has given up and closed it
        if head.cut:
            raise http.client.IncompleteRead(b"")


class _HTTPConnection(HTTPConnection):
    response_class = _Response

    def __init__(self, *args: Any, call: _Call, **options: Any) -> None:
        super().__init__(*args, **options)
        self._call = call

    def _new_conn(self) -> socket.socket:
        return _connect(self._call, self._dns_host, self.port)


class _HTTPSConnection(_HTTPConnection, HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        cast(_TLSSocket, self.sock).call = self._call
        # Else urllib3 warns at every call of what the caller asked for with verify=False.
        self.is_verified = True


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


# --- the socket ------------------------------------------------------------------------------------------------------


class _Socket(socket.socket):
    """Gives every single operation only the time that is left.

    A timeout alone begins anew with every byte, so a server that drips could hold a worker as long as it likes.
    """

    call: _Call | None = None

    def _hurry(self) -> None:
        if self.call:
            self.settimeout(self.call.left())

    def recv_into(self, *args: Any) -> int:
        self._hurry()
        return super().recv_into(*args)

    def send(self, *args: Any) -> int:
        self._hurry()
        return super().send(*args)

    def sendall(self, *args: Any) -> None:
        self._hurry()
        super().sendall(*args)


class _TLSSocket(_Socket, ssl.SSLSocket):
    """The handshake needs no more than the timeout of the socket below: OpenSSL counts it for the whole handshake."""


def _connect(call: _Call, host: str, port: int) -> socket.socket:
    """Connected to one of the addresses of the host, all of which the caller's rule allows.

    Each address gets an equal share of the time left, so that a dead one cannot keep the next from being tried.
    """
    addresses = _resolve(call, host, port)
    if call.allow and not all(call.allow(ip_address(address[0])) for _, address in addresses):
        raise AddressRefused(call.host, "the name leads to an address that must not be called")
    failure: OSError | None = None
    for tried, (family, address) in enumerate(addresses):
        try:
            return _dial(call, family, address, call.left() / (len(addresses) - tried))
        except OSError as error:
            failure = error
    raise failure or ConnectionFailed(call.host, "the name has no address")


def _dial(call: _Call, family: socket.AddressFamily, address: SocketAddress, seconds: float) -> socket.socket:
    sock = _Socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        sock.connect(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.call = call
        sock.settimeout(call.left())
    except BaseException:
        sock.close()
        raise
    return sock


def _resolve(call: _Call, host: str, port: int) -> list[tuple[socket.AddressFamily, SocketAddress]]:
    """Addresses of the host, each once, in the resolver's order of preference."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    # The resolver of the C library knows no deadline: it is left behind in a thread that nobody waits for.
    threading.Thread(target=lambda: answers.put(_look_up(host, port)), daemon=True).start()
    try:
        found = answers.get(timeout=call.left())
    except queue.Empty:
        raise DeadlineExceeded(call.host, "the name was not resolved in time") from None
    if isinstance(found, Exception):
        raise ConnectionFailed(call.host, "the name cannot be resolved")
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _look_up(host: str, port: int) -> Any:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: a label that is empty or too long
        return error


# --- what went wrong -------------------------------------------------------------------------------------------------


_LOWER = (OSError, http.client.HTTPException, HTTPError, requests.RequestException)
_PLACES: tuple[tuple[tuple[type[Exception], ...], type[TransportError], str], ...] = (
    ((TimeoutError, Urllib3TimeoutError, requests.Timeout), DeadlineExceeded, "no whole answer in time"),
    ((ssl.SSLEOFError, ssl.SSLZeroReturnError), ConnectionFailed, "the connection was closed during TLS"),
    ((ssl.SSLError, Urllib3SSLError, requests.exceptions.SSLError), CertificateRefused, "TLS could not be established"),
    (_LOWER, ConnectionFailed, "the answer broke off or is not HTTP"),
)


def _translate(error: Exception, call: _Call) -> TransportError:
    """Our error for one of the layers below: the first place that fits it or anything that it wraps."""
    links = list(_chain(error))
    kinds, ours, reason = next(place for place in _PLACES if any(isinstance(link, place[0]) for link in links))
    details = (_detail(link) for link in links if isinstance(link, kinds))
    return ours(call.host, next(filter(None, details), reason))


def _detail(link: BaseException) -> str:
    """What OpenSSL or the system says, in words that cannot hold a URL; empty when neither spoke."""
    if isinstance(link, ssl.SSLError):
        return str(getattr(link, "verify_message", ""))
    return os.strerror(link.errno) if isinstance(link, OSError) and link.errno else ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those it wraps: requests and urllib3 keep them in ``args`` and ``reason``, Python in the cause."""
    pending: list[object] = [error]
    seen: set[int] = set()
    while pending:
        link = pending.pop(0)
        if isinstance(link, BaseException) and id(link) not in seen:
            seen.add(id(link))
            yield link
            pending += [*link.args, getattr(link, "reason", None), link.__cause__, link.__context__]

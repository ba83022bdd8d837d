"""The one door out over HTTP: a deadline that holds, an address that was checked, an answer that is bounded.

``requests`` stays the language (its ``Request`` and its auth objects make what is sent), but the exchange is that of
``http.client``. A ``Session`` would read proxies and netrc from the environment, and even with redirects off it
reads and decompresses the whole body of a redirect; an adapter with its pools, made for one exchange, costs more than
the exchange itself. Here the name is resolved once, every address is put to the caller's rule, and the sockets know the
deadline.
"""

import contextlib
import http.client
import os
import queue
import re
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import Any, BinaryIO, Protocol, cast
from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
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

# RFC 9110, 5.1 and 5.5.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

type SocketAddress = tuple[str, int] | tuple[str, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, whatever its status.

    ``headers`` are looked up without regard to case. ``body`` has gzip or deflate taken off and holds at most
    ``max_bytes``; ``truncated`` says that there was more. It is also true, of an empty body, where the encoding is not
    read here. ``elapsed`` is the whole exchange in seconds.
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
    ready: Callable[[], None] | None = None,
) -> Answer:
    """Makes one exchange: no redirect is followed, nothing is tried again, no connection is kept.

    ``seconds`` covers name resolution, connect, TLS, headers and body together. ``allow`` must hold for every address
    that the name resolves to, and one of these is then called, with SNI and certificate by name. ``verify`` is as in
    ``requests``: a path names the certificates to trust. ``ready`` is called when the connection stands and only the
    request has to go out: what it waits for does not count, and what it raises ends the exchange.

    Raises ``TransportError`` when no whole answer came, and ``ConfigError`` when the request cannot be sent by anybody.
    """
    started = time.monotonic()
    prepared = _prepare(request)
    call = _Call(host=_host_and_port(prepared), deadline=started + seconds, allow=allow)
    try:
        status, headers, body, truncated = _exchange(prepared, call, max_bytes, verify, ready)
    except _LOWER as error:
        fault = _translate(error, call)
    else:
        return Answer(
            status=status,
            headers=headers,
            body=body,
            truncated=truncated,
            elapsed=time.monotonic() - started - call.held,
        )
    # Outside of the except clause, so that no traceback shows the lower error: its text carries the URL.
    raise fault


_HEAD_ROOM = 65_536
"""Bytes for all that is no body; http.client alone would take a hundred headers of as many bytes each."""
_FRAMING = 6
"""Bytes that come in for each byte of the body at worst, when every chunk holds one."""


class _TooLong(http.client.HTTPException):
    """More came in than any answer needs: status lines, headers, trailers or empty compressed blocks without end."""


@dataclass(slots=True)
class _Call:
    """What the sockets and connections of one exchange have to know.

    ``room`` is how many more bytes may come in; ``held`` are seconds that do not count.
    """

    host: str
    deadline: float
    allow: AddressRule | None
    room: int = _HEAD_ROOM
    held: float = 0.0

    def hold(self, ready: Callable[[], None]) -> None:
        began = time.monotonic()
        ready()
        self.held = time.monotonic() - began
        self.deadline += self.held

    def left(self) -> float:
        """Seconds left. Always positive: at the deadline it raises."""
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise DeadlineExceeded(self.host, "no whole answer in time")
        return seconds

    def take(self, received: int) -> int:
        self.room -= received
        if self.room < 0:
            raise _TooLong
        return received


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
    prepared: requests.PreparedRequest,
    call: _Call,
    max_bytes: int,
    verify: bool | str,
    ready: Callable[[], None] | None,
) -> tuple[int, Mapping[str, str], bytes, bool]:
    """Status, headers, body, and whether there was more of it."""
    connection = _Connection(str(prepared.url), call, verify)
    try:
        connection.connect()
        if ready is not None:
            call.hold(ready)
        # A server may answer and close before it has read everything; its answer says why.
        with contextlib.suppress(BrokenPipeError):
            connection.request(str(prepared.method), prepared.path_url, _bytes(prepared), _text(prepared.headers))
        response = connection.getresponse()
        call.room += _FRAMING * max_bytes
        with response:
            headers = _headers(response)
            return response.status, headers, *_body(response, headers.get("Content-Encoding", ""), max_bytes)
    finally:
        connection.close()


def _bytes(prepared: requests.PreparedRequest) -> bytes | None:
    body = prepared.body
    return body.encode() if isinstance(body, str) else body


def _text(headers: Mapping[str, str | bytes]) -> dict[str, str]:
    return {name: value.decode("latin-1") if isinstance(value, bytes) else value for name, value in headers.items()}


def _headers(response: http.client.HTTPResponse) -> CaseInsensitiveDict[str]:
    """A header that came several times is one, with commas (RFC 9110, 5.2)."""
    found = CaseInsensitiveDict[str]()
    for name, value in response.getheaders():
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _body(response: http.client.HTTPResponse, encoding: str, max_bytes: int) -> tuple[bytes, bool]:
    """At most ``max_bytes``, counted after decoding, and whether there was more or it cannot be read.

    Raises where the body ends before its announced length, or in the middle of compressed data.
    """
    decoder = _decoder(encoding)
    if decoder is None:
        return b"", bool(response.read1(1))
    body, begun = bytearray(), False
    try:
        while len(body) <= max_bytes and (piece := response.read1(_PIECE)):
            body += decoder.decompress(piece, max_bytes + 1 - len(body))
            begun = True
    except _TooLong:
        return bytes(body[:max_bytes]), True
    except zlib.error:
        return b"", True  # the whole answer came, and its status holds, whatever the body was meant to be
    if len(body) <= max_bytes and (response.length or (begun and not decoder.eof)):
        raise http.client.IncompleteRead(b"")
    return bytes(body[:max_bytes]), len(body) > max_bytes


_PIECE = 65_536


class _Decoder(Protocol):
    """As zlib's. ``eof``: whether what has come is whole."""

    @property
    def eof(self) -> bool: ...

    def decompress(self, piece: bytes, limit: int, /) -> bytes: ...


class _AsItIs:
    eof = True

    def decompress(self, piece: bytes, limit: int, /) -> bytes:
        return piece[:limit]


def _decoder(encoding: str) -> _Decoder | None:
    """We ask for plain bodies; a server that compresses all the same is read, but never beyond the limit.

    None for what is not read: other encodings, and several around each other, as only bombs have them.
    """
    names = [name for part in encoding.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if not names:
        return _AsItIs()
    if len(names) > 1 or names[0] not in ("gzip", "x-gzip", "deflate"):
        return None
    # 32: gzip and zlib are told apart by their first bytes.
    return zlib.decompressobj(32 + zlib.MAX_WBITS)


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


_INTERIM = range(102, 200)
"""Statuses that another answer follows (RFC 9110, 15.2). http.client passes over 100 alone; 101 is the last answer."""


class _Response(http.client.HTTPResponse):
    """``http.client`` takes the end of the stream for the end of the headers, so half an answer would be a 200."""

    def begin(self) -> None:
        stream = self.fp
        head = _Head(stream)
        self.fp = cast(Any, head)
        try:
            super().begin()
            while self.status in _INTERIM and not head.cut:
                cast(Any, self).headers = None
                super().begin()
        finally:
            self.fp = self.fp and stream  # None once begin has given up and closed it
        if head.cut:
            raise http.client.IncompleteRead(b"")


class _Connection(http.client.HTTPConnection):
    """To one host, for one exchange, by the addresses that were checked."""

    response_class = _Response

    def __init__(self, url: str, call: _Call, verify: bool | str) -> None:
        parts = urlsplit(url)
        self._tls = _tls_context(verify) if parts.scheme == "https" else None
        # What the Host header may leave out.
        self.default_port = 443 if self._tls else 80
        super().__init__(str(parts.hostname), parts.port or self.default_port)
        self._call = call

    def connect(self) -> None:
        sock = _connect(self._call, self.host, self.port)
        if self._tls:
            # The handshake needs no more than the socket's timeout: OpenSSL counts it for the whole handshake.
            sock = self._tls.wrap_socket(sock, server_hostname=self.host.rstrip("."))
            cast(_TLSSocket, sock).call = self._call
        self.sock = sock


# --- the socket ------------------------------------------------------------------------------------------------------


class _Socket(socket.socket):
    """Gives every single operation only the time that is left, and counts what comes in.

    A timeout alone begins anew with every byte, so a server that drips could hold a worker as long as it likes.
    """

    call: _Call | None = None

    def _hurry(self) -> None:
        if self.call:
            self.settimeout(self.call.left())

    def recv_into(self, *args: Any) -> int:
        self._hurry()
        received = super().recv_into(*args)
        return self.call.take(received) if self.call else received

    def send(self, *args: Any) -> int:
        self._hurry()
        return super().send(*args)

    def sendall(self, *args: Any) -> None:
        self._hurry()
        super().sendall(*args)


class _TLSSocket(_Socket, ssl.SSLSocket):
    """The same over TLS."""


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
    if _is_literal(host):
        return _addresses(call, _look_up(host, port))  # nobody is asked, so nobody can be slow
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    # The resolver of the C library knows no deadline: it is left behind in a thread that nobody waits for.
    threading.Thread(target=lambda: answers.put(_look_up(host, port)), daemon=True).start()
    try:
        found = answers.get(timeout=call.left())
    except queue.Empty:
        raise DeadlineExceeded(call.host, "the name was not resolved in time") from None
    return _addresses(call, found)


def _addresses(call: _Call, found: Any) -> list[tuple[socket.AddressFamily, SocketAddress]]:
    if isinstance(found, Exception):
        raise ConnectionFailed(call.host, "the name cannot be resolved")
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _look_up(host: str, port: int) -> Any:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: a label that is empty or too long
        return error


# --- what went wrong -------------------------------------------------------------------------------------------------


_LOWER = (OSError, http.client.HTTPException, zlib.error)
_PLACES: tuple[tuple[tuple[type[Exception], ...], type[TransportError], str], ...] = (
    ((TimeoutError,), DeadlineExceeded, "no whole answer in time"),
    ((ssl.SSLEOFError, ssl.SSLZeroReturnError), ConnectionFailed, "the connection was closed during TLS"),
    ((ssl.SSLError,), CertificateRefused, "TLS could not be established"),
    ((_TooLong,), ConnectionFailed, "the answer is too long"),
    (_LOWER, ConnectionFailed, "the answer broke off or is not HTTP"),
)


def _translate(error: Exception, call: _Call) -> TransportError:
    """Our error for one of the layers below: the first place that fits."""
    if type(error) is ssl.SSLError and error.errno is None:
        # Python's own, not OpenSSL's: the other side was gone before the handshake. That says nothing of a certificate.
        return ConnectionFailed(call.host, "the connection was closed during TLS")
    _, ours, reason = next(place for place in _PLACES if isinstance(error, place[0]))
    return ours(call.host, _detail(error) or reason)


def _detail(error: Exception) -> str:
    """What OpenSSL or the system says, in words that cannot hold a URL; empty when neither spoke."""
    if isinstance(error, ssl.SSLError):
        return str(getattr(error, "verify_message", ""))
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else ""

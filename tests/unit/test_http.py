"""The door against real servers on loopback, each a script of what it does to a caller."""

import gzip
import http.client as http_client
import json
import logging
import os
import re
import socket
import ssl
import struct
import threading
import time
import traceback
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from requests.auth import AuthBase

from taskhook import __version__, http
from taskhook.addresses import is_private_network, is_public
from taskhook.errors import (
    AddressRefused,
    CertificateRefused,
    ConfigError,
    ConnectionFailed,
    DeadlineExceeded,
    TaskhookError,
    TransportError,
)

SECRET = "s3cret-part-of-the-url"
NAME = "hook.example.test"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

type Script = Callable[[socket.socket, threading.Event], None]


# --- servers ---------------------------------------------------------------------------------------------------------


@dataclass
class Server:
    """Plays one script for every connection. ``seen`` holds what each caller sent, head first."""

    listener: socket.socket
    script: Script
    context: ssl.SSLContext | None = None
    reads: bool = True
    seen: list[bytes] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{'https' if self.context else 'http'}://{host}:{self.port}{path}"

    def accept(self) -> None:
        with suppress(OSError):
            while not self.stopped.is_set():
                connection, _ = self.listener.accept()
                self.start(self.play, connection)

    def start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def play(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            wrapped = self.context.wrap_socket(connection, server_side=True) if self.context else connection
            with wrapped:
                self.seen.append(read_request(wrapped) if self.reads else b"")
                self.script(wrapped, self.stopped)

    def stop(self) -> None:
        self.stopped.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(2)


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while not complete(data):
        data += (more := connection.recv(65536))
        if not more:
            break
    return data


def complete(data: bytes) -> bool:
    head, end, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return bool(end) and len(body) >= (int(length[1]) if length else 0)


type Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server for a script, or for the bytes that it answers."""
    servers: list[Server] = []

    def start(script: Script | bytes, host: str = "127.0.0.1", **options: Any) -> Server:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, 0), family=family)
        server = Server(listener, answering(script) if isinstance(script, bytes) else script, **options)
        servers.append(server)
        server.start(server.accept)
        return server

    yield start
    for server in servers:
        server.stop()


def answering(data: bytes) -> Script:
    def script(connection: socket.socket, stopped: threading.Event) -> None:
        connection.sendall(data)

    return script


def dripping(start: bytes, drop: bytes) -> Script:
    """One byte and then another, fast enough for any timeout between two of them."""

    def script(connection: socket.socket, stopped: threading.Event) -> None:
        connection.sendall(start)
        while not stopped.wait(0.05):
            connection.sendall(drop)

    return script


def silent(connection: socket.socket, stopped: threading.Event) -> None:
    stopped.wait()


def repeating(start: bytes, piece: bytes) -> Script:
    """As fast as the caller reads."""

    def script(connection: socket.socket, stopped: threading.Event) -> None:
        connection.sendall(start)
        many = piece * (65536 // len(piece) + 1)
        while not stopped.is_set():
            connection.sendall(many)

    return script


def resetting(after: bytes) -> Script:
    def script(connection: socket.socket, stopped: threading.Event) -> None:
        connection.sendall(after)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return script


endless = repeating(b"HTTP/1.1 200 OK\r\n\r\n", b"x")


def get(url: str, **options: Any) -> http.Answer:
    return http.send(requests.Request("GET", url), **({"seconds": 5.0} | options))


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Replaces name resolution by a list of addresses, and returns the names that were asked for."""
    real = socket.getaddrinfo

    def install(*addresses: str) -> list[str]:
        asked: list[str] = []

        def look_up(host: str, port: int, *args: Any, **options: Any) -> list[Any]:
            asked.append(host)
            return [entry for address in addresses for entry in real(address, port, *args, **options)]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        return asked

    return install


# --- the exchange ----------------------------------------------------------------------------------------------------


def test_the_answer_has_status_headers_body_and_time(serve: Serve) -> None:
    server = serve("HTTP/1.1 418 Teapot\r\nX-Kind: Kanne\r\nContent-Length: 7\r\n\r\n任务!".encode())
    answer = get(server.url("/a?b=c"))
    assert (answer.status, answer.text, answer.truncated) == (418, "任务!", False)
    assert answer.headers["x-kind"] == answer.headers["X-KIND"] == "Kanne"
    assert 0 < answer.elapsed < 2
    assert server.seen[0].startswith(b"GET /a?b=c HTTP/1.1\r\n")


def test_text_is_lenient() -> None:
    answer = http.Answer(status=200, headers={}, body=b"a\xff\xe4\xbb\xbb", truncated=False, elapsed=0.0)
    assert answer.text == "a\ufffd任"


def test_what_every_request_carries(serve: Serve) -> None:
    server = serve(OK)
    get(server.url())
    sent = server.seen[0].lower()
    assert f"user-agent: taskhook/{__version__}\r\n".encode() in sent
    assert b"connection: close\r\n" in sent
    assert b"accept-encoding: identity\r\n" in sent
    assert f"host: 127.0.0.1:{server.port}\r\n".encode() in sent


def test_a_caller_may_name_itself_but_not_keep_the_connection(serve: Serve) -> None:
    server = serve(OK)
    request = requests.Request(
        "GET",
        server.url(),
        headers={"user-agent": "me", "connection": "keep-alive", "ACCEPT-ENCODING": "gzip", "X-A": "b"},
    )
    http.send(request, seconds=5)
    sent = server.seen[0].lower()
    assert b"user-agent: me\r\n" in sent
    assert b"x-a: b\r\n" in sent
    assert b"connection: close\r\n" in sent
    assert b"keep-alive" not in sent
    assert b"gzip" not in sent
    assert request.headers == {"user-agent": "me", "connection": "keep-alive", "ACCEPT-ENCODING": "gzip", "X-A": "b"}


def test_bodies_and_auth_are_those_of_requests(serve: Serve) -> None:
    server = serve(OK)
    http.send(requests.Request("POST", server.url(), json={"n": 1}, auth=("u", "p")), seconds=5)
    head, body = server.seen[0].split(b"\r\n\r\n")
    assert json.loads(body) == {"n": 1}
    assert b"Authorization: Basic dTpw" in head
    assert b"Content-Length: 8" in head


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer(serve: Serve, status: int) -> None:
    server = serve(b"HTTP/1.1 %d Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 4\r\n\r\ngone" % status)
    answer = get(server.url())
    assert (answer.status, answer.body, len(server.seen)) == (status, b"gone", 1)


def test_the_body_of_a_redirect_is_capped_too(serve: Serve) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    server = serve(b"HTTP/1.1 302 Go\r\nLocation: /\r\nContent-Encoding: gzip\r\n\r\n" + bomb)
    answer = get(server.url(), max_bytes=10)
    assert (answer.status, answer.body, answer.truncated) == (302, bytes(10), True)


def test_a_redirect_to_itself_ends_at_once(serve: Serve) -> None:
    server = serve(b"HTTP/1.1 307 Again\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")
    assert (get(server.url()).status, len(server.seen)) == (307, 1)


def test_proxies_and_netrc_of_the_environment_are_not_used(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server = serve(OK)
    assert get(server.url()).status == 200
    assert b"uthorization" not in server.seen[0]


def test_no_connection_is_used_twice(serve: Serve) -> None:
    def twice(connection: socket.socket, stopped: threading.Event) -> None:
        connection.sendall(OK)
        stopped.wait(0.2)

    server = serve(twice)
    get(server.url())
    get(server.url())
    assert len(server.seen) == 2


def test_ipv6_is_called_like_anything_else(serve: Serve) -> None:
    try:
        server = serve(OK, host="::1")
    except OSError:
        pytest.skip("no IPv6 loopback here")
    assert get(server.url(host="[::1]"), allow=is_private_network).status == 200
    assert f"Host: [::1]:{server.port}\r\n".encode() in server.seen[0]


# --- the deadline ----------------------------------------------------------------------------------------------------

SLOW: dict[str, Script] = {
    "never answers": silent,
    "drips its status line": dripping(b"HTTP/1.1 200 O", b"K"),
    "drips a header": dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
    "drips headers": dripping(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "drips continue": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "drips early hints": dripping(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n"),
    "drips trailers": dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    "drips its body": dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x"),
    "drips a body of no length": dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    "drips chunks": dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "drips a chunk's size": dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    "drips gzip": dripping(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"x"), b"\0"),
}


def assert_in_time(call: Callable[[], object], seconds: float = 0.25) -> DeadlineExceeded:
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded) as caught:
        call()
    assert seconds - 0.01 <= time.monotonic() - started < seconds + 1
    return caught.value


@pytest.mark.parametrize("script", SLOW.values(), ids=SLOW)
def test_the_deadline_holds_against_a_server_that(serve: Serve, script: Script) -> None:
    server = serve(script)
    error = assert_in_time(lambda: get(server.url(), seconds=0.25))
    assert error.host == f"127.0.0.1:{server.port}"


def test_somebody_who_waits_for_his_turn_does_so_with_the_connection_made_and_nothing_sent(serve: Serve) -> None:
    """And what he waits for is neither the server's fault nor its time."""
    met: list[int] = []

    def answer(connection: socket.socket, stopped: threading.Event) -> None:
        connection.sendall(OK)

    server = serve(answer)

    def ready() -> None:
        time.sleep(0.4)
        met.append(len(server.seen))

    answered = get(server.url(), seconds=0.3, ready=ready)
    assert (answered.status, met, len(server.seen)) == (200, [0], 1)
    assert answered.elapsed < 0.3


def test_what_is_raised_while_waiting_for_the_turn_ends_the_exchange_as_it_is(serve: Serve) -> None:
    class NotNow(Exception):
        pass

    def ready() -> None:
        raise NotNow

    server = serve(OK)
    with pytest.raises(NotNow):
        get(server.url(), ready=ready)
    assert b"".join(server.seen) == b""


def test_the_deadline_covers_name_resolution(monkeypatch: pytest.MonkeyPatch) -> None:
    hang = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: hang.wait(5) and [])
    assert_in_time(lambda: get("http://slow.example.test/", seconds=0.25))
    hang.set()


def test_the_deadline_covers_the_handshake(serve: Serve) -> None:
    hanging = serve(silent, reads=False)
    assert_in_time(lambda: get(hanging.url().replace("http", "https"), seconds=0.25))
    record = serve(dripping(b"\x16\x03\x03\x40\x00\x02", b"\0"), reads=False)
    assert_in_time(lambda: get(record.url().replace("http", "https"), seconds=0.25))


def test_the_deadline_covers_connecting(resolver: Callable[..., list[str]]) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        assert_in_time(lambda: get(f"http://127.0.0.1:{port}/", seconds=0.25))
        for sock in waiting:
            sock.close()


def test_the_deadline_covers_sending(serve: Serve) -> None:
    server = serve(silent, reads=False)
    request = requests.Request("POST", server.url(), data=bytes(20_000_000))
    assert_in_time(lambda: http.send(request, seconds=0.25))


def test_a_dead_address_leaves_time_for_the_next(
    serve: Serve, resolver: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(OK)
    resolver("127.0.0.2", "127.0.0.1")
    real = http._dial

    def dial(call: Any, family: Any, address: Any, seconds: float) -> socket.socket:
        if address[0] == "127.0.0.2":
            time.sleep(seconds)
            raise TimeoutError("timed out")
        return real(call, family, address, seconds)

    monkeypatch.setattr(http, "_dial", dial)
    answer = get(server.url(host=NAME), seconds=0.6)
    assert answer.status == 200
    assert 0.25 < answer.elapsed < 0.6


def test_a_refusing_address_is_followed_by_the_next(serve: Serve, resolver: Callable[..., list[str]]) -> None:
    server = serve(OK)
    resolver("127.0.0.2", "127.0.0.1")
    assert get(server.url(host=NAME)).status == 200


# --- answers that are not whole --------------------------------------------------------------------------------------

BROKEN: dict[str, Script] = {
    "closes at once": answering(b""),
    "resets at once": resetting(b""),
    "closes in the status line": answering(b"HTTP/1.1 200 OK"),
    "closes after the status line": answering(b"HTTP/1.1 200 OK\r\n"),
    "closes in a header": answering(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "closes between headers": answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"),
    "closes in the body": answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
    "resets in the body": resetting(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
    "closes in a chunk": answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf"),
    "does not speak HTTP": answering(b"220 mail.example.test ESMTP\r\n"),
    "has a status that is no number": answering(b"HTTP/1.1 OK OK\r\n\r\n"),
    "sends too many headers": answering(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"),
    "sends a header without end": answering(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"),
    "closes in a chunk's size": answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9"),
    "has a chunk of no size": answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhalf\r\n"),
    "closes between chunks": answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"),
    "closes after continue": answering(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "closes after early hints": answering(b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n"),
    "closes in early hints": answering(b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n"),
    "resets in the status line": resetting(b"HTTP/1.1 2"),
    "resets in the headers": resetting(b"HTTP/1.1 200 OK\r\nX: y\r\n"),
    "closes in gzip": answering(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"half")[:-9]),
    "closes in deflate": answering(b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n" + zlib.compress(b"x")[:-1]),
    "sends a status line without end": repeating(b"HTTP/1.1 200 ", b"O"),
    "sends headers without end": repeating(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "sends large headers": answering(b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"y" * 60_000 + b"\r\n") * 3 + b"\r\n"),
    "sends continue without end": repeating(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "sends early hints without end": repeating(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n"),
}


@pytest.mark.parametrize("script", BROKEN.values(), ids=BROKEN)
def test_no_answer_is_made_up_for_a_server_that(serve: Serve, script: Script) -> None:
    server = serve(script)
    with pytest.raises(ConnectionFailed):
        get(server.url())


@pytest.mark.parametrize("status", [100, 102, 103])
def test_an_interim_answer_is_passed_over(serve: Serve, status: int) -> None:
    server = serve(b"HTTP/1.1 %d Wait\r\nLink: </a>\r\n\r\n" % status * 3 + OK)
    answer = get(server.url())
    assert (answer.status, answer.body, "Link" in answer.headers) == (200, b"ok", False)


def test_another_protocol_is_not_waited_for(serve: Serve) -> None:
    answer = get(serve(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n" + b"\0" * 99).url())
    assert (answer.status, answer.body) == (101, b"")


def test_a_caller_that_is_reset_while_it_sends_has_no_answer(serve: Serve) -> None:
    def hang_up(connection: socket.socket, stopped: threading.Event) -> None:
        connection.recv(1000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    server = serve(hang_up, reads=False)
    with pytest.raises(ConnectionFailed):
        http.send(requests.Request("POST", server.url(), data=bytes(20_000_000)), seconds=5)


def test_a_closed_port_is_a_failed_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ConnectionFailed, match=rf"^127\.0\.0\.1:{port}: Connection refused$"):
        get(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), UnicodeError("label too long")])
def test_an_unknown_name_is_a_failed_connection(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ConnectionFailed, match=r"^nowhere\.test: the name cannot be resolved$"):
        get("http://nowhere.test/")


# --- the cap ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "truncated"), [(0, False), (99, False), (100, False), (101, True), (5000, True)])
def test_the_cap_is_exact(serve: Serve, length: int, truncated: bool) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + b"x" * length)
    answer = get(server.url(), max_bytes=100)
    assert (len(answer.body), answer.truncated) == (min(length, 100), truncated)


def test_an_endless_body_is_cut(serve: Serve) -> None:
    answer = get(serve(endless).url(), max_bytes=4096)
    assert (len(answer.body), answer.truncated) == (4096, True)


def test_a_chunked_body_is_cut(serve: Serve) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"3\r\nabc\r\n" * 9 + b"0\r\n\r\n")
    assert get(server.url()).body == b"abc" * 9
    answer = get(server.url(), max_bytes=4)
    assert (answer.body, answer.truncated) == (b"abca", True)


def test_a_server_that_compresses_all_the_same_is_understood(serve: Serve) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b'{"ok": true}'))
    assert json.loads(get(server.url()).body) == {"ok": True}


ZEROS = bytes(30_000_000)
# deflate as bare as some servers send it, which nobody can tell from other bytes
RAW = zlib.compressobj(wbits=-15)
ENCODED: dict[str, bytes] = {
    "gzip": gzip.compress(ZEROS, 1),
    "deflate": zlib.compress(ZEROS, 1),
    "gzip, gzip": gzip.compress(gzip.compress(ZEROS)),
    "gzip,deflate": zlib.compress(gzip.compress(ZEROS)),
    "br": b"\x8b\x00\x80" * 100,
    "zstd": b"\x28\xb5\x2f\xfd" * 100,
    "compress": b"\x1f\x9d\x90" * 100,
    "aes128gcm": b"x" * 100,
}


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_never_unpacked(serve: Serve, encoding: str) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\n\r\n" % encoding.encode() + ENCODED[encoding])
    tracemalloc.start()
    try:
        answer = get(server.url(), max_bytes=1000)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert (answer.body, answer.truncated) == (bytes(1000), True)


@pytest.mark.parametrize("encoding", [name for name in ENCODED if name not in ("gzip", "deflate")])
def test_what_is_not_decoded_here_is_a_body_that_nobody_sees(serve: Serve, encoding: str) -> None:
    body = ENCODED[encoding]
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
    answer = get(serve(head.encode() + body).url())
    assert (answer.status, answer.body, answer.truncated) == (200, b"", True)


@pytest.mark.parametrize("encoding", ["", "identity", "Identity, identity", "GZIP", "x-gzip", "identity, gzip"])
def test_spellings_of_what_is_decoded(serve: Serve, encoding: str) -> None:
    body = gzip.compress(b"ok") if "gzip" in encoding.lower() else b"ok"
    answer = get(serve(f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\n\r\n".encode() + body).url())
    assert (answer.body, answer.truncated) == (b"ok", False)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", b"fake"), ("deflate", b"fake"), ("deflate", RAW.compress(b"x") + RAW.flush()), ("gzip", ENCODED["br"])],
)
def test_a_body_that_is_not_what_it_says_leaves_the_status(serve: Serve, encoding: str, body: bytes) -> None:
    """Or a receiver that took the news would get it again and again."""
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
    answer = get(serve(head.encode() + body).url())
    assert (answer.status, answer.body, answer.truncated) == (200, b"", True)


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_no_body_needs_no_decoding(serve: Serve, encoding: str) -> None:
    answer = get(serve(f"HTTP/1.1 204 No Content\r\nContent-Encoding: {encoding}\r\n\r\n".encode()).url())
    assert (answer.status, answer.body, answer.truncated) == (204, b"", False)


def test_a_hundred_megabytes_are_not_read(serve: Serve) -> None:
    sent: list[int] = []

    def generous(connection: socket.socket, stopped: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(100):
            connection.sendall(bytes(1_000_000))
            sent.append(1_000_000)

    answer = get(serve(generous).url(), max_bytes=4096)
    assert (answer.body, answer.truncated) == (bytes(4096), True)
    assert sum(sent) < 50_000_000  # what the kernel's buffers took


# A block of deflate may be empty, so that any number of bytes means none.
NOTHING = zlib.compressobj(wbits=31)
OVERLONG: dict[str, Script] = {
    "trailers": repeating(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", b"X: y\r\n"),
    "chunk extensions": repeating(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 999 + b"\r\ny\r\n"
    ),
    "empty compressed blocks": repeating(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
        + NOTHING.compress(b"ok")
        + NOTHING.flush(zlib.Z_SYNC_FLUSH),
        b"\0\0\0\xff\xff",
    ),
    "bytes after the end of gzip": repeating(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"ok"), b"x"
    ),
}


@pytest.mark.parametrize("script", OVERLONG.values(), ids=OVERLONG)
def test_a_body_that_never_grows_is_cut_too(serve: Serve, script: Script) -> None:
    answer = get(serve(script).url(), max_bytes=4096)
    assert (answer.status, answer.truncated) == (200, True)
    assert len(answer.body) < 4096
    assert answer.elapsed < 2


def test_chunks_of_one_byte_are_an_answer(serve: Serve) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 4096 + b"0\r\n\r\n")
    answer = get(server.url(), max_bytes=4096)
    assert (answer.body, answer.truncated) == (b"x" * 4096, False)


# --- the address -----------------------------------------------------------------------------------------------------


def test_a_name_of_this_machine_is_refused(serve: Serve) -> None:
    server = serve(OK)
    with pytest.raises(AddressRefused):
        get(server.url(host="localhost"), allow=is_public)
    assert server.seen == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0x7f000001"])
def test_a_refused_address_is_never_connected_to(serve: Serve, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def like_libc(spelling: str, *args: Any, **options: Any) -> Any:
        return real(socket.inet_ntoa(socket.inet_aton(spelling)), *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", like_libc)
    server = serve(OK)
    with pytest.raises(AddressRefused) as caught:
        get(server.url(host=host), allow=is_public)
    assert caught.value.host == f"{host}:{server.port}"
    assert server.seen == []


@pytest.mark.parametrize(
    "addresses", [("127.0.0.1", "93.184.215.14"), ("93.184.215.14", "127.0.0.1"), ("::1", "1.1.1.1")]
)
def test_one_refused_address_among_several_refuses_the_name(
    serve: Serve, resolver: Callable[..., list[str]], addresses: tuple[str, ...]
) -> None:
    server = serve(OK)
    resolver(*addresses)
    with pytest.raises(AddressRefused):
        get(server.url(host=NAME), allow=is_public)
    assert server.seen == []


def test_the_name_is_resolved_once_and_the_checked_address_called(
    serve: Serve, resolver: Callable[..., list[str]]
) -> None:
    server = serve(OK)
    checked: list[IPv4Address | IPv6Address] = []
    asked = resolver("127.0.0.1")
    get(server.url(host=NAME), allow=lambda address: not checked.append(address))  # type: ignore[func-returns-value]
    assert asked == [NAME]
    assert checked == [ip_address("127.0.0.1")]
    assert f"Host: {NAME}:{server.port}\r\n".encode() in server.seen[0]


# --- TLS -------------------------------------------------------------------------------------------------------------


@dataclass
class Authority:
    """A certificate authority of our own. ``path`` is what a caller trusts to accept its certificates."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    path: str

    def context(self, *names: str, days: tuple[int, int] = (-1, 1)) -> ssl.SSLContext:
        return self.serving(*issue(names[0], self, names, days))

    def serving(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> ssl.SSLContext:
        file = self.folder / f"{certificate.serial_number}.pem"
        file.write_bytes(pem(certificate) + key_pem(key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def issue(
    common_name: str, issuer: Authority | None, names: tuple[str, ...] = (), days: tuple[int, int] = (-1, 1)
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    signer = issuer.key if issuer else key
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.now(UTC)
    usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=issuer is None,
                crl_sign=issuer is None,
                encipher_only=False,
                decipher_only=False,
                **usage,
            ),
            critical=True,
        )
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
    return key, builder.sign(signer, hashes.SHA256())


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = issue("taskhook test authority", None)
    path = folder / "authority.pem"
    path.write_bytes(pem(certificate))
    return Authority(folder, key, certificate, str(path))


def test_the_certificate_is_checked_by_name_on_the_pinned_address(
    serve: Serve, authority: Authority, resolver: Callable[..., list[str]]
) -> None:
    names: list[str | None] = []
    context = authority.context(NAME)
    context.sni_callback = lambda sock, name, ctx: names.append(name)
    server = serve(OK, context=context)
    resolver("127.0.0.1")
    answer = get(server.url(host=NAME), verify=authority.path, allow=is_private_network)
    assert (answer.status, names) == (200, [NAME])


def test_a_certificate_for_another_name_is_refused(
    serve: Serve, authority: Authority, resolver: Callable[..., list[str]]
) -> None:
    server = serve(OK, context=authority.context("other.example.test"))
    resolver("127.0.0.1")
    with pytest.raises(CertificateRefused, match="Hostname mismatch") as caught:
        get(server.url(host=NAME), verify=authority.path)
    assert caught.value.host == f"{NAME}:{server.port}"
    assert server.seen == []


def test_a_certificate_of_an_unknown_authority_is_refused(
    serve: Serve, authority: Authority, resolver: Callable[..., list[str]]
) -> None:
    server = serve(OK, context=authority.context(NAME))
    resolver("127.0.0.1")
    with pytest.raises(CertificateRefused):
        get(server.url(host=NAME))
    assert server.seen == []


@pytest.mark.parametrize(
    ("days", "words"), [((-3, -1), "certificate has expired"), ((1, 3), "certificate is not yet valid")]
)
def test_a_certificate_of_another_time_is_refused(
    serve: Serve, authority: Authority, resolver: Callable[..., list[str]], days: tuple[int, int], words: str
) -> None:
    server = serve(OK, context=authority.context(NAME, days=days))
    resolver("127.0.0.1")
    with pytest.raises(CertificateRefused, match=words):
        get(server.url(host=NAME), verify=authority.path)
    assert server.seen == []


@pytest.mark.parametrize("names", [(), (NAME,)], ids=["by its common name", "by an alternative name"])
def test_a_certificate_that_a_server_made_for_itself_is_refused(
    serve: Serve, authority: Authority, resolver: Callable[..., list[str]], names: tuple[str, ...]
) -> None:
    server = serve(OK, context=authority.serving(*issue(NAME, None, names)))
    resolver("127.0.0.1")
    with pytest.raises(CertificateRefused, match="self-signed"):
        get(server.url(host=NAME), verify=authority.path)
    assert server.seen == []


@pytest.mark.parametrize("names", [("*.test",), (f"x.{NAME}",), (f"*.{NAME}",), ("*",), ("127.0.0.1",)])
def test_a_name_that_is_only_like_it_is_another_name(
    serve: Serve, authority: Authority, resolver: Callable[..., list[str]], names: tuple[str, ...]
) -> None:
    server = serve(OK, context=authority.context(*names))
    resolver("127.0.0.1")
    with pytest.raises(CertificateRefused):
        get(server.url(host=NAME), verify=authority.path)
    assert server.seen == []


def test_a_connection_that_is_reset_in_the_handshake_is_a_failed_one(serve: Serve) -> None:
    server = serve(resetting(b"\x16\x03\x03"), reads=False)
    with pytest.raises(ConnectionFailed):
        get(server.url().replace("http", "https"))


def test_a_connection_that_is_gone_before_the_handshake_proves_nothing_of_a_certificate(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race that the ssl module finds out by itself: closed, with something left to read."""

    def closed(_: object, connection: socket.socket, **__: object) -> None:
        connection.close()
        raise ssl.SSLError("Closed before TLS handshake with data in recv buffer.")

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", closed)
    with pytest.raises(ConnectionFailed):
        get(serve(OK).url().replace("http", "https"))


@pytest.mark.parametrize("name", ["closes in the body", "resets in the headers", "sends headers without end"])
def test_no_answer_is_made_up_under_tls_for_a_server_that(serve: Serve, authority: Authority, name: str) -> None:
    server = serve(BROKEN[name], context=authority.context(NAME))
    with pytest.raises(ConnectionFailed):
        get(server.url(), verify=False)


def test_the_cap_holds_under_tls(serve: Serve, authority: Authority) -> None:
    answer = get(serve(endless, context=authority.context(NAME)).url(), verify=False, max_bytes=4096)
    assert (len(answer.body), answer.truncated) == (4096, True)


def test_verification_can_be_switched_off(serve: Serve, authority: Authority) -> None:
    assert get(serve(OK, context=authority.context(NAME)).url(), verify=False).status == 200


def test_a_folder_of_certificates_can_be_trusted(tmp_path: Path) -> None:
    assert http._tls_context(str(tmp_path)).verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("name", ["never answers", "drips a header", "drips a body of no length"])
def test_the_deadline_holds_under_tls_against_a_server_that(serve: Serve, authority: Authority, name: str) -> None:
    script = SLOW[name]
    server = serve(script, context=authority.context(NAME))
    assert_in_time(lambda: get(server.url(), seconds=0.25, verify=False))


def test_the_deadline_covers_sending_under_tls(serve: Serve, authority: Authority) -> None:
    def sipping(connection: socket.socket, stopped: threading.Event) -> None:
        while not stopped.wait(0.05):
            connection.recv(1)

    server = serve(sipping, context=authority.context(NAME), reads=False)
    request = requests.Request("POST", server.url(), data=bytes(20_000_000))
    assert_in_time(lambda: http.send(request, seconds=0.4, verify=False), 0.4)


def test_a_plain_server_cannot_answer_https(serve: Serve) -> None:
    def plain(connection: socket.socket, stopped: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(OK)

    server = serve(plain, reads=False)
    with pytest.raises(CertificateRefused):
        get(server.url().replace("http", "https"))


def test_a_connection_closed_in_the_handshake_is_a_failed_connection(serve: Serve) -> None:
    server = serve(b"", reads=False)
    with pytest.raises(ConnectionFailed):
        get(server.url().replace("http", "https"))


# --- what errors say -------------------------------------------------------------------------------------------------

LOWER: list[tuple[Exception, type[TransportError]]] = [
    (ssl.SSLCertVerificationError(1, SECRET), CertificateRefused),
    (ssl.SSLError(1, SECRET), CertificateRefused),
    (ssl.SSLEOFError(8, SECRET), ConnectionFailed),
    (ssl.SSLZeroReturnError(6, SECRET), ConnectionFailed),
    (TimeoutError(SECRET), DeadlineExceeded),
    (ConnectionRefusedError(111, SECRET), ConnectionFailed),
    (ConnectionResetError(104, SECRET), ConnectionFailed),
    (BrokenPipeError(32, SECRET), ConnectionFailed),
    (OSError(101, SECRET), ConnectionFailed),
    (OSError(SECRET), ConnectionFailed),
    (http_client.BadStatusLine(SECRET), ConnectionFailed),
    (http_client.IncompleteRead(SECRET.encode()), ConnectionFailed),
    (http_client.LineTooLong(SECRET), ConnectionFailed),
    (zlib.error(SECRET), ConnectionFailed),
]


def lower_name(value: object) -> str:
    return value.__name__ if isinstance(value, type) else type(value).__name__


@pytest.mark.parametrize(("lower", "ours"), LOWER, ids=lower_name)
def test_every_lower_error_has_its_place_in_our_tree(
    monkeypatch: pytest.MonkeyPatch, lower: Exception, ours: type[TransportError]
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise lower

    monkeypatch.setattr(http, "_connect", fail)
    with pytest.raises(ours) as caught:
        get(f"https://me:{SECRET}@{NAME}/{SECRET}?key={SECRET}")
    assert type(caught.value) is ours
    assert caught.value.host == NAME
    assert_no_secret(caught.value)


@pytest.mark.parametrize("module", [http_client, ssl, socket, zlib])
def test_no_error_of_the_layers_below_is_forgotten(module: Any) -> None:
    public = [value for name, value in vars(module).items() if not name.startswith("_")]
    errors = [e for e in public if isinstance(e, type) and issubclass(e, Exception)]
    assert errors
    assert [e for e in errors if not issubclass(e, http._LOWER)] == []


def assert_no_secret(error: BaseException) -> None:
    assert SECRET not in str(error)
    assert SECRET not in repr(error)
    assert SECRET not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    "script", [silent, endless, *BROKEN.values(), answering(b"HTTP/1.1 200 OK\r\nbad header\r\nX: y\r\n\r\n")]
)
def test_no_error_and_no_log_shows_the_url(serve: Serve, script: Script, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(script)
    url = server.url(f"/{SECRET}?key={SECRET}").replace("//", f"//user:{SECRET}@", 1)
    try:
        get(url, seconds=0.25)
    except TaskhookError as error:
        assert_no_secret(error)
    assert SECRET not in caplog.text


@dataclass
class Token(AuthBase):
    """A header that requests never looks at: auth adds it last, here with what was pasted around the secret."""

    value: str | bytes

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers["X-Token"] = self.value  # type: ignore[assignment]
        return r


@pytest.mark.parametrize(
    "request_",
    [
        requests.Request("GET", SECRET),
        requests.Request("GET", f"http://{SECRET}:port/"),
        requests.Request("GET", f"http:///{SECRET}"),
        requests.Request("GET", f"ftp://{NAME}/{SECRET}"),
        requests.Request("GET", f"file:///{SECRET}"),
        requests.Request("GET", f"http://{'a' * 64}é.test/{SECRET}"),
        requests.Request("GET", f"http://{NAME}/", headers={"X-Key": f"{SECRET}\r\nX: y"}),
        requests.Request("GET", f"http://{NAME}/", headers={"X-Key": f"任务 {SECRET}"}),
        requests.Request("GET", f"http://{NAME}/", headers={f"X {SECRET}": "y"}),
        requests.Request("GET", f"http://{NAME}/", auth=Token(f"{SECRET}\n")),
        requests.Request("GET", f"http://{NAME}/", auth=Token(f"{SECRET} 任")),
        requests.Request("GET", f"http://{NAME}/", auth=Token(f"{SECRET}\0".encode())),
        requests.Request("GET", f"http://{NAME}/", params={SECRET: "\ud800"}),
        requests.Request("GET", f"http://{NAME}/", json={SECRET: float("nan")}),
    ],
    ids=[
        *("no scheme", "bad port", "no host", "ftp", "file", "long label", "header injection", "Chinese header"),
        *("name with a blank", "token with newline", "Chinese token", "token with a zero", "surrogate", "not JSON"),
    ],
)
def test_a_request_that_nobody_can_send_is_a_setting_gone_wrong(request_: requests.Request) -> None:
    with pytest.raises(ConfigError, match=r"^the request cannot be sent: ") as caught:
        http.send(request_, seconds=5)
    assert_no_secret(caught.value)


def test_nothing_is_left_open(serve: Serve, authority: Authority) -> None:
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("no /proc here")
    servers = [serve(s) for s in (OK, endless, BROKEN["closes in the body"], BROKEN["closes at once"])]
    servers.append(serve(OK, context=authority.context(NAME)))
    before = len(os.listdir(folder))
    for server in servers * 3:
        with suppress(TransportError):
            get(server.url(), max_bytes=10)
    for server in servers:
        server.stop()
    assert len(os.listdir(folder)) <= before

"""A small HTTP/1.1 server for tests and demonstrations: loopback only, a thread per connection.

What to answer is decided by one function from :class:`Request` to :class:`Reply`; everything a real network does to
an answer (late, never, in drips, broken off, reset) is a field of the reply, so the deciding function stays pure.
"""

import json
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, override
from urllib.parse import parse_qsl

MAX_BODY = 10 * 1024 * 1024
ADDRESS = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it was received. ``target`` is the undecoded path and query; header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query_string(self) -> str:
        return self.target.partition("?")[2]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    @property
    def host(self) -> str:
        return self.headers.get("host", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes back, and how badly.

    ``delay``: seconds before the first byte. ``hangup``: no answer at all, the connection is closed after ``delay``;
    ``reset``: the same with a TCP reset. ``chunks``: a body without a length, sent piece by piece with ``pause``
    seconds between them. ``claims``: bytes that Content-Length promises beyond those that come.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    hangup: bool = False
    reset: bool = False
    chunks: Iterable[bytes] | None = None
    pause: float = 0.0
    claims: int = 0


def json_reply(payload: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A JSON answer with the bare content type: the one the official SDKs take for JSON."""
    body = json.dumps(payload, ensure_ascii=False).encode()
    return Reply(status=status, body=body, headers={"Content-Type": "application/json"} | dict(headers or {}))


def text_reply(text: str, *, status: int = 200, content_type: str = "text/plain; charset=utf-8") -> Reply:
    return Reply(status=status, body=text.encode(), headers={"Content-Type": content_type})


class LoopbackServer:
    """Serves ``respond`` on a loopback port (0: any free one) from construction until ``close``."""

    def __init__(self, respond: Callable[[Request], Reply], *, port: int = 0) -> None:
        self._server = _Server((ADDRESS, port), respond)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.port}"

    def close(self) -> None:
        """Stops at once: waits are cut short, open connections are closed. May be called again."""
        if not self._server.stopping.is_set():
            self._server.stopping.set()
            self._server.shutdown()
            self._server.hang_up()
            self._server.server_close()
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024  # the default of 5 refuses connections under a burst

    def __init__(self, address: tuple[str, int], respond: Callable[[Request], Reply]) -> None:
        self.respond = respond
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    @override
    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is its own affair; anything else is our bug and is shown."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "loopback"
    sys_version = ""
    wbufsize = -1  # one write for headers and body: with two, Nagle and delayed ACK cost 40 ms a request
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        body = self._read_body()
        if body is None:
            self.close_connection = True
            self._send(text_reply("Body too large or of unknown length", status=413))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._send(
            self.server.respond(Request(method=self.command, target=self.path, headers=headers, body=body)),
        )

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = _serve  # noqa: N815 - the names http.server calls

    def _read_body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdigit() or int(length) > MAX_BODY:
            return None
        return self.rfile.read(int(length))

    def _send(self, reply: Reply) -> None:
        if reply.delay and self.server.stopping.wait(reply.delay):
            self.close_connection = True
        elif reply.reset or reply.hangup:
            self._break_off(reply)
        elif reply.chunks is not None:
            self._send_pieces(reply, reply.chunks)
        else:
            self._send_whole(reply)

    def _break_off(self, reply: Reply) -> None:
        self.close_connection = True
        if reply.reset:
            # Zero seconds of linger turn close() into RST. Detached, because an orderly shutdown would send FIN first.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            socket.close(self.connection.detach())

    def _send_whole(self, reply: Reply) -> None:
        self._send_head(reply)
        if reply.status not in (204, 304):
            self.send_header("Content-Length", str(len(reply.body) + reply.claims))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
        self.wfile.flush()
        if reply.claims:
            self.close_connection = True

    def _send_pieces(self, reply: Reply, chunks: Iterable[bytes]) -> None:
        self.close_connection = True  # without a length, the end of the connection is the end of the body
        self._send_head(reply)
        self.send_header("Connection", "close")
        self.end_headers()
        for chunk in chunks:
            self.wfile.write(chunk)
            self.wfile.flush()
            if self.server.stopping.wait(reply.pause) if reply.pause else self.server.stopping.is_set():
                return

    def _send_head(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Silent: what was received is in the logs of those who use this server."""

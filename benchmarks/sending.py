"""News sent by one sender in a process of its own, and who takes it. Prints JSON.

python -m benchmarks.sending receive [CERTIFICATE]           # the port first, then nothing until it is ended
python -m benchmarks.sending send taskhook http://127.0.0.1:8600/hook 500 8
"""

import asyncio
import base64
import json
import os
import re
import ssl
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from benchmarks.calls import peak

KEY = "whsec_" + base64.b64encode(bytes(range(32))).decode()
_LENGTH = re.compile(rb"(?i)content-length: *(\d+)")

type Send = Callable[[], None]


# --- who takes it ----------------------------------------------------------------------------------------------------


class _Receiver(asyncio.Protocol):
    """As little as HTTP needs, so that the sender is what is measured."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, body = self._data.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or len(body) < (int(length[1]) if length else 0):
            return
        self._data = b""
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok")
        if b"connection: close" in head.lower():
            self._transport.close()


async def receive(certificate: str | None = None) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
    if context and certificate:
        context.load_cert_chain(certificate)
    server = await asyncio.get_running_loop().create_server(_Receiver, "127.0.0.1", 0, ssl=context, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


# --- who sends it ----------------------------------------------------------------------------------------------------


def taskhook(url: str) -> Send:
    """As a delivery does: written, signed, the address checked, one deadline, the answer bounded and judged."""
    from taskhook import http
    from taskhook.destinations import webhook
    from taskhook.destinations.model import Destination, Verdict
    from taskhook.destinations.urls import address_rule
    from taskhook.states import State
    from taskhook.task import Task

    destination = Destination(name="ops", type="webhook", url=url, secrets=(KEY,))
    task = Task(**{**NEWS, "state": State(NEWS["state"])})
    rule, verify = address_rule(True), os.environ.get("REQUESTS_CA_BUNDLE") or True

    def send() -> None:
        request = webhook.request(destination, task, time.time())
        answer = http.send(request, seconds=10, max_bytes=4096, allow=rule, verify=verify)
        assert webhook.judge(destination, answer, time.time()).verdict is Verdict.DELIVERED

    return send


def post(url: str) -> Send:
    """A new session each time, as ``requests.post`` makes one. Nothing is signed, checked or bounded."""
    import requests

    def send() -> None:
        assert requests.post(url, json=NEWS, timeout=10).status_code == 200

    return send


def session(url: str) -> Send:
    """One session for each thread, whose connection is kept: no function that sleeps between two tasks has one."""
    import requests

    local = threading.local()

    def send() -> None:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        assert local.session.post(url, json=NEWS, timeout=10).status_code == 200

    return send


def apprise(url: str) -> Send:
    """Its plugin for JSON."""
    sender = import_module("apprise").Apprise()
    assert sender.add(url.replace("http", "json", 1))
    text = json.dumps(NEWS)

    def send() -> None:
        assert sender.notify(title="task.succeeded", body=text)

    return send


def nothing(url: str) -> Send:
    return lambda: None


SENDERS = {"taskhook": taskhook, "requests.post": post, "requests.Session": session, "Apprise": apprise}
NEWS: dict[str, Any] = {
    "id": "n6cz2r6pmyo6zjzgq4tsbl7u3e",
    "provider": "tencent.clb.DescribeTaskStatus",
    "account": "tencent",
    "region": "ap-guangzhou",
    "task_id": "55c85074-3e7f-4a2b-9d3c-0123456789ab",
    "submitted_at": 1_795_000_000.0,
    "deadline": 1_795_086_400.0,
    "state": "succeeded",
    "title": "监听器 for shop.example",
    "metadata": {"team": "payments", "ticket": "OPS-4711"},
    "observed_at": 1_795_000_200.5,
    "polls": 7,
}


def send(name: str, url: str, count: int, threads: int) -> dict[str, float]:
    """The first one, which loads what is loaded late, counts to the import and not to the rate."""
    began = time.process_time()
    one = {**SENDERS, "nothing": nothing}[name](url)
    one()
    ready = time.process_time() - began
    cpu, began = time.process_time(), time.monotonic()
    crowd = [threading.Thread(target=lambda: [one() for _ in range(count // threads)]) for _ in range(threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    return {
        "rate": count / (time.monotonic() - began),
        "cpu": (time.process_time() - cpu) / count,
        "ready": ready,
        "peak": peak(),
    }


def main(what: str, *rest: str) -> None:
    if what == "receive":
        asyncio.run(receive(*rest))
    else:
        name, url, count, threads = rest
        print(json.dumps(send(name, url, int(count), int(threads))))


if __name__ == "__main__":
    main(*sys.argv[1:])

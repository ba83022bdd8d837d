"""DynamoDB by moto, with a table for the calendar, in a process of its own on loopback."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

BACKLOG = 200


@contextmanager
def served() -> Iterator[str]:
    """The address."""
    context: Any = multiprocessing.get_context("fork")
    port = context.Queue()
    server = context.Process(target=_serve, args=(port,), daemon=True)
    server.start()
    try:
        endpoint = f"http://127.0.0.1:{port.get(timeout=30)}"
        client(endpoint).create_table(
            TableName="tasks", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        )  # fmt: skip
        yield endpoint
    finally:
        server.terminate()
        server.join()


def client(endpoint: str) -> Any:
    """Takes a second to make."""
    from botocore.config import Config
    from botocore.session import Session

    return Session().create_client(
        "dynamodb", region_name="eu-central-1", endpoint_url=endpoint, aws_access_key_id="x", aws_secret_access_key="x",
        config=Config(proxies={}, parameter_validation=False, max_pool_connections=BACKLOG),
    )  # fmt: skip


def _serve(port: Any) -> None:
    """moto behind a socket; its writes take several steps where DynamoDB's are one, hence the lock."""
    from botocore.awsrequest import AWSRequest
    from moto.core.botocore_stubber import BotocoreStubber

    lock, stubber = Lock(), BotocoreStubber()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            url = "https://dynamodb.eu-central-1.amazonaws.com/"
            with lock:
                answer = stubber.process_request(AWSRequest("POST", url, dict(self.headers), body).prepare())
            status, headers, said = answer or (404, {}, "")
            raw = said if isinstance(said, bytes) else str(said).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(raw))}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            """Quietly."""

    class Listening(ThreadingHTTPServer):
        request_queue_size = BACKLOG

    with Listening(("127.0.0.1", 0), Handler) as listening:
        port.put(listening.server_address[1])
        listening.serve_forever()

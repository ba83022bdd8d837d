"""The one door: what it refuses to do with a key, what it tries again, and when it gives up."""

import socket
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from taskhook_cli.client import Call, Client, segment
from taskhook_cli.config import Target
from taskhook_cli.context import Seldom
from taskhook_cli.errors import CommandError, Refused, Unreachable
from taskhook_cli.retry import LONGEST, SHORTEST, backoff, is_passing, retry_after
from taskhook_cli.secret import ApiKey
from tests.cli.conftest import Run, Start
from tests.cli.service import DROP, KEY, Reply, Service, problem

GET = Call(method="GET", path="/tasks")
DICE = Random(1)  # noqa: S311 - dice, no secret


def test_a_redirect_is_not_followed_and_says_where_it_leads(client: Client, service: Service) -> None:
    service.faults = [Reply(status=302, headers={"Location": "https://evil.example/x?token=abc"})]
    with pytest.raises(Refused, match=r"redirects to evil\.example") as error:
        client.send(GET)
    assert "token" not in str(error.value)
    assert len(service.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 414, 422, 501])
def test_a_no_is_final(client: Client, service: Service, status: int) -> None:
    service.faults = [problem(status, "No.")]
    with pytest.raises(Refused, match=r"No\."):
        client.send(GET)
    assert len(service.requests) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"detail": 3, "errors": 4}', b'{"message": "Forbidden"}'])
def test_a_no_in_any_form_is_readable(client: Client, service: Service, body: bytes) -> None:
    service.faults = [Reply(status=403, body=body)]
    with pytest.raises(Refused) as error:
        client.send(GET)
    assert error.value.message in ("the service answered 403", "Forbidden")


def test_retry_after_is_obeyed(service: Service) -> None:
    waits: list[float] = []
    client = Client(target=Target(url=service.url, key=ApiKey(KEY)), sleep=waits.append, patience=1000)
    service.faults = [problem(429, "Slowly.", headers={"Retry-After": "17"}), problem(503, "Later."), DROP]
    assert client.send(GET).tries == 4
    assert waits[0] == 17
    assert len(waits) == 3


def test_patience_counts_from_the_failure_and_not_from_the_long_poll(service: Service) -> None:
    now = [0.0]

    def slow(seconds: float) -> None:
        now[0] += seconds

    client = Client(target=Target(url=service.url, key=ApiKey(KEY)), clock=lambda: now[0], sleep=slow, rng=DICE)
    service.faults = [DROP] * 100
    with pytest.raises(Unreachable, match="given up after"):
        client.send(GET, patience=20.0)
    assert 10 < now[0] <= 20


@contextmanager
def raw(answer: bytes, hold: float = 0.0) -> Iterator[str]:
    """A server that says exactly this to each connection."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)
                time.sleep(hold)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.close()


ODD = {
    "no HTTP": b"SSH-2.0-OpenSSH\r\n",
    "cut headers": b"HTTP/1.1 200 OK\r\nContent-Le",
    "cut body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "bad gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    "nothing": b"",
}


@pytest.mark.parametrize("answer", ODD.values(), ids=ODD)
def test_half_an_answer_is_none(answer: bytes) -> None:
    with raw(answer) as url:
        client = Client(target=Target(url=url, key=ApiKey("very-secret")), patience=0.0)
        with pytest.raises((Unreachable, CommandError)) as error:
            client.send(GET)
    assert "very-secret" not in str(error.value)


def test_nobody_at_home_is_told_by_the_host() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    client = Client(target=Target(url=f"http://127.0.0.1:{port}", key=ApiKey("k")), patience=0.0)
    with pytest.raises(Unreachable, match=rf"127\.0\.0\.1:{port} cannot be reached"):
        client.send(GET)


@pytest.mark.parametrize("error", [
    requests.exceptions.InvalidHeader("x-api-key: very-secret"), requests.exceptions.InvalidURL("very-secret"),
    requests.exceptions.TooManyRedirects("very-secret"), ValueError("very-secret"),
])  # fmt: skip
def test_a_request_that_cannot_be_made_is_not_tried_again_and_not_quoted(
    client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    calls = []

    def fail(*args: object, **options: object) -> None:
        calls.append(args)
        raise error

    monkeypatch.setattr(requests.Session, "request", fail)
    with pytest.raises(CommandError, match="cannot be made") as caught:
        client.send(GET)
    assert len(calls) == 1
    assert "very-secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("error", [
    requests.exceptions.SSLError("x"), requests.exceptions.ProxyError("x"), requests.exceptions.ConnectTimeout("x"),
    requests.exceptions.ReadTimeout("x"), requests.exceptions.ChunkedEncodingError("x"), ConnectionResetError("x"),
    requests.exceptions.ContentDecodingError("x"), TimeoutError("x"), requests.exceptions.ConnectionError("x"),
])  # fmt: skip
def test_a_failure_of_the_network_is_tried_again(
    client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    real, errors = requests.Session.request, [error]

    def fail(*args: Any, **options: Any) -> requests.Response:
        if errors:
            raise errors.pop()
        return real(*args, **options)

    monkeypatch.setattr(requests.Session, "request", fail)
    assert client.send(GET).tries == 2


def test_trouble_of_several_threads_is_said_once_and_later_trouble_again() -> None:
    said, now = list[str](), [0.0]
    seldom = Seldom(said.append, clock=lambda: now[0])
    for number in range(8):
        seldom(f"t{number}")
    now[0] = 1.0
    seldom("later")
    assert said == ["t0", "later"]


def test_an_answer_that_never_comes_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskhook_cli.client.ANSWER_SECONDS", 0.3)
    with raw(b"", hold=5) as url:
        client = Client(target=Target(url=url, key=ApiKey("k")), patience=0.0)
        started = time.monotonic()
        with pytest.raises(Unreachable, match="did not answer in time"):
            client.send(GET)
    assert time.monotonic() - started < 3


def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch, service: Service) -> None:
    monkeypatch.setattr("taskhook_cli.client.MOST_BYTES", 1000)
    client = Client(target=Target(url=service.url, key=ApiKey(KEY)), patience=0.0)
    service.faults = [Reply(body=b"x" * 200_000)]
    with pytest.raises(Unreachable, match="too long"):
        client.send(GET)


def test_a_password_in_netrc_and_a_proxy_are_not_used_for_this_machine(
    start: Start, service: Service, variables: Mapping[str, str]
) -> None:
    netrc = f"{variables['HOME']}/.netrc"
    with open(netrc, "w", encoding="utf-8") as file:
        file.write("machine 127.0.0.1 login u password p\n")
    proxies = {"http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1", "NETRC": netrc}
    process = start("list", env=proxies)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert "authorization" not in service.requests[0].headers


def test_netrc_is_not_asked_when_proxies_are(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskhook_cli.client.is_loopback", lambda host: False)
    monkeypatch.setattr(requests.sessions, "get_netrc_auth", lambda url: ("user", "password"))
    Client(target=Target(url=service.url, key=ApiKey(KEY))).send(GET)
    assert "authorization" not in service.requests[0].headers


def test_a_defect_shows_no_text_and_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError(f"with the key {KEY} in it")

    monkeypatch.setattr("taskhook_cli.api.Api.tasks", broken)
    result = run("list")
    assert result.exit_code == 70
    assert "RuntimeError at test_client.py:" in result.stderr
    assert KEY not in result.stderr


def test_a_reader_who_has_enough_is_no_error_to_shout_about(start: Start, service: Service) -> None:
    for number in range(300):
        service.add(f"t{number}", title="x" * 500)
    process = start("list", "--all")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=60)
    assert errors == ""
    assert process.returncode == 1


def test_output_that_cannot_be_written_is_said(start: Start, service: Service) -> None:
    service.add("one")
    with open("/dev/full", "w", encoding="utf-8") as full:
        process = start("list", stdout=full)
        _, errors = process.communicate(timeout=60)
    assert errors == "taskhook: the output cannot be written: No space left on device\n"
    assert process.returncode == 1


@given(failures=st.integers(-3, 2000), asked=st.none() | st.floats(0, 1e6), seed=st.integers())
def test_a_wait_is_bounded_and_never_shorter_than_asked(failures: int, asked: float | None, seed: int) -> None:
    wait = backoff(failures=failures, rng=Random(seed), retry_after=asked)  # noqa: S311 - dice, no secret
    assert wait >= max(SHORTEST * 0.79, asked or 0.0)
    assert wait <= max(LONGEST * 1.21, asked or 0.0)


@given(st.text())
def test_any_retry_after_is_read_or_passed_over(text: str) -> None:
    found = retry_after({"Retry-After": text}, now=0.0)
    assert found is None or found >= 0


def test_both_forms_of_retry_after_are_read() -> None:
    assert retry_after({"Retry-After": "120"}, 0.0) == 120
    assert retry_after({"Retry-After": "Thu, 01 Jan 1970 00:01:40 GMT"}, 40.0) == 60
    assert retry_after({"Retry-After": "Thu, 01 Jan 1970 00:01:40 GMT"}, 4000.0) == 0
    assert retry_after({}, 0.0) is None


@given(st.text(min_size=1, max_size=150).filter(lambda text: text not in (".", "..")))
def test_a_segment_has_no_slash_and_is_the_text_again(text: str) -> None:
    from urllib.parse import unquote

    try:
        text.encode()
    except UnicodeEncodeError:
        return
    quoted = segment(text, "task id")
    assert not set(quoted) & set("/?#\\ ")
    assert unquote(quoted) == text


def test_statuses_that_pass_are_those_of_a_moment() -> None:
    assert [status for status in range(200, 600) if is_passing(status)][:5] == [408, 425, 429, 500, 502]

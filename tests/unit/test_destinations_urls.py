import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import parse_url

from taskhook.destinations import urls

LOOPBACKS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0X7F.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.1.",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "localhost",
    "localhost.",
    "LOCALHOST",
]
PRIVATE = ["10.0.0.1", "10.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "[fd12:3456::1]"]
NEVER = [
    "0.0.0.0",  # noqa: S104
    "0",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "169.254.170.2",
    "169.254.0.23",
    "100.100.100.200",
    "100.64.0.1",
    "192.0.0.192",
    "224.0.0.1",
    "255.255.255.255",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:100.100.100.200]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
]
LOCAL_NAMES = ["app.localhost", "metadata.google.internal", "db.internal", "printer.local", "nas.home.arpa", "intranet"]


def faults(url: str, *, allow_private: bool = False) -> list[str]:
    return urls.faults(url, allow_private=allow_private, resolve=False)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com/",
        "https://example.com:443/hook",
        "https://example.com:8443/hook",
        "https://example.com:08443/hook?a=b&c=%20d",
        "https://example.com:/hook",
        "https://example.com./hook",
        "https://EXAMPLE.com/Hook",
        "HTTPS://example.com/hook",
        "https://a_b.example.com/hook",
        "https://xn--bcher-kva.example/hook",
        "https://localhost.example.com/",
        "https://1.example.com/",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
        "https://example.com/" + "a" * (urls.LONGEST - 20),
    ],
)
def test_public_https_urls_are_fine(url: str) -> None:
    assert faults(url) == []
    assert faults(url, allow_private=True) == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "begin with https://"),
        ("example.com/hook", "begin with https://"),
        ("//example.com/hook", "begin with https://"),
        ("https:/example.com/hook", "begin with https://"),
        ("ftp://example.com/", "begin with https://"),
        ("file:///etc/passwd", "begin with https://"),
        ("http://example.com/", "begin with https://"),
        ("https://", "name a host"),
        ("https:///hook", "name a host"),
        ("https://:443/", "name a host"),
        ("https://user@example.com/", "user name"),
        ("https://user:pass@example.com/", "user name"),
        ("https://good.example@example.com/", "user name"),
        ("https://example.com/#top", "fragment"),
        ("https://example.com/#", "fragment"),
        ("https://example.com:0/", "port 443"),
        ("https://example.com:22/", "port 443"),
        ("https://example.com:25/", "port 443"),
        ("https://example.com:80/", "port 443"),
        ("https://example.com:1023/", "port 443"),
        ("https://example.com:1024/", "port 443"),
        ("https://example.com:6379/", "port 443"),
        ("https://example.com:8080/", "port 443"),
        ("https://example.com:-443/", "port 443"),
        ("https://8.8.8.8:53/", "port 443"),
        ("https://[2606:4700::1111]:2375/", "port 443"),
        ("https://example.com:65536/", "port 443"),
        ("https://example.com:https/", "port 443"),
        ("https://example.com/ hook", "without blanks"),
        (" https://example.com/", "without blanks"),
        ("https://example.com/\n", "without blanks"),
        ("https://exam\tple.com/", "without blanks"),
        ("https://example.com/\x00", "without blanks"),
        ("https://bücher.example/", "punycode"),
        ("https://example.com/ü", "percent-encode"),
        ("https://１２７.0.0.1/", "punycode"),
        ("https://example.com\\@10.0.0.1/", "percent-encode"),
        ("<https://example.com/>", "percent-encode"),
        ("https://example.com/{id}", "percent-encode"),
        ("https://[::1/", "such as"),
        ("https://[example.com]/", "such as"),
        ("https://[v1.x]/", "valid"),
        ("https://[2606:4700::1111%25eth0]/", "valid"),
        ("https://exa%6dple.com/", "valid"),
        ("https://example..com/", "valid"),
        ("https://-example.com/", "valid"),
        ("https://example.com;a/", "valid"),
        ("https://" + "a" * 64 + ".com/", "valid"),
        ("https://" + "a." * 130 + "com/", "valid"),
        ("https://256.256.256.256/", "valid"),
        ("https://1.2.3.4.5/", "valid"),
        ("https://08.1/", "valid"),
        ("https://4294967296/", "valid"),
        ("https://example.com/" + "a" * (urls.LONGEST - 19), "at most 2048"),
    ],
)
def test_other_urls_are_refused_with_a_reason(url: str, reason: str) -> None:
    (message,) = faults(url)
    assert reason in message


def test_every_fault_is_found_at_once() -> None:
    assert len(faults("http://user:pass@10.0.0.1:22/#top")) == 5


@pytest.mark.parametrize("host", [*LOOPBACKS, *PRIVATE, *NEVER, *LOCAL_NAMES])
def test_hosts_of_a_private_network_are_refused(host: str) -> None:
    (message,) = faults(f"https://{host}/")
    assert "public internet" in message


@pytest.mark.parametrize("host", [*LOOPBACKS, *PRIVATE])
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_private_hosts_can_be_allowed_and_then_without_tls(scheme: str, host: str) -> None:
    assert faults(f"{scheme}://{host}:8080/", allow_private=True) == []


@pytest.mark.parametrize("host", LOCAL_NAMES)
def test_private_names_can_be_allowed_with_tls(host: str) -> None:
    assert faults(f"https://{host}/", allow_private=True) == []
    assert faults(f"http://{host}/", allow_private=True) == [
        "must begin with https://, but for localhost or a private address"
    ]


@pytest.mark.parametrize("host", NEVER)
def test_link_local_and_metadata_addresses_are_never_allowed(host: str) -> None:
    assert "metadata" in faults(f"https://{host}/", allow_private=True)[-1]
    assert len(faults(f"http://{host}/", allow_private=True)) == 2


def test_public_hosts_always_need_tls() -> None:
    assert faults("http://8.8.8.8/", allow_private=True)
    assert faults("http://example.com/", allow_private=True)


def test_the_message_names_the_ports_and_the_setting() -> None:
    message = "must use port 443 or 8443: the setting DestinationPorts names those that are open"
    assert faults("https://example.com:9000/") == [message]


def test_the_ports_can_be_chosen() -> None:
    def chosen(url: str, *ports: int) -> list[str]:
        return urls.faults(url, allow_private=False, resolve=False, ports=ports)

    assert chosen("https://example.com:9000/", 9000, 443) == []
    assert chosen("https://example.com/", 9000, 443) == []
    assert chosen("https://example.com:8443/", 9000, 443)
    assert chosen("https://example.com/", 9000) == [
        "must use port 9000: the setting DestinationPorts names those that are open"
    ]


@pytest.mark.parametrize("port", [80, 443, 1024, 5001, 8080, 65535])
def test_any_port_that_needs_no_root_is_fine_on_one_machine(port: int) -> None:
    assert faults(f"http://localhost:{port}/", allow_private=True) == []
    assert faults(f"https://example.com:{port}/", allow_private=True) == []


@pytest.mark.parametrize("port", ["0", "22", "25", "1023", "65536", "x"])
def test_other_ports_are_not(port: str) -> None:
    assert faults(f"http://localhost:{port}/", allow_private=True) == [
        "must use port 80 or 443, or one from 1024 to 65535"
    ]


def test_a_port_below_1024_can_be_chosen_for_one_machine_too() -> None:
    assert urls.faults("http://localhost:853/", allow_private=True, resolve=False, ports=(853,)) == []


# --- names -----------------------------------------------------------------------------------------------------------


def look_up(*addresses: str) -> Callable[..., Any]:
    return lambda name, port, **_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]


def resolved(*addresses: str, allow_private: bool = False) -> list[str]:
    return urls.faults("https://example.com/", allow_private=allow_private, look_up=look_up(*addresses))


def test_one_bad_address_among_good_ones_is_enough() -> None:
    assert resolved("93.184.215.14", "2606:4700::1111") == []
    assert resolved("93.184.215.14", "10.0.0.1") == [
        "must lead to the public internet, and 'example.com' has an address that does not"
    ]
    assert resolved("fe80::1%2")


def test_names_may_lead_to_a_private_network_where_that_is_allowed() -> None:
    assert resolved("10.0.0.1", allow_private=True) == []
    assert resolved("169.254.169.254", allow_private=True) == [
        "must not lead to a link-local, metadata or special address, and 'example.com' has such an address"
    ]


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), UnicodeError("label"), OSError("no network")])
def test_a_name_that_leads_nowhere_now_is_no_fault(error: Exception) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    assert urls.faults("https://example.com/", allow_private=False, look_up=fail) == []


def test_a_slow_name_server_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urls, "RESOLVE_SECONDS", 0.05)
    done = threading.Event()

    def hang(*_: Any, **__: Any) -> Any:
        done.wait(10)
        return []

    started = time.monotonic()
    assert urls.faults("https://example.com/", allow_private=False, look_up=hang) == []
    assert time.monotonic() - started < 5
    done.set()


def test_a_url_with_faults_is_not_looked_up() -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("looked up")

    assert urls.faults("https://example.com/#top", allow_private=False, look_up=never)


# --- laws ------------------------------------------------------------------------------------------------------------

hosts = st.sampled_from([*LOOPBACKS, *PRIVATE, *NEVER, *LOCAL_NAMES, "example.com"])
pieces = st.sampled_from(["@", "#", "\\", "/", "?", ":", "%", ";", "[", "]", ".", "//", "%2e", "%40", "443", "x"])
sly = st.lists(hosts | pieces, min_size=1, max_size=6).map(lambda parts: "https://" + "".join(parts))


@given(st.text() | sly)
def test_no_text_breaks_the_check(url: str) -> None:
    assert all(isinstance(message, str) for message in faults(url))


@given(sly)
def test_the_host_that_is_checked_is_the_host_that_is_called(url: str) -> None:
    if not faults(url):
        prepared = str(requests.Request("POST", url).prepare().url)
        called = (parse_url(prepared).host or "").strip("[]").removesuffix(".")
        assert called == urls.host(url)


@given(st.text() | sly)
def test_the_host_of_any_text_is_a_text(url: str) -> None:
    assert isinstance(urls.host(url), str)

"""What no request may reach, by whatever name: lists of addresses and spellings, each put to the whole way out."""

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, ip_address
from typing import Any

import pytest
import requests

from taskhook import destinations, http
from taskhook.addresses import is_private_network, is_public
from taskhook.destinations import address_rule, urls
from taskhook.errors import AddressRefused, ConfigError, ConnectionFailed, TaskhookError, TransportError
from tests.conftest import ROOT

DATA = ROOT / "tests/data"
NAME = "hook.example.test"


def listed(name: str) -> list[str]:
    """The first word of each line that is no comment."""
    lines = (DATA / name).read_text("utf-8").splitlines()
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


REFUSED, PUBLIC, HOSTS = map(listed, ("addresses-refused.txt", "addresses-public.txt", "hosts-refused.txt"))

type Connected = list[str]


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Connected:
    """The addresses that somebody tried to connect to. None of them answers."""
    tried: Connected = []

    def connect(self: socket.socket, address: Any) -> None:
        tried.append(address[0])
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(http._Socket, "connect", connect)
    return tried


def entry(address: str, port: int) -> tuple[Any, ...]:
    """As getaddrinfo has it."""
    if isinstance(ip_address(address), IPv4Address):
        return socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)
    return socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0)


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Gives each look-up the next of several lists of addresses, then the last again; returns what was asked for."""

    def install(*answers: list[str]) -> list[str]:
        asked: list[str] = []

        def look_up(host: str, port: int, *args: Any, **options: Any) -> list[Any]:
            asked.append(host)
            return [entry(address, port) for address in answers[min(len(asked), len(answers)) - 1]]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        return asked

    return install


def post(url: str, *, allow_private: bool = False) -> http.Answer:
    return http.send(requests.Request("POST", url, data=b"{}"), seconds=5, allow=address_rule(allow_private))


# --- addresses -------------------------------------------------------------------------------------------------------


def test_the_lists_are_as_long_as_promised() -> None:
    assert [len(set(one)) == len(one) for one in (REFUSED, PUBLIC, HOSTS)] == [True] * 3
    assert len(REFUSED) >= 100
    assert len(PUBLIC) >= 100
    assert len(HOSTS) >= 70


def test_nothing_is_wrongly_allowed_and_nothing_wrongly_refused() -> None:
    assert [address for address in REFUSED if is_public(address)] == []
    assert [address for address in PUBLIC if not is_public(address)] == []


@pytest.mark.parametrize("address", REFUSED)
def test_a_name_that_leads_there_is_never_called(
    address: str, named: Callable[..., list[str]], connected: Connected
) -> None:
    named([address])
    with pytest.raises(AddressRefused):
        post(f"https://{NAME}/")
    assert connected == []


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_written_out_is_no_url_for_a_destination(address: str, connected: Connected) -> None:
    host = f"[{address}]" if ":" in address else address
    assert urls.faults(f"https://{host}/", allow_private=False)
    with pytest.raises(AddressRefused):
        post(f"https://{host}/")
    assert connected == []


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_called_and_none_but_it(
    address: str, named: Callable[..., list[str]], connected: Connected
) -> None:
    host = f"[{address}]" if ":" in address else address
    assert urls.faults(f"https://{host}/", allow_private=False, resolve=False) == []
    asked = named([address])
    with pytest.raises(ConnectionFailed):
        post(f"https://{NAME}/")
    assert (asked, connected) == ([NAME], [address])


def test_on_one_machine_its_own_network_is_open_and_nothing_else_of_what_is_refused() -> None:
    rule = address_rule(allow_private=True)
    opened = {address for address in REFUSED if rule(ip_address(address))}
    assert opened == {address for address in REFUSED if is_private_network(address)}
    assert opened == {
        *("127.0.0.1", "127.0.0.53", "127.255.255.254", "::1", "10.0.0.1", "10.255.255.255", "172.16.0.1"),
        *("172.31.255.255", "192.168.0.1", "192.168.255.255", "fc00::1", "fdff:ffff::1"),
    }


# --- names that change their mind ------------------------------------------------------------------------------------


@pytest.mark.parametrize("second", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "fd00:ec2::254", "::1"])
def test_a_name_that_leads_elsewhere_the_second_time_is_asked_once(
    second: str, named: Callable[..., list[str]], connected: Connected
) -> None:
    asked = named(["93.184.215.14"], [second])
    with pytest.raises(ConnectionFailed):
        post(f"https://{NAME}/")
    assert (asked, connected) == ([NAME], ["93.184.215.14"])


def test_every_attempt_asks_and_checks_anew(named: Callable[..., list[str]], connected: Connected) -> None:
    asked = named(["93.184.215.14"], ["169.254.169.254"])
    with pytest.raises(ConnectionFailed):
        post(f"https://{NAME}/")
    with pytest.raises(AddressRefused):
        post(f"https://{NAME}/")
    assert (asked, connected) == ([NAME] * 2, ["93.184.215.14"])


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("bad", ["127.0.0.1", "100.100.100.200", "64:ff9b::a9fe:a9fe", "::ffff:10.0.0.1"])
def test_one_bad_address_anywhere_among_good_ones_is_enough(
    bad: str, place: int, named: Callable[..., list[str]], connected: Connected
) -> None:
    addresses = ["93.184.215.14", "2606:4700:4700::1111"]
    addresses.insert(place, bad)
    named(addresses)
    with pytest.raises(AddressRefused):
        post(f"https://{NAME}/")
    assert connected == []


def test_all_addresses_that_were_checked_are_tried_and_no_others(
    named: Callable[..., list[str]], connected: Connected
) -> None:
    addresses = ["93.184.215.14", "2606:4700:4700::1111", "1.1.1.1"]
    asked = named([*addresses, "1.1.1.1"], ["127.0.0.1"])
    with pytest.raises(ConnectionFailed):
        post(f"https://{NAME}/")
    assert (asked, connected) == ([NAME], addresses)


# --- spellings -------------------------------------------------------------------------------------------------------


def libc(host: str, port: int, *args: Any, **options: Any) -> list[Any]:
    """A resolver that takes every spelling of inet_aton, as those of most systems do, and knows no other name."""
    try:
        return [entry(socket.inet_ntoa(socket.inet_aton(host.removesuffix("."))), port)]
    except (OSError, UnicodeError):
        pass
    try:
        return [entry(str(ip_address(host)), port)]
    except ValueError:
        raise socket.gaierror(socket.EAI_NONAME, "unknown") from None


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("end", ["/", "", ":443/", "/hook?a=b"])
def test_a_host_is_refused_however_it_is_written(host: str, end: str) -> None:
    assert urls.faults(f"https://{host}{end}", allow_private=False, resolve=False)


@pytest.mark.parametrize("host", HOSTS)
def test_a_record_with_such_a_host_is_neither_taken_nor_used(host: str) -> None:
    url = f"https://{host}/"
    assert destinations.check({"type": "webhook", "url": url}, allow_private=False, resolve=False)
    with pytest.raises(ConfigError, match='"url"'):
        destinations.parse("ops", f'{{"type": "webhook", "url": {_quoted(url)}}}', allow_private=False)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\") + '"'


@pytest.mark.parametrize("host", HOSTS)
def test_the_way_out_refuses_them_too_should_one_have_come_so_far(
    host: str, connected: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or takes the host for the public one that is written there as well, and calls that."""
    monkeypatch.setattr(socket, "getaddrinfo", libc)
    with pytest.raises(TaskhookError) as caught:
        post(f"https://{host}/")
    assert all(is_public(address) for address in connected)
    assert isinstance(caught.value, TransportError | ConfigError)

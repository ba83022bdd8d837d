"""Addresses that a user could name, and what becomes of them. Sources of the ranges: see ``taskhook.addresses``."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskhook.addresses import IPV4_SPECIAL, IPV6_SPECIAL, is_private_network, is_public

METADATA = {
    "AWS instance": "169.254.169.254",
    "AWS container credentials": "169.254.170.2",
    "AWS pod identity": "169.254.170.23",
    "Alibaba instance": "100.100.100.200",
    "Tencent instance": "169.254.0.23",
    "another cloud's instance": "192.0.0.192",
    "Azure host agent": "168.63.129.16",
}
METADATA_IPV6 = [
    *("fd00:ec2::254", "fd00:ec2::23", "fd00:ec2::253", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42"),
    *("fd00:a9fe:a9fe::1", "fd00:100::100:200", "fe80::a9fe:a9fe"),
]


def wrapped(ipv4: str) -> list[str]:
    """An IPv4 address in every IPv6 form that some stack or gateway takes apart again."""
    number = int(IPv4Address(ipv4))
    high, low = divmod(number, 1 << 16)
    return [
        f"::ffff:{ipv4}",  # mapped
        f"::{ipv4}",  # compatible
        f"::ffff:0:{ipv4}",  # translated, RFC 2765
        f"64:ff9b::{ipv4}",  # NAT64
        f"64:ff9b:1::{ipv4}",  # local NAT64
        f"2002:{high:x}:{low:x}::1",  # 6to4
        str(IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF))),  # Teredo
    ]


REFUSED = [
    *METADATA.values(),
    *METADATA_IPV6,
    *(form for address in METADATA.values() for form in wrapped(address)),
    *("0.0.0.0", "0.255.255.255", "127.0.0.1", "127.255.255.254", "10.0.0.0", "10.255.255.255"),  # noqa: S104
    *("172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255", "100.64.0.0", "100.127.255.255"),
    *("169.254.0.0", "169.254.255.255", "192.0.0.0", "192.0.0.8", "192.0.0.171", "192.0.2.1", "192.88.99.1"),
    *("192.31.196.1", "192.52.193.1", "192.175.48.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "254.255.255.255", "255.255.255.255"),
    *("::", "::1", "::2", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.1.2.3", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"),
    *("100::1", "100:0:0:1::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1"),
    *("2001::1", "2001:2::1", "2001:3::1", "2001:4:112::1", "2001:10::1", "2001:20::1", "2001:30::1", "2001:1ff::1"),
    *("2001:db8::1", "2002::1", "2002:0808:0808::1", "2620:4f:8000::1", "3ffe::1", "3fff::1", "3fff:fff:ffff::1"),
    *("1::1", "1fff:ffff::1", "4000::1", "5f00::1", "8000::1", "e000::1"),
]

ALLOWED = [
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"),
    *("128.0.0.1", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255"),
    *("192.0.1.0", "192.0.3.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255"),
    *("203.0.112.255", "203.0.114.0", "223.255.255.255", "47.88.0.1", "119.28.0.1", "52.94.76.1"),
    *("2001:200::1", "2001:4860:4860::8888", "2606:4700:4700::1111", "2400:3200::1", "2402:4e00::1", "2600:1f00::1"),
    *("2001:db7:ffff::1", "2001:db9::1", "2003::1", "2a00:1450::1", "3fff:1000::1", "3ffd::1"),
]

PRIVATE = [
    *("127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("::1", "fc00::1", "fd12:3456::1", "fd00:ec1::254", "fd00:ec3::254"),
]


def test_the_tables_are_as_long_as_promised() -> None:
    assert len(set(REFUSED)) >= 60
    assert len(set(ALLOWED)) >= 20


@pytest.mark.parametrize("address", dict.fromkeys(REFUSED))
def test_is_not_public(address: str) -> None:
    assert not is_public(address)
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", dict.fromkeys(ALLOWED))
def test_is_public(address: str) -> None:
    assert is_public(address)
    assert is_public(ip_address(address))
    assert not is_private_network(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_developers_network_is_private(address: str) -> None:
    assert is_private_network(address)
    assert is_private_network(ip_address(address))
    assert not is_public(address)


@pytest.mark.parametrize("address", [*METADATA.values(), *METADATA_IPV6, "169.254.1.1", "fe80::1"])
def test_metadata_and_link_local_are_refused_by_both_rules(address: str) -> None:
    assert not is_public(address)
    assert not is_private_network(address)


@pytest.mark.parametrize(
    "form", [form for address in ("127.0.0.1", "10.0.0.1", "8.8.8.8") for form in wrapped(address)]
)
def test_an_ipv4_address_inside_of_ipv6_is_refused_by_both_rules(form: str) -> None:
    assert not is_public(form)
    assert not is_private_network(form)


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "1.2.3.4:80", "[::1]"]
)
def test_what_is_not_an_address_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        is_public(text)
    with pytest.raises(ValueError, match="does not appear to be"):
        is_private_network(text)


@given(st.ip_addresses())
def test_no_address_is_both_and_neither_rule_is_wider_than_pythons(address: IPv4Address | IPv6Address) -> None:
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved
        assert not is_private_network(address)
    if is_private_network(address):
        assert address.is_private
        assert not address.is_link_local


@given(st.ip_addresses(v=6) | st.ip_addresses(v=4))
def test_no_address_counts_by_what_is_wrapped_in_it(address: IPv4Address | IPv6Address) -> None:
    if isinstance(address, IPv4Address):
        # ::0.0.0.1 is ::1, which is the loopback in its own right.
        forms = [form for form in wrapped(str(address)) if ip_address(form) != IPv6Address("::1")]
        assert not any(is_public(form) or is_private_network(form) for form in forms)
    elif is_public(address):
        assert [address.ipv4_mapped, address.sixtofour, address.teredo] == [None, None, None]


@pytest.mark.parametrize("network", [*IPV4_SPECIAL, *IPV6_SPECIAL], ids=str)
def test_every_range_is_refused_from_end_to_end(network: IPv4Network | IPv6Network) -> None:
    assert not is_public(network[0])
    assert not is_public(network[-1])

"""Which addresses may be called: a table of what may not, with the document that sets each range aside.

``ipaddress.is_global`` and ``is_private`` are no substitute: between them they let through 100.100.100.200 (the
metadata service of an Alibaba instance), multicast and NAT64. Sources: the IANA IPv4 and IPv6 Special-Purpose Address
Registries, the IANA multicast registries, and the RFC named beside each range.
"""

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

type Address = IPv4Address | IPv6Address
type AddressRule = Callable[[Address], bool]

IPV4_SPECIAL: dict[IPv4Network, str] = {
    IPv4Network("0.0.0.0/8"): "this network, RFC 1122; Linux connects 0.0.0.0 to itself",
    IPv4Network("10.0.0.0/8"): "private, RFC 1918",
    IPv4Network("100.64.0.0/10"): "shared address space, RFC 6598; holds Alibaba metadata, 100.100.100.200",
    IPv4Network("127.0.0.0/8"): "loopback, RFC 1122",
    IPv4Network("168.63.129.16/32"): "Azure's agent on the host of each virtual machine; public by registration only",
    IPv4Network("169.254.0.0/16"): "link local, RFC 3927; holds AWS and Tencent metadata and AWS container credentials",
    IPv4Network("172.16.0.0/12"): "private, RFC 1918",
    IPv4Network("192.0.0.0/24"): "protocol assignments, RFC 6890; holds another cloud's metadata, 192.0.0.192",
    IPv4Network("192.0.2.0/24"): "documentation, RFC 5737",
    IPv4Network("192.31.196.0/24"): "AS112, RFC 7535",
    IPv4Network("192.52.193.0/24"): "multicast tunnelling, RFC 7450",
    IPv4Network("192.88.99.0/24"): "6to4 relays, withdrawn by RFC 7526",
    IPv4Network("192.168.0.0/16"): "private, RFC 1918",
    IPv4Network("192.175.48.0/24"): "AS112, RFC 7534",
    IPv4Network("198.18.0.0/15"): "benchmarking, RFC 2544",
    IPv4Network("198.51.100.0/24"): "documentation, RFC 5737",
    IPv4Network("203.0.113.0/24"): "documentation, RFC 5737",
    IPv4Network("224.0.0.0/4"): "multicast, RFC 5771",
    IPv4Network("240.0.0.0/4"): "reserved, RFC 1112; ends with the broadcast address, RFC 8190",
}

# Only this block is handed out for global unicast (RFC 4291, RFC 3587). What wraps an IPv4 address lies outside it and
# is refused with the rest: mapped ::ffff:0:0/96, compatible ::/96, NAT64 64:ff9b::/96 (RFC 6052) and 64:ff9b:1::/48
# (RFC 8215).
IPV6_GLOBAL = IPv6Network("2000::/3")

IPV6_SPECIAL: dict[IPv6Network, str] = {
    IPv6Network("2001::/23"): "protocol assignments, RFC 2928: Teredo, benchmarking, AS112, ORCHID, ORCHIDv2",
    IPv6Network("2001:db8::/32"): "documentation, RFC 3849",
    IPv6Network("2002::/16"): "6to4, RFC 3056: wraps an IPv4 address",
    IPv6Network("2620:4f:8000::/48"): "AS112, RFC 7534",
    IPv6Network("3ffe::/16"): "6bone, returned by RFC 3701",
    IPv6Network("3fff::/20"): "documentation, RFC 9637",
}

PRIVATE_IPV4 = tuple(IPv4Network(n) for n in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
PRIVATE_IPV6 = (IPv6Network("::1/128"), IPv6Network("fc00::/7"))  # loopback, RFC 4291; unique local, RFC 4193

# Clouds answer for themselves inside of unique local prefixes: metadata, credentials, names.
CLOUD_IPV6 = {
    IPv6Network("fd00:ec2::/32"): "AWS: metadata (::254), container credentials (::23), names (::253)",
    IPv6Network("fd20:ce::/32"): "Google: metadata (::254)",
    IPv6Network("fd00:c1::/32"): "Oracle: metadata (::a9fe:a9fe)",
    IPv6Network("fd00:42::/32"): "Scaleway: metadata (::42)",
    IPv6Network("fd00:a9fe:a9fe::/48"): "Linode: metadata (::1)",
    IPv6Network("fd00:100::/32"): "Alibaba: metadata (::100:200)",
}


def is_public(address: str | Address) -> bool:
    """Whether the address belongs to the public internet and to none of the special ranges.

    Raises ``ValueError`` for a string that is not an address; a host name is not one.
    """
    ip = ip_address(address)
    if isinstance(ip, IPv4Address):
        return not _in_any(ip, IPV4_SPECIAL)
    return ip in IPV6_GLOBAL and not _in_any(ip, IPV6_SPECIAL)


def is_private_network(address: str | Address) -> bool:
    """Whether the address is loopback, RFC 1918 or unique local: what a developer's own machine may be allowed to call.

    Never link-local, never a metadata service, and never an IPv4 address wrapped in an IPv6 one.
    Raises ``ValueError`` for a string that is not an address.
    """
    ip = ip_address(address)
    if isinstance(ip, IPv4Address):
        return _in_any(ip, PRIVATE_IPV4)
    return _in_any(ip, PRIVATE_IPV6) and not _in_any(ip, CLOUD_IPV6)


def _in_any(ip: Address, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    return any(ip in network for network in networks)

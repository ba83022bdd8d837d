"""Which URLs news may be sent to.

This is the check when a destination is named; the one that protects is ``address_rule``, put to the addresses that
are really called. The messages name the host at most: whoever knows the URL of a chat channel may post there.
"""

import queue
import re
import socket
import threading
from collections.abc import Callable, Collection
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from taskhook.addresses import Address, AddressRule, is_private_network, is_public

LONGEST = 2048
RESOLVE_SECONDS = 2.0
"""A caller waits for this check. A name that takes longer is taken on trust, as delivery looks again."""

DEFAULT_PORTS = (443, 8443)
"""Where web servers speak TLS. Behind other ports are databases, mail and remote shells, whose servers could take the
lines of a request for commands."""

LOCAL_SUFFIXES = ("localhost", "local", "internal", "home.arpa")
"""Names under these never mean a host on the internet: RFC 6761, RFC 6762, ICANN's ``internal``, RFC 8375."""

_ELSEWHERE = re.compile(r"[^!-~]")
_UNSAFE = re.compile(r'["<>\\^`{|}]')
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")

type LookUp = Callable[..., Any]


def address_rule(allow_private: bool) -> AddressRule:
    """The addresses that a destination may have: public ones, and on a developer's own machine private ones too.

    Link-local addresses and metadata services are among neither.
    """
    if allow_private:
        return lambda address: is_public(address) or is_private_network(address)
    return is_public


def host(url: str) -> str:
    """The host of a URL in lower case, "" where there is none."""
    try:
        return _name(urlsplit(url))
    except ValueError:
        return ""


def _name(parts: SplitResult) -> str:
    """Without the dot that makes a name absolute: ``localhost.`` is ``localhost``."""
    return (parts.hostname or "").removesuffix(".")


def faults(
    url: str,
    *,
    allow_private: bool,
    resolve: bool = True,
    look_up: LookUp | None = None,
    ports: Collection[int] = DEFAULT_PORTS,
) -> list[str]:
    """Everything that is wrong with the URL, each to be read after the word "url".

    ``ports`` are those that it may name; with ``allow_private`` also 80, 443 and all from 1024.
    ``resolve`` also looks up where the name leads now. A name that leads nowhere now is no fault: delivery tries again.
    """
    unreadable = _unreadable(url)
    if unreadable:
        return [unreadable]
    parts = urlsplit(url)
    found = [
        *_scheme(parts, allow_private),
        *_extras(url, parts),
        *_port(parts, allow_private, ports),
        *_host(parts, allow_private),
    ]
    if found or not resolve:
        return found
    return _resolved(parts, allow_private, look_up or socket.getaddrinfo)


def _unreadable(url: str) -> str | None:
    """Why the URL cannot even be taken apart. Parsers disagree about most of these, and that is how filters fail."""
    if len(url) > LONGEST:
        return f"must have at most {LONGEST} characters"
    if _ELSEWHERE.search(url):
        return (
            "must consist of printable ASCII without blanks: write an international host name in punycode (xn--...), "
            "and percent-encode other characters"
        )
    if _UNSAFE.search(url):
        return 'must not contain any of " < > \\ ^ ` { | }: percent-encode them'
    if not re.match("https?://", url, re.IGNORECASE):
        return "must begin with https://"
    try:
        urlsplit(url)
    except ValueError:
        return "must be a URL such as https://example.com/hook"
    return None


def _scheme(parts: SplitResult, allow_private: bool) -> list[str]:
    if parts.scheme == "https" or (allow_private and _on_this_network(parts)):
        return []
    but = ", but for localhost or a private address" if allow_private else ""
    return [f"must begin with https://{but}"]


def _on_this_network(parts: SplitResult) -> bool:
    """Whether the host itself, not what a name server makes of it, is a machine close by."""
    name = _name(parts)
    try:
        address = _address(name)
    except ValueError:
        return False
    return is_private_network(address) if address else name == "localhost"


def _extras(url: str, parts: SplitResult) -> list[str]:
    found = []
    if "@" in parts.netloc:
        found.append("must not contain a user name or a password: use a header")
    if "#" in url:
        found.append("must not contain a fragment (#...)")
    return found


def _port(parts: SplitResult, allow_private: bool, ports: Collection[int]) -> list[str]:
    try:
        port = 443 if parts.port is None else parts.port
    except ValueError:
        port = 0
    if allow_private:
        # A developer's servers listen wherever they may without being root.
        good = port in ports or port in (80, 443) or port >= 1024
        return [] if good else ["must use port 80 or 443, or one from 1024 to 65535"]
    if port in ports:
        return []
    which = " or ".join(map(str, sorted(ports)))
    return [f"must use port {which}: the setting DestinationPorts names those that are open"]


def _host(parts: SplitResult, allow_private: bool) -> list[str]:
    name = _name(parts)
    if not name:
        return ["must name a host"]
    try:
        address = _address(name)
    except ValueError:
        return ["must name a host or an IP address that is valid"]
    if address:
        return [] if address_rule(allow_private)(address) else [_forbidden(name, "", allow_private)]
    if not _NAME.fullmatch(name) or "[" in parts.netloc:
        return ["must name a host or an IP address that is valid"]
    if not allow_private and _local(name):
        return [f"must lead to the public internet, and '{name}' is a name of a private network"]
    return []


def _address(name: str) -> Address | None:
    """The address that a literal means, None for a name. Raises ValueError for a literal that means none.

    What ends in a number is an address to every resolver, in all the spellings of C's inet_aton: ``127.1``,
    ``0x7f.1``, ``017700000001`` and ``2130706433`` are one and the same.
    """
    if "%" in name:
        raise ValueError("a zone belongs to one machine")
    if ":" in name:
        return IPv6Address(name)
    if not _NUMBER.fullmatch(name.rpartition(".")[2]):
        return None
    try:
        return IPv4Address(socket.inet_aton(name))
    except OSError:
        raise ValueError("not an address") from None


def _local(name: str) -> bool:
    return "." not in name or any(name == suffix or name.endswith(f".{suffix}") for suffix in LOCAL_SUFFIXES)


def _forbidden(name: str, how: str, allow_private: bool) -> str:
    if allow_private:
        return f"must not lead to a link-local, metadata or special address, and '{name}' {how or 'is one'}"
    return f"must lead to the public internet, and '{name}' {how or 'is an address that'} does not"


def _resolved(parts: SplitResult, allow_private: bool, look_up: LookUp) -> list[str]:
    name = _name(parts)
    allowed = address_rule(allow_private)
    if all(allowed(address) for address in _addresses(name, parts.port or 443, look_up)):
        return []
    how = "has such an address" if allow_private else "has an address that"
    return [_forbidden(name, how, allow_private)]


def _addresses(name: str, port: int, look_up: LookUp) -> list[Address]:
    """Where the name leads; nothing where that cannot be told in time."""
    answers: queue.SimpleQueue[list[Address]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put([ip_address(found[4][0]) for found in look_up(name, port, type=socket.SOCK_STREAM)])
        except (OSError, ValueError):  # a UnicodeError is a ValueError: a label too long for the resolver
            answers.put([])

    # The resolver of the C library knows no deadline: it is left behind in a thread that nobody waits for.
    threading.Thread(target=ask, daemon=True).start()
    try:
        return answers.get(timeout=RESOLVE_SECONDS)
    except queue.Empty:
        return []

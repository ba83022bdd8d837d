"""Which addresses a sender may be led to: taskhook's rule, and what others have for that.

python -m benchmarks.egress judge safehttpx    # in a process of its own: the addresses that it lets through, as JSON
"""

import json
import logging
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from ipaddress import ip_address

from benchmarks.report import met, table
from local.settings import REPOSITORY

DATA = REPOSITORY / "tests" / "data"
EXAMPLES = 3

type Rule = Callable[[str], bool]


def main() -> None:
    # Not at the top: whoever judges in a process of his own needs neither.
    from benchmarks.footprint import run
    from benchmarks.installed import peers

    refused, public = listed("addresses-refused.txt"), listed("addresses-public.txt")
    rows = []
    with peers() as environment:
        for name in RULES:
            command = [sys.executable, "-m", "benchmarks.egress", "judge", name]
            allowed = set(json.loads(run(command, env=environment)))
            rows.append(
                _row(name, [one for one in refused if one in allowed], [one for one in public if one not in allowed])
            )
    print(f"Addresses judged: {len(refused)} that must be refused, {len(public)} that must not\n")
    print(table(("rule", "wrongly allowed", "wrongly refused", "none: met", "such as"), rows), "\n")


def _row(name: str, allowed: list[str], refused: list[str]) -> tuple[str, ...]:
    examples = ", ".join((allowed + refused)[:EXAMPLES])
    return (
        name,
        str(len(allowed)),
        str(len(refused)),
        met(not allowed and not refused) if name == OURS else "",
        examples,
    )


def listed(name: str) -> list[str]:
    lines = (DATA / name).read_text("utf-8").splitlines()
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


# --- the rules -------------------------------------------------------------------------------------------------------


def _taskhook() -> Rule:
    from taskhook.addresses import is_public

    return is_public


def _requests_hardened() -> Rule:
    """With IPv6 even where this machine has none, since the question is what would be called."""
    module = import_module("requests_hardened.ip_filter")
    vars(module)["allowed_gai_family"] = lambda: socket.AF_UNSPEC
    logging.disable()

    def allows(address: str) -> bool:
        try:
            module.get_ip_address(address, 443, allow_loopback=False)
        except module.InvalidIPAddress:
            return False
        return True

    return allows


def _safehttpx() -> Rule:
    rule: Rule = import_module("safehttpx").is_public_ip
    return rule


OURS = "taskhook"
RULES: dict[str, Callable[[], Rule]] = {
    OURS: _taskhook,
    "requests-hardened": _requests_hardened,
    "safehttpx": _safehttpx,
    "ipaddress: is_global": lambda: lambda address: ip_address(address).is_global,
    "ipaddress: not is_private": lambda: lambda address: not ip_address(address).is_private,
}


def judge(name: str) -> None:
    rule = RULES[name]()
    everyone = listed("addresses-refused.txt") + listed("addresses-public.txt")
    print(json.dumps([address for address in everyone if rule(address)]))


if __name__ == "__main__":
    judge(sys.argv[2]) if sys.argv[1:2] == ["judge"] else main()

"""The documented rates, which the simulator enforces when asked."""

import time
from typing import Any

from local.simulator.clouds import Clouds
from tests.simulated import NOW, ORACLES, OWN, code_of, signed_bm, signed_listing, signed_tc3

pytestmark = ORACLES


def test_documented_rate_limits_are_enforced_when_asked() -> None:
    now = float(NOW)
    clouds = Clouds(rate_limits=True, clock=lambda: now)
    codes = [code_of(clouds.respond(signed_tc3())) for _ in range(21)]
    assert codes == [None] * 20 + ["RequestLimitExceeded"]
    now += 1
    assert code_of(clouds.respond(signed_tc3())) is None
    codes = [code_of(clouds.respond(signed_bm(Nonce=str(n + 1)))) for n in range(101)]
    assert codes == [None] * 100 + [4400]


def test_every_entry_has_its_own_rate_limit() -> None:
    clouds = Clouds(own=OWN, rate_limits=True, clock=lambda: NOW)
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - 7 * 86_400))
    paged = {"JobId": "instant-1", "PageSize": "2", "Page": "1", "Deep.Since": since}

    def ask(service: str, query: dict[str, str]) -> list[Any]:
        signed = (signed_listing(service, query, nonce=f"{service}-{number}") for number in range(3))
        return [code_of(clouds.respond(request)) for request in signed]

    assert ask("twin-a", paged) == [None, None, "Throttling.User"]
    assert ask("twin-b", {"JobId": "instant-1"}) == [None, None, None]

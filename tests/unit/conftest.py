"""What unit tests share: the simulated clouds, with and without a socket.

They are imported when a test asks for them, as the SDKs that check their signatures take a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Clock

if TYPE_CHECKING:
    from local.simulator import Simulator
    from local.simulator.clouds import Clouds
    from tests.simulated import World


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    from local.simulator import Simulator

    with Simulator(hang_seconds=0.2) as simulator:
        yield simulator


@pytest.fixture
def clouds() -> Clouds:
    """At a frozen time."""
    from local.simulator.clouds import Clouds
    from tests.simulated import NOW

    return Clouds(clock=lambda: NOW)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    from local.simulator import Simulator
    from tests.simulated import OWN, World

    clock = Clock()
    with Simulator(own=OWN, clock=clock) as simulator:
        yield World(simulator, clock, OWN)

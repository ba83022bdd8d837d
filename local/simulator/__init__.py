"""Plays the cloud providers' task APIs on one loopback port.

    with Simulator() as sim:
        account = TENCENT.account(sim.url)          # as taskhook is configured with it
        sim.script("55c85074-...", LIVES["flaky"])  # or choose a life by the task id: "flaky-1"
        ...
        sim.log.verdicts("flaky-1")                 # ["fault internal", "answered running", ...]

Every entry of taskhook's catalogue is played, and those given as ``own``: requests are held to what an entry says is
sent, and answers are made from what it says is read. Signatures are checked with the official SDKs' own signing code,
against the Host header as it arrived. A part of a task id that no request carries (the operation behind a machine's
latest state) is known by ``script``, else taken to be the same as the first part. An entry with ``batch`` is asked
for many tasks at once, which is one request to the log (``Entry.ids``, ``Entry.asked``) and to the rate limits.
``python -m local.simulator --port N`` serves people: see ``/_lives`` and ``/_log``.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Self

import local.simulator.layer  # noqa: F401 - first, as everything else here imports taskhook
from local.simulator.clouds import Clouds
from local.simulator.credentials import (
    ALIBABA,
    ALIBABA_EXPIRED,
    ALIBABA_FORBIDDEN,
    ALIBABA_INACTIVE,
    ALIBABA_STS,
    KNOWN,
    TENCENT,
    TENCENT_EXPIRED,
    TENCENT_FORBIDDEN,
    TENCENT_STS,
    Credential,
)
from local.simulator.lives import (
    HANG_SECONDS,
    LIVES,
    Answer,
    Dialect,
    Fault,
    Life,
    Outcome,
    Step,
    life_of,
)
from local.simulator.log import Asked, Entry, RequestLog
from local.simulator.loopback import LoopbackServer

__all__ = [
    "ALIBABA",
    "ALIBABA_EXPIRED",
    "ALIBABA_FORBIDDEN",
    "ALIBABA_INACTIVE",
    "ALIBABA_STS",
    "KNOWN",
    "LIVES",
    "TENCENT",
    "TENCENT_EXPIRED",
    "TENCENT_FORBIDDEN",
    "TENCENT_STS",
    "Answer",
    "Asked",
    "Credential",
    "Dialect",
    "Entry",
    "Fault",
    "Life",
    "Outcome",
    "RequestLog",
    "Simulator",
    "Step",
    "life_of",
]


class Simulator:
    """Serves from construction until ``close``. See :class:`Clouds` for the arguments."""

    def __init__(
        self,
        accounts: Iterable[Credential] = KNOWN,
        *,
        own: Mapping[str, str] | None = None,
        port: int = 0,
        rate_limits: bool = False,
        hang_seconds: float = HANG_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clouds = Clouds(accounts, own=own, rate_limits=rate_limits, hang_seconds=hang_seconds, clock=clock)
        self._server = LoopbackServer(self._clouds.respond, port=port)

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def log(self) -> RequestLog:
        return self._clouds.log

    def script(self, task_id: str | int, life: Life | str) -> None:
        """Gives a task a life of its own, whatever its id says; it begins anew with the next poll."""
        self._clouds.script(task_id, life)

    def admit(self, credential: Credential) -> None:
        """The credential is accepted from now on."""
        self._clouds.admit(credential)

    def revoke(self, credential: Credential) -> None:
        """The credential is refused as an unknown key from now on."""
        self._clouds.revoke(credential)

    def close(self) -> None:
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

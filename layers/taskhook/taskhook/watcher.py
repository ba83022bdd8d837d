"""What a look needs of the outside, made once for each process."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from taskhook import http
from taskhook.accounts import Account
from taskhook.bus import Bus
from taskhook.durations import Durations
from taskhook.pacing import Pace
from taskhook.pauses import Pauses
from taskhook.providers.model import Provider, Refusal
from taskhook.queues import Queues
from taskhook.sharing import Sharing
from taskhook.store import Store

type AccountOf = Callable[..., Account | Refusal]
type Find = Callable[[str], Provider | None]
type Send = Callable[..., http.Answer]
type Left = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    store: Store
    account: AccountOf
    find: Find
    durations: Durations
    pauses: Pauses
    queues: Queues
    bus: Bus
    pace: Pace
    sharing: Sharing
    patience: float
    clock: Callable[[], float]
    rng: Random
    send: Send = http.send

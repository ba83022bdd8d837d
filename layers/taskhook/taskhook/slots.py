"""Places in time for requests: a calendar that all executions share, so that no rate limit is ever exceeded.

A request to one API of one account through one host needs a slot. Slots lie on a grid that is the same for everybody:
place number k is at ``k / (0.9 r)`` seconds since 1970 for a limit of r requests per second, and nobody gets a place
that somebody else has. So the law does not depend on who asks when, nor on which processes live:

    r + 1 places span at least a ninth more than the limit's window, hence no window, wherever it begins, holds more
    than 0.9 r + 1 of them, and still no more than r when each request is late by anything up to a ninth of the window.

For the shortest window, a second, that is 0.11 s. ``missed`` spends half of it on whoever is late before the request;
the other half is the network's. At 100/min the same grid has a place every 0.67 s: 90 a minute, never three a second.

A place is taken by one conditional write. An item of the table is half a minute of one key, ``slots#...#<half
minute>``, with a counter for each quarter of a second, ``s0`` to ``s119``; the counter's new value says which of the
four or five places of that quarter it is. (With seconds, places before the due moment would be given, or lost, or half
a second be waited for; finer counters would make the item larger than the kilobyte that one write unit pays for.)
A refused write brings the item along for nothing, so that the next one goes to a quarter that has room. A process
keeps in mind what it knows to be full, and that never grows old, as places are not given back.

The slot of the *next* look is reserved at the end of a look, while the function runs anyway: that costs one write
instead of an invocation. A look that is wanted at once asks for a slot that is due now; polling.md's GCRA for that
is one more item, two more expressions, and a second owner of the same limit, and gains an eighth of a second.

What it costs: one write unit for a slot at or near its due time, about two under congestion (the first one finds that
others were quicker), and where more than two minutes are full some reads, a tenth of a write each, twice the binary
logarithm of the distance. An execution that is lost wastes its slot and nothing else.

Under congestion slots are given in the order in which they are reserved, and each task holds one at a time: nobody
waits for two rounds. The order of due times is kept among those who reserve at the same moment.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random
from threading import Lock
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from taskhook import aws
from taskhook.config import Settings
from taskhook.memory import remember

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from taskhook.providers.model import Provider

logger = logging.getLogger(__name__)

PLANNED = (9, 10)
"""The share of a documented limit that is planned with."""
LEAD = 1.5
"""Seconds before its slot at which an execution should wake: it sleeps the rest, so that a cold start does no harm."""
LATE = 1 / 18
"""Seconds after its slot in which a request may still be sent, whatever the limit."""

_QUARTERS = 4
_COUNTERS = 120
_KEPT = 600
"""Seconds that an item outlives its last slot."""
_WALK = 4
"""Full items in a row that are found out by writing; those behind them are skipped by reading."""
_SPREAD = 4
"""Who has lost that many races spreads over 16 quarters."""
_FARTHEST = 2**16
"""Items, 22 days of them."""
_WRITES = 100
"""At most that many for one slot: more than any number of processes can make necessary by being quicker."""
_ALONE = 60
"""Processes that may have no calendar at the same time and still keep to the limit together."""
_BRAKED = 3
"""Items that a provider's "too many" thins out: a minute, and what is left of the current half of one."""

_WINDOWS = {"s": 1, "min": 60}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A limit: at most so many requests in any window of so many seconds. Whole numbers, so that the grid is exact.

    A quarter is numbered by the quarters of a second since 1970, a place by the places.
    """

    requests: int
    seconds: int = 1

    def __post_init__(self) -> None:
        if self.requests < 1 or self.seconds < 1:
            raise ValueError("a rate is at least one request in a number of seconds")

    @property
    def planned(self) -> float:
        """Requests per second."""
        return self._places / self._span

    def at(self, place: int) -> float:
        return place * self._span / self._places

    def first(self, quarter: int) -> int:
        """The first place that is not before a quarter."""
        return -(-quarter * self._places // (self._span * _QUARTERS))

    def room(self, quarter: int) -> int:
        """How many places a quarter has, none perhaps."""
        return self.first(quarter + 1) - self.first(quarter)

    def next(self, quarter: int) -> int:
        """The first quarter from this one on that has a place."""
        return self.first(quarter) * self._span * _QUARTERS // self._places

    @property
    def _places(self) -> int:
        return self.requests * PLANNED[0]

    @property
    def _span(self) -> int:
        return self.seconds * PLANNED[1]


def rate(documented: str | None, default: float) -> Rate:
    """``20/s`` or ``100/min``, and for an API that documents nothing the default, in requests per second.

    Raises ValueError for anything else, and for a default below one request in a thousand seconds.
    """
    if documented is None:
        requests, seconds = Fraction(default).limit_denominator(1000).as_integer_ratio()
        return Rate(requests=requests, seconds=seconds)
    count, _, window = documented.partition("/")
    if window not in _WINDOWS:
        raise ValueError(f"not a rate: {documented}")
    return Rate(requests=int(count), seconds=_WINDOWS[window])


def key(account: str, provider: "Provider", host: str) -> str:
    """Who shares a limit: one API of one account through one host."""
    return f"slots#{account}#{provider.service}#{provider.action}#{host}"


def missed(at: float, now: float) -> bool:
    """Whether it is too late for the slot at that time. Then another one must be reserved."""
    return now - at > LATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """When a request may be sent. ``delay`` is how much later that is than it was due.

    Not ``reserved`` where the table could not be asked: whoever wakes for it should try to reserve one for that moment,
    and look all the same if that fails again.
    """

    at: float
    delay: float
    reserved: bool = True


GAIN = 1 / 1000
RELIEF = 1 / 2000
TOLERATED = 2.0
"""Seconds of delay that are no congestion."""
HIGHEST_PRICE = 10_000.0
"""Waits grow with its root: a hundred times as long is as good as never."""
_SHORTEST = 1.0
_STEEPEST = 1.5
"""A herd's first round delays short waits by a hundred times their length, and is over before a price can help."""
_SAMPLE = 100.0
"""So much at most does one delay count after a silence."""


def priced(price: float, wait: float, delay: float, reservations: float = 1.0) -> float:
    """The price of a look after a reservation that was due in ``wait`` seconds and came out ``delay`` seconds later.

    1 where there is no congestion. It multiplies what a poll is worth in seconds of lag, so that waits stretch until
    demand fits. ``reservations`` (1 or more) is for how many this one stands: a process sees its own only.
    """
    if delay > TOLERATED:
        exponent = GAIN * min(reservations, _SAMPLE)
        stretch = min(1 + delay / max(wait, _SHORTEST), _STEEPEST)
        return min(price * math.pow(stretch, exponent), HIGHEST_PRICE)
    return max(price * math.pow(1 - RELIEF, reservations), 1.0)


@dataclass(slots=True)
class _Known:
    """What a process knows of one key."""

    full: tuple[int, int] = (0, 0)
    """Quarters from and up to which nothing is free."""
    price: float = 1.0
    seen: float | None = None
    braked: int = -1
    """The last item that is known to be thinned out."""
    alone: set[int] = field(default_factory=set)
    """What was given out without the calendar."""

    def after_full(self, quarter: int) -> int:
        start, end = self.full
        return end if start <= quarter < end else quarter

    def found_full(self, start: int, end: int) -> None:
        if start < end:
            before, after = self.full
            self.full = (before, max(after, end)) if before <= start <= after else (start, end)


class Calendar:
    """Reserves slots. One per process; it may be shared by threads."""

    def __init__(self, settings: Settings, client: "DynamoDBClient | None" = None, rng: Random | None = None) -> None:
        self._settings = settings
        self._client = client
        self._rng = rng or Random()  # noqa: S311
        # Apart from the grid and from other processes: it is used when there is no calendar to agree on.
        self._phase = self._rng.random()
        self._keys: dict[str, _Known] = {}
        self._lock = Lock()

    @property
    def _dynamodb(self) -> "DynamoDBClient":
        return self._client or aws.dynamodb()

    def reserve(self, key: str, rate: Rate, due: float, *, now: float) -> Slot:
        """The first free slot that is neither before ``due`` nor before ``now``. Never raises what the table says."""
        known = self._known(key)
        earliest = max(due, now)
        try:
            slot = Slot(at=(at := rate.at(self._place(key, rate, known, earliest))), delay=at - due)
        except (BotoCoreError, ClientError) as error:
            logger.warning("no slot reserved", extra={"key": key, "error": _name(error)})
            at = self._without_calendar(known.alone, rate, earliest, now)
            return Slot(at=at, delay=at - due, reserved=False)
        if due > now:
            since = 0.0 if known.seen is None else now - known.seen
            known.price = priced(known.price, due - now, slot.delay, max(1.0, since * rate.planned))
            known.seen = now
        return slot

    def price(self, key: str) -> float:
        """What ``priced`` makes of this process's reservations for a look that was due later than at once."""
        return self._keys[key].price if key in self._keys else 1.0

    def throttled(self, key: str, rate: Rate, *, now: float) -> None:
        """The provider has said "too many" all the same: half of the next minute's places are given to nobody.

        Of the next minute that is not full already, as nothing can be taken back; and at most half of it, however many
        looks are refused. That costs three writes, for each process that is told so, and others need to know nothing.
        """
        known = self._known(key)
        item = known.after_full(math.ceil(now * _QUARTERS)) // _COUNTERS
        try:
            for number in range(max(item, known.braked + 1), item + _BRAKED):
                self._thin_out(key, rate, number)
                known.braked = number
        except (BotoCoreError, ClientError) as error:
            logger.warning("rate not lowered", extra={"key": key, "error": _name(error)})

    def _known(self, key: str) -> _Known:
        known = self._keys.get(key)
        if known is None:
            remember(self._keys, key, known := _Known())
        return known

    def _place(self, key: str, rate: Rate, known: _Known, earliest: float) -> int:
        start = math.ceil(earliest * _QUARTERS)
        quarter, walked, races, told = rate.next(known.after_full(start)), 0, 0, False
        passed: list[int] = []
        for _ in range(_WRITES):
            taken, item = self._take(key, rate, quarter)
            if taken is not None:
                known.found_full(start, min([*passed, quarter + (taken == rate.room(quarter))]))
                return rate.first(quarter) + taken - 1
            races += told
            end = (quarter // _COUNTERS + 1) * _COUNTERS
            quarter = _free(rate, item, quarter, end)
            told = bool(item) and quarter < end
            # Many who all go for the same few places get in each other's way: the more often, the wider they spread.
            for _ in range(self._rng.randrange(2 ** min(races, _SPREAD))):
                if quarter < end:
                    passed.append(quarter)
                    quarter = _free(rate, item, quarter, end)
            if quarter >= end:
                walked += 1
                if walked >= _WALK:
                    quarter = self._frontier(key, rate, quarter // _COUNTERS) * _COUNTERS
            quarter = rate.next(known.after_full(quarter))
        raise _Crowded(error_response={"Error": {"Code": "Crowded"}}, operation_name="UpdateItem")

    def _take(self, key: str, rate: Rate, quarter: int) -> tuple[int | None, Mapping[str, Any]]:
        """Which place of the quarter it is, from 1; None when all are taken, and then the item."""
        item, counter = divmod(quarter, _COUNTERS)
        try:
            answer = self._dynamodb.update_item(
                TableName=self._settings.table,
                Key=_id(key, item),
                UpdateExpression="SET expires_at = :expires ADD #s :one",
                ConditionExpression="attribute_not_exists(#s) OR #s < :room",
                ExpressionAttributeNames={"#s": f"s{counter}"},
                ExpressionAttributeValues={
                    ":one": {"N": "1"},
                    ":room": {"N": str(rate.room(quarter))},
                    ":expires": {"N": str(_expiry(item))},
                },
                ReturnValues="UPDATED_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if _name(error) != "ConditionalCheckFailedException":
                raise
            old: Any = error.response.get("Item", {})
            return None, old
        taken = int(float(answer["Attributes"][f"s{counter}"]["N"]))
        # Below 1 where somebody has broken the counter: the place would be another quarter's.
        return (taken, {}) if taken > 0 else (None, {})

    def _frontier(self, key: str, rate: Rate, item: int) -> int:
        """The first item with room from this one on, as long as items fill one after the other."""
        full, free = item - 1, item
        while free - item < _FARTHEST and self._is_full(key, rate, free):
            full, free = free, 2 * free - item + 1
        while free - full > 1:
            middle = (full + free) // 2
            full, free = (middle, free) if self._is_full(key, rate, middle) else (full, middle)
        return free

    def _is_full(self, key: str, rate: Rate, item: int) -> bool:
        # A slow rate has items without a place: the next one speaks for them.
        item = rate.next(item * _COUNTERS) // _COUNTERS
        # An old copy is good enough: what was full is full, and what is not free any more is found out by the write.
        answer = self._dynamodb.get_item(TableName=self._settings.table, Key=_id(key, item))
        end = (item + 1) * _COUNTERS
        return _free(rate, answer.get("Item", {}), end - _COUNTERS - 1, end) >= end

    def _thin_out(self, key: str, rate: Rate, item: int) -> None:
        quarters = range(item * _COUNTERS, (item + 1) * _COUNTERS)
        # Every second place of the grid, so that slow rates, which have less than one in a quarter, are halved too.
        fills = {quarter: -(-rate.first(quarter + 1) // 2) + (-rate.first(quarter) // 2) for quarter in quarters}
        adds = ", ".join(f"s{quarter % _COUNTERS} :n{fill}" for quarter, fill in fills.items() if fill)
        values = {f":n{fill}": {"N": str(fill)} for fill in fills.values() if fill}
        try:
            self._dynamodb.update_item(
                TableName=self._settings.table,
                Key=_id(key, item),
                UpdateExpression="SET expires_at = :expires, braked = :yes" + (f" ADD {adds}" if adds else ""),
                ConditionExpression="attribute_not_exists(braked)",
                ExpressionAttributeValues={
                    **values,
                    ":yes": {"BOOL": True},
                    ":expires": {"N": str(_expiry(item))},
                },
            )
        except ClientError as error:
            if _name(error) != "ConditionalCheckFailedException":
                raise

    def _without_calendar(self, taken: set[int], rate: Rate, earliest: float, now: float) -> float:
        """A moment on a grid of this process's own, so wide that many processes together keep to the limit."""
        period = _ALONE / rate.planned
        number = math.ceil(earliest / period - self._phase)
        with self._lock:
            taken -= {one for one in taken if (one + 1) * period < now}
            while number in taken:
                number += 1
            taken.add(number)
        return max(earliest, (number + self._phase) * period)


class _Crowded(ClientError):
    """Others were quicker every time."""


def _free(rate: Rate, item: Mapping[str, Any], quarter: int, end: int) -> int:
    """The first quarter after this one that has room, as this item knows; else the first one with a place from ``end``
    on. What is no number counts as full."""
    while (quarter := rate.next(quarter + 1)) < end:
        counter = item.get(f"s{quarter % _COUNTERS}", {"N": "0"})
        if "N" in counter and float(counter["N"]) < rate.room(quarter):
            break
    return quarter


def _id(key: str, item: int) -> dict[str, Any]:
    return {"id": {"S": f"{key}#{item}"}}


def _expiry(item: int) -> int:
    return (item + 1) * _COUNTERS // _QUARTERS + _KEPT


def _name(error: Exception) -> str:
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__

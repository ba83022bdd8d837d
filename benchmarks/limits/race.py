"""Processes that race for slots on a real conditional write, at moto's server on loopback."""

import multiprocessing
import tempfile
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from random import Random
from statistics import fmean
from typing import Any

from benchmarks.limits import LIMIT, USEFUL, moto
from benchmarks.report import met, table
from taskhook import config, slots
from taskhook.slots import Calendar, Rate

RACERS = 50
RACE = 15.0
SENT = 1
KEY = "slots#race"
RATE = Rate(requests=LIMIT)


def main() -> None:
    """Each process reserves, waits for its slot and notes when it "sends", again and again."""
    print(f"\n{RACERS} processes at once at moto's server on loopback, {RACE:.0f} s\n")
    context: Any = multiprocessing.get_context("fork")
    begin = context.Event()
    with moto.served() as endpoint:
        # One that has no connection yet, as all processes would write to the same.
        records = _raced(context, moto.client(endpoint), begin)
    _report([[float(word) for word in record] for record in records])


def _raced(context: Any, client: Any, begin: Any) -> list[list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        racers = [
            context.Process(target=_run, args=(client, i, f"{folder}/{i}", begin), daemon=True) for i in range(RACERS)
        ]
        for racer in racers:
            racer.start()
        begin.set()
        for racer in racers:
            racer.join(RACE + 30)
        return [line.split() for i in range(RACERS) for line in open(f"{folder}/{i}")]


def _report(records: list[list[float]]) -> None:
    """Records: 1 when sent (0 when the slot was missed), the slot, the moment, writes, seconds for the reservation."""
    ordered = sorted(records, key=lambda one: one[2])
    places = [one[1] for one in ordered]
    sent = [one[2] for one in ordered if one[0] == SENT]
    inside = [one for one in sent if sent[0] + 2 <= one < sent[0] + RACE - 2]
    refused, accepted = 0, deque[float]()
    for one in sent:
        while accepted and accepted[0] <= one - 1:
            accepted.popleft()
        if len(accepted) < LIMIT:
            accepted.append(one)
        else:
            refused += 1
    rate = len(inside) / (RACE - 4)
    took = sorted(one[4] for one in records)
    rows = [
        ("sent per second", f"{rate:.2f}", f">= {USEFUL:.0f}", met(round(rate, 1) >= USEFUL)),
        ("most sent in a sliding second", str(worst(sent)), f"<= {LIMIT}", met(worst(sent) <= LIMIT)),
        ("refused by a provider that counts", str(refused), "0", met(not refused)),
        ("most slots in a sliding second", str(worst(places)), "<= 18", met(worst(places) <= 18)),
        ("slots given twice", str(len(places) - len({round(one, 5) for one in places})), "0",
         met(len(places) == len({round(one, 5) for one in places}))),
        ("slots missed", str(len(places) - len(sent)), "", ""),
        ("writes per reservation", f"{fmean(one[3] for one in records):.2f}", "", ""),
        ("reservation, median ms", f"{1000 * took[len(took) // 2]:.0f}", "", ""),
        ("reservation, p95 ms", f"{1000 * took[int(0.95 * len(took))]:.0f}", "", ""),
    ]  # fmt: skip
    print(table(("", "taskhook", "aim", "met"), rows))


def worst(times: list[float]) -> int:
    ordered = sorted(times)
    return max(bisect_left(ordered, one + 1 - 1e-6) - i for i, one in enumerate(ordered))


class _Counting:
    def __init__(self, client: Any) -> None:
        self.client = client
        self.writes = 0

    def update_item(self, **call: Any) -> Any:
        self.writes += 1
        return self.client.update_item(**call)

    def get_item(self, **call: Any) -> Any:
        return self.client.get_item(**call)


def _run(client: Any, number: int, path: str, begin: Any) -> None:
    counting: Any = _Counting(client)
    calendar = Calendar(config.settings(), counting, Random(number))  # noqa: S311
    begin.wait()
    end = time.time() + RACE
    with open(path, "w") as out:
        for line in _looks(calendar, counting, end):
            print(*line, file=out)


def _looks(calendar: Calendar, counting: _Counting, end: float) -> Iterator[tuple[float, ...]]:
    while (now := time.time()) < end:
        before = counting.writes
        slot = calendar.reserve(KEY, RATE, now, now=now)
        took = time.time() - now
        time.sleep(max(slot.at - time.time(), 0))
        moment = time.time()
        sent = slot.reserved and not slots.missed(slot.at, moment)
        yield SENT if sent else 0, slot.at, moment, counting.writes - before, took

"""One limit for thousands of executions: a simulation, and processes that race for slots on a real conditional write.

The simulation is of events, with seeds, so the same figures come out every time. The provider refuses what exceeds 20
requests in any sliding second. 5,000 tasks last LN(20 min, .6); a task that ends is replaced by a new one. An execution
starts LN(80 ms, .6) late, in one case of fifty after another 1 s (a cold start), and a call takes 150 ms.
Processes are 40, and who serves which look is chance. The calendar is taskhook's own, at a table in memory.
"""

import heapq
import math
import multiprocessing
import os
import statistics
import tempfile
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from threading import Lock
from typing import Any

from botocore.exceptions import ClientError

from benchmarks.report import met, table
from taskhook import config, slots
from taskhook.slots import Calendar, Rate

LIMIT = 20
RATE = Rate(requests=LIMIT)
TASKS = 5000
MEDIAN, SIGMA = 1200.0, 0.6
WORTH = 10.0
HORIZON = 2700.0
SETTLED = 1200.0
"""Seconds before measuring begins, so that the first round is over."""
GROWN = 500.0
"""Seconds after which a task counts for the fairness: Jain's index of useful looks per second of age."""
HERD = 60.0
HERD_SETTLED = 5.0
HERD_SECONDS = 600.0
PROCESSES = 40
START = 1.8e9
KEY = "slots#simulated"
USEFUL, REFUSED, INVOCATIONS, TRANSITIONS, WRITES = 18.0, 0.0, 1.0, 3.0, 2.5


def _dice(seed: int) -> Random:
    return Random(seed)  # noqa: S311


class Memory:
    """The part of DynamoDB that the calendar uses, without its expressions."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self.writes = self.reads = 0

    def update_item(self, **call: Any) -> dict[str, Any]:
        self.writes += 1
        item = self.items.setdefault(call["Key"]["id"]["S"], {})
        name = call["ExpressionAttributeNames"]["#s"]
        count = int(item.get(name, {"N": "0"})["N"])
        if count >= int(call["ExpressionAttributeValues"][":room"]["N"]):
            error: Any = {"Error": {"Code": "ConditionalCheckFailedException"}, "Item": item}
            raise ClientError(error, "UpdateItem")
        item[name] = {"N": str(count + 1)}
        return {"Attributes": item}

    def get_item(self, **call: Any) -> dict[str, Any]:
        self.reads += 1
        return {"Item": self.items.get(call["Key"]["id"]["S"], {})}


@dataclass(slots=True)
class Task:
    born: float
    ends: float
    due: float = 0.0
    refusals: int = 0
    useful: int = 0
    over: float = math.inf
    new: bool = False
    """Of a kind that nothing is known of."""


@dataclass
class World:
    """What all designs have in common. A design answers when a task goes on, and whether its look may be made now."""

    seed: int
    until: float
    since: float
    """Seconds after the start until and since which is measured."""
    renews: bool
    """Whether another task comes for each one that ends."""
    rng: Random = field(init=False)
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    accepted: deque[float] = field(default_factory=deque)
    number: int = 0
    invocations: int = 0
    transitions: int = 0
    writes: int = 0
    reserved: int = 0
    useful: int = 0
    refused: int = 0
    lags: list[float] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)  # noqa: S311
        self.now = START

    @property
    def measuring(self) -> bool:
        return self.now >= START + self.since

    def at(self, when: float, what: Callable[[], None]) -> None:
        self.number += 1
        heapq.heappush(self.events, (max(when, self.now), self.number, what))

    def run(self) -> None:
        while self.events and self.events[0][0] < START + self.until:
            self.now, _, what = heapq.heappop(self.events)
            what()

    def task(self) -> Task:
        return Task(
            born=self.now, new=not self.renews, ends=self.now + self.rng.lognormvariate(math.log(MEDIAN), SIGMA)
        )

    def invoked(self, first: bool) -> float:
        """When an execution that wakes now is in the function. A lap is Wait, Poll, Choice; the first has no Wait."""
        if self.measuring:
            self.invocations += 1
            self.transitions += 2 if first else 3
        late = self.rng.lognormvariate(math.log(0.08), 0.6)
        return self.now + late + (1.0 if self.rng.random() < 0.02 else 0.0)

    def ask(self, task: Task) -> bool:
        """Whether the provider has answered."""
        while self.accepted and self.accepted[0] <= self.now - 1:
            self.accepted.popleft()
        good = len(self.accepted) < LIMIT
        if good:
            self.accepted.append(self.now)
            task.useful += 1
        if self.measuring:
            self.useful += good
            self.refused += not good
        return good

    def ended(self, task: Task) -> None:
        task.over = self.now
        if self.measuring:
            self.lags.append(self.now - task.ends)


def wait(task: Task, now: float, rng: Random, price: float = 1.0) -> float:
    """The schedule when all is learned: the root of 2 x 10 s of lag for a look / hazard. The price multiplies that.

    In the herd nothing is learned, and a wait is 15 % of the age.
    """
    age = max(now - task.born, 1.0)
    if task.new:
        return max(0.15 * age, 2.0) * math.sqrt(price) * rng.uniform(0.85, 1.15)
    deviation = math.log(age / MEDIAN) / SIGMA
    density = math.exp(-deviation * deviation / 2) / (age * SIGMA * math.sqrt(2 * math.pi))
    survival = max(math.erfc(deviation / math.sqrt(2)) / 2, 1e-12)
    hazard = max(density / survival, 1e-9)
    return min(max(math.sqrt(2 * WORTH * price / hazard), 1.0), age + 30) * rng.uniform(0.85, 1.15)


class Design:
    name = ""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tasks: list[Task] = []

    def submit(self, task: Task) -> None:
        self.tasks.append(task)
        self.wake(task, self.world.now, first=True)

    def wake(self, task: Task, when: float, *, first: bool = False) -> None:
        def woken() -> None:
            arrives = self.world.invoked(first)
            self.world.at(arrives, lambda: self.arrived(task))

        self.world.at(when, woken)

    def arrived(self, task: Task) -> None:
        raise NotImplementedError

    def look(self, task: Task) -> None:
        good = self.world.ask(task)
        self.world.at(self.world.now + 0.15, lambda: self.answered(task, good))

    def answered(self, task: Task, good: bool) -> None:
        if good and self.world.now >= task.ends:
            self.world.ended(task)
            if self.world.renews:
                self.submit(self.world.task())
        else:
            self.again(task, good)

    def again(self, task: Task, good: bool) -> None:
        raise NotImplementedError


class Unlimited(Design):
    """Nobody shares anything; who is refused tries again, twice as late each time, up to a minute."""

    name = "no limiter, retry"

    def arrived(self, task: Task) -> None:
        self.look(task)

    def again(self, task: Task, good: bool) -> None:
        task.refusals = 0 if good else task.refusals + 1
        pause = min(2.0**task.refusals, 60.0) * self.world.rng.uniform(0.5, 1)
        self.wake(task, self.world.now + (wait(task, self.world.now, self.world.rng) if good else pause))


class Bucket(Design):
    """A token bucket in the table: 18 a second, full at 2, asked when an execution is awake."""

    name = "token bucket at wake"
    tokens = 2.0
    filled = START

    def arrived(self, task: Task) -> None:
        now = self.world.now
        self.tokens, self.filled = min(self.tokens + 18 * (now - self.filled), 2.0), now
        self.world.writes += self.world.measuring
        if self.tokens >= 1:
            self.tokens -= 1
            task.refusals = 0
            self.look(task)
        else:
            task.refusals += 1
            self.wake(task, now + min(2.0**task.refusals, 60.0) * self.world.rng.uniform(0.5, 1))

    def again(self, task: Task, good: bool) -> None:
        self.wake(task, self.world.now + wait(task, self.world.now, self.world.rng))


class Reserved(Design):
    """taskhook's: the slot of the next look is reserved at the end of this one, that of the first one at its start."""

    name = "calendar"
    priced = False

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.memory = Memory()
        client: Any = self.memory
        self.calendars = [Calendar(config.settings(), client, _dice(i)) for i in range(PROCESSES)]
        self.missed = 0

    def submit(self, task: Task) -> None:
        """Who starts the execution has a slot for it, so that it begins by waiting."""
        self.tasks.append(task)
        self.reserve(task, self.world.now)
        self.wake(task, task.due - slots.LEAD)

    def arrived(self, task: Task) -> None:
        if slots.missed(task.due, self.world.now):
            self.missed += 1
            self.reserve(task, self.world.now)
            self.go_on(task)
        else:
            self.world.at(task.due, lambda: self.look(task))

    def reserve(self, task: Task, due: float) -> None:
        before = self.memory.writes
        slot = self.world.rng.choice(self.calendars).reserve(KEY, RATE, due, now=self.world.now)
        if self.world.measuring:
            self.world.writes += self.memory.writes - before
            self.world.reserved += 1
        task.due = slot.at

    def go_on(self, task: Task) -> None:
        if task.due - self.world.now < 2 * slots.LEAD:
            # So near that the function waits by itself.
            self.world.at(task.due, lambda: self.look(task))
        else:
            self.wake(task, task.due - slots.LEAD)

    def again(self, task: Task, good: bool) -> None:
        price = self.world.rng.choice(self.calendars).price(KEY) if self.priced else 1.0
        self.reserve(task, self.world.now + wait(task, self.world.now, self.world.rng, price))
        self.go_on(task)


class Priced(Reserved):
    name = "calendar, congestion price"
    priced = True


def main() -> None:
    os.environ["TABLE"] = "tasks"
    print(f"{TASKS:,} tasks in flight, {LIMIT}/s in any sliding second; {HORIZON - SETTLED:,.0f} s\n")
    simulate(spread=SETTLED / 4, until=HORIZON, since=SETTLED, renews=True)
    print(f"\nA herd: {TASKS:,} submitted within {HERD:,.0f} s, {HERD_SECONDS - HERD_SETTLED:,.0f} s\n")
    simulate(spread=HERD, until=HERD_SECONDS, since=HERD_SETTLED, renews=False)
    print(f"\n{RACERS} processes at once at moto's server on loopback, {RACE:.0f} s\n")
    race()


def simulate(*, spread: float, until: float, since: float, renews: bool) -> None:
    begun = time.process_time()
    rows, peers = [], list[float]()
    for design in (Unlimited, Bucket, Reserved, Priced):
        world = World(seed=1, until=until, since=since, renews=renews)
        this = design(world)
        for _ in range(TASKS):
            world.at(START + world.rng.uniform(0, spread), lambda this=this, world=world: this.submit(world.task()))  # type: ignore[misc]
        world.run()
        ours = isinstance(this, Reserved)
        rows.append(row(design.name, this, until - since, peers[0] if peers else None, ours))
        peers = peers or [world.useful / (until - since)]
    print(table(_HEADER, rows), flush=True)
    aims = (f">= {USEFUL:.0f}", "", f"{REFUSED:.0f}", f"{INVOCATIONS:.0f}", f"<= {TRANSITIONS:.0f}", f"<= {WRITES}")
    print(f"aims of the calendar: useful/s {aims[0]}, refused {aims[2]}, invocations {aims[3]}, transitions {aims[4]}, "
          f"writes {aims[5]} ({time.process_time() - begun:.0f} s of CPU)")  # fmt: skip


_HEADER = (
    "",
    "useful/s",
    "ratio",
    "refused",
    "invocations",
    "transitions",
    "writes/slot",
    "Jain",
    "lag mean s",
    "p95 s",
    "aims met",
)


def row(name: str, design: Design, seconds: float, peer: float | None, ours: bool) -> tuple[str, ...]:
    world = design.world
    useful = world.useful / seconds
    refused, invocations, transitions = (
        count / max(world.useful, 1) for count in (world.refused, world.invocations, world.transitions)
    )
    writes = world.writes / max(world.reserved or world.useful, 1)
    ages = [(task, min(task.over, world.now) - task.born) for task in design.tasks]
    counts = [task.useful / age for task, age in ages if age > GROWN]
    jain = sum(counts) ** 2 / (len(counts) * sum(one * one for one in counts))
    good = (
        round(useful, 1) >= USEFUL
        and not world.refused
        and round(invocations, 2) <= INVOCATIONS
        and round(transitions, 2) <= TRANSITIONS
        and writes <= WRITES
    )
    lags = sorted(world.lags) or [math.nan]
    return (
        name, f"{useful:.2f}", f"{useful / peer:.2f}" if peer else "1.00", f"{refused:.2f}", f"{invocations:.2f}",
        f"{transitions:.2f}", f"{writes:.2f}", f"{jain:.3f}", f"{statistics.fmean(lags):.0f}",
        f"{lags[int(0.95 * len(lags))]:.0f}", met(good) if ours else "",
    )  # fmt: skip


# --- processes --------------------------------------------------------------------------------------------------------

RACERS = 50
RACE = 15.0
SENT = 1


def race() -> None:
    """Each process reserves, waits for its slot and notes when it "sends", again and again."""
    context: Any = multiprocessing.get_context("fork")
    port, begin = context.Queue(), context.Event()
    server = context.Process(target=serve, args=(port,), daemon=True)
    server.start()
    endpoint = f"http://127.0.0.1:{port.get(timeout=30)}"
    _client(endpoint).create_table(
        TableName="tasks", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )  # fmt: skip
    # One that has no connection yet, as all processes would write to the same.
    client = _client(endpoint)
    with tempfile.TemporaryDirectory() as folder:
        racers = [
            context.Process(target=run, args=(client, i, f"{folder}/{i}", begin), daemon=True) for i in range(RACERS)
        ]
        for racer in racers:
            racer.start()
        begin.set()
        for racer in racers:
            racer.join(RACE + 30)
        records = [line.split() for i in range(RACERS) for line in open(f"{folder}/{i}")]  # noqa: SIM115
    server.terminate()
    server.join()
    report([[float(word) for word in record] for record in records])


def report(records: list[list[float]]) -> None:
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
        ("writes per reservation", f"{statistics.fmean(one[3] for one in records):.2f}", "", ""),
        ("reservation, median ms", f"{1000 * took[len(took) // 2]:.0f}", "", ""),
        ("reservation, p95 ms", f"{1000 * took[int(0.95 * len(took))]:.0f}", "", ""),
    ]  # fmt: skip
    print(table(("", "taskhook", "aim", "met"), rows))


def worst(times: list[float]) -> int:
    ordered = sorted(times)
    return max(bisect_left(ordered, one + 1 - 1e-6) - i for i, one in enumerate(ordered))


class Counting:
    def __init__(self, client: Any) -> None:
        self.client = client
        self.writes = 0

    def update_item(self, **call: Any) -> Any:
        self.writes += 1
        return self.client.update_item(**call)

    def get_item(self, **call: Any) -> Any:
        return self.client.get_item(**call)


def run(client: Any, number: int, path: str, begin: Any) -> None:
    counting: Any = Counting(client)
    calendar = Calendar(config.settings(), counting, _dice(number))
    begin.wait()
    end = time.time() + RACE
    with open(path, "w") as out:
        for line in looks(calendar, counting, end):
            print(*line, file=out)


def looks(calendar: Calendar, counting: Counting, end: float) -> Iterator[tuple[float, ...]]:
    while (now := time.time()) < end:
        before = counting.writes
        slot = calendar.reserve(KEY, RATE, now, now=now)
        took = time.time() - now
        time.sleep(max(slot.at - time.time(), 0))
        moment = time.time()
        sent = slot.reserved and not slots.missed(slot.at, moment)
        yield SENT if sent else 0, slot.at, moment, counting.writes - before, took


def serve(port: Any) -> None:
    """moto behind a socket; its writes take several steps where DynamoDB's are one, hence the lock."""
    from botocore.awsrequest import AWSRequest
    from moto.core.botocore_stubber import BotocoreStubber

    lock, moto = Lock(), BotocoreStubber()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            url = "https://dynamodb.eu-central-1.amazonaws.com/"
            with lock:
                answer = moto.process_request(AWSRequest("POST", url, dict(self.headers), body).prepare())
            status, headers, said = answer or (404, {}, "")
            raw = said if isinstance(said, bytes) else str(said).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(raw))}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            """Quietly."""

    class Listening(ThreadingHTTPServer):
        request_queue_size = 2 * RACERS

    with Listening(("127.0.0.1", 0), Handler) as listening:
        port.put(listening.server_address[1])
        listening.serve_forever()


def _client(endpoint: str) -> Any:
    """Made before the processes part, as each would take a second for it."""
    from botocore.config import Config
    from botocore.session import Session

    return Session().create_client(
        "dynamodb", region_name="eu-central-1", endpoint_url=endpoint, aws_access_key_id="x",
        aws_secret_access_key="x", config=Config(proxies={}, parameter_validation=False),
    )  # fmt: skip


if __name__ == "__main__":
    main()

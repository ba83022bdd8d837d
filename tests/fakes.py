"""The outside in memory, as far as decisions need it."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError
from requests import Request

from taskhook.config import Settings
from taskhook.durations import Durations
from taskhook.errors import StoreConflict
from taskhook.http import Answer
from taskhook.ledger import LAG, Kept, Ledger, Standing
from taskhook.queues import Queues
from taskhook.schedule import History, Progress
from taskhook.store import RefusedAccount, Store
from taskhook.task import Delivery, Task


def make_settings(**changes: Any) -> Settings:
    """Of a function that needs little of the template."""
    nothing = Settings(
        table="tasks", open_index="", batch_index="", parameters="", tasks_queue="tasks", progress_queue="progress",
        state_machine="", event_bus="", key="", allow_private=False, destination_ports=frozenset({443, 8443}),
        allow_insecure=False,
        patience=0, delivery_attempts=0,
        more_regions=frozenset(), retention=0, provider_rate=10, sleeping_polls=1, long_polls=1,
        default_key="", cors_origins=(),
        wake_lead=1.5, memory=128, machine="aarch64",
    )  # fmt: skip
    return replace(nothing, **changes)


class MemoryStore(Store):
    """The table of tasks with the same conditions; ``meanwhile`` runs just before a write, as another writer would."""

    def __init__(self, *tasks: Task) -> None:
        self.tasks = {task.id: task for task in tasks}
        self.writes = 0
        self.announces = False
        self.accounts: dict[str, tuple[str, list[str]]] = {}
        self.said: dict[tuple[str, str, float], str] = {}
        self.meanwhile: Callable[[], None] = lambda: None

    def get(self, id: str) -> Task | None:
        return self.tasks.get(id)

    def save_look(self, task: Task, *, polls: int | None = None) -> Task:
        self.meanwhile()
        known = self.tasks[task.id]
        if known.watch != task.watch or known.state.terminal or polls not in (None, known.polls):
            raise StoreConflict("the task has changed meanwhile")
        told = task.state.terminal and self.announces
        return self._put(replace(task, deliveries=known.deliveries, sealed=known.sealed, unannounced=told))

    def announced(self, task: Task) -> None:
        self._put(replace(self.tasks[task.id], unannounced=False))

    def due(self, batch: str, *, until: float, most: int) -> list[Task]:
        found = [one for one in self.tasks.values() if one.batch == batch and one.due is not None and one.due <= until]
        return sorted(found, key=lambda one: one.due or 0.0)[:most]

    def get_many(self, ids: Sequence[str], *, complete: bool = False) -> list[Task]:
        return [self.tasks[id] for id in ids if id in self.tasks]

    def save_delivery(self, task: Task, name: str, delivery: Delivery) -> Task:
        self.meanwhile()
        known, seen = self.tasks[task.id], task.deliveries[name]
        now = known.deliveries[name]
        if (known.state, known.observed_at) != (task.state, task.observed_at):
            raise StoreConflict("the task has changed meanwhile")
        if (now.attempts, now.state) != (seen.attempts, seen.state):
            raise StoreConflict("the task has changed meanwhile")
        return self._put(replace(known.with_delivery(name, delivery), restarts=0))

    def reopen(self, task: Task, deliveries: Mapping[str, Delivery], *, now: float) -> Task:
        known = self.tasks[task.id]
        if (known.watch, known.state) != (task.watch, task.state):
            raise StoreConflict("the task has changed meanwhile")
        told = {**known.deliveries, **deliveries}
        return self._put(replace(known, deliveries=told, watch=known.watch + 1, watch_since=now, restarts=0))

    def save_message(self, task: Task, name: str, message: Mapping[str, str]) -> None:
        known = self.tasks[task.id]
        if known.deliveries[name].message is not None:
            raise StoreConflict("the task has changed meanwhile")
        self._put(known.with_delivery(name, replace(known.deliveries[name], message=dict(message))))

    def save_answer(self, task: Task, name: str, at: float, text: str) -> None:
        self.said[task.id, name, at] = text

    def replace(self, task: Task, *, seen: Task) -> None:
        self.meanwhile()
        if self.tasks[task.id] != seen:
            raise StoreConflict("the task has changed meanwhile")
        self._put(task)

    def restart(self, task: Task, *, now: float, restarts: int) -> Task:
        known = self.tasks[task.id]
        if known.watch != task.watch:
            raise StoreConflict("the task has changed meanwhile")
        return self._put(replace(known, watch=known.watch + 1, watch_since=now, restarts=restarts))

    def refuse_account(self, name: str, credential: str, *, task: str, now: float) -> bool:
        known, told = self.accounts.get(name, ("", []))
        if known == credential:
            return told[-1:] == [task]
        self.accounts[name] = (credential, [*told, task])
        return True

    def restore_account(self, name: str) -> list[str]:
        return self.accounts.pop(name, ("", []))[1]

    def refused_accounts(self) -> Iterator[RefusedAccount]:
        for name, (credential, told) in list(self.accounts.items()):
            yield RefusedAccount(name=name, credential=credential, told=tuple(told))

    def _put(self, task: Task) -> Task:
        self.writes += 1
        self.tasks[task.id] = task
        return task


@dataclass
class Line:
    """A stand-in for ``http.send``: answers in turn, keeps the requests; an exception among the answers is raised."""

    answers: list[Answer | Exception]
    requests: list[Request] = field(default_factory=list)
    options: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, request: Request, *, ready: Callable[[], None] = lambda: None, **options: Any) -> Answer:
        ready()
        self.requests.append(request)
        self.options.append(options)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass(frozen=True, slots=True)
class MemoryQueues(Queues):
    """Keeps what would have been sent: ``("tasks", {...})``."""

    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def _send(self, queue: str, body: dict[str, Any]) -> None:
        self.sent.append((queue, body))


class MemoryLedger(Ledger):
    """What is known of destinations, in this process only."""

    def __init__(self) -> None:
        self.standings: dict[str, Standing] = {}
        self.marks: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
        self.held_at: dict[str, float] = {}
        self.last: dict[str, bool] = {}
        self.speakers: dict[str, tuple[str, float]] = {}

    def standing(self, name: str) -> Standing:
        return self.standings.get(name, Standing())

    def listed(self) -> Iterator[str]:
        found = self.standings.items()
        return (name for name, one in list(found) if one.dead is not None or one.holding is not None)

    def died(self, name: str, version: str, *, reason: str, code: str | None, now: float) -> bool:
        known = self.standing(name)
        self.standings[name] = replace(known, dead=version, reason=reason, code=code, since=now)
        return known.dead != version

    def works(self, name: str) -> None:
        self.standings[name] = replace(self.standing(name), dead=None, reason=None, code=None, since=None, until=0.0)

    def emptied(self, name: str, *, now: float) -> None:
        known = self.standing(name)
        if known.dead is None and self.held_at.get(name, 0.0) < now - LAG:
            self.standings[name] = replace(known, holding=None)

    def quiet(self, name: str, until: float) -> None:
        known = self.standing(name)
        self.standings[name] = replace(known, until=max(known.until, until))

    def plan(self, name: str, at: float, *, now: float) -> float:
        known = self.standing(name)
        if known.next_at <= now:
            self.standings[name] = known = replace(known, next_at=at)
        return known.next_at

    def speak(self, name: str, task: str, *, now: float, until: float) -> bool:
        who, since = self.speakers.get(name, (task, 0.0))
        if who != task and since > now:
            return False
        self.speakers[name] = (task, until)
        return True

    def silent(self, name: str, task: str) -> None:
        if self.speakers.get(name, ("", 0.0))[0] == task:
            del self.speakers[name]

    def hold(self, name: str, task: str, *, version: str, now: float) -> None:
        self.marks["held", name][task] = now
        self.held_at[name] = max(now, self.held_at.get(name, 0.0))
        self.standings[name] = replace(self.standing(name), holding=version)

    def held(self, name: str) -> list[Kept]:
        return self._kept("held", name)

    def let_go(self, name: str, task: str) -> None:
        self.marks["held", name].pop(task, None)

    def wait(self, name: str, task: str, *, now: float, last: bool = False) -> None:
        self.marks["waits", name][task] = now
        self.last = {**self.last, task: last}

    def waiting(self, name: str) -> list[Kept]:
        return self._kept("waits", name)

    def heard(self, name: str, task: str) -> None:
        self.marks["waits", name].pop(task, None)

    def _kept(self, what: str, name: str) -> list[Kept]:
        found = [Kept(task=task, since=since) for task, since in self.marks[what, name].items()]
        return sorted(found, key=lambda one: (what == "waits" and self.last.get(one.task, False), one.since))


class MemoryDurations(Durations):
    """What is remembered of durations, in this process only."""

    def __init__(self) -> None:
        self.histories: dict[str, History] = {}
        self.taught: list[tuple[str, float, float, float | None]] = []

    def of(self, task: Task) -> History:
        return self.histories.get(task.provider, History())

    def ended(self, task: Task, *, lo: float, hi: float, end: float | None, progress: Progress) -> None:
        self.taught.append((task.state.value, lo, hi, end))

    def given_up(self, task: Task, age: float) -> None:
        self.taught.append((task.state.value, age, age, None))


def refused(code: str, **more: Any) -> ClientError:
    """What DynamoDB says to a request that it does not fulfil."""
    response: Any = {"Error": {"Code": code, "Message": code}, **more}
    return ClientError(response, "UpdateItem")


@dataclass
class CounterTable:
    """DynamoDB for items of counters: understands the requests of calendars and seats and no others.

    ``meanwhile`` runs just before each request, as another process would, and may raise what the table then says.
    """

    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    writes: int = 0
    reads: int = 0
    meanwhile: Callable[[], None] = lambda: None

    def update_item(self, **call: Any) -> dict[str, Any]:
        self.meanwhile()
        self.writes += 1
        assert call["TableName"] == "tasks"
        id, values = call["Key"]["id"]["S"], call["ExpressionAttributeValues"]
        names = call.get("ExpressionAttributeNames", {})
        before = self.items.get(id, {})
        if not all(_holds(one, names, values, before) for one in call["ConditionExpression"].split(" AND ")):
            wanted = call.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
            raise refused("ConditionalCheckFailedException", **({"Item": dict(before)} if wanted else {}))
        assigned, _, added = call["UpdateExpression"].removeprefix("SET ").partition(" ADD ")
        after = dict(before)
        for one in assigned.split(", "):
            name, value = one.split(" = ")
            after[name] = values[value]
        for one in filter(None, added.split(", ")):
            name, value = one.split(" ")
            name = names.get(name, name)
            after[name] = {"N": str(Decimal(before.get(name, {"N": "0"})["N"]) + int(values[value]["N"]))}
        self.items[id] = after
        return {"Attributes": {name: value for name, value in after.items() if value is not before.get(name)}}

    def get_item(self, **call: Any) -> dict[str, Any]:
        self.meanwhile()
        self.reads += 1
        id = call["Key"]["id"]["S"]
        return {"Item": dict(self.items[id])} if id in self.items else {}


def _holds(condition: str, names: Mapping[str, str], values: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
    """``attribute_not_exists(a)``, or that ``OR a < :most``, in brackets or not."""
    absent, _, smaller = condition.removeprefix("(").removesuffix(")").partition(" OR ")
    written = absent.removeprefix("attribute_not_exists(").removesuffix(")")
    name = names.get(written, written)
    assert condition.removeprefix("(").startswith("attribute_not_exists(")
    if name not in item:
        return True
    if not smaller:
        return False
    left, _, right = smaller.partition(" < ")
    assert left == written
    return "N" in item[name] and Decimal(item[name]["N"]) < int(values[right]["N"])

"""Ways to share a limit. Each is asked three things: when a task is first looked at, what happens when its execution
arrives in the function, and when it goes on after an answer."""

from random import Random
from typing import Any, Protocol

from botocore.exceptions import ClientError

from benchmarks.limits import LIMIT
from benchmarks.limits.world import CALL, START, Task, World, wait
from taskhook import config, slots
from taskhook.slots import Calendar, Rate

RATE = Rate(requests=LIMIT)
PROCESSES = 40
KEY = "slots#simulated"


class Design(Protocol):
    @property
    def name(self) -> str: ...

    def submitted(self, run: "Run", task: Task) -> None: ...

    def arrived(self, run: "Run", task: Task) -> None:
        """Its execution is in the function."""

    def again(self, run: "Run", task: Task, good: bool) -> None:
        """``good``: whether the provider has answered, and not refused."""


class Run:
    """The executions of all tasks under one design."""

    def __init__(self, world: World, design: Design) -> None:
        self.world = world
        self.design = design
        self.tasks: list[Task] = []

    def submit(self) -> None:
        task = self.world.task()
        self.tasks.append(task)
        self.design.submitted(self, task)

    def wake(self, task: Task, when: float, *, first: bool = False) -> None:
        def woken() -> None:
            arrives = self.world.invoked(first)
            self.world.at(arrives, lambda: self.design.arrived(self, task))

        self.world.at(when, woken)

    def look(self, task: Task) -> None:
        good = self.world.ask(task)
        self.world.at(self.world.now + CALL, lambda: self._answered(task, good))

    def _answered(self, task: Task, good: bool) -> None:
        if good and self.world.now >= task.ends:
            self.world.ended(task)
            if self.world.renews:
                self.submit()
        else:
            self.design.again(self, task, good)


def _wake_at_once(run: Run, task: Task) -> None:
    run.wake(task, run.world.now, first=True)


def _pause(run: Run, task: Task) -> float:
    """After a refusal: twice as long each time, up to a minute."""
    return min(2.0**task.refusals, 60.0) * run.world.rng.uniform(0.5, 1)


class Unlimited:
    """Nobody shares anything; who is refused tries again."""

    name = "no limiter, retry"

    def submitted(self, run: Run, task: Task) -> None:
        _wake_at_once(run, task)

    def arrived(self, run: Run, task: Task) -> None:
        run.look(task)

    def again(self, run: Run, task: Task, good: bool) -> None:
        task.refusals = 0 if good else task.refusals + 1
        pause = _pause(run, task)
        run.wake(task, run.world.now + (wait(task, run.world.now, run.world.rng) if good else pause))


class Bucket:
    """A token bucket in the table: 18 a second, full at 2, asked when an execution is awake."""

    name = "token bucket at wake"

    def __init__(self) -> None:
        self.tokens = 2.0
        self.filled = START

    def submitted(self, run: Run, task: Task) -> None:
        _wake_at_once(run, task)

    def arrived(self, run: Run, task: Task) -> None:
        now = run.world.now
        self.tokens, self.filled = min(self.tokens + 18 * (now - self.filled), 2.0), now
        run.world.writes += run.world.measuring
        if self.tokens >= 1:
            self.tokens -= 1
            task.refusals = 0
            run.look(task)
        else:
            task.refusals += 1
            run.wake(task, now + _pause(run, task))

    def again(self, run: Run, task: Task, good: bool) -> None:
        run.wake(task, run.world.now + wait(task, run.world.now, run.world.rng))


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


class Reserved:
    """taskhook's: the slot of the next look is reserved at the end of this one.

    The first one's is reserved by the look itself, which leaves where that is far away. ``priced``: whether waits are
    stretched under congestion. ``at_start``: what it would be if whoever starts an execution reserved for it.
    Processes are 40, and who serves which look is chance."""

    def __init__(self, name: str, *, priced: bool = False, at_start: bool = False) -> None:
        self.name = name
        self.priced = priced
        self.at_start = at_start
        self.memory = Memory()
        client: Any = self.memory
        self.calendars = [Calendar(config.settings(), client, _dice(i)) for i in range(PROCESSES)]

    def submitted(self, run: Run, task: Task) -> None:
        if self.at_start:
            self._reserve(run, task, run.world.now)
            run.wake(task, task.due - slots.LEAD)
        else:
            _wake_at_once(run, task)

    def arrived(self, run: Run, task: Task) -> None:
        if slots.missed(task.due, run.world.now):
            self._reserve(run, task, run.world.now)
            self._go_on(run, task)
        else:
            run.world.at(task.due, lambda: run.look(task))

    def again(self, run: Run, task: Task, good: bool) -> None:
        world = run.world
        price = world.rng.choice(self.calendars).price(KEY) if self.priced else 1.0
        self._reserve(run, task, world.now + wait(task, world.now, world.rng, price))
        self._go_on(run, task)

    def _reserve(self, run: Run, task: Task, due: float) -> None:
        world, before = run.world, self.memory.writes
        slot = world.rng.choice(self.calendars).reserve(KEY, RATE, due, now=world.now)
        if world.measuring:
            world.writes += self.memory.writes - before
            world.reserved += 1
        task.due = slot.at

    def _go_on(self, run: Run, task: Task) -> None:
        if task.due - run.world.now < 2 * slots.LEAD:
            # So near that the function waits by itself.
            run.world.at(task.due, lambda: run.look(task))
        else:
            run.wake(task, task.due - slots.LEAD)


def _dice(seed: int) -> Random:
    return Random(seed)  # noqa: S311

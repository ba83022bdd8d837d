"""Looks as they come one after the other: many executions, functions that sleep, die and disagree about the time, one
calendar. Everything happens in this process, at a speed of its own; what the machine does is done by a stand-in.
"""

import json
import logging
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from heapq import heappop, heappush
from itertools import count, pairwise
from random import Random
from threading import Semaphore, Thread, local
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from requests import Request

from taskhook import slots, watch
from taskhook.accounts import Account
from taskhook.bus import Bus
from taskhook.http import Answer
from taskhook.pacing import ROOM, Pace
from taskhook.pauses import Pauses
from taskhook.providers.catalogue import Catalogue
from taskhook.providers.model import Provider
from taskhook.seats import Seats
from taskhook.sharing import Sharing
from taskhook.slots import LATE, Calendar, Rate, Slot
from taskhook.states import State
from taskhook.task import Delivery, Task, task_key
from taskhook.times import from_rfc3339
from taskhook.watcher import Watcher
from tests.conftest import NOW
from tests.fakes import CounterTable, MemoryDurations, MemoryQueues, MemoryStore, make_settings, refused

CLB = "tencent.clb.DescribeTaskStatus"
PAGED = "tencent.domain.DescribeBatchOperationLogDetails"
FUNCTION_SECONDS = 300.0
BREAK_EVEN = 45.0
THROTTLED = refused("ProvisionedThroughputExceededException")


@cache
def built_in(name: str) -> Provider:
    found = Catalogue().find(name)
    assert found is not None
    return found


class Killed(BaseException):
    """The function is gone, without a word to anybody."""


@dataclass
class Sent:
    """A request: the sender's own time, and the real one. ``lost`` where the sender died before he wrote of it."""

    by: float
    at: float
    task: str
    api: str
    lost: bool = False
    written: bool = False


@dataclass(frozen=True)
class Job:
    """What the provider knows of a task: when it ends, and on how many pages it answers."""

    ends: float
    pages: int = 1


@dataclass
class Weather:
    """What goes wrong. Chances are per sleep, request or invocation."""

    late: float = 0.0
    """A sleep lasts up to three seconds too long (not more than twice in a row)."""
    early: float = 0.0
    killed: float = 0.0
    """In a sleep, or between a request and its answer."""
    lags: Sequence[float] = (0.05, 0.2)
    """Seconds between the time that the machine waits for and the function's first line."""
    clocks: Sequence[float] = (0.0,)
    """By how much the functions' clocks are wrong. Each is set to another of these before an invocation."""
    connects: Sequence[float] = (0.02, 0.3)
    answers: Sequence[float] = (0.1, 0.3)
    writes: float = 0.0
    """Seconds of a request to the table."""


@dataclass
class Function:
    """One container of the poll function, with what it remembers."""

    watcher: Watcher
    offset: float = 0.0
    busy: bool = False


class Journal(Calendar):
    """Writes down which slots were given, to all processes together."""

    def __init__(self, world: "World") -> None:
        super().__init__(world.settings, world.table, world.dice)  # type: ignore[arg-type]
        self._world = world

    def reserve(self, key: str, rate: Rate, due: float, *, now: float) -> Slot:
        slot = super().reserve(key, rate, due, now=now)
        self._world.given[key.split("#")[2]].append(slot)
        return slot

    def throttled(self, key: str, rate: Rate, *, now: float) -> None:
        self._world.braked.append(now)
        super().throttled(key, rate, now=now)


class Cupboard(MemoryStore):
    """Knows which requests came to something."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self._world = world

    def save_look(self, task: Task, *, polls: int | None = None) -> Task:
        saved = super().save_look(task, polls=polls)
        for one in self._world.sent:
            one.written |= one.task == task.task_id
        return saved


class World:
    """Tasks, a provider, functions, and the machine between them. One thread runs at a time."""

    def __init__(
        self,
        *,
        rate: str = "20/s",
        seats: int = 100,
        seed: int = 1,
        lead: float = slots.LEAD,
        weather: Weather | None = None,
        break_even: float = BREAK_EVEN,
    ) -> None:
        self.now = NOW
        self.dice = Random(seed)  # noqa: S311
        self.weather = weather or Weather()
        self.rate, self.lead, self.break_even = rate, lead, break_even
        self.settings = make_settings(sleeping_polls=seats, wake_lead=lead)
        self.table = CounterTable(meanwhile=self.table_is_asked)
        self.refuses: Callable[[], bool] = lambda: False
        self.store = Cupboard(self)
        self.queues = MemoryQueues(self.settings)
        self.jobs: dict[str, Job] = {}
        self.answer: Callable[[Request, str], Answer] = self.answer_truly
        self.sent: list[Sent] = []
        self.given: dict[str, list[Slot]] = defaultdict(list)
        self.braked: list[float] = []
        self.invoked: dict[str, list[float]] = defaultdict(list)
        self.slept: list[tuple[float, float]] = []
        self.ended: dict[str, float] = {}
        self.news: list[dict[str, Any]] = []
        self.functions: list[Function] = []
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._idle = Semaphore(0)
        self._mine = local()
        self._faults: list[BaseException] = []
        self._over = False

    # --- what a test says ---

    def task(self, number: int = 0, *, lasts: float, pages: int = 1, at: float = 0.0, **changes: Any) -> str:
        """A task that is submitted ``at`` so many seconds from now, and its execution."""
        provider = PAGED if pages > 1 else CLB
        named = {"account": "tencent", "provider": provider, "region": "ap-guangzhou", "task_id": str(1000 + number)}
        submitted = self.now + at
        self.jobs[named["task_id"]] = Job(submitted + lasts, pages)
        values: dict[str, Any] = {
            **named,
            "id": task_key(**named),
            "submitted_at": submitted,
            "deadline": submitted + 86_400,
            "watch_since": submitted,
            "next_poll_at": submitted,
            "deliveries": {"ops": Delivery()},
        }
        task = Task(**{**values, **changes})
        self.store.tasks[task.id] = task
        self.at(submitted, lambda: self.invoke(task.id, task.watch))
        return task.id

    def at(self, moment: float, what: Callable[[], None]) -> None:
        heappush(self._agenda, (max(moment, self.now), next(self._numbers), what))

    def run(self, seconds: float = 3600.0) -> "World":
        """Until nothing is left to do, or for so many seconds."""
        horizon = self.now + seconds
        while self._agenda and self._agenda[0][0] <= horizon and not self._faults:
            self.now, _, what = heappop(self._agenda)
            what()
        self._over = True
        while self._agenda:
            heappop(self._agenda)[2]()
        if self._faults:
            raise self._faults[0]
        return self

    def look_at(self, id: str) -> Task:
        return self.store.tasks[id]

    def requests(self, id: str) -> list[Sent]:
        return [one for one in self.sent if one.task == self.store.tasks[id].task_id]

    # --- the machine ---

    def invoke(self, id: str, number: int, tries: int = 0) -> None:
        if self._over:
            return
        function = self._free()
        function.offset = self.dice.choice(self.weather.clocks)
        function.busy = True
        self.invoked[id].append(self.now)

        def work() -> None:
            mine = self._mine
            mine.ends, mine.function, mine.lates, mine.safe = self.now + FUNCTION_SECONDS, function, 0, tries >= 7
            try:
                payload = watch.look(function.watcher, id, number, left=lambda: mine.ends - self.now)
            except Killed:
                for one in self.requests(id):
                    one.lost |= not one.written
                # Not at once: see the law of requests.
                self.at(self.now + self.dice.uniform(2 * LATE, 1), lambda: self.invoke(id, number, tries + 1))
                # What the function had in memory is gone with it.
                self.functions.remove(function)
            else:
                self._goes_on(id, number, payload)
            function.busy = False

        self._start(work)

    def _goes_on(self, id: str, number: int, payload: dict[str, Any]) -> None:
        for _, body in self.queues.sent:
            self.at(self.now + 0.1, lambda body=body: self.invoke(body["id"], body["watch"]))  # type: ignore[misc]
        self.queues.sent.clear()
        if payload["done"]:
            self.ended[id] = self.now
            self.news += payload["notify"]
            return
        then = from_rfc3339(payload["wait_until"])
        assert then is not None
        lag = self.dice.uniform(*self.weather.lags)
        self.at(max(self.now, then) + lag, lambda: self.invoke(id, number))

    def _free(self) -> Function:
        free = [one for one in self.functions if not one.busy]
        return self.dice.choice(free) if free else self._made()

    def _made(self) -> Function:
        def clock() -> float:
            return self.now + made.offset

        pace = Pace(
            calendar=Journal(self),
            seats=Seats(self.settings, self.table),  # type: ignore[arg-type]
            default_rate=10.0,
            break_even=self.break_even,
            clock=clock,
            lead=self.lead,
            sleep=self.sleep,
        )
        watcher = Watcher(
            store=self.store,
            account=lambda name, *, fresh: Account(
                name="tencent", cloud="tencent", key_id="AKID", key_secret="-", version="1"
            ),
            find=lambda name: replace(built_in(name), rate_limit=self.rate),
            durations=MemoryDurations(),
            pauses=Pauses(store=self.store, queues=self.queues, clock=clock),
            queues=self.queues,
            bus=Bus(self.store, self.settings),
            pace=pace,
            sharing=Sharing(store=self.store, queues=self.queues, clock=clock),
            patience=3600.0,
            clock=clock,
            rng=self.dice,
            send=self.send,
        )
        made = Function(watcher)
        self.functions.append(made)
        return made

    # --- what a function meets ---

    def sleep(self, seconds: float) -> None:
        """As ``time.sleep``, on a good day or on a bad one."""
        start, mine, dice = self.now, self._mine, self.dice
        self._perhaps_dies()
        if mine.lates < 2 and dice.random() < self.weather.late:
            mine.lates += 1
            seconds += dice.uniform(0, 3)
        elif dice.random() < self.weather.early:
            seconds *= dice.random()
        else:
            mine.lates = 0
        self._pass(seconds)
        self.slept.append((start, self.now))

    def send(self, request: Request, *, ready: Callable[[], None], **_: Any) -> Answer:
        self._pass(self.dice.uniform(*self.weather.connects))
        ready()
        asked: Any = request.json
        task = str(asked.get("TaskId") or asked.get("LogId"))
        api = "domain" if "LogId" in asked else "clb"
        self.sent.append(Sent(self.now + self._mine.function.offset, self.now, task, api))
        self._pass(self.dice.uniform(*self.weather.answers))
        self._perhaps_dies()
        return self.answer(request, task)

    def answer_truly(self, request: Request, task: str) -> Answer:
        job, asked = self.jobs[task], request.json
        over = self.now >= job.ends
        if job.pages == 1:
            return said({"Status": 0 if over else 2})
        assert isinstance(asked, dict)
        size, offset = asked["Limit"], asked["Offset"]
        # Only the last page says that it still runs.
        word = "success" if over or offset + size < job.pages * size else "doing"
        items = [{"Domain": f"d{offset + i}", "Status": word} for i in range(size)]
        return said({"DomainBatchDetailSet": items, "TotalCount": job.pages * size})

    def table_is_asked(self) -> None:
        if self.weather.writes:
            self._pass(self.weather.writes)
        if self.refuses():
            raise THROTTLED

    def _perhaps_dies(self) -> None:
        # The machine tries eight times.
        if not self._mine.safe and self.dice.random() < self.weather.killed:
            raise Killed

    def _pass(self, seconds: float) -> None:
        """Others do what they have to do."""
        gate = Semaphore(0)
        end = self._mine.ends

        def resume() -> None:
            gate.release()
            self._idle.acquire()

        self.at(min(self.now + seconds, end), resume)
        self._idle.release()
        gate.acquire()
        if self._over or self.now >= end:
            raise Killed

    def _start(self, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except Killed:
                pass
            except BaseException as error:
                self._faults.append(error)
            finally:
                self._idle.release()

        Thread(target=guarded, daemon=True).start()
        self._idle.acquire()


def said(response: dict[str, Any]) -> Answer:
    body = json.dumps({"Response": {"RequestId": "r", **response}}).encode()
    return Answer(status=200, headers={}, body=body, truncated=False, elapsed=0.1)


def lawful(world: World, sent: Sequence[Sent], clock: Callable[[Sent], float] = lambda one: one.at) -> None:
    """No window holds more than the limit, and each request has a slot of its own, where such were given."""
    limit = slots.rate(world.rate, 1)
    for api in ("clb", "domain"):
        times = [clock(one) for one in sent if one.api == api]
        assert worst(times, limit.seconds) <= limit.requests
        if all(slot.reserved for slot in world.given[api]):
            assert without_slot(times, [slot.at for slot in world.given[api]]) == []


def worst(times: Iterable[float], window: float) -> int:
    """The most in any window."""
    ordered = sorted(times)
    return max((bisect_left(ordered, one + window - 1e-6) - i for i, one in enumerate(ordered)), default=0)


def without_slot(readings: Iterable[float], given: Iterable[float]) -> list[float]:
    """The requests that had no slot of their own which had just begun."""
    rest, alone = sorted(given, reverse=True), []
    for reading in sorted(readings):
        while rest and reading - rest[-1] > LATE + 1e-6:
            rest.pop()
        if rest and rest[-1] <= reading + 1e-6:
            rest.pop()
        else:
            alone.append(reading)
    return alone


def laps(world: World, id: str) -> int:
    """The most invocations between two requests for a task."""
    asked = sorted(one.at for one in world.requests(id))
    between = Counter(bisect_left(asked, one) for one in world.invoked[id])
    return max(between.values())


@pytest.fixture(scope="module", autouse=True)
def silent() -> Iterator[None]:
    """What is logged here is not looked at, and takes longer than all the rest."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


# --- laws -----------------------------------------------------------------------------------------------------------

weathers = st.builds(
    Weather,
    late=st.sampled_from([0.0, 0.1]),
    early=st.sampled_from([0.0, 0.2]),
    killed=st.sampled_from([0.0, 0.1]),
    lags=st.sampled_from([(0.02, 0.1), (0.05, 4.0), (0.0, 30.0)]),
    answers=st.sampled_from([(0.05, 0.2), (0.2, 1.5), (0.0, 9.0)]),
    writes=st.sampled_from([0.0, 0.005, 0.2]),
)
RATES = ("2/s", "5/s", "60/min")


@given(weathers, st.sampled_from(RATES), st.sampled_from([0, 3, 100]), st.integers(0, 2**32))
@limits(max_examples=15, deadline=None)
def test_in_any_weather_requests_have_slots_of_their_own_keep_the_limit_and_see_every_end(
    weather: Weather, rate: str, seats: int, seed: int
) -> None:
    world = World(rate=rate, seats=seats, seed=seed, weather=weather)
    ids = [world.task(n, lasts=world.dice.uniform(0, 60), pages=1 + 2 * (n == 3), at=n % 3 * 9.0) for n in range(6)]
    world.run()
    lawful(world, world.sent)
    for id in ids:
        assert world.look_at(id).state is State.SUCCEEDED
        assert world.requests(id)[-1].at >= world.jobs[world.look_at(id).task_id].ends - 9
        assert laps(world, id) <= 25


@given(
    weathers,
    st.lists(st.sampled_from([-180.0, -20.0, -2.0, 0.0, 0.3, 7.0, 180.0]), min_size=1, max_size=3),
    st.integers(0, 2**32),
)
@limits(max_examples=15, deadline=None)
def test_clocks_that_disagree_by_minutes_keep_the_limit_each_by_itself_and_no_end_is_missed(
    weather: Weather, clocks: list[float], seed: int
) -> None:
    """A place is given to one look only, whatever the clock of who gave it. So in the time that the functions read, of
    all of them together, no window holds more than the limit. In real time that is so for those that read the same
    time; two that are minutes apart have no common second that they could share.

    One slot may serve twice: where a function died between its request and its write, and the clock of the one that
    tries again has not come to the slot yet. Nothing but a write before each request could prevent that.
    """
    world = World(rate="2/s", seats=3, seed=seed, weather=replace(weather, clocks=clocks))
    ids = [world.task(number, lasts=world.dice.uniform(0, 60)) for number in range(5)]
    world.run(7200)
    written = [one for one in world.sent if not one.lost]
    lawful(world, written, clock=lambda one: one.by)
    for offset in set(clocks):
        assert worst([one.at for one in written if abs(one.by - one.at - offset) < 0.01], 1) <= 2
    for id in ids:
        assert world.look_at(id).state is State.SUCCEEDED
        assert laps(world, id) <= 120


@given(weathers, st.sampled_from([20.0, 120.0, 1e9]), st.integers(0, 2**32))
@limits(max_examples=10, deadline=None)
def test_a_table_that_throttles_for_a_while_or_for_ever_makes_looks_slow_and_stops_none(
    weather: Weather, seconds: float, seed: int
) -> None:
    """What has no slot keeps a distance of its own, which no second of everybody's can be promised by: it may fall
    together with what has one, or come later than it should. The limit is kept on the average of some seconds.
    """
    world = World(rate="2/s", seed=seed, weather=weather)
    world.refuses = lambda: NOW + 5 < world.now < NOW + 5 + seconds
    ids = [world.task(number, lasts=world.dice.uniform(0, 60), pages=1 + (number == 3)) for number in range(5)]
    world.run(7200)
    assert worst([one.at for one in world.sent if one.api == "clb"], 10) <= 20
    for id in ids:
        assert world.look_at(id).state is State.SUCCEEDED
        assert laps(world, id) <= 25


@given(st.floats(0, 0.8), st.integers(0, 2**32))
@limits(max_examples=10, deadline=None)
def test_a_table_that_throttles_now_and_then_stops_no_look(share: float, seed: int) -> None:
    world = World(rate="5/s", seed=seed)
    world.refuses = lambda: world.dice.random() < share
    ids = [world.task(number, lasts=world.dice.uniform(0, 60)) for number in range(5)]
    world.run(7200)
    assert worst([one.at for one in world.sent], 10) <= 50
    assert all(world.look_at(id).state is State.SUCCEEDED for id in ids)


# --- one thing after the other --------------------------------------------------------------------------------------


def test_a_short_task_is_seen_to_its_end_by_one_invocation() -> None:
    world = World()
    id = world.task(lasts=20)
    world.run()
    assert world.look_at(id).state is State.SUCCEEDED
    assert len(world.invoked[id]) == 1
    assert len(world.requests(id)) >= 5
    assert [one["destination"] for one in world.news] == ["ops"]


def test_above_the_break_even_the_machine_waits() -> None:
    world = World(break_even=5.0)
    id = world.task(lasts=200)
    world.run()
    gaps = [after.at - before.at for before, after in pairwise(world.requests(id))]
    # From answer to answer it is some tenths more than the wait.
    left = len(world.invoked[id]) - 1
    assert sum(gap > 5.5 for gap in gaps) <= left <= sum(gap > 5 for gap in gaps)
    assert left > 3
    assert max(until - now for now, until in world.slept) <= 5
    assert world.look_at(id).state is State.SUCCEEDED


def test_who_finds_no_seat_leaves_and_is_woken_a_lead_before_its_slot() -> None:
    world = World(seats=0)
    id = world.task(lasts=100)
    world.run()
    gaps = [after.at - before.at for before, after in pairwise(world.requests(id))]
    assert len(world.invoked[id]) - 1 >= sum(gap > 2 for gap in gaps) > 3
    assert max(until - now for now, until in world.slept) <= slots.LEAD
    for one in world.requests(id)[-3:]:
        woken = max(at for at in world.invoked[id] if at <= one.at)
        assert one.at - woken == pytest.approx(slots.LEAD, abs=0.25)
    assert world.look_at(id).state is State.SUCCEEDED


def test_with_one_seat_for_two_they_take_turns() -> None:
    world = World(seats=1)
    ids = [world.task(number, lasts=60) for number in range(2)]
    world.run()
    assert all(len(world.invoked[id]) > 1 for id in ids)
    long = sorted((now, until) for now, until in world.slept if until - now > slots.LEAD + 0.1)
    assert len(long) > 3
    assert all(before[1] <= after[0] for before, after in pairwise(long))
    assert all(world.look_at(id).state is State.SUCCEEDED for id in ids)


def test_a_function_never_begins_a_look_that_it_has_no_time_for() -> None:
    world = World()
    id = world.task(lasts=1200)
    world.run()
    starts = world.invoked[id]
    assert len(starts) > 2
    for one in world.requests(id):
        begun = max(start for start in starts if start <= one.at)
        assert begun + FUNCTION_SECONDS - one.at >= ROOM - 1


@pytest.mark.parametrize("changed", [{"state": State.STOPPED}, {"watch": 2}])
def test_a_task_that_is_stopped_or_superseded_during_a_sleep_is_not_asked_about_and_nobody_is_told(
    changed: dict[str, Any],
) -> None:
    world = World()
    id = world.task(lasts=1000)
    world.at(NOW + 100, lambda: world.store.tasks.update({id: replace(world.look_at(id), **changed)}))
    world.run()
    assert any(now < NOW + 100 < until for now, until in world.slept)
    assert max(one.at for one in world.requests(id)) < NOW + 100
    assert (world.news, list(world.ended)) == ([], [id])
    assert len(world.invoked[id]) == 1


@pytest.mark.parametrize("state", [one for one in State if one.terminal])
def test_a_task_that_ends_by_another_hand_during_a_sleep_is_never_asked_about_again(state: State) -> None:
    world = World()
    id = world.task(lasts=1000)
    world.at(NOW + 100, lambda: world.store.tasks.update({id: replace(world.look_at(id), state=state)}))
    world.run()
    assert max(one.at for one in world.requests(id)) < NOW + 100
    assert len(world.news) == (state is not State.STOPPED)


def test_a_watch_is_handed_over_inside_the_loop_and_the_slot_goes_along() -> None:
    world = World()
    id = world.task(lasts=100, wakes=watch.WAKES - 4)
    world.run()
    assert (world.look_at(id).watch, world.look_at(id).state) == (2, State.SUCCEEDED)
    assert len(world.invoked[id]) == 2
    lawful(world, world.sent)
    assert len(world.given["clb"]) == len(world.requests(id))


def test_each_look_costs_one_slot_and_none_is_wasted() -> None:
    """One write for each look, with the one after the last look as the only one in vain."""
    world = World(seats=0)
    id = world.task(lasts=100)
    world.run()
    assert len(world.given["clb"]) == len(world.requests(id))
    assert world.table.writes == len(world.given["clb"])


# --- the provider says "too many" -----------------------------------------------------------------------------------


def test_throttled_answers_halve_the_calendar_for_all_back_off_and_are_over_when_the_provider_is() -> None:
    world = World(rate="20/s")
    ids = [world.task(number, lasts=400) for number in range(3)]

    def answer(request: Request, task: str) -> Answer:
        if world.now > NOW + 60:
            return world.answer_truly(request, task)
        return said({"Error": {"Code": "RequestLimitExceeded", "Message": "slower"}})

    world.answer = answer
    world.run()
    for id in ids:
        asked = [one.at for one in world.requests(id)]
        refusals = [at for at in asked if at < NOW + 60]
        gaps = [after - before for before, after in pairwise(refusals)]
        # From eight seconds on, doubled, with 15 % of dice.
        assert 2 <= len(refusals) <= 4
        assert gaps[0] >= 6
        assert all(later > 1.3 * sooner for sooner, later in pairwise(gaps))
        assert (world.look_at(id).state, world.look_at(id).error, world.look_at(id).troubles) == (
            State.SUCCEEDED,
            None,
            0,
        )
    items = {int(id.split("#")[-1]) for id, item in world.table.items.items() if "braked" in item}
    assert items >= {int(at) // 30 for at in world.braked}
    assert max(items) * 30 < NOW + 60 + 120


# --- more than one request for a look -------------------------------------------------------------------------------


def crowd(world: World, until: float, ahead: float = 60.0) -> None:
    """Others take every place of the paged API, so many seconds ahead, as long as they last."""
    rival = Journal(world)
    pace = world._made().watcher.pace
    limit = pace.limit(replace(built_in(PAGED), rate_limit=world.rate), "tencent", "https://domain.tencentcloudapi.com")

    def take() -> None:
        while Calendar.reserve(rival, limit.key, limit.rate, world.now, now=world.now).at < world.now + ahead:
            pass
        if world.now < until and not world._over:
            world.at(world.now + 0.5, take)

    world.functions.clear()
    take()


def test_the_next_look_has_as_many_slots_as_the_last_one_has_made_requests() -> None:
    world = World(seats=0)
    id = world.task(lasts=300, pages=3)
    world.run()
    looks = len(world.requests(id)) / 3
    assert looks > 5
    assert world.look_at(id).polls == looks
    # Three on the spot for the first look, and three each for all the others.
    assert len(world.given["domain"]) == len(world.requests(id))
    lawful(world, world.sent)


@pytest.mark.parametrize("pages", [2, 5])
@pytest.mark.parametrize("answers", [(0.1, 0.3), (2.0, 3.0)], ids=["quick", "slow"])
def test_pages_under_congestion_are_looked_at_in_the_end(pages: int, answers: tuple[float, float]) -> None:
    """Slots that lie side by side would all be missed but the first, as each page waits for the answer before."""
    world = World(rate="5/s", weather=Weather(answers=answers))
    crowd(world, NOW + 1200)
    id = world.task(lasts=200, pages=pages)
    world.run()
    assert world.look_at(id).state is State.SUCCEEDED
    assert world.ended[id] < NOW + 900
    assert laps(world, id) <= 3
    lawful(world, world.sent)


@pytest.mark.parametrize("lead", [0.05, 1.5])
@pytest.mark.parametrize("lags", [(0.2, 0.3), (4.0, 5.0), (15.0, 16.0)], ids=str)
@pytest.mark.parametrize("seats", [0, 9])
def test_functions_that_start_late_are_woken_earlier_under_congestion(
    lead: float, lags: tuple[float, float], seats: int
) -> None:
    world = World(rate="5/s", seats=seats, lead=lead, weather=Weather(lags=lags))
    crowd(world, NOW + 1800)
    id = world.task(lasts=300, pages=2)
    world.run(1500)
    assert world.look_at(id).state is State.SUCCEEDED
    assert laps(world, id) <= 4


@pytest.mark.parametrize("rate", ["1/min", "6/min"])
def test_a_refused_key_is_told_of_where_places_are_a_minute_apart(rate: str) -> None:
    world = World(rate=rate)
    id = world.task(lasts=1000)
    world.answer = lambda request, task: said({"Error": {"Code": "AuthFailure.SecretIdNotFound", "Message": "no"}})
    world.run()
    assert (world.look_at(id).state, len(world.requests(id))) == (State.LOST, 2)
    assert (world.look_at(id).slots, world.look_at(id).limit) == ((), None)


@pytest.mark.parametrize("rate", ["1/min", "6/min", "20/s"])
def test_a_refused_key_is_told_of_without_a_calendar_too(rate: str) -> None:
    world = World(rate=rate)
    world.refuses = lambda: True
    id = world.task(lasts=1000)
    world.answer = lambda request, task: said({"Error": {"Code": "AuthFailure.SecretIdNotFound", "Message": "no"}})
    world.run(20_000)
    assert (world.look_at(id).state, len(world.requests(id))) == (State.LOST, 2)


# --- what is known to be wrong --------------------------------------------------------------------------------------


def test_pages_whose_slots_are_far_apart_are_all_asked_for() -> None:
    world = World(rate="6/min")
    id = world.task(lasts=1, pages=6)
    world.run(1000)
    assert world.look_at(id).state is State.SUCCEEDED


def test_a_task_that_appears_late_is_not_lost_by_a_clock_that_is_three_minutes_ahead() -> None:
    world = World(weather=Weather(clocks=(180.0,)))
    id = world.task(lasts=60)

    def answer(request: Request, task: str) -> Answer:
        if world.now > NOW + 10:
            return world.answer_truly(request, task)
        return said({"Error": {"Code": "InvalidParameter", "Message": "no such task"}})

    world.answer = answer
    world.run()
    assert world.look_at(id).state is State.SUCCEEDED


def test_a_deadline_that_passes_while_looks_are_put_off_is_told() -> None:
    """By functions whose clock is ahead of the machine's by more than the queue is long: each wakes too late."""
    world = World(rate="5/s", seats=0, weather=Weather(clocks=(180.0,)))
    crowd(world, NOW + 1800, ahead=240)
    id = world.task(lasts=10_000, pages=2, deadline=NOW + 300)
    world.run(900)
    assert world.look_at(id).state is State.TIMED_OUT

"""When a destination may be told: pacing, digests, and what happens where many have news for it at the same time."""

import heapq
import json
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from requests import Request

from taskhook import deliver, destinations, slots, turns
from taskhook.backoff import DELIVERY_SCHEDULE
from taskhook.destinations.model import Channel, Destination, Judgment, Verdict
from taskhook.http import Answer
from taskhook.ledger import Ledger, Standing
from taskhook.slots import Calendar
from taskhook.states import ANSWERED, State
from taskhook.store import Store
from taskhook.task import Delivery, DeliveryState, Task, task_key
from taskhook.telling import Sender
from taskhook.times import from_rfc3339
from taskhook.turns import JOIN, Later
from tests.conftest import NOW, MakeAnswer, MakeTask
from tests.deliveries import Killed, Stage, hook
from tests.fakes import make_settings

CHAT = json.dumps({"type": "slack", "url": "https://chat.example.com/s3cr3t-path", "rate": "20/min"})


def chat(rate: str) -> str:
    return json.dumps({**json.loads(CHAT), "rate": rate})


def told(destination: Destination, tasks: Any, now: float) -> Request:
    return Request("POST", destination.url, json=[one.id for one in (tasks if isinstance(tasks, list) else [tasks])])


def judged(destination: Destination, answer: Answer, now: float) -> Judgment:
    verdicts = {200: Verdict.DELIVERED, 400: Verdict.BAD_CONTENT, 410: Verdict.DEAD, 429: Verdict.THROTTLED}
    return Judgment(verdict=verdicts.get(answer.status, Verdict.TRANSIENT), detail=f"HTTP {answer.status}")


@pytest.fixture(autouse=True)
def plain_chat(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chat whose messages say whom they tell of, and nothing else."""
    channel = Channel(type="slack", fields=(), check=lambda record: [], forms=(told,), judge=judged, digest=told)
    real = destinations._channel
    monkeypatch.setattr(destinations, "_channel", lambda type: channel if type == "slack" else real(type))


# --- one turn --------------------------------------------------------------------------------------------------------


@pytest.fixture
def stage(make_ended: MakeTask, make_answer: MakeAnswer) -> Stage:
    return Stage(make_ended(), answers=[make_answer(b"")], record=CHAT)


@pytest.fixture
def destination(stage: Stage) -> Destination:
    return destinations.parse("ops", CHAT, allow_private=False)


def next_places(stage: Stage, number: int) -> list[float]:
    """Takes them for somebody else."""
    rate, key = slots.rate("20/min", 1.0), "slots#out#ops"
    return [
        stage.sender.calendar.reserve(key, rate, stage.clock.now - 4, now=stage.clock.now - 4).at for _ in range(number)
    ]


def test_a_destination_without_a_rate_is_told_at_once(stage: Stage) -> None:
    plain = destinations.parse("ops", hook(), allow_private=False)
    assert turns.turn(stage.sender, plain, stage.task, Standing()) is None
    assert stage.table.writes == 0


def test_an_idle_destination_is_told_at_once(stage: Stage, destination: Destination) -> None:
    before = stage.clock.now
    assert turns.turn(stage.sender, destination, stage.task, Standing()) is None
    assert stage.clock.now == before


def test_who_has_to_wait_speaks_next_and_others_join(
    stage: Stage, destination: Destination, make_ended: MakeTask
) -> None:
    next_places(stage, 4)
    first = turns.turn(stage.sender, destination, stage.task, Standing())
    assert isinstance(first, Later)
    assert first.delivery.slot == first.delivery.next_attempt_at == stage.ledger.standing("ops").next_at
    assert "20/min" in (first.delivery.reason or "")
    other = make_ended(task_id="other")
    second = turns.turn(stage.sender, destination, other, stage.ledger.standing("ops"))
    assert isinstance(second, Later)
    assert second.delivery.slot is None
    assert second.delivery.next_attempt_at == (first.delivery.slot or 0.0) + JOIN
    assert {one.task for one in stage.ledger.waiting("ops")} == {stage.id, other.id}


def test_a_slot_is_waited_for_and_used_once(stage: Stage, destination: Destination) -> None:
    slot = stage.clock.now + 0.4
    waits = stage.task.with_delivery("ops", Delivery(slot=slot, next_attempt_at=slot, reason="waits"))
    writes = stage.table.writes
    assert turns.turn(stage.sender, destination, waits, Standing(next_at=slot)) is None
    assert (stage.clock.now, stage.table.writes) == (slot, writes)


def test_a_slot_that_was_missed_is_replaced(stage: Stage, destination: Destination) -> None:
    waits = stage.task.with_delivery("ops", Delivery(slot=stage.clock.now - turns.LATE - 0.1, reason="waits"))
    turns.turn(stage.sender, destination, waits, Standing())
    assert stage.table.writes == 1


def test_a_pause_that_was_asked_for_goes_before_any_slot(stage: Stage, destination: Destination) -> None:
    later = turns.turn(stage.sender, destination, stage.task, Standing(until=stage.clock.now + 30))
    assert isinstance(later, Later)
    assert stage.clock.now + 30 < (later.delivery.next_attempt_at or 0) <= stage.clock.now + 45
    assert stage.table.writes == 0


def test_nobody_else_tells_what_waits_while_somebody_does(
    stage: Stage, destination: Destination, make_ended: MakeTask
) -> None:
    one, other = (make_ended(task_id=name, deliveries={"ops": Delivery(reason="waits")}) for name in ("one", "other"))
    assert turns.alone(stage.sender, destination, one) is None
    assert isinstance(turns.alone(stage.sender, destination, other), Later)
    assert turns.alone(stage.sender, destination, one) is None
    turns.done(stage.sender, destination, one)
    assert turns.alone(stage.sender, destination, other) is None
    stage.clock.now += turns.SPEAKS + 1
    assert turns.alone(stage.sender, destination, one) is None


# --- whose news ------------------------------------------------------------------------------------------------------


def waiting(stage: Stage, make_ended: MakeTask, name: str, state: State, at: float, **changes: Any) -> Task:
    values = {"deliveries": {"ops": Delivery(reason="waits", slot=NOW + 100)}, **changes}
    task = make_ended(task_id=name, state=state, observed_at=at, **values)
    stage.store.tasks[task.id] = task
    stage.ledger.wait("ops", task.id, now=at, last=state is State.SUCCEEDED)
    return task


def test_all_successes_go_together_in_the_order_of_their_ends(
    stage: Stage, destination: Destination, make_ended: MakeTask
) -> None:
    late, early, middle = (
        waiting(stage, make_ended, name, State.SUCCEEDED, NOW + at) for name, at in (("c", 9), ("a", 1), ("b", 5))
    )
    assert turns.spoken_of(stage.sender, destination, late) == [early, middle, late]


@pytest.mark.parametrize("state", [*sorted(ANSWERED - {State.SUCCEEDED}), State.LOST, State.TIMED_OUT])
def test_the_oldest_failure_goes_first_and_by_itself(
    stage: Stage, destination: Destination, make_ended: MakeTask, state: State
) -> None:
    own = waiting(stage, make_ended, "own", State.SUCCEEDED, NOW + 1)
    failed = [waiting(stage, make_ended, name, state, NOW + at) for name, at in (("f2", 8), ("f1", 7))]
    assert turns.spoken_of(stage.sender, destination, own) == [failed[1]]


def test_a_failure_is_found_behind_more_successes_than_a_message_holds(
    stage: Stage, destination: Destination, make_ended: MakeTask
) -> None:
    made = [waiting(stage, make_ended, str(number), State.SUCCEEDED, NOW + number) for number in range(turns.MOST + 9)]
    assert len(turns.spoken_of(stage.sender, destination, made[-1])) <= turns.MOST + 1
    failed = make_ended(task_id="failed", state=State.FAILED, deliveries={"ops": Delivery(reason="waits")})
    stage.store.tasks[failed.id] = failed
    turns.turn(stage.sender, destination, failed, Standing(next_at=stage.clock.now + 9))
    assert turns.spoken_of(stage.sender, destination, made[-1]) == [failed]


def test_who_has_never_waited_speaks_for_itself_alone(
    stage: Stage, destination: Destination, make_ended: MakeTask
) -> None:
    waiting(stage, make_ended, "other", State.SUCCEEDED, NOW + 1)
    assert turns.spoken_of(stage.sender, destination, stage.task) == [stage.task]


@pytest.mark.parametrize(
    "deliveries",
    [
        {"ops": Delivery(state=DeliveryState.DELIVERED, attempts=1)},
        {"ops": Delivery(state=DeliveryState.HELD, reason="gone")},
        {"ops": Delivery(attempts=1, next_attempt_at=NOW + 900)},
        {"other": Delivery(reason="waits")},
    ],
)
def test_what_does_not_wait_is_left_out_and_its_mark_is_taken_away(
    stage: Stage, destination: Destination, make_ended: MakeTask, deliveries: Any
) -> None:
    own = waiting(stage, make_ended, "own", State.SUCCEEDED, NOW + 1)
    waiting(stage, make_ended, "told", State.FAILED, NOW, deliveries=deliveries)
    assert turns.spoken_of(stage.sender, destination, own) == [own]
    assert [one.task for one in stage.ledger.waiting("ops")] == [own.id]


def test_a_digest_that_is_refused_as_it_is_goes_out_one_by_one(
    stage: Stage, make_ended: MakeTask, make_answer: MakeAnswer
) -> None:
    stage.line.answers = [make_answer(b"", status=400), make_answer(b"")]
    own, other = (waiting(stage, make_ended, name, State.SUCCEEDED, NOW + 1) for name in ("own", "other"))
    stage.attempt(id=own.id)
    assert [len(request.json or ()) for request in stage.line.requests] == [2, 1]
    assert stage.store.tasks[own.id].deliveries["ops"].state is DeliveryState.DELIVERED
    assert stage.store.tasks[other.id].deliveries["ops"].state is DeliveryState.PENDING


def test_a_digest_is_an_attempt_of_each_of_its_tasks(
    stage: Stage, make_ended: MakeTask, make_answer: MakeAnswer
) -> None:
    stage.line.answers = [make_answer(b"ok")]
    made = [waiting(stage, make_ended, str(number), State.SUCCEEDED, NOW + number) for number in range(5)]
    stage.attempt(id=made[3].id)
    assert len(stage.line.requests) == 1
    for task in made:
        delivery = stage.store.tasks[task.id].deliveries["ops"]
        assert (delivery.state, delivery.attempts, len(delivery.log)) == (DeliveryState.DELIVERED, 1, 1)
        assert stage.store.said[task.id, "ops", delivery.log[0].at] == "ok"
    assert stage.ledger.waiting("ops") == []


def test_a_failure_that_is_told_for_another_and_not_taken_waits_for_its_own_next_time(
    stage: Stage, make_ended: MakeTask, make_answer: MakeAnswer
) -> None:
    stage.line.answers = [make_answer(b"", status=500), make_answer(b"")]
    failed = waiting(stage, make_ended, "failed", State.FAILED, NOW)
    own = waiting(stage, make_ended, "own", State.SUCCEEDED, NOW + 1)
    stage.attempt(id=own.id)
    after = stage.store.tasks[failed.id].deliveries["ops"]
    assert (after.state, after.attempts, len(after.log)) == (DeliveryState.PENDING, 1, 1)
    assert after.next_attempt_at == pytest.approx(NOW + 102, abs=0.5)


# --- many at the same time -------------------------------------------------------------------------------------------


@dataclass
class Loop:
    """Time that passes when everybody waits. One thread runs at a time, and whoever sleeps lets another one run."""

    now: float = NOW
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    number: int = 0
    back: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    errors: list[BaseException] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def at(self, when: float, what: Callable[[], None]) -> None:
        self.number += 1
        heapq.heappush(self.events, (max(when, self.now), self.number, what))

    def begin(self, when: float, function: Callable[[], None]) -> None:
        def body() -> None:
            try:
                function()
            except BaseException as error:
                self.errors.append(error)
            finally:
                self.back.release()

        def start() -> None:
            threading.Thread(target=body, daemon=True).start()
            self.back.acquire()

        self.at(when, start)

    def sleep(self, seconds: float) -> None:
        wake = threading.Semaphore(0)

        def resume() -> None:
            wake.release()
            self.back.acquire()

        self.at(self.now + max(0.0, seconds), resume)
        self.back.release()
        wake.acquire()

    def run(self, until: float) -> None:
        while self.events and not self.errors:
            self.now, _, what = heapq.heappop(self.events)
            assert self.now < until, "this never ends"
            what()
        if self.errors:
            raise self.errors[0]


@dataclass(frozen=True)
class Plan:
    """What happens: when each task ends and how, and what goes wrong meanwhile."""

    rate: str
    ends: tuple[tuple[float, bool], ...]
    seed: int
    slow: float = 0.3
    """Seconds that the receiver takes at most."""
    trouble: float = 0.0
    """Share of messages that it does not take."""
    kills: float = 0.0
    """Share of calls at which the process dies."""
    late: float = 0.0
    """Seconds by which an execution wakes too late at most."""


class Receiver:
    """Enforces its limit in every window, wherever that begins, and keeps what it has taken."""

    def __init__(self, town: "Town", rate: str) -> None:
        count, _, window = rate.partition("/")
        self.town, self.limit, self.seconds = town, int(count), {"s": 1.0, "min": 60.0}[window]
        self.recent: deque[float] = deque()
        self.over = 0
        self.messages: list[tuple[float, list[str]]] = []

    def __call__(self, request: Request, **options: Any) -> Answer:
        loop, rng, plan = self.town.loop, self.town.rng, self.town.plan
        while self.recent and self.recent[0] <= loop.now - self.seconds + 1e-6:
            self.recent.popleft()
        self.recent.append(loop.now)
        self.over += len(self.recent) > self.limit
        status = 429 if len(self.recent) > self.limit else 500 if rng.random() < plan.trouble else 200
        if status == 200:
            self.messages.append((loop.now, list(request.json or ())))
        loop.sleep(rng.uniform(0.05, plan.slow))
        return Answer(status=status, headers={}, body=b"", truncated=False, elapsed=0.1)


class Slow:
    """The table: every request takes a moment, in which others run, and the process may die before or after it."""

    def __init__(self, town: "Town", thing: Any) -> None:
        self._parts = town, thing

    def __getattr__(self, name: str) -> Any:
        town, thing = self._parts
        found = getattr(thing, name)
        return town.moment(found) if callable(found) else found


class Town:
    def __init__(self, plan: Plan) -> None:
        self.plan, self.rng, self.loop = plan, Random(plan.seed), Loop()  # noqa: S311
        self.stage = Stage(answers=[], record=chat(plan.rate))
        self.stage.clock = cast(Any, self.loop)
        self.receiver = Receiver(self, plan.rate)
        self.killed = 0
        calendar = Calendar(make_settings(), self.stage.table, Random(plan.seed))  # noqa: S311
        self.sender: Sender = replace(
            self.stage.sender,
            store=cast(Store, Slow(self, self.stage.store)),
            ledger=cast(Ledger, Slow(self, self.stage.ledger)),
            calendar=calendar,
            clock=self.loop,
            sleep=self.loop.sleep,
            send=self.moment(self.receiver),
            rng=self.rng,
        )
        for number, (at, good) in enumerate(plan.ends):
            self.loop.at(NOW + at, lambda number=number, good=good: self.end(number, good))  # type: ignore[misc]

    def moment(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            self.die()
            self.loop.sleep(self.rng.uniform(0.001, 0.02))
            answer = function(*args, **options)
            self.die()
            return answer

        return call

    def die(self) -> None:
        if self.rng.random() < self.plan.kills:
            self.killed += 1
            raise Killed

    def end(self, number: int, good: bool) -> None:
        named = {"account": "tencent", "provider": "tencent.bm", "region": None, "task_id": str(number)}
        now = self.loop.now
        task = Task(
            **{"id": task_key(**named), **named},  # type: ignore[arg-type]
            submitted_at=NOW, deadline=NOW + 86_400, observed_at=now, deliveries={"ops": Delivery()},
            state=State.SUCCEEDED if good else State.FAILED,
        )  # fmt: skip
        self.stage.store.tasks[task.id] = task
        self.loop.begin(now, lambda: self.execution(task.id))

    def execution(self, id: str) -> None:
        """What the state machine does for one delivery."""
        while True:
            try:
                payload = deliver.attempt(self.sender, id, 1, "ops")
            except Killed:
                self.loop.sleep(self.rng.uniform(0.1, 3))
                continue
            if payload["done"]:
                return
            until = from_rfc3339(payload["wait_until"])
            assert until is not None
            self.loop.sleep(until - self.loop.now + self.rng.uniform(0, self.plan.late))

    def run(self) -> "Town":
        last = max(at for at, _ in self.plan.ends)
        self.loop.run(NOW + last + self.patience)
        return self

    @property
    def patience(self) -> float:
        """Seconds after which everything must be told: one message each, one after the other, and some waiting."""
        each = max(1 / slots.rate(self.plan.rate, 1.0).planned, self.plan.slow + turns.SOON) + self.plan.late
        trouble = 1.2 * sum(DELIVERY_SCHEDULE) if self.plan.trouble else 0.0
        return len(self.plan.ends) * each + 4 * (JOIN + turns.SPEAKS * bool(self.plan.kills)) + trouble

    @property
    def told(self) -> Counter[str]:
        return Counter(id for _, ids in self.receiver.messages for id in ids)

    def mixed(self) -> Iterator[list[str]]:
        """Messages of many that are not of successes alone."""
        tasks = self.stage.store.tasks
        for _, ids in self.receiver.messages:
            if len(ids) > 1 and any(tasks[id].state is not State.SUCCEEDED for id in ids):
                yield ids


ends = st.lists(
    st.tuples(st.integers(0, 40).map(lambda tenths: tenths * 1.5), st.integers(0, 3).map(bool)), min_size=1, max_size=30
).map(tuple)
plans = st.builds(
    Plan, rate=st.sampled_from(["20/min", "1/s", "100/min"]), ends=ends, seed=st.integers(0, 2**16),
    slow=st.sampled_from([0.1, 1.0, 9.0]),
)  # fmt: skip
BURST = tuple((0.0, number % 5 > 0) for number in range(30))

few = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


@given(plans)
@example(Plan(rate="20/min", ends=BURST, seed=1))
@example(Plan(rate="20/min", ends=BURST, seed=1, slow=9.0))
@example(Plan(rate="1/s", ends=BURST, seed=1, slow=3.0))
@few
def test_everything_is_told_exactly_once_and_never_more_than_the_rate_allows(plan: Plan) -> None:
    town = Town(plan).run()
    assert town.told == Counter(list(town.stage.store.tasks))
    assert town.receiver.over == 0
    assert not list(town.mixed())
    assert town.stage.ledger.waiting("ops") == []


@given(plans, st.sampled_from([0.1, 0.3]))
@example(Plan(rate="20/min", ends=BURST, seed=3), 0.5)
@few
def test_a_receiver_in_trouble_is_told_everything_once_in_the_end(plan: Plan, trouble: float) -> None:
    town = Town(replace(plan, trouble=trouble)).run()
    assert town.told == Counter(list(town.stage.store.tasks))
    assert town.receiver.over == 0
    assert not list(town.mixed())


@given(plans.filter(lambda plan: plan.rate != "1/s"), st.sampled_from([0.005, 0.03]))
@few
def test_processes_that_die_lose_nothing_and_repeat_little(plan: Plan, kills: float) -> None:
    town = Town(replace(plan, kills=kills)).run()
    assert set(town.told) == set(town.stage.store.tasks)
    assert town.told.total() - len(town.told) <= town.killed * max(len(ids) for _, ids in town.receiver.messages)
    assert not list(town.mixed())


@given(plans.filter(lambda plan: plan.rate != "1/s"))
@few
def test_who_wakes_a_little_late_keeps_to_the_rate_all_the_same(plan: Plan) -> None:
    town = Town(replace(plan, late=1.0)).run()
    assert town.told == Counter(list(town.stage.store.tasks))
    assert town.receiver.over == 0


@given(plans)
@few
def test_no_digest_of_successes_overtakes_a_failure_that_waits(plan: Plan) -> None:
    town = Town(plan).run()
    tasks = town.stage.store.tasks
    first = {id: at for at, ids in reversed(town.receiver.messages) for id in ids}
    for at, ids in town.receiver.messages:
        if len(ids) > 1:
            # It had asked for its turn before the speaker began to choose.
            waited = [one for one in tasks.values() if one.state is State.FAILED and (one.observed_at or 0) < at - 1]
            assert all(first[one.id] <= at for one in waited)


def test_a_burst_is_told_in_few_messages() -> None:
    town = Town(Plan(rate="20/min", ends=tuple((0.0, True) for _ in range(60)), seed=1)).run()
    assert len(town.receiver.messages) <= 5

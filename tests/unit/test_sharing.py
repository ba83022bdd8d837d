"""Tasks that share a request: who is taken along, what is written for them, and who is told."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from requests import Request

from taskhook import watch
from taskhook.accounts import Account
from taskhook.bus import Bus
from taskhook.http import Answer
from taskhook.pacing import Pace
from taskhook.pauses import Pauses
from taskhook.providers.catalogue import Catalogue
from taskhook.seats import Seats
from taskhook.sharing import ASLEEP, SOON, SPOILED, Sharing, group
from taskhook.slots import LEAD, Calendar
from taskhook.states import State
from taskhook.task import Task
from taskhook.watcher import Watcher
from tests.conftest import NOW, Clock, MakeAccount, MakeAnswer, MakeTask
from tests.fakes import CounterTable, MemoryDurations, MemoryQueues, MemoryStore, make_settings

JOBS = "tencent.clb.DescribeAsyncJobs"
WORDS = {State.RUNNING: "Processing", State.SUCCEEDED: "Succeeded", State.FAILED: "Failed"}
FAR = 100.0


class Jobs:
    """The API that takes many ids: knows the state of each, and one id may spoil a request for several."""

    def __init__(self, make_answer: MakeAnswer) -> None:
        self.states: dict[str, State] = {}
        self.poison: str | None = None
        self.requests: list[list[str]] = []
        self._make_answer = make_answer

    def __call__(self, request: Request, *, seconds: float, ready: Callable[[], None]) -> Answer:
        ready()
        ids = list(dict(request.json or {})["RequestIds"])
        self.requests.append(ids)
        if self.poison in ids and len(ids) > 1:
            return self._make_answer({"Response": {"Error": {"Code": "InvalidParameter", "Message": "m"}}})
        jobs = [{"RequestId": id, "Status": WORDS[self.states[id]]} for id in reversed(ids) if id in self.states]
        return self._make_answer({"Response": {"Jobs": jobs, "RequestId": "r"}})


class Scene:
    """Tasks of one account in memory, each with an execution of its own."""

    def __init__(self, make_task: MakeTask, account: Account, jobs: Jobs) -> None:
        self.clock = Clock(NOW + 30)
        self.store = MemoryStore()
        self.jobs = jobs
        self.send: Callable[..., Answer] = jobs
        self.account = account
        self.settings = make_settings()
        self.queues = MemoryQueues(self.settings)
        self.durations = MemoryDurations()
        self.calendar: Any = CounterTable()
        self.sharing = Sharing(store=self.store, queues=self.queues, clock=self.clock)
        self._make_task = make_task

    def add(self, name: str, state: State | None = State.RUNNING, **changes: Any) -> str:
        task = self._make_task(**{"provider": JOBS, "task_id": name, **changes})
        self.store.tasks[task.id] = task
        if state is not None:
            self.jobs.states[name] = state
        return task.id

    def waiting(self, name: str, due: float = 0.0, wakes: float = FAR, **changes: Any) -> str:
        """A task that has been looked at once: due in so many seconds, its execution wakes in so many."""
        now = self.clock()
        id = self.add(name, **changes.pop("job", {}))
        group = f"tencent#{JOBS}#{self.store.tasks[id].region or ''}"
        known = {"batch": group, "due": now + due, "next_poll_at": now + due, "wakes_at": now + wakes, "polls": 1}
        self.store.tasks[id] = replace(self.store.tasks[id], **{**known, "state": State.RUNNING, **changes})
        return id

    def look(self, id: str, number: int = 1) -> dict[str, Any]:
        pace = Pace(
            calendar=Calendar(self.settings, self.calendar, Random(1)),  # noqa: S311
            seats=Seats(self.settings, self.calendar),
            default_rate=10.0,
            break_even=45.0,
            clock=self.clock,
            sleep=self._sleep,
        )
        watcher = Watcher(
            store=self.store,
            account=lambda name, fresh: self.account,
            find=Catalogue().find,
            durations=self.durations,
            pauses=Pauses(store=self.store, queues=self.queues, clock=self.clock),
            queues=self.queues,
            bus=Bus(self.store, self.settings),
            pace=pace,
            sharing=self.sharing,
            patience=3600.0,
            clock=self.clock,
            rng=Random(1),  # noqa: S311
            send=self.send,
        )
        return watch.look(watcher, id, number, left=lambda: 0.0)

    def _sleep(self, seconds: float) -> None:
        self.clock.now += seconds

    def __getitem__(self, id: str) -> Task:
        return self.store.tasks[id]


@pytest.fixture
def scene(make_task: MakeTask, make_account: MakeAccount, make_answer: MakeAnswer) -> Scene:
    return Scene(make_task, make_account(version="1"), Jobs(make_answer))


def test_tasks_that_are_due_share_a_request(scene: Scene) -> None:
    first = scene.add("one")
    others = [scene.waiting(name) for name in ("two", "three")]
    scene.look(first)
    assert scene.jobs.requests == [["one", "two", "three"]]
    for id in (first, *others):
        assert scene[id].state is State.RUNNING
        assert scene[id].looked_at == scene.clock()
        assert (scene[id].next_poll_at or 0) > scene.clock()
    assert [scene[id].polls for id in (first, *others)] == [1, 2, 2]


def test_each_one_gets_its_own_answer(scene: Scene) -> None:
    first = scene.add("one", State.FAILED)
    others = {
        state: scene.waiting(state.value, job={"state": state})
        for state in (State.SUCCEEDED, State.RUNNING, State.FAILED)
    }
    scene.look(first)
    assert scene[first].state is State.FAILED
    assert {state: scene[id].state for state, id in others.items()} == {state: state for state in others}
    assert [one[0] for one in scene.durations.taught] == ["failed", "succeeded", "failed"]


@pytest.mark.parametrize(
    "changes",
    [
        {"due": SOON + 1},
        {"troubles": 1},
        {"paused": "7"},
        {"state": State.STOPPED, "batch": None},
        {"account": "other", "batch": f"other#{JOBS}#ap-guangzhou"},
    ],
)
def test_who_is_not_due_or_in_trouble_or_of_another_kind_is_left_alone(scene: Scene, changes: dict[str, Any]) -> None:
    first, other = scene.add("one"), scene.waiting("two", **changes)
    before = scene[other]
    scene.look(first)
    assert scene.jobs.requests == [["one"]]
    assert scene[other] == before


def test_a_task_in_trouble_asks_alone(scene: Scene) -> None:
    first = scene.add("one", troubles=1, trouble_since=NOW)
    scene.waiting("two")
    scene.look(first)
    assert scene.jobs.requests == [["one"]]


def test_no_request_asks_for_more_tasks_than_the_api_takes(scene: Scene) -> None:
    first = scene.add("one")
    for number in range(150):
        scene.waiting(f"more-{number}", due=-number)
    scene.look(first)
    assert [len(ids) for ids in scene.jobs.requests] == [100]
    # Whoever waits for longest goes first.
    assert set(scene.jobs.requests[0]) == {"one", *(f"more-{number}" for number in range(51, 150))}


def test_a_task_that_was_taken_along_is_not_asked_about_again_when_its_own_execution_wakes(scene: Scene) -> None:
    first, other = scene.add("one"), scene.waiting("two", wakes=1.0)
    scene.look(first)
    due = scene[other].next_poll_at or 0.0
    scene.clock.now = due - LEAD - 1
    payload = scene.look(other)
    assert len(scene.jobs.requests) == 1
    assert payload["done"] is False
    assert (scene[other].wakes_at, scene[other].next_poll_at) == (due, due)
    scene.clock.now = due
    scene.look(other)
    assert scene.jobs.requests[1][0] == "two"


def test_the_news_of_a_task_that_sleeps_for_long_is_told_by_a_new_execution(scene: Scene) -> None:
    first = scene.add("one")
    asleep = scene.waiting("two", wakes=FAR, job={"state": State.SUCCEEDED})
    awake = scene.waiting("three", wakes=ASLEEP - 1, job={"state": State.SUCCEEDED})
    scene.look(first)
    assert scene.queues.sent == [("tasks", {"id": asleep, "watch": 2})]
    assert scene.look(asleep, 1)["notify"] == []
    assert [one["destination"] for one in scene.look(asleep, 2)["notify"]] == ["ops"]
    assert [one["destination"] for one in scene.look(awake, 1)["notify"]] == ["ops"]
    assert len(scene.jobs.requests) == 1


def test_an_end_that_another_look_sees_at_the_same_moment_is_told_all_the_same(scene: Scene) -> None:
    first = scene.add("one")

    def ended() -> None:
        scene.store.meanwhile = lambda: None
        scene.store.tasks[first] = replace(scene[first], state=State.SUCCEEDED, observed_at=scene.clock())

    scene.store.meanwhile = ended
    payload = scene.look(first)
    assert payload["done"] is True
    assert [one["destination"] for one in payload["notify"]] == ["ops"]


@pytest.mark.parametrize(("state", "written"), [(State.RUNNING, False), (State.SUCCEEDED, True)])
def test_a_task_that_was_looked_at_meanwhile_is_written_again_only_if_it_has_ended(
    scene: Scene, state: State, written: bool
) -> None:
    first, other = scene.add("one"), scene.waiting("two", job={"state": state})
    calls: list[None] = []

    def looked() -> None:
        calls.append(None)
        if len(calls) == 2:
            scene.store.tasks[other] = replace(scene[other], polls=scene[other].polls + 1)

    scene.store.meanwhile = looked
    scene.look(first)
    assert scene[other].state.terminal is written


def test_one_id_that_spoils_the_request_costs_one_more_and_then_everybody_asks_alone(scene: Scene) -> None:
    first, other = scene.add("one"), scene.waiting("two")
    scene.jobs.poison = "two"
    scene.look(first)
    assert scene.jobs.requests == [["one", "two"], ["one"]]
    assert (scene[first].state, scene[first].error) == (State.RUNNING, None)
    assert scene[other].polls == 1
    third = scene.add("three")
    scene.look(third)
    assert scene.jobs.requests[2:] == [["three"]]
    scene.clock.now += SPOILED
    scene.jobs.poison = None
    fourth = scene.add("four")
    scene.look(fourth)
    assert scene.jobs.requests[3][0] == "four"
    assert len(scene.jobs.requests[3]) > 1


def test_a_task_that_is_unknown_does_not_spoil_the_others(scene: Scene) -> None:
    first, other = scene.add("one", None), scene.waiting("two", job={"state": State.SUCCEEDED})
    scene.look(first)
    assert scene.jobs.requests == [["one", "two"]]
    problem = scene[first].error
    assert problem is not None
    assert problem.code == "TaskNotFound"
    assert scene[other].state is State.SUCCEEDED


def test_an_unknown_task_that_is_taken_along_is_left_to_its_own_execution(scene: Scene) -> None:
    first, other = scene.add("one"), scene.waiting("two")
    del scene.jobs.states["two"]
    before = scene[other]
    scene.look(first)
    assert scene[other] == before


def test_an_index_that_cannot_be_read_leaves_everybody_alone(scene: Scene) -> None:
    first = scene.add("one")
    scene.waiting("two")

    def broken(*_: Any, **__: Any) -> list[Task]:
        raise ConnectionError("throttled")

    scene.store.due = broken  # type: ignore[method-assign]
    scene.look(first)
    assert scene.jobs.requests == [["one"]]


def test_a_record_that_cannot_be_written_does_not_harm_the_others(scene: Scene) -> None:
    first, second, third = scene.add("one"), scene.waiting("two"), scene.waiting("three")
    save = scene.store.save_look

    def broken(task: Task, *, polls: int | None = None) -> Task:
        if task.id == second:
            raise ConnectionError("throttled")
        return save(task, polls=polls)

    scene.store.save_look = broken  # type: ignore[method-assign]
    scene.look(first)
    assert [scene[id].polls for id in (first, second, third)] == [1, 1, 2]


def test_a_first_look_that_has_to_wait_for_its_slot_may_be_made_by_others(scene: Scene) -> None:
    ids = [scene.add(f"job-{number}") for number in range(200)]
    for id in ids:
        scene.look(id)
    # The first ones get slots at once and look; whoever's slot is far away is taken along by those behind him.
    late = [id for id in ids if scene[id].polls == 0]
    scene.look(scene.add("last"))
    assert all(scene[id].batch is not None for id in late)
    assert sum(map(len, scene.jobs.requests)) > len(scene.jobs.requests)


def test_tasks_of_an_api_that_takes_one_id_are_in_no_group(
    scene: Scene, make_answer: MakeAnswer, make_task: MakeTask
) -> None:
    task = make_task()
    scene.store.tasks[task.id] = task
    scene.send = lambda request, **_: make_answer({"Response": {"Status": 2, "RequestId": "r"}})
    scene.look(task.id)
    assert (scene[task.id].batch, scene[task.id].due, scene[task.id].wakes_at) == (None, None, None)


def test_what_is_sent_is_the_entrys_own_request_with_more_ids(scene: Scene) -> None:
    sent: list[Any] = []

    def keep(request: Request, **options: Any) -> Answer:
        sent.append(request.json)
        return scene.jobs(request, **options)

    scene.send = keep
    first = scene.add("one")
    scene.waiting("two")
    scene.look(first)
    assert sent == [{"RequestIds": ["one", "two"], "MaxResults": 100}]


def test_tasks_of_different_clusters_are_in_different_groups(make_task: MakeTask) -> None:
    text = """
        title = "Flocks"
        version = "2020-01-01"
        sdk = "none"
        [ListTargets]
        task_id = "{Cluster}/{JobId}"
        found = "nowhere"
        send = { Cluster = "{Cluster}", JobIds = "{JobId}" }
        at = "Targets"
        where = { Job = "{JobId}" }
        status = "Status"
        states = { running = ["on"], succeeded = ["done"] }
        batch = { most = 3, join = "," }
    """
    provider = Catalogue(lambda service: text if service == "alibaba.flock" else None).find("alibaba.flock.ListTargets")
    assert provider is not None
    one, same, other = (
        group(make_task(provider=provider.name, task_id=task_id), provider) for task_id in ("a/1", "a/2", "b/1")
    )
    assert one == same
    assert one != other

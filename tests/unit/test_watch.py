"""What a look does, and how the machine goes on."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from taskhook import inquiry, watch
from taskhook.accounts import Account
from taskhook.bus import Bus
from taskhook.decide import DOUBTS
from taskhook.errors import (
    AddressRefused,
    CertificateRefused,
    ConfigError,
    ConnectionFailed,
    DeadlineExceeded,
)
from taskhook.http import Answer
from taskhook.pacing import Pace
from taskhook.pauses import PROBE_SECONDS, RECHECK_SECONDS, Pauses
from taskhook.providers.catalogue import Catalogue
from taskhook.providers.model import Refusal
from taskhook.seats import Seats
from taskhook.sharing import Sharing
from taskhook.slots import LEAD, Calendar
from taskhook.states import State
from taskhook.task import Delivery, DeliveryState, Task
from taskhook.watcher import Watcher
from tests.conftest import NOW, Clock, MakeAccount, MakeAnswer, MakeTask
from tests.fakes import CounterTable, Line, MemoryDurations, MemoryQueues, MemoryStore, make_settings

PATIENCE = 3600.0
ROOM = 300.0
"""Seconds that an invocation has left."""


type Look = Callable[..., dict[str, Any]]


class Scene:
    """Tasks in memory, a provider that answers as told, and how often the account was read."""

    def __init__(self, task: Task, account: Account, *answers: Answer | Exception) -> None:
        self.store = MemoryStore(task)
        self.line = Line(list(answers))
        self.reads: list[bool] = []
        self.account: Account | Refusal | Exception = account
        self.clock = Clock(NOW + 30)
        self.id = task.id
        self.calendar = CounterTable()
        self.slept: list[float] = []
        self.settings = make_settings()
        self.queues = MemoryQueues(self.settings)
        self.durations = MemoryDurations()
        self.pauses = Pauses(store=self.store, queues=self.queues, clock=self.clock)

    def read_account(self, name: str, *, fresh: bool) -> Account | Refusal:
        self.reads.append(fresh)
        if isinstance(self.account, Exception):
            raise self.account
        return self.account

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.now += seconds

    def look(self, number: int = 1, id: str | None = None, left: float = 0.0) -> dict[str, Any]:
        """An execution that wakes when it was told to. With no time left an invocation makes one look."""
        known = self.store.tasks.get(id or self.id)
        if known is not None and known.slots:
            self.clock.now = max(self.clock.now, known.slots[0] - LEAD)
        calendar: Any = self.calendar
        pace = Pace(
            calendar=Calendar(self.settings, calendar, Random(1)),  # noqa: S311
            seats=Seats(self.settings, calendar),
            default_rate=10.0,
            break_even=45.0,
            clock=self.clock,
            sleep=self.sleep,
        )
        ends = self.clock() + left
        watcher = Watcher(
            store=self.store,
            account=self.read_account,
            find=Catalogue().find,
            durations=self.durations,
            pauses=self.pauses,
            queues=self.queues,
            bus=Bus(self.store, self.settings),
            pace=pace,
            sharing=Sharing(store=self.store, queues=self.queues, clock=self.clock),
            patience=PATIENCE,
            clock=self.clock,
            rng=Random(1),  # noqa: S311
            send=self.line,
        )
        return watch.look(watcher, id or self.id, number, left=lambda: ends - self.clock())

    @property
    def task(self) -> Task:
        return self.store.tasks[self.id]


@pytest.fixture
def scene(make_task: MakeTask, make_account: MakeAccount) -> Callable[..., Scene]:
    def make(*answers: Answer | Exception, **changes: Any) -> Scene:
        return Scene(make_task(**changes), make_account(version="1"), *answers)

    return make


type MakeScene = Callable[..., Scene]


@pytest.fixture
def clb(make_answer: MakeAnswer) -> Callable[..., Answer]:
    def answer(status: Any = 2, **members: Any) -> Answer:
        return make_answer({"Response": {"Status": status, "RequestId": "r-1", **members}})

    return answer


@pytest.fixture
def denied(clb: Callable[..., Answer]) -> Answer:
    return clb(None, Error={"Code": "AuthFailure.SecretIdNotFound", "Message": "no such key"})


def test_a_running_task_waits_for_the_next_look(scene: MakeScene, clb: Callable[..., Answer]) -> None:
    stage = scene(clb(2))
    payload = stage.look()
    assert payload["done"] is False
    assert payload["notify"] == []
    assert payload["wait_until"].startswith("2026-09-21T14:13:5")
    assert stage.task.state is State.RUNNING
    assert stage.task.request_id == "r-1"


def test_an_ended_task_names_everybody_who_has_to_be_told(scene: MakeScene, clb: Callable[..., Answer]) -> None:
    payload = scene(clb(0), notify=("ops", "slack")).look()
    assert payload["done"] is True
    assert [one["destination"] for one in payload["notify"]] == ["ops", "slack"]
    assert all(one["watch"] == 1 and one["done"] is False for one in payload["notify"])


@pytest.mark.parametrize("state", [one for one in State if one.terminal and one is not State.STOPPED])
def test_a_terminal_state_never_polls_again_but_the_untold_are_told(scene: MakeScene, state: State) -> None:
    told = {"ops": Delivery(state=DeliveryState.DELIVERED), "slack": Delivery()}
    stage = scene(AssertionError("asked again"), state=state, deliveries=told)
    payload = stage.look()
    assert payload["done"] is True
    assert [one["destination"] for one in payload["notify"]] == ["slack"]
    assert (stage.line.requests, stage.store.writes) == ([], 0)


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"watch": 2}, 1),
        ({"watch": 1}, 2),
        ({"state": State.STOPPED}, 1),
        ({"state": State.SUCCEEDED, "notify": ()}, 1),
        ({"state": State.LOST, "deliveries": {"ops": Delivery(state=DeliveryState.HELD)}}, 1),
    ],
)
def test_a_watch_that_has_no_business_any_more_ends_without_a_word(
    scene: MakeScene, changes: dict[str, Any], number: int
) -> None:
    stage = scene(AssertionError("asked"), **changes)
    payload = stage.look(number)
    assert (payload["done"], payload["notify"]) == (True, [])
    assert (stage.line.requests, stage.store.writes) == ([], 0)


def test_a_task_that_is_gone_ends_the_watch(scene: MakeScene) -> None:
    stage = scene(AssertionError("asked"))
    stage.store.tasks.clear()
    assert stage.look()["done"] is True


@pytest.mark.parametrize("changed", [{"watch": 2}, {"state": State.STOPPED}])
def test_a_watch_superseded_during_its_look_ends_without_a_word(
    scene: MakeScene, clb: Callable[..., Answer], changed: dict[str, Any]
) -> None:
    stage = scene(clb(0))
    stage.store.meanwhile = lambda: stage.store.tasks.update({stage.id: replace(stage.task, **changed)})
    payload = stage.look()
    assert (payload["done"], payload["notify"]) == (True, [])
    assert stage.task.state is not State.SUCCEEDED


def test_a_destination_added_during_the_look_is_told(scene: MakeScene, clb: Callable[..., Answer]) -> None:
    stage = scene(clb(0))
    added = replace(stage.task, deliveries={**stage.task.deliveries, "late": Delivery()})
    stage.store.meanwhile = lambda: stage.store.tasks.update({stage.id: added})
    assert [one["destination"] for one in stage.look()["notify"]] == ["ops", "late"]


def test_refused_credentials_are_read_anew_once_and_signed_again(
    scene: MakeScene, denied: Answer, clb: Callable[..., Answer]
) -> None:
    stage = scene(denied, clb(2))
    stage.look()
    assert stage.reads == [False, True]
    assert len(stage.line.requests) == 2
    assert stage.task.state is State.RUNNING


def test_the_first_task_of_a_refused_account_is_lost_and_tells_why(scene: MakeScene, denied: Answer) -> None:
    stage = scene(denied)
    assert stage.look()["done"] is True
    assert stage.reads == [False, True]
    assert (stage.task.state, stage.task.paused) == (State.LOST, "1")
    assert stage.task.error is not None
    assert stage.task.error.code == "AuthFailure.SecretIdNotFound"
    assert stage.task.error.hint


def test_the_other_tasks_of_a_refused_account_wait_and_ask_nobody(
    scene: MakeScene, make_task: MakeTask, denied: Answer
) -> None:
    stage = scene(denied)
    stage.look()
    asked = len(stage.line.requests)
    for number in range(20):
        other = make_task(task_id=f"other-{number}")
        stage.store.tasks[other.id] = other
        assert stage.look(id=other.id)["done"] is False
        waiting = stage.store.tasks[other.id]
        assert (waiting.state, waiting.paused, waiting.polls) == (State.RUNNING, "1", 0)
        assert waiting.error is not None
        assert waiting.error.code == "AuthFailure.SecretIdNotFound"
    assert len(stage.line.requests) == asked


def test_a_refused_credential_is_read_again_soon_and_tried_again_later(
    scene: MakeScene, make_task: MakeTask, denied: Answer
) -> None:
    stage = scene(denied)
    other = make_task(task_id="other")
    stage.store.tasks[other.id] = other
    stage.look()
    asked, read = len(stage.line.requests), len(stage.reads)
    stage.clock.now += RECHECK_SECONDS
    stage.look(id=other.id)
    assert (len(stage.line.requests), stage.reads[read:]) == (asked, [True])
    stage.clock.now += PROBE_SECONDS
    stage.look(id=other.id)
    assert len(stage.line.requests) > asked


def test_all_tasks_go_on_when_the_credential_has_changed(
    scene: MakeScene, make_task: MakeTask, make_account: MakeAccount, denied: Answer, clb: Callable[..., Answer]
) -> None:
    stage = scene(denied, notify=("ops",))
    other = make_task(task_id="other")
    stage.store.tasks[other.id] = other
    stage.look()
    stage.look(id=other.id)
    stage.account, stage.line.answers = make_account(version="2"), [clb(0)]
    stage.clock.now += RECHECK_SECONDS
    assert stage.look(id=other.id)["done"] is True
    assert stage.store.tasks[other.id].state is State.SUCCEEDED
    # The task that told of it is watched again, and tells the end of it too.
    assert (stage.task.state, stage.task.watch, stage.task.pending) == (State.RUNNING, 2, ["ops"])
    assert [body for _, body in stage.queues.sent] == [{"id": stage.id, "watch": 2}]
    assert stage.store.accounts == {}
    assert stage.look(2)["done"] is True
    assert (stage.task.state, stage.task.paused) == (State.SUCCEEDED, None)


def test_a_queue_that_is_out_of_order_keeps_nobody_from_going_on(
    scene: MakeScene, make_task: MakeTask, denied: Answer, clb: Callable[..., Answer]
) -> None:
    stage = scene(denied)
    others = [make_task(task_id=f"other-{number}") for number in range(2)]
    stage.store.tasks.update({one.id: one for one in others})
    stage.look()
    stage.store.accounts["tencent"][1].append(others[0].id)
    stage.store.tasks[others[0].id] = replace(others[0], state=State.LOST, paused="1")

    def broken(task: Task) -> None:
        raise ConnectionError("no queue")

    object.__setattr__(stage.pauses, "queues", type("Broken", (), {"start_watch": staticmethod(broken)})())
    stage.line.answers = [clb(2)]
    stage.clock.now += RECHECK_SECONDS + PROBE_SECONDS
    stage.look(id=others[1].id)
    assert {stage.task.state, stage.store.tasks[others[0].id].state} == {State.RUNNING}


def test_another_credential_that_is_refused_is_told_of_again(
    scene: MakeScene, make_task: MakeTask, make_account: MakeAccount, denied: Answer
) -> None:
    stage = scene(denied)
    other = make_task(task_id="other")
    stage.store.tasks[other.id] = other
    stage.look()
    stage.look(id=other.id)
    stage.account = make_account(version="2")
    stage.clock.now += RECHECK_SECONDS
    assert stage.look(id=other.id)["done"] is True
    assert stage.store.tasks[other.id].state is State.LOST


def test_a_look_that_broke_after_the_refusal_was_noted_still_tells(scene: MakeScene, denied: Answer) -> None:
    stage = scene(denied)
    stage.store.refuse_account("tencent", "1", task=stage.id, now=NOW)
    stage.look()
    assert stage.task.state is State.LOST


def test_a_service_that_refuses_the_key_does_not_stop_the_others(
    scene: MakeScene, make_task: MakeTask, denied: Answer, clb: Callable[..., Answer]
) -> None:
    stage = scene(denied)
    stage.look()
    other = make_task(provider="tencent.vpc.DescribeVpcTaskResult", task_id="other")
    stage.store.tasks[other.id] = other
    stage.line.answers = [clb("RUNNING")]
    for _ in range(3):
        assert stage.look(id=other.id)["done"] is False
    healthy = stage.store.tasks[other.id]
    assert (healthy.polls, healthy.error, healthy.paused) == (3, None, None)
    # What the others can do is no reason to tell of the refusal again.
    assert (stage.task.state, stage.task.watch) == (State.LOST, 1)
    assert list(stage.store.accounts) == ["tencent"]


def test_what_one_process_remembers_does_not_undo_what_another_has_restored(
    scene: MakeScene, make_task: MakeTask, denied: Answer
) -> None:
    stage = scene(denied)
    other = make_task(task_id="other")
    stage.store.tasks[other.id] = other
    stage.look()
    assert stage.store.restore_account("tencent") == [stage.id]
    assert stage.look(id=other.id)["done"] is False
    assert stage.store.accounts == {}


def test_a_task_that_somebody_stopped_is_not_resumed(scene: MakeScene, denied: Answer) -> None:
    stage = scene(denied)
    stage.look()
    stage.store.tasks[stage.id] = replace(stage.task, state=State.STOPPED)
    assert stage.pauses.resume(stage.id) is False
    assert stage.queues.sent == []


def test_other_refusals_do_not_read_the_account_again(scene: MakeScene, clb: Callable[..., Answer]) -> None:
    stage = scene(clb(None, Error={"Code": "UnauthorizedOperation"}))
    stage.look()
    assert stage.reads == [False]


def test_an_account_that_is_gone_is_told_like_a_refused_one(scene: MakeScene) -> None:
    stage = scene(AssertionError("asked"))
    stage.account = ConfigError("no account 'tencent' is configured")
    stage.look()
    assert stage.task.state is State.LOST
    assert stage.task.error is not None
    assert stage.task.error.code == "AccountNotUsable"


def test_a_request_that_cannot_be_sent_loses_the_task_and_says_so(scene: MakeScene) -> None:
    stage = scene(ConfigError("the request cannot be sent: the URL is not complete or not valid"))
    stage.look()
    assert stage.task.error is not None
    assert (stage.task.state, stage.task.error.code) == (State.LOST, "RequestNotPossible")
    assert (stage.task.paused, stage.store.accounts) == (None, {})


@pytest.mark.parametrize("error", [ConnectionFailed, DeadlineExceeded])
def test_no_answer_is_looked_for_again(scene: MakeScene, error: type[ConnectionFailed]) -> None:
    stage = scene(error("clb.tencentcloudapi.com", "the name cannot be resolved"))
    assert stage.look()["done"] is False
    assert stage.task.error is not None
    assert (stage.task.state, stage.task.troubles) == (State.RUNNING, 1)
    assert stage.task.error.code == error.__name__


@pytest.mark.parametrize("error", [CertificateRefused, AddressRefused])
def test_a_server_that_is_not_the_provider_is_tried_a_few_times(
    scene: MakeScene, error: type[CertificateRefused]
) -> None:
    stage = scene(error("clb.tencentcloudapi.com", "self-signed certificate"))
    for _ in range(DOUBTS):
        assert not stage.task.state.terminal
        stage.look()
    assert stage.task.state is State.LOST


def test_a_provider_that_is_not_known_here_is_waited_for(scene: MakeScene) -> None:
    stage = scene(AssertionError("asked"), provider="tencent.old.DescribeNothing")
    stage.look()
    assert stage.task.error is not None
    assert (stage.task.state, stage.task.error.code) == (State.RUNNING, "UnknownProvider")
    stage.clock.now += PATIENCE
    stage.look()
    assert stage.task.state is State.LOST


def test_how_long_a_task_took_is_remembered_once(scene: MakeScene, clb: Callable[..., Answer]) -> None:
    stage = scene(clb(2), clb(0))
    stage.look()
    stage.clock.now += 10
    stage.look()
    stage.look()
    ((state, *ages),) = stage.durations.taught
    assert (state, ages) == ("succeeded", [pytest.approx(30, abs=1), pytest.approx(40, abs=1), None])


def test_a_task_that_did_not_end_in_time_is_remembered_as_such(scene: MakeScene, clb: Callable[..., Answer]) -> None:
    stage = scene(clb(2), deadline=NOW + 30)
    stage.look()
    ((state, *ages),) = stage.durations.taught
    assert (state, ages) == ("timed_out", [pytest.approx(30, abs=1), pytest.approx(30, abs=1), None])


def test_what_was_lost_or_refused_teaches_nothing(scene: MakeScene, clb: Callable[..., Answer]) -> None:
    stage = scene(clb(None, Error={"Code": "UnauthorizedOperation"}))
    stage.look()
    assert stage.task.state is State.LOST
    assert stage.durations.taught == []


def test_a_long_watch_goes_on_in_a_new_execution_and_keeps_its_identity(
    scene: MakeScene, clb: Callable[..., Answer]
) -> None:
    stage = scene(clb(2), clb(2), clb(0), wakes=watch.WAKES - 2)
    assert stage.look()["done"] is False
    payload = stage.look()
    assert (payload["done"], payload["notify"]) == (True, [])
    assert [body for _, body in stage.queues.sent] == [{"id": stage.id, "watch": 2}]
    assert (stage.task.id, stage.task.watch, stage.task.state) == (stage.id, 2, State.RUNNING)
    assert stage.look(1)["notify"] == []
    assert stage.look(2)["notify"] != []
    assert stage.task.state is State.SUCCEEDED


def test_a_long_watch_that_is_stopped_while_it_is_handed_over_stays_stopped(
    scene: MakeScene, clb: Callable[..., Answer]
) -> None:
    stage = scene(clb(2), wakes=watch.WAKES - 1)
    taken = stage.store.restart

    def stopped(task: Task, **more: Any) -> Task:
        stage.store.tasks[task.id] = replace(task, state=State.STOPPED, watch=task.watch + 1)
        return taken(task, **more)

    stage.store.restart = stopped  # type: ignore[method-assign]
    assert stage.look()["done"] is True
    assert (stage.task.state, stage.queues.sent) == (State.STOPPED, [])


def test_a_look_has_a_total_time_and_asks_for_the_task(scene: MakeScene, clb: Callable[..., Answer]) -> None:
    stage = scene(clb(2))
    stage.look()
    assert stage.line.options == [{"seconds": inquiry.LOOK_SECONDS}]
    assert stage.line.requests[0].json == {"TaskId": "55c85074-3e7f-4c6d-864f-673660d4f8de"}

"""News that was kept goes out: when its destination works again, or when somebody asks for it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from taskhook import holding
from taskhook.api.problem import ProblemError
from taskhook.errors import StoreConflict
from taskhook.states import State
from taskhook.submit import Desk, redeliver
from taskhook.task import Delivery, DeliveryState, Task
from tests.conftest import NOW, MakeAnswer, MakeTask
from tests.deliveries import Stage

HELD = Delivery(state=DeliveryState.HELD, attempts=12, tries=12, reason="it was down", first_at=NOW + 1)

type Hold = Callable[..., Task]


@pytest.fixture
def stage(make_answer: MakeAnswer) -> Stage:
    return Stage(answers=[make_answer(b"")])


@pytest.fixture
def hold(stage: Stage, make_ended: MakeTask) -> Hold:
    def make(name: str, at: float = 0.0, **changes: Any) -> Task:
        task = make_ended(task_id=name, **{"deliveries": {"ops": HELD}, **changes})
        stage.store.tasks[task.id] = task
        stage.ledger.hold("ops", task.id, version="1", now=NOW + at)
        return task

    return make


def release(stage: Stage, **options: Any) -> list[str]:
    return holding.release(stage.store, stage.ledger, stage.queues, "ops", now=stage.clock.now, **options)


def test_what_is_kept_goes_out_the_oldest_first_from_the_first_attempt_on(stage: Stage, hold: Hold) -> None:
    late, early = hold("late", 9), hold("early", 1)
    assert release(stage) == [early.id, late.id]
    assert stage.started == [(early.id, 2), (late.id, 2)]
    assert stage.store.tasks[late.id].deliveries["ops"] == Delivery(attempts=12, first_at=NOW + 1)
    assert stage.kept == []


def test_news_since_a_time_alone_goes_out(stage: Stage, hold: Hold) -> None:
    old, new = hold("old", 1), hold("new", 9)
    assert holding.kept(stage.ledger, "ops", since=NOW + 5) == [new.id]
    assert release(stage, since=NOW + 5) == [new.id]
    assert stage.kept == [old.id]


def test_looking_changes_nothing(stage: Stage, hold: Hold) -> None:
    task = hold("one")
    assert holding.kept(stage.ledger, "ops") == [task.id]
    assert (stage.kept, stage.started, stage.store.tasks[task.id]) == ([task.id], [], task)


def test_other_deliveries_of_the_task_are_left_alone(stage: Stage, hold: Hold) -> None:
    others = {"done": Delivery(state=DeliveryState.DELIVERED, attempts=1), "too": replace(HELD)}
    task = hold("one", deliveries={"ops": HELD, **others})
    release(stage)
    after = stage.store.tasks[task.id]
    assert {name: after.deliveries[name] for name in others} == others
    assert after.pending == ["ops"]


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.PENDING, DeliveryState.SKIPPED])
def test_a_mark_too_many_is_taken_away_and_nothing_is_sent(stage: Stage, hold: Hold, state: DeliveryState) -> None:
    task = hold("one", deliveries={"ops": Delivery(state=state, attempts=1)})
    release(stage)
    assert (stage.kept, stage.started, stage.store.tasks[task.id]) == ([], [], task)


def test_a_task_that_is_gone_is_forgotten(stage: Stage, hold: Hold) -> None:
    del stage.store.tasks[hold("one").id]
    release(stage)
    assert (stage.kept, stage.started) == ([], [])


def test_a_task_that_somebody_else_changes_is_read_again(
    stage: Stage, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = hold("one")
    real, calls = stage.store.reopen, iter([True])

    def late(*args: Any, **options: Any) -> Task:
        for _ in calls:
            stage.store.tasks[task.id] = replace(task, watch=7)
        return real(*args, **options)

    monkeypatch.setattr(stage.store, "reopen", late)
    release(stage)
    assert stage.started == [(task.id, 8)]


def test_what_cannot_be_let_go_stays_marked(stage: Stage, hold: Hold, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: Any, **options: Any) -> Task:
        raise StoreConflict("the task has changed meanwhile")

    task = hold("one")
    with monkeypatch.context() as patch:
        patch.setattr(stage.store, "reopen", never)
        release(stage)
    assert stage.kept == [task.id]
    assert stage.ledger.standing("ops").holding == "1"
    assert release(stage) == [task.id]
    assert stage.started == [(task.id, 2)]


def test_news_that_is_kept_again_at_once_keeps_its_mark(
    stage: Stage, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new watch may be quicker than the end of the release."""
    task = hold("one")

    def start(self: Any, opened: Task) -> None:
        stage.ledger.hold("ops", opened.id, version="1", now=stage.clock.now)
        stage.store.tasks[opened.id] = opened.with_delivery("ops", HELD)

    monkeypatch.setattr("tests.fakes.MemoryQueues.start_watch", start)
    release(stage)
    assert stage.kept == [task.id]


def test_the_destination_counts_as_working(stage: Stage) -> None:
    stage.ledger.died("ops", "1", reason="HTTP 410", code="HTTP 410", now=NOW)
    stage.ledger.quiet("ops", NOW + 9999)
    release(stage)
    standing = stage.ledger.standing("ops")
    assert (standing.dead, standing.reason, standing.until) == (None, None, 0.0)


# --- one delivery, on request ----------------------------------------------------------------------------------------


def desk(stage: Stage) -> Desk:
    return Desk(store=stage.store, queues=stage.queues, seal=stage.sender.seal, clock=stage.clock)


@pytest.mark.parametrize("state", DeliveryState)
def test_one_delivery_is_made_again_whatever_came_of_it(
    stage: Stage, hold: Hold, make_answer: MakeAnswer, state: DeliveryState
) -> None:
    task = hold("one", deliveries={"ops": Delivery(state=state, attempts=3, tries=3, reason="x")})
    stage.ledger.died("ops", "1", reason="HTTP 410", code=None, now=NOW)
    after = redeliver(desk(stage), task, "ops")
    assert after.deliveries["ops"] == Delivery(attempts=3, forced=True)
    assert stage.started == [(task.id, 2)]
    stage.attempt(id=task.id)
    assert stage.store.tasks[task.id].deliveries["ops"].state is DeliveryState.DELIVERED


def test_a_delivery_to_nobody_is_a_404(stage: Stage, hold: Hold) -> None:
    with pytest.raises(ProblemError) as caught:
        redeliver(desk(stage), hold("one"), "nobody")
    assert caught.value.status == 404


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.STOPPED])
def test_where_there_is_no_news_nothing_is_delivered(stage: Stage, hold: Hold, state: State) -> None:
    with pytest.raises(ProblemError, match=state.value) as caught:
        redeliver(desk(stage), hold("one", state=state), "ops")
    assert caught.value.status == 409
    assert stage.started == []

"""Somebody else is told when a destination has not taken the news in time."""

from typing import Any

import pytest

from taskhook import destinations, escalation
from taskhook.errors import StoreConflict
from taskhook.http import Answer
from taskhook.task import Delivery, DeliveryState
from tests.conftest import NOW, MakeAnswer, MakeTask
from tests.deliveries import Machine, Stage, hook

BOSS = hook(url="https://boss.example.com/s3cr3t-path")


@pytest.fixture
def stage(make_ended: MakeTask) -> Stage:
    """The news is 40 seconds old; after 120, ``boss`` is told."""
    made = Stage(make_ended(), answers=[], record=hook(escalate={"to": "boss", "after_seconds": 120}))
    made.records["boss"] = BOSS
    return made


def says(stage: Stage, ops: Answer, boss: Answer) -> list[tuple[float, str]]:
    """Who was told, and when."""
    told: list[tuple[float, str]] = []

    def send(request: Any, **options: Any) -> Answer:
        name = "boss" if "boss" in request.url else "ops"
        told.append((stage.clock.now, name))
        return boss if name == "boss" else ops

    stage.line = send  # type: ignore[assignment]
    stage.queues.start_watch(stage.task)
    Machine(stage).run()
    return told


def test_the_second_destination_is_told_at_the_set_time_and_the_first_goes_on(
    stage: Stage, make_answer: MakeAnswer
) -> None:
    told = says(stage, make_answer(status=500), make_answer(b""))
    (at,) = [at for at, name in told if name == "boss"]
    assert at == pytest.approx(NOW + 60 + 120, abs=0.01)
    assert [name for when, name in told if when > at].count("ops") >= 5
    boss = stage.task.deliveries["boss"]
    assert (boss.state, stage.delivery.state) == (DeliveryState.DELIVERED, DeliveryState.HELD)


def test_nobody_else_is_told_when_the_first_takes_it_in_time(stage: Stage, make_answer: MakeAnswer) -> None:
    says(stage, make_answer(b""), make_answer(b""))
    assert set(stage.task.deliveries) == {"ops"}


def test_the_second_destination_is_told_at_once_when_the_first_is_out_of_order(
    stage: Stage, make_answer: MakeAnswer
) -> None:
    told = says(stage, make_answer(status=410), make_answer(b""))
    assert [name for _, name in told] == ["ops", "boss"]
    assert told[1][0] == NOW + 100


def test_the_second_destination_is_told_at_once_when_the_first_is_paused(stage: Stage, make_answer: MakeAnswer) -> None:
    stage.records["ops"] = hook(paused=True, escalate={"to": "boss", "after_seconds": 120})
    assert says(stage, make_answer(b""), make_answer(b"")) == [(NOW + 100, "boss")]
    assert stage.delivery.state is DeliveryState.HELD


def test_why_it_is_told_is_said(stage: Stage) -> None:
    stage.clock.now = NOW + 500
    stage.attempt()
    assert stage.task.deliveries["boss"] == Delivery(reason="ops has not taken the news")


def test_the_news_is_the_same_for_both(stage: Stage, make_answer: MakeAnswer) -> None:
    sent: list[Any] = []

    def send(request: Any, **options: Any) -> Answer:
        sent.append(request)
        return make_answer(b"", status=200 if "boss" in request.url else 410)

    stage.line = send  # type: ignore[assignment]
    stage.queues.start_watch(stage.task)
    Machine(stage).run()
    assert len(sent) == 2
    assert len({request.headers["webhook-id"] for request in sent}) == 1


def test_two_that_name_each_other_are_told_once_each(stage: Stage, make_answer: MakeAnswer) -> None:
    stage.records["boss"] = hook(url="https://boss.example.com/s3cr3t-path", escalate={"to": "ops", "after_seconds": 1})
    told = says(stage, make_answer(status=410), make_answer(status=410))
    assert [name for _, name in told] == ["ops", "boss"]


def test_who_names_itself_is_told_as_any_other(stage: Stage, make_answer: MakeAnswer) -> None:
    stage.records["ops"] = hook(escalate={"to": "ops", "after_seconds": 1})
    assert says(stage, make_answer(b""), make_answer(b"")) == [(NOW + 100, "ops")]
    assert stage.task.watch == 1


def test_a_destination_that_is_told_anyway_is_not_told_twice(
    stage: Stage, make_answer: MakeAnswer, make_ended: MakeTask
) -> None:
    task = make_ended(notify=("ops", "boss"))
    stage.store.tasks[task.id] = task
    told = says(stage, make_answer(status=410), make_answer(b""))
    assert sorted(name for _, name in told) == ["boss", "ops"]
    assert stage.task.watch == 1


def test_a_second_destination_that_is_not_there_ends_in_a_recorded_attempt(
    stage: Stage, make_answer: MakeAnswer
) -> None:
    del stage.records["boss"]
    says(stage, make_answer(status=410), make_answer(b""))
    boss = stage.task.deliveries["boss"]
    assert boss.state is DeliveryState.HELD
    assert "no destination 'boss'" in boss.log[0].detail


def test_other_destinations_are_not_repeated_by_the_new_watch(
    stage: Stage, make_answer: MakeAnswer, make_ended: MakeTask
) -> None:
    done = Delivery(state=DeliveryState.DELIVERED, attempts=1)
    later = Delivery(attempts=3, tries=3, next_attempt_at=NOW + 5000)
    task = make_ended(deliveries={"ops": Delivery(), "done": done, "later": later})
    stage.store.tasks[task.id] = task
    stage.records |= {"done": BOSS, "later": hook(url="https://later.example.com/s3cr3t-path")}
    told = says(stage, make_answer(status=410), make_answer(b""))
    assert [name for at, name in told if at < NOW + 5000] == ["ops", "boss"]
    assert stage.task.deliveries["done"] == done


def test_two_destinations_that_are_escalated_at_the_same_moment_both_are(stage: Stage, make_ended: MakeTask) -> None:
    task = make_ended(notify=("ops", "log"))
    stage.store.tasks[task.id] = task
    stage.records["log"] = hook(escalate={"to": "chief", "after_seconds": 60})
    stage.clock.now = NOW + 500
    sender = stage.sender
    for name in ("ops", "log"):
        text = stage.records[name]
        assert isinstance(text, str)
        # Each has seen the task before the other one was escalated.
        escalation.begin(sender, destinations.parse(name, text, allow_private=False), task)
    assert set(stage.task.deliveries) == {"ops", "log", "boss", "chief"}
    assert stage.task.watch == 3


def test_a_task_that_keeps_changing_is_left_to_its_next_attempt(
    stage: Stage, make_ended: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: Any, **options: Any) -> Any:
        raise StoreConflict("the task has changed meanwhile")

    stage.clock.now = NOW + 500
    with monkeypatch.context() as patch:
        patch.setattr(stage.store, "reopen", never)
        stage.attempt()
    assert stage.task.open
    assert stage.started == []

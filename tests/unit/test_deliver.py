"""One attempt to tell one destination, and what follows from its outcome."""

import json
from collections.abc import Callable
from dataclasses import replace
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from taskhook import deliver, telling
from taskhook.backoff import DELIVERY_SCHEDULE
from taskhook.errors import AddressRefused, ConfigError, ConnectionFailed, DeadlineExceeded
from taskhook.http import Answer
from taskhook.secret import Parameters, Seal
from taskhook.slots import Calendar
from taskhook.states import State
from taskhook.task import Delivery, DeliveryState, Task
from taskhook.telling import Sender
from tests.conftest import NOW, Clock, MakeAnswer, MakeTask
from tests.fakes import CounterTable, Line, MemoryLedger, MemoryQueues, MemoryStore, make_settings

URL = "https://hooks.example.com/services/s3cr3t-path"
HOOK = json.dumps({"type": "webhook", "url": URL})
SLACK = json.dumps({"type": "slack", "url": "https://hooks.slack.com/services/T/B/s3cr3t-path"})


class Scene:
    """One task in memory, a receiver that answers as told, and what is known of its destination."""

    def __init__(self, task: Task, *answers: Answer | Exception, record: str | Exception = HOOK) -> None:
        self.store = MemoryStore(task)
        self.line = Line(list(answers))
        self.queues = MemoryQueues(make_settings())
        self.ledger = MemoryLedger()
        self.clock = Clock(NOW + 100)
        self.table: Any = CounterTable()
        self.id = task.id
        self.record = record
        self.version = "1"
        self.limit = 12
        self.measured: list[tuple[str, float]] = []

    def versioned_destination(self, name: str) -> tuple[str, str]:
        if isinstance(self.record, Exception):
            raise self.record
        return self.record, self.version

    def sleep(self, seconds: float) -> None:
        self.clock.now += seconds

    @property
    def sender(self) -> Sender:
        return Sender(
            store=self.store,
            parameters=cast(Parameters, self),
            seal=cast(Seal, SimpleNamespace(open=lambda task, sealed: json.dumps({"type": "webhook", "url": sealed}))),
            queues=self.queues,
            ledger=self.ledger,
            calendar=Calendar(make_settings(), self.table, Random(1)),  # noqa: S311
            allow_private=False,
            attempts=self.limit,
            clock=self.clock,
            sleep=self.sleep,
            rng=Random(1),  # noqa: S311
            send=self.line,
            measure=lambda name, seconds: self.measured.append((name, seconds)),
        )

    def attempt(self, name: str = "ops", number: int = 1, id: str | None = None) -> dict[str, Any]:
        return deliver.attempt(self.sender, id or self.id, number, name)

    @property
    def delivery(self) -> Delivery:
        return self.store.tasks[self.id].deliveries["ops"]


type MakeScene = Callable[..., Scene]


@pytest.fixture
def scene(make_ended: MakeTask) -> MakeScene:
    def make(*answers: Answer | Exception, record: str | Exception = HOOK, **changes: Any) -> Scene:
        return Scene(make_ended(**changes), *answers, record=record)

    return make


def test_news_that_is_taken_is_delivered(scene: MakeScene, make_answer: MakeAnswer) -> None:
    stage = scene(make_answer(b"ok"))
    payload = stage.attempt()
    assert payload["done"] is True
    assert (stage.delivery.state, stage.delivery.attempts) == (DeliveryState.DELIVERED, 1)
    assert stage.queues.sent == []
    (attempt,) = stage.delivery.log
    assert (attempt.at, attempt.status, attempt.verdict, attempt.event) == (
        NOW + 100, 200, "delivered", "task.succeeded",
    )  # fmt: skip


def test_a_receiver_has_a_total_time_a_small_answer_and_a_public_address(
    scene: MakeScene, make_answer: MakeAnswer
) -> None:
    stage = scene(make_answer(b"ok"))
    stage.attempt()
    (options,) = stage.line.options
    assert (options["seconds"], options["max_bytes"]) == (telling.ATTEMPT_SECONDS, telling.ANSWER_BYTES)
    assert not options["allow"]("169.254.169.254")
    assert not options["allow"]("10.0.0.1")


@pytest.mark.parametrize("status", [500, 502, 408])
def test_a_receiver_in_trouble_is_tried_again_later(scene: MakeScene, make_answer: MakeAnswer, status: int) -> None:
    stage = scene(make_answer(status=status))
    payload = stage.attempt()
    assert payload["done"] is False
    assert stage.delivery.state is DeliveryState.PENDING
    assert stage.delivery.next_attempt_at == pytest.approx(NOW + 102, abs=0.5)


@pytest.mark.parametrize("error", [ConnectionFailed, DeadlineExceeded])
def test_no_answer_is_tried_again_later(scene: MakeScene, error: type[ConnectionFailed]) -> None:
    stage = scene(error("hooks.example.com", "refused"))
    assert stage.attempt()["done"] is False
    (attempt,) = stage.delivery.log
    assert (attempt.status, attempt.verdict) == (None, "transient")


@pytest.mark.parametrize("status", [429, 503])
def test_a_receiver_that_names_a_time_is_not_called_before_it(
    scene: MakeScene, make_answer: MakeAnswer, status: int
) -> None:
    stage = scene(make_answer(status=status, headers={"Retry-After": "120"}), make_answer(b"ok"))
    stage.attempt()
    assert stage.delivery.next_attempt_at == NOW + 220
    stage.clock.now = NOW + 200
    assert stage.attempt()["done"] is False
    assert len(stage.line.requests) == 1
    stage.clock.now = NOW + 220
    assert stage.attempt()["done"] is True
    assert stage.delivery.state is DeliveryState.DELIVERED


@pytest.mark.parametrize("status", [301, 400, 401, 404, 410])
def test_a_permanent_no_ends_it_and_the_news_is_kept(scene: MakeScene, make_answer: MakeAnswer, status: int) -> None:
    stage = scene(make_answer(status=status))
    assert stage.attempt()["done"] is True
    assert stage.delivery.state is DeliveryState.HELD
    assert f"HTTP {status}" in (stage.delivery.reason or "")
    assert [one.task for one in stage.ledger.held("ops")] == [stage.id]
    assert stage.ledger.standing("ops").dead == "1"
    assert "s3cr3t" not in repr(stage.ledger.standings)


def test_news_is_kept_when_all_attempts_are_used_up(scene: MakeScene, make_answer: MakeAnswer) -> None:
    stage = scene(make_answer(status=500))
    stage.limit = 3
    for expected in (False, False, True):
        assert stage.attempt()["done"] is expected
        stage.clock.now = stage.delivery.next_attempt_at or stage.clock.now
    assert (stage.delivery.state, stage.delivery.attempts) == (DeliveryState.HELD, 3)
    # It has answered, and may work again: nobody says that it is out of order.
    assert stage.ledger.standing("ops").dead is None
    assert len(stage.ledger.held("ops")) == 1


def test_all_attempts_take_as_long_as_the_schedule_says(scene: MakeScene, make_answer: MakeAnswer) -> None:
    stage = scene(make_answer(status=500))
    while not stage.attempt()["done"]:
        stage.clock.now = stage.delivery.next_attempt_at or stage.clock.now
    assert len(stage.line.requests) == len(DELIVERY_SCHEDULE)
    assert stage.clock.now - NOW >= sum(DELIVERY_SCHEDULE)
    assert len(stage.delivery.log) <= deliver.ATTEMPTS_LOGGED


@pytest.mark.parametrize(
    "record",
    [
        ConfigError("no destination 'ops' is configured"),
        "not JSON",
        '{"type": "pigeon", "url": "https://example.com"}',
        '{"type": "webhook", "url": "http://169.254.169.254/latest"}',
    ],
)
def test_a_destination_that_cannot_work_is_given_up_without_a_call(scene: MakeScene, record: str | Exception) -> None:
    stage = scene(AssertionError("called"), record=record)
    assert stage.attempt()["done"] is True
    assert stage.delivery.state is DeliveryState.HELD
    assert stage.line.requests == []
    assert len(stage.ledger.held("ops")) == 1


def test_a_name_that_leads_into_a_private_network_is_given_up(scene: MakeScene) -> None:
    stage = scene(AddressRefused("hooks.example.com", "the name leads to an address that must not be called"))
    stage.attempt()
    assert (stage.delivery.state, stage.delivery.log[0].verdict) == (DeliveryState.HELD, "dead")


def test_a_request_that_cannot_be_sent_is_given_up_and_said(scene: MakeScene) -> None:
    stage = scene(ConfigError("the request cannot be sent: a header has a value that HTTP does not allow"))
    assert stage.attempt()["done"] is True
    assert "cannot be sent" in stage.delivery.log[0].detail


def test_refused_content_is_said_once_more_and_simpler(scene: MakeScene, make_answer: MakeAnswer) -> None:
    refused = make_answer(b"invalid_blocks", status=400)
    stage = scene(refused, make_answer(b"ok"), record=SLACK)
    stage.attempt()
    assert stage.delivery.state is DeliveryState.DELIVERED
    first, second = (dict(request.json or {}) for request in stage.line.requests)
    assert "blocks" in first
    assert "blocks" not in second
    assert stage.delivery.attempts == 1


def test_a_destination_of_the_tasks_own_is_unsealed(scene: MakeScene, make_answer: MakeAnswer) -> None:
    stage = scene(make_answer(b"ok"), record=ConfigError("not asked for"), sealed={"ops": URL})
    stage.attempt()
    assert stage.line.requests[0].url == URL


@pytest.mark.parametrize(
    ("changes", "number", "name"),
    [
        ({"watch": 2}, 1, "ops"),
        ({}, 1, "unknown"),
        ({"state": State.RUNNING}, 1, "ops"),
        ({"state": State.STOPPED}, 1, "ops"),
        ({"deliveries": {"ops": Delivery(state=DeliveryState.DELIVERED), "b": Delivery()}}, 1, "ops"),
        ({"deliveries": {"ops": Delivery(state=DeliveryState.HELD), "b": Delivery()}}, 1, "ops"),
    ],
)
def test_nothing_is_sent_twice_nor_for_a_superseded_watch(
    scene: MakeScene, changes: dict[str, Any], number: int, name: str
) -> None:
    stage = scene(AssertionError("called"), **changes)
    assert stage.attempt(name, number)["done"] is True
    assert (stage.line.requests, stage.store.writes, stage.queues.sent) == ([], 0, [])


def test_a_task_that_is_gone_ends_the_delivery(scene: MakeScene) -> None:
    stage = scene(AssertionError("called"))
    stage.store.tasks.clear()
    assert stage.attempt()["done"] is True


def test_a_watch_superseded_during_an_attempt_ends_without_a_word(scene: MakeScene, make_answer: MakeAnswer) -> None:
    stage = scene(make_answer(status=500))
    task = stage.store.tasks[stage.id]
    stage.store.meanwhile = lambda: stage.store.tasks.update({stage.id: replace(task, watch=2)})
    assert stage.attempt()["done"] is True


def test_the_log_keeps_the_latest_attempts_in_words_without_secrets(scene: MakeScene, make_answer: MakeAnswer) -> None:
    stage = scene(make_answer(f"cannot POST {URL}".encode(), status=500))
    stage.attempt()
    (attempt,) = stage.delivery.log
    assert attempt.detail.startswith("HTTP 500: ")
    assert "s3cr3t" not in attempt.detail
    assert len(attempt.detail) <= 200

"""One attempt to tell one destination, and what follows from its outcome."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from taskhook import deliver, holding, telling
from taskhook.backoff import DELIVERY_SCHEDULE, LONGEST_RETRY_AFTER
from taskhook.errors import AddressRefused, ConfigError, ConnectionFailed, DeadlineExceeded
from taskhook.http import Answer
from taskhook.states import State
from taskhook.task import Attempt, Delivery, DeliveryState, Task
from tests.conftest import NOW, MakeAnswer, MakeTask
from tests.deliveries import HOOK, SLACK, URL, Killed, Machine, Process, Stage, hook, ids

type MakeScene = Callable[..., Stage]


@pytest.fixture
def scene(make_ended: MakeTask) -> MakeScene:
    def make(*answers: Answer | Exception, record: str | Exception = HOOK, **changes: Any) -> Stage:
        return Stage(make_ended(**changes), answers=list(answers), record=record)

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


@pytest.mark.parametrize("status", [301, 401, 404, 410])
def test_a_permanent_no_ends_it_and_the_news_is_kept(scene: MakeScene, make_answer: MakeAnswer, status: int) -> None:
    stage = scene(make_answer(status=status))
    assert stage.attempt()["done"] is True
    assert stage.delivery.state is DeliveryState.HELD
    assert f"HTTP {status}" in (stage.delivery.reason or "")
    assert [one.task for one in stage.ledger.held("ops")] == [stage.id]
    assert stage.ledger.standing("ops").dead == "1"
    assert "s3cr3t" not in repr(stage.ledger.standings)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_news_that_is_refused_for_its_content_is_kept_and_no_other(
    scene: MakeScene, make_answer: MakeAnswer, status: int
) -> None:
    stage = scene(make_answer(status=status))
    assert stage.attempt()["done"] is True
    assert stage.delivery.state is DeliveryState.HELD
    assert stage.ledger.standing("ops").dead is None
    # The success of another one does not bring it back; whoever asks for it gets it.
    parts = (stage.store, stage.ledger, stage.queues, "ops")
    assert holding.release(*parts, now=NOW + 200, refused=False) == []
    assert holding.release(*parts, now=NOW + 200) == [stage.id]


def test_who_says_later_has_not_refused_for_two_days(scene: MakeScene, make_answer: MakeAnswer) -> None:
    stage = scene(make_answer(status=429, headers={"Retry-After": "3600"}))
    began = stage.clock.now
    while not stage.attempt()["done"]:
        stage.clock.now = stage.delivery.next_attempt_at or stage.clock.now
        assert stage.delivery.attempts < 10_000
    assert stage.delivery.attempts > len(DELIVERY_SCHEDULE)
    assert stage.clock.now - began >= sum(DELIVERY_SCHEDULE)


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
    assert (len(stage.line.requests), stage.delivery.attempts) == (2, 1)


def test_content_that_is_refused_in_every_form_is_kept_and_nothing_else(
    scene: MakeScene, make_answer: MakeAnswer
) -> None:
    stage = scene(make_answer(b"invalid_blocks", status=400), record=SLACK)
    assert stage.attempt()["done"] is True
    assert len(stage.line.requests) == 3
    assert "blocks" not in dict(stage.line.requests[-1].json or {})
    assert (stage.delivery.state, stage.delivery.attempts) == (DeliveryState.HELD, 1)
    assert (stage.delivery.reason or "").startswith("refused as it was; plainer: ")
    assert stage.delivery.log[0].detail_zh.startswith("原样被拒绝")
    # The next message may be taken.
    assert stage.ledger.standing("ops").dead is None


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


def test_what_a_receiver_took_is_written_down_whatever_watch_there_is_by_now(
    scene: MakeScene, make_answer: MakeAnswer
) -> None:
    stage = scene(make_answer(b"ok"))
    task = stage.task
    stage.store.meanwhile = lambda: stage.store.tasks.update({stage.id: replace(task, watch=2)})
    assert stage.attempt(number=1)["done"] is True
    assert (stage.delivery.state, stage.task.watch) == (DeliveryState.DELIVERED, 2)


@pytest.mark.parametrize(
    "changed",
    [
        {"state": State.QUEUED, "observed_at": None},
        {"observed_at": NOW + 99},
        {"deliveries": {"ops": Delivery(attempts=1)}},
        {"deliveries": {"ops": Delivery(state=DeliveryState.DELIVERED, attempts=1)}},
    ],
)
def test_an_attempt_of_other_news_or_beside_another_one_is_not_written(
    scene: MakeScene, make_answer: MakeAnswer, changed: dict[str, Any]
) -> None:
    stage = scene(make_answer(status=500))
    other = replace(stage.task, **changed)
    stage.store.meanwhile = lambda: stage.store.tasks.update({stage.id: other})
    assert stage.attempt()["done"] is True
    assert stage.task == other


def test_the_log_keeps_the_latest_attempts_in_words_without_secrets(scene: MakeScene, make_answer: MakeAnswer) -> None:
    stage = scene(make_answer(f"cannot POST {URL}".encode(), status=500))
    stage.attempt()
    (attempt,) = stage.delivery.log
    assert attempt.detail.startswith("HTTP 500: ")
    assert "s3cr3t" not in attempt.detail
    assert len(attempt.detail) <= 200


# --- verdicts --------------------------------------------------------------------------------------------------------


def test_what_is_only_accepted_is_called_so_and_ends_the_delivery(scene: MakeScene, make_answer: MakeAnswer) -> None:
    flow = "https://prod-1.westeurope.logic.azure.com/workflows/s3cr3t/triggers/manual/paths/invoke?sig=s3cr3t-sig"
    stage = scene(make_answer(b"", status=202), record=hook(type="teams", url=flow))
    assert stage.attempt()["done"] is True
    assert (stage.delivery.state, stage.delivery.told) == (DeliveryState.ACCEPTED, True)
    assert not stage.task.open


def test_too_many_is_a_pause_for_all_news_of_the_destination(
    scene: MakeScene, make_answer: MakeAnswer, make_ended: MakeTask
) -> None:
    stage = scene(make_answer(status=429, headers={"Retry-After": "90"}), make_answer(b"ok"))
    other = make_ended(task_id="other")
    stage.store.tasks[other.id] = other
    stage.attempt()
    assert stage.ledger.standing("ops").until == NOW + 190
    payload = stage.attempt(id=other.id)
    assert payload["done"] is False
    waits = stage.store.tasks[other.id].deliveries["ops"]
    # A while after the pause, which differs from one to the other.
    assert NOW + 190 < (waits.next_attempt_at or 0) <= NOW + 190 + 45
    assert (waits.attempts, waits.tries) == (0, 0)
    assert "pause" in (waits.reason or "")
    assert len(stage.line.requests) == 1


def test_a_pause_that_nobody_names_is_a_short_one(scene: MakeScene, make_answer: MakeAnswer) -> None:
    stage = scene(make_answer(status=429))
    stage.attempt()
    assert stage.ledger.standing("ops").until == stage.clock.now + deliver.QUIET_SECONDS


def test_a_receiver_cannot_ask_for_more_than_a_day(scene: MakeScene, make_answer: MakeAnswer) -> None:
    stage = scene(make_answer(status=429, headers={"Retry-After": str(6 * 86_400)}), make_answer(b"ok"))
    stage.attempt()
    assert stage.delivery.next_attempt_at == stage.clock.now + LONGEST_RETRY_AFTER
    stage.clock.now = stage.delivery.next_attempt_at
    assert stage.attempt()["done"] is True
    assert stage.delivery.state is DeliveryState.DELIVERED


def test_tries_begin_anew_and_attempts_do_not(scene: MakeScene, make_answer: MakeAnswer) -> None:
    stage = scene(make_answer(status=500), deliveries={"ops": Delivery(attempts=30, tries=0, log=(ATTEMPT,) * 24)})
    stage.attempt()
    assert (stage.delivery.attempts, stage.delivery.tries) == (31, 1)
    assert stage.delivery.next_attempt_at == pytest.approx(stage.clock.now + 2, abs=0.5)
    assert len(stage.delivery.log) == deliver.ATTEMPTS_LOGGED
    assert stage.delivery.log[-1].status == 500


def test_a_task_with_many_destinations_keeps_fewer_attempts_of_each(scene: MakeScene, make_answer: MakeAnswer) -> None:
    many = {str(number): Delivery() for number in range(29)}
    stage = scene(make_answer(status=500), deliveries={"ops": Delivery(log=(ATTEMPT,) * 24), **many})
    stage.attempt()
    assert len(stage.delivery.log) == deliver.ALL_LOGGED // 30
    assert stage.delivery.log[-1].at == stage.clock.now


ATTEMPT = Attempt(at=NOW, verdict="transient", status=500, seconds=0.1, detail="no", event="task.succeeded")


def test_what_a_receiver_answered_is_kept_without_secrets(scene: MakeScene, make_answer: MakeAnswer) -> None:
    stage = scene(make_answer(f"cannot POST {URL} {'x' * 9000}".encode(), status=500))
    stage.attempt()
    (said,) = stage.store.said.values()
    assert said.startswith("cannot POST ***")
    assert "s3cr3t" not in said
    assert len(said) == telling.ANSWER_KEPT
    assert list(stage.store.said) == [(stage.id, "ops", stage.delivery.log[0].at)]


# --- kept, and let go ------------------------------------------------------------------------------------------------


def test_later_news_of_a_dead_destination_is_kept_without_a_call(
    scene: MakeScene, make_answer: MakeAnswer, make_ended: MakeTask
) -> None:
    stage = scene(make_answer(b"gone", status=410), AssertionError("called"))
    other = make_ended(task_id="other")
    stage.store.tasks[other.id] = other
    stage.attempt()
    assert stage.attempt(id=other.id)["done"] is True
    kept = stage.store.tasks[other.id].deliveries["ops"]
    assert (kept.state, kept.attempts) == (DeliveryState.HELD, 0)
    assert "out of order: HTTP 410" in (kept.reason or "")
    assert sorted(stage.kept) == sorted([stage.id, other.id])


def test_a_record_that_was_stored_anew_is_tried_again(
    scene: MakeScene, make_answer: MakeAnswer, make_ended: MakeTask
) -> None:
    stage = scene(make_answer(status=410), make_answer(b"ok"))
    other = make_ended(task_id="other")
    stage.store.tasks[other.id] = other
    stage.attempt()
    stage.store_destination("ops", HOOK)
    stage.attempt(id=other.id)
    assert stage.store.tasks[other.id].deliveries["ops"].state is DeliveryState.DELIVERED
    # The destination works, so what was kept goes out too.
    assert stage.started == [(stage.id, 2)]
    assert (stage.delivery.state, stage.kept) == (DeliveryState.PENDING, [])
    assert stage.ledger.standing("ops").dead is None


def test_news_of_a_paused_destination_is_kept_and_nothing_is_called_dead(scene: MakeScene) -> None:
    stage = scene(AssertionError("called"), record=hook(paused=True))
    assert stage.attempt()["done"] is True
    assert (stage.delivery.state, stage.delivery.reason) == (DeliveryState.HELD, "the destination is paused")
    assert stage.ledger.standing("ops").dead is None
    assert stage.kept == [stage.id]


@pytest.mark.parametrize("why", ["paused", "dead"])
def test_what_somebody_wants_sent_is_sent_once_all_the_same(
    scene: MakeScene, make_answer: MakeAnswer, why: str
) -> None:
    stage = scene(
        make_answer(status=500), record=hook(paused=why == "paused"), deliveries={"ops": Delivery(forced=True)}
    )
    if why == "dead":
        stage.ledger.died("ops", "1", reason="HTTP 410", code=None, now=NOW)
    assert stage.attempt()["done"] is False
    assert (len(stage.line.requests), stage.delivery.forced) == (1, False)
    stage.clock.now = stage.delivery.next_attempt_at or 0.0
    assert stage.attempt()["done"] is True
    assert (len(stage.line.requests), stage.delivery.state) == (1, DeliveryState.HELD)


@pytest.mark.parametrize("version", ["1", ""])
def test_a_success_lets_go_what_is_kept(
    scene: MakeScene, make_answer: MakeAnswer, make_ended: MakeTask, version: str
) -> None:
    stage = scene(make_answer(b"ok"))
    held = make_ended(task_id="held", deliveries={"ops": Delivery(state=DeliveryState.HELD, attempts=12, tries=12)})
    stage.store.tasks[held.id] = held
    stage.ledger.hold("ops", held.id, version=version, now=NOW)
    stage.attempt()
    assert stage.started == [(held.id, 2)]
    assert stage.store.tasks[held.id].deliveries["ops"] == Delivery(attempts=12)
    assert stage.kept == []


def test_that_news_is_kept_is_forgotten_when_none_is_found_and_not_before_the_index_can_show_it(
    scene: MakeScene, make_answer: MakeAnswer
) -> None:
    stage = scene(make_answer(b"ok"))
    stage.ledger.hold("ops", "x" * 26, version="1", now=stage.clock.now)
    stage.ledger.let_go("ops", "x" * 26)
    stage.attempt()
    assert stage.ledger.standing("ops").holding == "1"
    stage.clock.now += 61
    stage.store.tasks[stage.id] = stage.task.with_delivery("ops", Delivery())
    stage.attempt()
    assert stage.ledger.standing("ops").holding is None


def test_a_malformed_record_is_kept_for_under_its_version(scene: MakeScene) -> None:
    """Else the reconciler would take it for a new one every time, and let the news go for ever."""
    stage = scene(AssertionError("called"), record="not JSON")
    stage.attempt()
    assert stage.ledger.standing("ops").holding == stage.destination_version("ops")
    gone = scene(AssertionError("called"), record=ConfigError("no destination 'ops' is configured"))
    gone.attempt()
    assert gone.ledger.standing("ops").holding == gone.destination_version("ops") == ""


def test_news_that_the_destination_does_not_want_is_skipped_with_the_reason(scene: MakeScene) -> None:
    stage = scene(AssertionError("called"), record=hook(filter={"states": ["failed"]}))
    assert stage.attempt()["done"] is True
    assert stage.delivery.state is DeliveryState.SKIPPED
    assert "states" in (stage.delivery.reason or "")
    assert stage.kept == []


# --- measured --------------------------------------------------------------------------------------------------------


def test_durations_are_measured_when_news_is_taken(scene: MakeScene, make_answer: MakeAnswer) -> None:
    stage = scene(make_answer(status=500), make_answer(b"ok"), finished_at=NOW + 50)
    stage.attempt()
    assert stage.measured == []
    stage.clock.now = NOW + 103
    stage.attempt()
    assert dict(stage.measured) == {
        "FinishedToObserved": 10.0, "ObservedToFirstAttempt": 40.0, "ObservedToAcknowledged": 43.0,
    }  # fmt: skip


def test_the_time_for_which_news_was_held_is_measured_too(scene: MakeScene, make_answer: MakeAnswer) -> None:
    stage = scene(make_answer(b"ok"), deliveries={"ops": Delivery(attempts=12, first_at=NOW + 61)})
    stage.clock.now = NOW + 60 + 200_000
    stage.attempt()
    assert dict(stage.measured) == {"ObservedToFirstAttempt": 1.0, "ObservedToAcknowledged": 200_000.0}


@pytest.mark.parametrize("status", [200, 500])
def test_what_is_told_once_more_is_not_measured_again(scene: MakeScene, make_answer: MakeAnswer, status: int) -> None:
    stage = scene(make_answer(b"", status=status), deliveries={"ops": Delivery(first_at=NOW, told_at=NOW + 61)})
    stage.attempt()
    assert stage.measured == []


# --- a process that dies at every point ------------------------------------------------------------------------------


class Receivers:
    """Answer by host, and see to it that nobody tells them what they have taken and what is written down as taken."""

    def __init__(self, stage: Stage, answers: dict[str, list[Answer]]) -> None:
        self.stage = stage
        self.answers = answers
        self.taken: list[tuple[str, str]] = []
        self.ids: dict[str, set[str]] = {}

    def __call__(self, request: Any, **options: Any) -> Answer:
        host = request.url.split("/")[2].split(".")[0]
        left = self.answers[host]
        answer = left.pop(0) if len(left) > 1 else left[0]
        news = request.json["data"]["id"] if isinstance(request.json, dict) and "data" in request.json else None
        task = news or json.loads(request.data)["data"]["id"]
        assert not self.stage.store.tasks[task].deliveries[host].told, "told again although that is written down"
        self.ids.setdefault(task, set()).update(ids([request]))
        if answer.status < 300:
            self.taken.append((task, host))
        return answer


def _url(name: str) -> dict[str, str]:
    return {"url": f"https://{name}.example.com/s3cr3t-path"}


type Said = tuple[int, dict[str, str]]

OK: Said = (200, {})
GONE: Said = (410, {})
BUSY: Said = (429, {"Retry-After": "90"})
DOWN: Said = (500, {})

SCENES: dict[str, dict[str, Any]] = {
    "taken": {"ops": [OK]},
    "down, then taken": {"ops": [DOWN, DOWN, OK]},
    "too many, then taken": {"ops": [BUSY, OK]},
    "gone": {"ops": [GONE]},
    "paced": {"ops": [OK], "rate": "20/min"},
    "two destinations": {"ops": [OK], "log": [DOWN, OK]},
    "kept news goes out": {"ops": [OK], "held": True},
    "escalated": {"ops": [GONE], "boss": [OK]},
    "escalated in time": {"ops": [DOWN], "boss": [OK]},
}


def made(make_ended: MakeTask, make_answer: MakeAnswer, what: dict[str, Any]) -> tuple[Stage, Receivers]:
    names = [name for name in what if name in ("ops", "log")]
    tasks = [make_ended(notify=tuple(names))]
    if what.get("held"):
        held = Delivery(state=DeliveryState.HELD, attempts=12, tries=12, reason="it was down")
        tasks.append(make_ended(task_id="held", deliveries={"ops": held}))
    stage = Stage(*tasks, answers=[])
    stage.limit = 4
    for task in tasks[1:]:
        stage.ledger.hold("ops", task.id, version="1", now=NOW)
    more = {"rate": what["rate"]} if "rate" in what else {}
    if "boss" in what:
        more["escalate"] = {"to": "boss", "after_seconds": 50}
    stage.records = {"ops": hook(**_url("ops"), **more), "log": hook(**_url("log")), "boss": hook(**_url("boss"))}
    answers: dict[str, list[Answer]] = {
        name: [make_answer(b"", status=status, headers=headers) for status, headers in what[name]]
        for name in ("ops", "log", "boss")
        if name in what
    }
    receivers = Receivers(stage, answers)
    stage.line = receivers  # type: ignore[assignment]
    stage.queues.start_watch(tasks[0])
    return stage, receivers


def ended(stage: Stage) -> dict[tuple[str, str], str]:
    found = stage.store.tasks.values()
    return {(task.task_id, name): one.state.value for task in found for name, one in task.deliveries.items()}


@pytest.mark.parametrize("retries", [True, False], ids=["retried", "execution dies"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", SCENES)
def test_a_kill_at_any_point_loses_nothing_and_repeats_nothing_that_is_written_down(
    make_ended: MakeTask, make_answer: MakeAnswer, name: str, after: bool, retries: bool
) -> None:
    stage, receivers = made(make_ended, make_answer, SCENES[name])
    whole = Process(point=-1, after=False)
    Machine(stage, whole).run()
    expected, points = ended(stage), whole.calls
    assert points > 5
    for point in range(points):
        stage, receivers = made(make_ended, make_answer, SCENES[name])
        process = Process(point=point, after=after)
        process.at_death = lambda: unwritten(stage, receivers)  # noqa: B023
        machine = Machine(stage, process, retries=retries)
        machine.run()
        if SCENES[name].get("held") and not retries:
            # What was not let go by the success that was killed goes out with the next one.
            later = make_ended(task_id="later")
            stage.store.tasks[later.id] = later
            stage.queues.start_watch(later)
            machine.run()
        where = f"{'after' if after else 'before'} call {point}, {process.last}"
        assert process.dead, where
        assert {what: how for what, how in ended(stage).items() if what[0] != "later"} == expected, where
        assert all(len(one) == 1 for one in receivers.ids.values()), where
        for news in set(receivers.taken):
            assert receivers.taken.count(news) <= 1 + (news in process.lost), where
        marks = {one.task for one in stage.ledger.held("ops")}
        assert {task.id for task in stage.store.tasks.values() if task.deliveries["ops"].state == "held"} <= marks, (
            where
        )


def unwritten(stage: Stage, receivers: Receivers) -> list[tuple[str, str]]:
    """What a receiver has taken and nobody has written down: that alone may be repeated, once."""
    return [(task, name) for task, name in receivers.taken if not stage.store.tasks[task].deliveries[name].told]


def test_a_process_that_dies_while_it_waits_for_an_answer_has_not_recorded_one(
    scene: MakeScene, make_answer: MakeAnswer
) -> None:
    stage = scene(make_answer(b"ok"))
    sender = Process(point=0, after=False).sender(replace(stage.sender))
    with pytest.raises(Killed):
        deliver.attempt(sender, stage.id, 1, "ops")
    assert stage.delivery == Delivery()


def test_a_queue_that_refuses_leaves_news_that_was_taken_as_taken(
    scene: MakeScene, make_answer: MakeAnswer, make_ended: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = scene(make_answer(b"ok"))
    held = make_ended(task_id="held", deliveries={"ops": Delivery(state=DeliveryState.HELD)})
    stage.store.tasks[held.id] = held
    stage.ledger.hold("ops", held.id, version="1", now=NOW)

    def refuse(self: Any, task: Task) -> None:
        raise ConnectionError("SQS")

    with monkeypatch.context() as patch:
        patch.setattr("tests.fakes.MemoryQueues.start_watch", refuse)
        with pytest.raises(ConnectionError):
            stage.attempt()
    assert stage.delivery.state is DeliveryState.DELIVERED
    assert stage.attempt()["done"] is True
    assert len(stage.line.requests) == 1
    assert stage.store.tasks[held.id].open

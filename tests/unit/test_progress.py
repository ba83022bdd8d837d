"""How a task goes on, shown to those who asked for it, and its last word when it has ended."""

import json
from dataclasses import replace
from typing import Any

import pytest

from taskhook import progress
from taskhook.errors import ConfigError, ConnectionFailed
from taskhook.http import Answer
from taskhook.states import State
from taskhook.task import Delivery, DeliveryState, Task
from tests.conftest import NOW, MakeAnswer, MakeTask
from tests.deliveries import Stage, hook

BOT = {"type": "slack_bot", "token": "xoxb-1-s3cr3t", "channel": "C0123456"}
POSTED = {"ok": True, "channel": "C0123456", "ts": "1503435956.000247"}
MESSAGE = {"channel": "C0123456", "ts": "1503435956.000247"}


@pytest.fixture
def stage(make_task: MakeTask, make_answer: MakeAnswer) -> Stage:
    """A task that runs, for a bot whose message shows how it goes on."""
    task = make_task(state=State.RUNNING, progress=0.4, deliveries={"ops": Delivery(live=True)})
    return Stage(task, answers=[make_answer(POSTED)], record=json.dumps(BOT))


def show(stage: Stage, name: str = "ops") -> None:
    progress.show(stage.sender, stage.id, name)


def called(stage: Stage) -> list[str]:
    return [str(request.url).rpartition("/")[2] for request in stage.line.requests]


def becomes(stage: Stage, **changes: Any) -> Task:
    stage.store.tasks[stage.id] = replace(stage.task, **changes)
    return stage.task


def test_the_message_is_posted_once_and_edited_from_then_on(stage: Stage) -> None:
    for _ in range(3):
        show(stage)
    assert called(stage) == ["chat.postMessage", "chat.update", "chat.update"]
    assert stage.delivery.message == MESSAGE
    assert dict(stage.line.requests[1].json or {}).items() >= MESSAGE.items()


def test_who_was_slower_to_post_keeps_the_message_of_the_other(stage: Stage, make_answer: MakeAnswer) -> None:
    quicker = {"channel": "C0123456", "ts": "1.0"}

    def send(request: Any, **options: Any) -> Answer:
        stage.store.save_message(stage.task, "ops", quicker)
        return make_answer(POSTED)

    stage.line = send  # type: ignore[assignment]
    show(stage)
    assert stage.delivery.message == quicker


def test_a_message_that_was_not_posted_is_posted_with_the_next_change(stage: Stage, make_answer: MakeAnswer) -> None:
    stage.line.answers = [make_answer({"ok": False, "error": "internal_error"}), make_answer(POSTED)]
    show(stage)
    assert stage.delivery.message is None
    show(stage)
    assert called(stage) == ["chat.postMessage", "chat.postMessage"]


@pytest.mark.parametrize("state", [state for state in State if state.terminal])
def test_nothing_is_shown_of_a_task_that_has_ended(stage: Stage, state: State) -> None:
    becomes(stage, state=state, observed_at=NOW)
    show(stage)
    assert stage.line.requests == []


def test_nothing_is_shown_of_what_is_not_there(stage: Stage) -> None:
    show(stage, "other")
    progress.show(stage.sender, "a" * 26, "ops")
    assert stage.line.requests == []


def test_a_destination_that_asked_gets_news_of_a_task_that_goes_on(stage: Stage) -> None:
    stage.records["ops"] = hook(progress=True)
    show(stage)
    (request,) = stage.line.requests
    assert json.loads(str(request.data, "utf-8") if isinstance(request.data, bytes) else str(request.data))[
        "type"
    ].startswith("task.")
    assert stage.delivery.message is None


def test_a_destination_that_did_not_ask_gets_none(stage: Stage) -> None:
    stage.records["ops"] = hook()
    show(stage)
    assert stage.line.requests == []


@pytest.mark.parametrize(
    "why",
    ["no such destination", "malformed", "paused", "dead", "has asked for a pause", "another account"],
)
def test_a_destination_that_should_not_be_told_is_not(stage: Stage, why: str) -> None:
    match why:
        case "no such destination":
            stage.records["ops"] = ConfigError("no destination 'ops' is configured")
        case "malformed":
            stage.records["ops"] = "not JSON"
        case "paused":
            stage.records["ops"] = json.dumps({**BOT, "paused": True})
        case "dead":
            stage.ledger.died("ops", "1", reason="x", code=None, now=NOW)
        case "has asked for a pause":
            stage.ledger.quiet("ops", stage.clock.now + 1)
        case "another account":
            stage.records["ops"] = json.dumps({**BOT, "filter": {"accounts": ["other"]}})
    show(stage)
    assert stage.line.requests == []


def test_a_filter_on_ends_does_not_hide_how_a_task_goes_on(stage: Stage) -> None:
    stage.records["ops"] = json.dumps({**BOT, "filter": {"states": ["failed"]}})
    show(stage)
    assert called(stage) == ["chat.postMessage"]


@pytest.mark.parametrize("error", [ConnectionFailed("slack.com", "refused"), 500, 429])
def test_what_cannot_be_shown_raises_nothing_and_is_no_attempt(
    stage: Stage, make_answer: MakeAnswer, error: Exception | int
) -> None:
    stage.line.answers = [make_answer(b"", status=error) if isinstance(error, int) else error]
    before = stage.delivery
    show(stage)
    assert (len(stage.line.requests), stage.delivery) == (1, before)


# --- the end ---------------------------------------------------------------------------------------------------------


def test_the_message_shows_the_end_after_the_news_was_told(stage: Stage) -> None:
    becomes(stage, state=State.FAILED, observed_at=NOW, deliveries={"ops": Delivery(live=True, message=MESSAGE)})
    assert stage.attempt()["done"] is True
    assert called(stage) == ["chat.postMessage", "chat.update"]
    assert stage.delivery.told


def test_an_edit_that_fails_at_the_end_does_not_undo_the_news(stage: Stage, make_answer: MakeAnswer) -> None:
    stage.line.answers = [make_answer(POSTED), ConnectionFailed("slack.com", "refused")]
    becomes(stage, state=State.FAILED, observed_at=NOW, deliveries={"ops": Delivery(live=True, message=MESSAGE)})
    assert stage.attempt()["done"] is True
    assert stage.delivery.told


def test_without_a_message_there_is_nothing_to_bring_to_an_end(stage: Stage) -> None:
    becomes(stage, state=State.FAILED, observed_at=NOW)
    stage.attempt()
    assert called(stage) == ["chat.postMessage"]


def test_the_message_of_a_task_that_was_told_in_a_digest_shows_its_end_too(stage: Stage) -> None:
    told = Delivery(state=DeliveryState.DELIVERED, attempts=1, live=True, message=MESSAGE, told_at=NOW)
    becomes(stage, state=State.SUCCEEDED, observed_at=NOW, deliveries={"ops": told})
    assert stage.attempt()["done"] is True
    assert called(stage) == ["chat.update"]

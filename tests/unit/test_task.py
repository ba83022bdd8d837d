"""Tasks as values: round trips, names, and what the outside sees of them."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskhook.states import ABANDONED, ANSWERED, WATCHED, State
from taskhook.store import execution_name
from taskhook.task import (
    TEST,
    Attempt,
    Delivery,
    DeliveryState,
    Problem,
    Resource,
    Task,
    attempt_view,
    digest,
    is_task_key,
    task_key,
)
from tests.conftest import NOW, MakeTask
from tests.strategies import deliveries, tasks, texts

CONTRACT = {
    "id", "provider", "account", "region", "task_id", "title", "metadata", "state", "provider_state", "progress",
    "message", "error", "resources", "result", "submitted_at", "started_at", "finished_at", "observed_at", "polls",
    "next_poll_at", "deadline", "deliveries",
    # Beyond the contract: why the next look is when it is, and how long it took.
    "next_poll_reason", "estimate", "typical_seconds", "took_seconds", "seen_within_seconds", "urgency",
}  # fmt: skip


@given(tasks)
@settings(max_examples=60)
def test_a_task_survives_being_written_and_read(task: Task) -> None:
    assert Task.from_dict(task.to_dict()) == task


@given(tasks)
@settings(max_examples=30)
def test_what_is_written_is_json_and_survives_it(task: Task) -> None:
    assert Task.from_dict(json.loads(json.dumps(task.to_dict()))) == task


@given(deliveries)
@settings(max_examples=30)
def test_a_delivery_survives_being_written_and_read(delivery: Delivery) -> None:
    assert Delivery.from_dict(delivery.to_dict()) == delivery


@given(tasks)
@settings(max_examples=30)
def test_every_task_can_be_shown_as_the_contract_says(task: Task) -> None:
    view = json.loads(json.dumps(task.view()))
    assert set(view) == CONTRACT
    assert set(task.news()) == CONTRACT - {"deliveries"}


@given(tasks)
@settings(max_examples=30)
def test_sealed_destinations_and_inner_counters_are_never_shown(task: Task) -> None:
    shown = json.dumps(replace(task, sealed={"own": "s3aled-t3xt"}).view())
    assert "s3aled-t3xt" not in shown


def test_an_empty_task_writes_down_only_what_says_something(make_task: MakeTask) -> None:
    written = make_task(notify=()).to_dict()
    assert not {"metadata", "resources", "deliveries", "sealed", "error", "title"} & set(written)
    assert {"polls", "watch", "restarts", "troubles"} <= set(written)


@pytest.mark.parametrize("result", [{}, [], "", 0, False])
def test_an_empty_result_is_a_result(make_task: MakeTask, result: object) -> None:
    task = make_task(result=result)
    assert Task.from_dict(task.to_dict()).result == result


def test_a_task_is_shown_in_full(make_task: MakeTask) -> None:
    log = (Attempt(at=NOW, verdict="delivered", status=200, seconds=0.1, detail="ok", event="task.failed"),)
    task = make_task(
        title="Create listener",
        metadata={"ticket": "OPS-17"},
        state=State.FAILED,
        provider_state="1",
        error=Problem(code="1", message="no", hint="look"),
        resources=(Resource(id="cpm-1", state=State.SUCCEEDED),),
        observed_at=NOW + 0.9,
        deliveries={"ops": Delivery(state=DeliveryState.DELIVERED, attempts=1, log=log)},
    )
    view = task.view()
    assert view["error"] == {"code": "1", "message": "no", "hint": "look"}
    assert view["resources"] == [{"id": "cpm-1", "state": "succeeded"}]
    assert view["observed_at"] == view["submitted_at"] == "2026-09-21T14:13:20Z"
    assert view["deliveries"] == [
        {"destination": "ops", "state": "delivered", "reason": None, "attempts": 1, "next_attempt_at": None}
    ]


@pytest.mark.parametrize(
    ("state", "delivery", "shown"),
    [
        (State.STOPPED, Delivery(), ("skipped", "the task was stopped")),
        (State.STOPPED, Delivery(state=DeliveryState.HELD, reason="gone"), ("held", "gone")),
        (State.FAILED, Delivery(state=DeliveryState.SKIPPED, reason="the filter"), ("skipped", "the filter")),
        (State.FAILED, Delivery(), ("pending", None)),
    ],
)
def test_a_delivery_says_why_nobody_is_told(
    make_task: MakeTask, state: State, delivery: Delivery, shown: tuple[str, str | None]
) -> None:
    view = make_task(state=state, deliveries={"ops": delivery}).delivery_view("ops")
    assert (view["state"], view["reason"]) == shown


def test_an_attempt_is_shown_in_both_languages_with_what_was_answered() -> None:
    attempt = Attempt(
        at=NOW, verdict="dead", status=410, seconds=0.2, detail="gone", event="task.failed", code="x", detail_zh="没了"
    )
    assert attempt_view(attempt, "<gone>") == {
        "at": "2026-09-21T14:13:20.000Z", "event": "task.failed", "verdict": "dead", "status": 410, "code": "x",
        "seconds": 0.2, "detail": "gone", "detail_zh": "没了", "answer": "<gone>",
    }  # fmt: skip
    assert attempt_view(replace(attempt, detail_zh=""))["detail_zh"] is None


def test_a_test_message_is_of_its_own_type(make_ended: MakeTask) -> None:
    assert make_ended(provider=TEST).event == "taskhook.test"
    assert make_ended().event == "task.succeeded"


def test_a_delivery_writes_down_only_what_says_something() -> None:
    assert Delivery().to_dict() == {"state": "pending", "attempts": 0}


def test_the_next_look_is_the_slots_moment_and_not_when_the_execution_wakes_for_it(make_task: MakeTask) -> None:
    task = make_task(slots=(NOW + 40, NOW + 41), next_poll_at=NOW + 10)
    assert task.view()["next_poll_at"] == "2026-09-21T14:14:00Z"
    assert replace(task, slots=()).view()["next_poll_at"] == "2026-09-21T14:13:30Z"
    assert replace(task, next_poll_at=None).view()["next_poll_at"] is None


def test_every_state_is_watched_answered_or_abandoned() -> None:
    assert {*WATCHED, *ANSWERED, *ABANDONED} == set(State)
    assert len(WATCHED) + len(ANSWERED) + len(ABANDONED) == len(State)


@pytest.mark.parametrize("state", State)
def test_only_queued_and_running_are_not_terminal(state: State) -> None:
    assert state.terminal is (state not in (State.QUEUED, State.RUNNING))


@pytest.mark.parametrize(
    ("state", "delivery", "is_open"),
    [
        (State.QUEUED, DeliveryState.DELIVERED, True),
        (State.RUNNING, DeliveryState.PENDING, True),
        (State.SUCCEEDED, DeliveryState.PENDING, True),
        (State.SUCCEEDED, DeliveryState.DELIVERED, False),
        (State.LOST, DeliveryState.HELD, False),
        (State.LOST, DeliveryState.PENDING, True),
        (State.TIMED_OUT, DeliveryState.PENDING, True),
        (State.STOPPED, DeliveryState.PENDING, False),
    ],
)
def test_a_task_is_open_while_somebody_has_something_to_do_for_it(
    make_task: MakeTask, state: State, delivery: DeliveryState, is_open: bool
) -> None:
    assert make_task(state=state, deliveries={"ops": Delivery(state=delivery)}).open is is_open


@given(texts, texts, st.none() | texts, texts)
def test_a_task_key_is_fit_for_urls_and_names_of_executions(
    account: str, provider: str, region: str | None, task_id: str
) -> None:
    key = task_key(account=account, provider=provider, region=region, task_id=task_id)
    assert is_task_key(key)
    assert len(execution_name(key, 2**40)) <= 80


@pytest.mark.parametrize("changed", ["account", "provider", "region", "task_id"])
def test_each_part_of_a_tasks_name_makes_another_key(changed: str) -> None:
    named = {"account": "a", "provider": "b", "region": "c", "task_id": "d"}
    assert task_key(**named) == task_key(**named)
    assert task_key(**named) != task_key(**{**named, changed: "x"})


def test_parts_cannot_be_shifted_into_one_another() -> None:
    assert digest("ab", "c") != digest("a", "bc")
    assert digest('a","b') != digest("a", "b")


@pytest.mark.parametrize("text", ["", "a" * 25, "a" * 27, "A" * 26, "1" * 26, "a" * 25 + "/", "á" * 26])
def test_what_cannot_be_a_key_is_known_without_asking_the_table(text: str) -> None:
    assert not is_task_key(text)


def test_news_has_one_id_for_all_attempts_and_another_for_other_news(make_ended: MakeTask) -> None:
    task = make_ended()
    delivered = task.with_delivery("ops", Delivery(state=DeliveryState.DELIVERED, attempts=3))
    assert delivered.news_id == task.news_id
    others = [replace(task, state=State.FAILED), replace(task, observed_at=NOW + 61), make_ended(task_id="other")]
    assert len({task.news_id, *(one.news_id for one in others)}) == 4

"""Nothing ends in silence: dead watches are found, started again, and given up in words."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from taskhook.reconcile import GRACE_SECONDS, RESTARTS
from taskhook.states import State
from taskhook.store import execution_name
from taskhook.task import Delivery, DeliveryState, Task
from tests.conftest import MakeTask
from tests.integration.conftest import Cloud

OLD = time.time() - 2 * GRACE_SECONDS

type Store = Callable[..., Task]
type Sweep = Callable[..., int]


@pytest.fixture
def stored(cloud: Cloud, make_task: MakeTask) -> Store:
    def make(**changes: Any) -> Task:
        now = time.time()
        task = make_task(**{"submitted_at": now, "deadline": now + 3600, "watch_since": OLD, **changes})
        cloud.store.create(task)
        return task

    return make


@pytest.fixture
def sweep(cloud: Cloud) -> Sweep:
    def call(**event: Any) -> int:
        revived: int = cloud.invoke("ReconcileFunction", event or {"source": "aws.events"})["revived"]
        return revived

    return call


def died(task: Task, *, name: str | None = None, status: str = "FAILED") -> dict[str, Any]:
    return {
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {"name": name or execution_name(task.id, task.watch), "status": status},
    }


def run(cloud: Cloud, task: Task) -> None:
    cloud.client("stepfunctions").start_execution(
        stateMachineArn=cloud.made["WatchTask"], name=execution_name(task.id, task.watch), input="{}"
    )


def test_an_open_task_without_an_execution_is_started_again(cloud: Cloud, stored: Store, sweep: Sweep) -> None:
    task = stored()
    assert sweep() == 1
    after = cloud.task(task.id)
    assert (after.watch, after.restarts) == (2, 1)
    assert after.watch_since > OLD
    assert cloud.messages("TasksQueue") == [{"id": task.id, "watch": 2}]


def test_a_task_with_a_living_execution_is_left_alone(cloud: Cloud, stored: Store, sweep: Sweep) -> None:
    task = stored()
    run(cloud, task)
    assert sweep() == 0
    assert cloud.task(task.id) == task


def test_a_young_watch_may_still_be_on_the_queue(cloud: Cloud, stored: Store, sweep: Sweep) -> None:
    task = stored(watch_since=time.time() - 10)
    assert sweep() == 0
    assert sweep(all=True) == 1
    assert cloud.task(task.id).watch == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"state": State.STOPPED},
        {"state": State.SUCCEEDED, "deliveries": {"ops": Delivery(state=DeliveryState.DELIVERED)}},
        {"state": State.LOST, "deliveries": {"ops": Delivery(state=DeliveryState.HELD)}},
    ],
)
def test_what_is_settled_is_left_alone(cloud: Cloud, stored: Store, sweep: Sweep, changes: Any) -> None:
    stored(**changes)
    assert sweep() == 0
    assert cloud.messages("TasksQueue") == []


def test_news_that_nobody_heard_is_a_reason_to_start_again(cloud: Cloud, stored: Store, sweep: Sweep) -> None:
    task = stored(state=State.SUCCEEDED, observed_at=time.time())
    assert sweep() == 1
    after = cloud.task(task.id)
    assert (after.state, after.watch, after.news_id) == (State.SUCCEEDED, 2, task.news_id)


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_an_execution_that_died_is_replaced_at_once(cloud: Cloud, stored: Store, sweep: Sweep, status: str) -> None:
    task = stored(watch_since=time.time())
    assert sweep(**died(task, status=status)) == 1
    assert cloud.task(task.id).watch == 2


def test_the_death_of_a_superseded_execution_means_nothing(cloud: Cloud, stored: Store, sweep: Sweep) -> None:
    task = stored(watch=3)
    assert sweep(**died(replace(task, watch=2))) == 0
    assert cloud.task(task.id).watch == 3


@pytest.mark.parametrize("name", ["", "x", "some-name", "a-b-c", f"{'a' * 26}-1", "-", "-1", "x-²"])
def test_the_death_of_something_else_means_nothing(sweep: Sweep, make_task: MakeTask, name: str) -> None:
    assert sweep(**died(make_task(), name=name or "-")) == 0


def test_watches_that_keep_dying_end_in_lost_and_that_is_told(cloud: Cloud, stored: Store, sweep: Sweep) -> None:
    task = stored()
    for number in range(1, RESTARTS + 1):
        assert sweep(all=True) == 1
        assert (cloud.task(task.id).watch, cloud.task(task.id).state) == (number + 1, State.QUEUED)
    cloud.messages("TasksQueue")
    assert sweep(all=True) == 1
    lost = cloud.task(task.id)
    assert (lost.state, lost.restarts, lost.pending) == (State.LOST, 1, ["ops"])
    assert lost.error is not None
    assert lost.error.code == "WatchDied"
    assert cloud.messages("TasksQueue") == [{"id": task.id, "watch": RESTARTS + 2}]


def test_news_whose_watches_keep_dying_is_kept(cloud: Cloud, stored: Store, sweep: Sweep) -> None:
    told = {"ops": Delivery(), "done": Delivery(state=DeliveryState.DELIVERED), "other": Delivery()}
    task = stored(state=State.FAILED, observed_at=time.time(), restarts=RESTARTS, deliveries=told)
    assert sweep() == 1
    assert [[one.task for one in cloud.ledger.held(name)] for name in ("ops", "other", "done")] == [
        [task.id], [task.id], [],
    ]  # fmt: skip
    after = cloud.task(task.id)
    assert {name: one.state.value for name, one in after.deliveries.items()} == {
        "ops": "held", "done": "delivered", "other": "held",
    }  # fmt: skip
    assert not cloud.is_listed_open(task.id)
    assert sweep(all=True) == 0


def test_no_task_is_restarted_for_ever(cloud: Cloud, stored: Store, sweep: Sweep) -> None:
    task = stored()
    sweeps = 0
    while cloud.is_listed_open(task.id):
        sweep(all=True)
        sweeps += 1
        assert sweeps <= 2 * RESTARTS + 2
    assert [one.task for one in cloud.ledger.held("ops")] == [task.id]


def test_a_watch_whose_looks_keep_breaking_is_lost_and_told(cloud: Cloud, stored: Store) -> None:
    task = stored()
    event = {"lose": {"id": task.id, "watch": 1}, "error": "Lambda.Unknown"}
    payload = cloud.invoke("ReconcileFunction", event)
    assert payload["done"] is True
    assert [one["destination"] for one in payload["notify"]] == ["ops"]
    lost = cloud.task(task.id)
    assert lost.error is not None
    assert (lost.state, lost.error.code) == (State.LOST, "Lambda.Unknown")


@pytest.mark.parametrize("error", [None, "", "x" * 5000])
def test_a_loss_has_a_code_whatever_broke(cloud: Cloud, stored: Store, error: Any) -> None:
    task = stored()
    cloud.invoke("ReconcileFunction", {"lose": {"id": task.id, "watch": 1}, "error": error})
    lost = cloud.task(task.id)
    assert lost.error is not None
    assert 0 < len(lost.error.code) <= 100


@pytest.mark.parametrize(
    ("changes", "told"), [({"watch": 2}, 0), ({"state": State.STOPPED}, 0), ({"state": State.FAILED}, 1)]
)
def test_a_loss_that_comes_too_late_changes_nothing(cloud: Cloud, stored: Store, changes: Any, told: int) -> None:
    task = stored(**changes)
    payload = cloud.invoke("ReconcileFunction", {"lose": {"id": task.id, "watch": 1}, "error": "x"})
    assert (payload["done"], len(payload["notify"])) == (True, told)
    assert cloud.task(task.id) == task


def test_a_payload_of_reconcile_is_one_of_poll(cloud: Cloud, stored: Store) -> None:
    gone = cloud.invoke("ReconcileFunction", {"lose": {"id": "a" * 26, "watch": 1}})
    silent = cloud.invoke("PollFunction", {"id": "a" * 26, "watch": 1})
    assert gone == silent


# --- destinations ----------------------------------------------------------------------------------------------------


def held(cloud: Cloud, stored: Store, version: str, **changes: Any) -> Task:
    kept = {"ops": Delivery(state=DeliveryState.HELD, attempts=3, tries=3)}
    task = stored(state=State.FAILED, observed_at=time.time(), deliveries=kept, **changes)
    cloud.ledger.hold("ops", task.id, version=version, now=time.time())
    return task


def test_news_goes_out_when_its_destination_is_stored_anew(cloud: Cloud, stored: Store, sweep: Sweep) -> None:
    task = held(cloud, stored, "1")
    cloud.ledger.died("ops", "1", reason="HTTP 410", code=None, now=time.time())
    assert sweep() == 0
    assert cloud.task(task.id) == task
    cloud.put("destinations/ops", {"type": "webhook", "url": "https://hooks.example.com/s3cr3t-new"})
    assert sweep(**{"source": "aws.ssm", "detail-type": "Parameter Store Change"}) == 1
    assert cloud.task(task.id).pending == ["ops"]
    assert cloud.messages("TasksQueue") == [{"id": task.id, "watch": 2}]
    assert cloud.ledger.standing("ops").dead is None
    assert sweep() == 0


def test_news_of_a_destination_that_is_gone_stays_until_there_is_one(cloud: Cloud, stored: Store, sweep: Sweep) -> None:
    cloud.client("ssm").delete_parameter(Name=f"/{cloud.stack}/destinations/ops")
    task = held(cloud, stored, "")
    assert sweep() == 0
    cloud.put("destinations/ops", {"type": "webhook", "url": "https://hooks.example.com/s3cr3t-new"})
    assert sweep() == 1
    assert cloud.task(task.id).pending == ["ops"]


def test_a_destination_that_stays_malformed_does_not_let_its_news_go_round_in_circles(
    cloud: Cloud, stored: Store, sweep: Sweep
) -> None:
    cloud.put("destinations/ops", {"type": "pigeon"})
    task = stored(state=State.FAILED, observed_at=time.time())
    cloud.invoke("NotifyFunction", {"id": task.id, "watch": 1, "destination": "ops"})
    assert cloud.task(task.id).deliveries["ops"].attempts == 1
    assert sweep(all=True) == 0
    assert cloud.task(task.id).watch == 1


def test_a_destination_with_nothing_kept_is_forgotten_in_the_end(cloud: Cloud, stored: Store, sweep: Sweep) -> None:
    cloud.ledger.hold("ops", "a" * 26, version="0", now=time.time() - 3600)
    cloud.ledger.let_go("ops", "a" * 26)
    assert sweep() == 0
    assert list(cloud.ledger.listed()) == []

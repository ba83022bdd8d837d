"""Tasks in the table: what is written is what is read, and who may write over whom."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskhook.errors import StoreConflict
from taskhook.states import State
from taskhook.store import Store, from_item, reopened
from taskhook.task import Delivery, DeliveryState, Problem, Task
from tests.conftest import NOW, MakeTask
from tests.integration.conftest import Cloud
from tests.strategies import tasks

DONE = Delivery(state=DeliveryState.DELIVERED, attempts=1)
HELD = Delivery(state=DeliveryState.HELD, attempts=12, reason="gone")
SEALED = {"webhook-a.b.example-1": "sealed text"}


@pytest.fixture
def store(cloud: Cloud) -> Store:
    return cloud.store


@pytest.fixture(scope="module")
def module_store(shared_cloud: Cloud) -> Store:
    return shared_cloud.store


def item(cloud: Cloud, id: str) -> dict[str, Any]:
    found: dict[str, Any] = cloud.client("dynamodb").get_item(TableName=cloud.made["Tasks"], Key={"id": {"S": id}})[
        "Item"
    ]
    return found


@given(task=tasks)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_task_survives_its_item(module_store: Store, task: Task) -> None:
    assert from_item(module_store._item(task)) == task


@given(task=tasks, number=st.integers(0, 10**9))
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_task_survives_the_table(module_store: Store, task: Task, number: int) -> None:
    stored = replace(task, id=f"{task.id}{number}{task.watch}{task.polls}")
    if module_store.create(stored):
        assert module_store.get(stored.id) == stored


@given(task=tasks, look=tasks)
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_look_writes_what_it_saw_and_nothing_of_the_deliveries(module_store: Store, task: Task, look: Task) -> None:
    known = replace(task, id=f"look{task.id}{task.polls}", state=State.RUNNING)
    if not module_store.create(known):
        return
    seen = replace(look, id=known.id, watch=known.watch, deliveries={"other": DONE}, sealed={})
    saved = module_store.save_look(seen)
    assert saved == module_store.get(known.id)
    assert (saved.deliveries, saved.sealed, saved.title, saved.deadline) == (
        known.deliveries, known.sealed, known.title, known.deadline,
    )  # fmt: skip
    assert (saved.state, saved.error, saved.result, saved.resources, saved.polls) == (
        seen.state, seen.error, seen.result, seen.resources, seen.polls,
    )  # fmt: skip


def test_what_is_not_there_is_none(store: Store) -> None:
    assert store.get("a" * 26) is None


def test_a_task_is_created_once(store: Store, make_task: MakeTask) -> None:
    task = make_task()
    assert store.create(task) is True
    assert store.create(replace(task, title="another")) is False
    assert store.get(task.id) == task


def test_a_task_is_forgotten_some_days_after_its_deadline(cloud: Cloud, store: Store, make_task: MakeTask) -> None:
    task = make_task()
    store.create(task)
    assert item(cloud, task.id)["expires_at"] == {"N": str(int(task.deadline) + 30 * 86_400)}


@pytest.mark.parametrize(("state", "is_open"), [(State.QUEUED, True), (State.SUCCEEDED, True), (State.STOPPED, False)])
def test_only_open_tasks_are_on_the_list_of_the_reconciler(
    cloud: Cloud, store: Store, make_task: MakeTask, state: State, is_open: bool
) -> None:
    task = make_task(state=state)
    store.create(task)
    assert cloud.is_listed_open(task.id) is is_open


def test_the_list_says_which_watch_and_since_when(store: Store, make_task: MakeTask) -> None:
    made = [make_task(task_id=f"t-{n}", watch=n, watch_since=NOW + n) for n in range(1, 4)]
    for task in made:
        store.create(task)
    found = {one.id: (one.number, one.since, one.execution) for one in store.open_watches()}
    assert found == {task.id: (task.watch, task.watch_since, f"{task.id}-{task.watch}") for task in made}


def test_a_look_forgets_what_is_no_longer_so(cloud: Cloud, store: Store, make_task: MakeTask) -> None:
    task = make_task(error=Problem(code="x", message="y"), troubles=2, trouble_since=NOW)
    store.create(task)
    store.save_look(replace(task, error=None, troubles=0, trouble_since=None))
    assert not {"error", "trouble_since"} & set(item(cloud, task.id))


@pytest.mark.parametrize("changed", [{"watch": 2}, {"state": State.STOPPED}, {"state": State.SUCCEEDED}])
def test_a_look_of_a_superseded_watch_is_not_written(store: Store, make_task: MakeTask, changed: Any) -> None:
    task = make_task()
    store.create(replace(task, **changed))
    with pytest.raises(StoreConflict):
        store.save_look(replace(task, polls=7))
    assert (store.get(task.id) or task).polls == 0


def test_the_end_of_a_task_with_nobody_to_tell_closes_it(cloud: Cloud, store: Store, make_task: MakeTask) -> None:
    task = make_task(deliveries={"ops": DONE})
    store.create(task)
    store.save_look(replace(task, state=State.SUCCEEDED))
    assert not cloud.is_listed_open(task.id)


def test_the_end_of_a_task_with_somebody_to_tell_leaves_it_open(
    cloud: Cloud, store: Store, make_task: MakeTask
) -> None:
    task = make_task()
    store.create(task)
    store.save_look(replace(task, state=State.SUCCEEDED))
    assert cloud.is_listed_open(task.id)


def test_destinations_are_added_while_a_look_goes_on(store: Store, make_task: MakeTask) -> None:
    task = make_task()
    store.create(task)
    store.add_deliveries(task, {"late": Delivery(), "webhook-a.b.example-1": Delivery(live=True)}, SEALED)
    saved = store.save_look(replace(task, state=State.RUNNING))
    assert set(saved.deliveries) == {"ops", "late", "webhook-a.b.example-1"}
    assert saved.sealed == SEALED
    assert saved.deliveries["webhook-a.b.example-1"].live


@pytest.mark.parametrize("changed", [{"watch": 2}, {"state": State.SUCCEEDED}])
def test_destinations_are_not_added_to_a_watch_that_is_over(store: Store, make_task: MakeTask, changed: Any) -> None:
    task = make_task()
    store.create(replace(task, **changed))
    with pytest.raises(StoreConflict):
        store.add_deliveries(task, {"late": Delivery()}, {})


@pytest.mark.parametrize("ended", [DONE, HELD])
def test_the_last_delivery_closes_the_task(cloud: Cloud, store: Store, make_ended: MakeTask, ended: Delivery) -> None:
    task = make_ended(notify=("a", "b"), restarts=3)
    store.create(task)
    half = store.save_delivery(task, "a", DONE)
    assert cloud.is_listed_open(task.id)
    assert half.restarts == 0
    store.save_delivery(half, "b", ended)
    assert not cloud.is_listed_open(task.id)


def test_two_deliveries_that_end_at_once_close_the_task(cloud: Cloud, store: Store, make_ended: MakeTask) -> None:
    task = make_ended(notify=("a", "b"))
    store.create(task)
    store.save_delivery(task, "a", DONE)
    store.save_delivery(task, "b", DONE)
    assert not cloud.is_listed_open(task.id)


def test_a_task_is_not_closed_over_a_destination_that_came_meanwhile(
    cloud: Cloud, store: Store, make_ended: MakeTask
) -> None:
    task = make_ended(notify=("a",))
    store.create(task.with_delivery("b", Delivery()))
    store._close(task.with_delivery("b", DONE))
    assert cloud.is_listed_open(task.id)


def test_a_delivery_of_a_superseded_watch_is_not_written(store: Store, make_ended: MakeTask) -> None:
    task = make_ended()
    store.create(replace(task, watch=2))
    with pytest.raises(StoreConflict):
        store.save_delivery(task, "ops", DONE)


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING])
def test_stopping_ends_and_closes_a_task(cloud: Cloud, store: Store, make_task: MakeTask, state: State) -> None:
    task = make_task(state=state)
    store.create(task)
    stopped = store.stop(task)
    assert (stopped.state, stopped.next_poll_at) == (State.STOPPED, None)
    assert not cloud.is_listed_open(task.id)


@pytest.mark.parametrize("state", [state for state in State if state.terminal])
def test_what_has_ended_cannot_be_stopped(store: Store, make_task: MakeTask, state: State) -> None:
    task = make_task(state=state)
    store.create(task)
    with pytest.raises(StoreConflict):
        store.stop(task)


def test_what_is_not_there_cannot_be_stopped(store: Store, make_task: MakeTask) -> None:
    with pytest.raises(StoreConflict):
        store.stop(make_task())


def test_a_watch_is_restarted_by_one_of_two(store: Store, make_task: MakeTask) -> None:
    task = make_task()
    store.create(task)
    again = store.restart(task, now=NOW + 9, restarts=1)
    assert (again.watch, again.watch_since, again.restarts) == (2, NOW + 9, 1)
    with pytest.raises(StoreConflict):
        store.restart(task, now=NOW + 9, restarts=1)


def test_a_task_that_is_not_open_is_not_restarted(store: Store, make_task: MakeTask) -> None:
    task = make_task(state=State.STOPPED)
    store.create(task)
    with pytest.raises(StoreConflict):
        store.restart(task, now=NOW, restarts=1)


def test_a_task_is_replaced_only_as_it_was_seen(store: Store, make_ended: MakeTask) -> None:
    task = make_ended(deliveries={"ops": DONE})
    store.create(task)
    store.replace(reopened(task, deliveries={"ops": DONE, "late": Delivery()}), seen=task)
    assert (store.get(task.id) or task).watch == 2
    with pytest.raises(StoreConflict):
        store.replace(reopened(task), seen=task)


def test_tasks_that_may_share_a_request_are_found_by_when_they_are_due(store: Store, make_task: MakeTask) -> None:
    for name, batch, due in (
        ("b", "x", 20),
        ("a", "x", 10),
        ("late", "x", 90),
        ("other", "y", 10),
        ("alone", None, None),
    ):
        task = make_task(task_id=name, batch=batch, due=None if due is None else NOW + due)
        store.create(task)
    assert [one.task_id for one in store.due("x", until=NOW + 60, most=10)] in (["a", "b"], ["b", "a"])
    assert [one.task_id for one in store.due("x", until=NOW + 60, most=1)] == ["a"]
    assert store.due("z", until=NOW + 60, most=10) == []


def test_a_task_that_has_ended_or_is_stopped_shares_no_request(store: Store, make_task: MakeTask) -> None:
    ended, stopped = make_task(task_id="ended", batch="x", due=NOW), make_task(task_id="stopped", batch="x", due=NOW)
    for task in (ended, stopped):
        store.create(task)
    store.save_look(replace(ended, state=State.SUCCEEDED))
    store.stop(stopped)
    assert store.due("x", until=NOW + 60, most=10) == []


def test_a_look_made_by_another_is_written_only_if_there_was_none_meanwhile(store: Store, make_task: MakeTask) -> None:
    task = make_task(polls=3)
    store.create(task)
    assert store.save_look(replace(task, polls=4), polls=3).polls == 4
    with pytest.raises(StoreConflict):
        store.save_look(replace(task, polls=4), polls=3)

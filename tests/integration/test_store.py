"""Tasks in the table: what is written is what is read, and who may write over whom."""

import base64
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskhook.api.body import LONGEST_METADATA
from taskhook.deliver import ALL_LOGGED
from taskhook.errors import StoreConflict
from taskhook.secret import LONGEST_SEALED
from taskhook.states import State
from taskhook.store import Store, from_item, reopened
from taskhook.submit import MOST_DESTINATIONS
from taskhook.task import Attempt, Delivery, DeliveryState, Problem, Task
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


def test_what_is_stored_and_no_json_is_read_as_null(cloud: Cloud, store: Store, make_task: MakeTask) -> None:
    """Python writes such numbers and reads them; everybody else who got them would fail."""
    task = make_task(metadata={"a": float("inf"), "b": 1}, result=[float("nan")])
    store.create(task)
    known = cloud.task(task.id)
    assert (known.metadata, known.result) == ({"a": None, "b": 1}, [None])


def test_the_end_of_a_task_with_nobody_to_tell_closes_it(cloud: Cloud, store: Store, make_task: MakeTask) -> None:
    task = make_task(deliveries={"ops": DONE})
    store.create(task)
    saved = store.save_look(replace(task, state=State.SUCCEEDED, observed_at=NOW))
    assert cloud.is_listed_open(task.id), "the event bus has to hear of it"
    store.announced(saved)
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


@pytest.mark.parametrize("name", ["ops", "webhook-a.b.example-1", "a_b-c", "#channel", "名字"])
def test_a_delivery_may_have_any_name(cloud: Cloud, store: Store, make_ended: MakeTask, name: str) -> None:
    task = make_ended(notify=(name,))
    store.create(task)
    store.save_message(task, name, {"ts": "1.0"})
    assert store.save_delivery(task, name, DONE).deliveries == {name: DONE}
    again = store.reopen(store.get(task.id) or task, {name: Delivery(attempts=1)}, now=NOW)
    assert again.pending == [name]
    assert cloud.is_listed_open(task.id)


def test_what_a_receiver_took_is_written_whatever_watch_there_is(
    cloud: Cloud, store: Store, make_ended: MakeTask
) -> None:
    task = make_ended()
    store.create(replace(task, watch=2))
    saved = store.save_delivery(task, "ops", DONE)
    assert (saved.watch, saved.deliveries["ops"]) == (2, DONE)
    assert not cloud.is_listed_open(task.id)


def test_the_last_delivery_of_an_old_watch_does_not_close_a_task_with_a_new_one(
    cloud: Cloud, store: Store, make_ended: MakeTask
) -> None:
    """Nobody would look after the new destination if its execution died."""
    task = make_ended()
    store.create(task)
    store.reopen(task, {"boss": Delivery()}, now=NOW)
    saved = store.save_delivery(task, "ops", DONE)
    assert (saved.pending, saved.watch) == (["boss"], 2)
    assert cloud.is_listed_open(task.id)
    store.save_delivery(saved, "boss", DONE)
    assert not cloud.is_listed_open(task.id)


@pytest.mark.parametrize(
    "meanwhile",
    [
        {"state": State.QUEUED, "observed_at": None},
        {"observed_at": NOW + 99},
        {"deliveries": {"ops": Delivery(attempts=1)}},
        {"deliveries": {"ops": HELD}},
        {"deliveries": {"other": Delivery()}},
    ],
)
def test_a_delivery_of_other_news_or_after_another_attempt_is_not_written(
    store: Store, make_ended: MakeTask, meanwhile: Any
) -> None:
    task = make_ended()
    known = replace(task, **meanwhile)
    store.create(known)
    for delivery in (DONE, Delivery(attempts=1, next_attempt_at=NOW)):
        with pytest.raises(StoreConflict):
            store.save_delivery(task, "ops", delivery)
    assert store.get(task.id) == known


def test_a_new_watch_is_begun_by_one_of_two(store: Store, make_ended: MakeTask) -> None:
    task = make_ended(deliveries={"ops": HELD, "done": DONE}, restarts=4)
    store.create(task)
    fresh = Delivery(attempts=12, forced=True)
    opened = store.reopen(task, {"ops": fresh}, now=NOW + 7)
    assert (opened.watch, opened.watch_since, opened.restarts) == (2, NOW + 7, 0)
    assert opened.deliveries == {"ops": fresh, "done": DONE}
    with pytest.raises(StoreConflict):
        store.reopen(task, {"ops": fresh}, now=NOW + 7)
    with pytest.raises(StoreConflict):
        store.reopen(replace(opened, state=State.LOST), {"ops": fresh}, now=NOW + 7)


def test_a_message_is_kept_once_and_only_for_a_delivery_that_there_is(store: Store, make_task: MakeTask) -> None:
    task = make_task()
    store.create(task)
    store.save_message(task, "ops", {"channel": "C1", "ts": "1.0"})
    for name in ("ops", "nobody"):
        with pytest.raises(StoreConflict):
            store.save_message(task, name, {"channel": "C1", "ts": "2.0"})
    saved = store.get(task.id) or task
    assert saved.deliveries["ops"].message == {"channel": "C1", "ts": "1.0"}
    with pytest.raises(StoreConflict):
        store.save_message(make_task(task_id="gone"), "ops", {"ts": "1.0"})


def attempts(number: int) -> tuple[Attempt, ...]:
    """As long as they can be."""
    return tuple(
        Attempt(at=NOW + n, verdict="transient", status=500, seconds=10.123, detail="x" * 100 + "长" * 100,
                event="task.succeeded", code="x" * 64, detail_zh="长" * 200)
        for n in range(number)
    )  # fmt: skip


def test_what_receivers_answered_is_found_by_destination_and_time(
    cloud: Cloud, store: Store, make_ended: MakeTask
) -> None:
    silent = replace(attempts(1)[0], status=None, at=NOW + 500)
    names = ("ops", "webhook-a.b.example-1")
    task = make_ended(deliveries={name: Delivery(log=(*attempts(60), silent)) for name in names})
    for number in (0, 1, 59):
        store.save_answer(task, "ops", NOW + number, f"said {number}")
    store.save_answer(task, names[1], NOW, "<html>" + "x" * 4000)
    store.save_answer(task, "ops", NOW + 700, "of an attempt that the log does not hold")
    found = store.answers(task)
    assert {key: text[:6] for key, text in found.items()} == {
        ("ops", NOW): "said 0", ("ops", NOW + 1): "said 1", ("ops", NOW + 59): "said 5", (names[1], NOW): "<html>",
    }  # fmt: skip
    assert store.answers(make_ended()) == {}
    expires = item(cloud, f"answer#{task.id}#ops#{NOW:.3f}")["expires_at"]
    assert expires == {"N": str(int(task.deadline) + 30 * 86_400)}


def test_the_largest_task_fits_into_an_item(store: Store, make_ended: MakeTask) -> None:
    names = [f"webhook-{'x' * 80}-{number:08d}" for number in range(MOST_DESTINATIONS)]
    full = Delivery(
        attempts=99, tries=12, log=attempts(ALL_LOGGED // MOST_DESTINATIONS), reason="x" * 300, next_attempt_at=NOW,
        slot=NOW, live=True, message={"channel": "C" * 30, "ts": "1503435956.000247"}, first_at=NOW, told_at=NOW,
        forced=True,
    )  # fmt: skip
    sealed = base64.b64encode(b"x" * (LONGEST_SEALED + 200)).decode()
    task = make_ended(
        metadata={"x": "y" * LONGEST_METADATA},
        result={"x": "y" * 8000},
        message="x" * 500,
        deliveries=dict.fromkeys(names, full),
        sealed=dict.fromkeys(names, sealed),
    )
    assert 300 * 1024 < _dynamodb_size(store._item(task)) < 400 * 1024


def _dynamodb_size(value: Any) -> int:
    """As DynamoDB counts: names and texts in UTF-8, and some bytes around what is nested."""
    ((kind, inner),) = (
        value.items() if set(value) <= {"S", "N", "M", "L", "BOOL", "NULL"} and len(value) == 1 else [("M", value)]
    )
    match kind:
        case "M":
            return 3 + sum(1 + len(name.encode()) + _dynamodb_size(one) for name, one in inner.items())
        case "L":
            return 3 + sum(1 + _dynamodb_size(one) for one in inner)
        case "N":
            return 2 + len(inner) // 2
        case "S":
            return len(inner.encode())
    return 1


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

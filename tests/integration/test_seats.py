"""The seats' expressions as DynamoDB (moto) understands them, and looks that sleep inside the real handler."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from taskhook import config
from taskhook.seats import Seats
from taskhook.states import State
from taskhook.task import Task
from tests.conftest import NOW, MakeTask
from tests.integration.conftest import TENCENT, Cloud, Context, Server

MINUTE = int(NOW) // 60 * 60
LONG = Context(remaining=300_000)

type Process = Callable[[], Seats]


@pytest.fixture
def process(cloud: Cloud) -> Process:
    """A new process, which knows nothing, with the seats that the template gives."""

    def make() -> Seats:
        cloud.function("PollFunction")
        return Seats(config.settings(), cloud.client("dynamodb"))

    return make


def item(cloud: Cloud, minute: int) -> dict[str, Any]:
    found: dict[str, Any] = cloud.client("dynamodb").get_item(
        TableName=cloud.made["Tasks"], Key={"id": {"S": f"seats#{minute}"}}
    )["Item"]
    return found


def test_a_seat_is_a_counter_for_each_second_and_expires(cloud: Cloud, process: Process) -> None:
    assert process().take(MINUTE + 58.5, MINUTE + 61.5)
    assert item(cloud, MINUTE // 60) == {
        "id": {"S": f"seats#{MINUTE // 60}"}, "s58": {"N": "1"}, "s59": {"N": "1"},
        "expires_at": {"N": str(MINUTE + 60 + 600)},
    }  # fmt: skip
    assert item(cloud, MINUTE // 60 + 1).keys() == {"id", "s0", "s1", "expires_at"}


@pytest.mark.parametrize("seats", [1, 3])
def test_as_many_may_sleep_as_the_operator_says(cloud: Cloud, process: Process, seats: int) -> None:
    cloud.overrides["SLEEPING_POLLS"] = str(seats)
    assert [process().take(NOW, NOW + 45) for _ in range(seats + 2)] == [True] * seats + [False] * 2
    assert process().take(NOW + 46, NOW + 60)


def test_a_whole_minute_is_one_request(process: Process) -> None:
    assert process().take(MINUTE, MINUTE + 60)


# A text is left to the unit tests: moto cannot compare it with a number.
@pytest.mark.parametrize("rubbish", [{"NULL": True}, {"N": "1e9"}])
def test_an_item_that_somebody_has_broken_means_that_there_is_no_seat(
    cloud: Cloud, process: Process, rubbish: dict[str, Any]
) -> None:
    broken = {"id": {"S": f"seats#{int(NOW) // 60}"}, f"s{int(NOW) % 60}": rubbish}
    cloud.client("dynamodb").put_item(TableName=cloud.made["Tasks"], Item=broken)
    assert not process().take(NOW, NOW + 1)
    assert process().take(NOW + 60, NOW + 70)


def test_a_table_that_is_not_there_has_no_seats(
    cloud: Cloud, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cloud.made, "Tasks", "no-such-table")
    assert not process().take(NOW, NOW + 1)


def test_seats_are_no_open_tasks(cloud: Cloud, process: Process) -> None:
    process().take(NOW, NOW + 1)
    assert list(cloud.store.open_watches()) == []


# --- through the handler, in real seconds ---------------------------------------------------------------------------


@pytest.fixture
def young(cloud: Cloud, server: Server, make_task: MakeTask) -> Task:
    """A task that was submitted just now; each wait but the last moments of it takes a seat."""
    cloud.overrides["ALLOW_INSECURE_ENDPOINTS"] = "true"
    cloud.overrides["WAKE_LEAD_SECONDS"] = "0.05"
    cloud.put("accounts/tencent", {**TENCENT, "endpoints": {"clb": server.url}})
    for status in (2, 2, 0):
        server.says({"Response": {"Status": status, "RequestId": "r"}})
    now = round(time.time(), 3)
    task = make_task(submitted_at=now, deadline=now + 3600, watch_since=now)
    cloud.store.create(task)
    return task


def poll(cloud: Cloud, task: Task, context: Context) -> dict[str, Any]:
    payload: dict[str, Any] = cloud.function("PollFunction").handler({"id": task.id, "watch": 1}, context)
    return payload


def test_a_quick_task_is_seen_to_its_end_by_one_invocation(cloud: Cloud, server: Server, young: Task) -> None:
    payload = poll(cloud, young, LONG)
    assert (payload["done"], len(server.got)) == (True, 3)
    assert [one["destination"] for one in payload["notify"]] == ["ops"]
    after = cloud.task(young.id)
    assert (after.state, after.polls, after.wakes) == (State.SUCCEEDED, 3, 3)
    taken = cloud.client("dynamodb").scan(
        TableName=cloud.made["Tasks"], FilterExpression="begins_with(id, :s)",
        ExpressionAttributeValues={":s": {"S": "seats#"}},
    )["Count"]  # fmt: skip
    assert taken in (1, 2)


@pytest.mark.parametrize(("seats", "remaining"), [("0", 300_000), ("100", 100_000)], ids=["no seat", "no time"])
def test_without_a_seat_or_the_time_the_machine_waits(
    cloud: Cloud, server: Server, young: Task, seats: str, remaining: int
) -> None:
    cloud.overrides["SLEEPING_POLLS"] = seats
    payload = poll(cloud, young, Context(remaining=remaining))
    assert (payload["done"], len(server.got)) == (False, 1)
    after = cloud.task(young.id)
    assert after.slots == (after.next_poll_at,)


def test_a_task_that_is_stopped_while_the_function_sleeps_is_not_asked_about_again(
    cloud: Cloud, server: Server, young: Task
) -> None:
    app = cloud.function("PollFunction")
    stopped: list[Task] = []

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        # On a busy machine the slot of the first look may be missed, and take more than one sleep.
        if server.got and not stopped:
            stopped.append(cloud.store.stop(cloud.task(young.id)))

    watcher = app.watcher()
    object.__setattr__(watcher.pace, "sleep", sleep)
    payload = app.handler({"id": young.id, "watch": 1}, LONG)
    assert (payload["done"], payload["notify"], len(server.got)) == (True, [], 1)
    assert cloud.task(young.id).state is State.STOPPED

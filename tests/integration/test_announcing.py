"""The end of a task reaches the event bus whatever breaks, and the task is closed when everybody has heard of it."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from taskhook.states import State
from taskhook.task import DeliveryState, Task
from tests.conftest import MakeTask
from tests.integration.conftest import TENCENT, Cloud, Server


class Bus:
    """What the functions put on it. Out of order for as long as it is told so."""

    def __init__(self, cloud: Cloud) -> None:
        self.broken = False
        self.events: list[dict[str, Any]] = []
        put = cloud.client("events").put_events

        def put_events(**request: Any) -> Any:
            if self.broken:
                raise RuntimeError("no bus")
            self.events += [json.loads(one["Detail"]) for one in request["Entries"]]
            return put(**request)

        cloud.patch.setattr(cloud.client("events"), "put_events", put_events)


@pytest.fixture
def bus(cloud: Cloud) -> Bus:
    return Bus(cloud)


@pytest.fixture
def ended(cloud: Cloud, server: Server, make_task: MakeTask) -> Callable[[], Task]:
    """A task whose next look sees its success."""

    def make() -> Task:
        cloud.overrides["ALLOW_INSECURE_ENDPOINTS"] = "true"
        cloud.put("accounts/tencent", {**TENCENT, "endpoints": {"clb": server.url}})
        server.says({"Response": {"Status": 0}})
        now = round(time.time(), 3)
        task = make_task(submitted_at=now, deadline=now + 3600, watch_since=now)
        cloud.store.create(task)
        return task

    return make


def look(cloud: Cloud, task: Task) -> dict[str, Any]:
    return cloud.invoke("PollFunction", {"id": task.id, "watch": cloud.task(task.id).watch})


def told(cloud: Cloud, task: Task) -> None:
    """Every destination has taken the news."""
    now = cloud.task(task.id)
    for name, delivery in now.deliveries.items():
        now = cloud.store.save_delivery(now, name, replace(delivery, state=DeliveryState.DELIVERED, attempts=1))


def test_the_look_that_sees_the_end_announces_it_once(cloud: Cloud, bus: Bus, ended: Callable[[], Task]) -> None:
    task = ended()
    look(cloud, task)
    look(cloud, task)
    assert [one["data"]["state"] for one in bus.events] == ["succeeded"]
    assert not cloud.task(task.id).unannounced
    assert cloud.is_listed_open(task.id)
    told(cloud, task)
    assert not cloud.is_listed_open(task.id)


def test_a_bus_that_is_out_of_order_keeps_no_other_news_waiting(
    cloud: Cloud, bus: Bus, ended: Callable[[], Task]
) -> None:
    task = ended()
    bus.broken = True
    assert [one["destination"] for one in look(cloud, task)["notify"]] == ["ops"]
    told(cloud, task)
    assert cloud.task(task.id).unannounced
    assert cloud.is_listed_open(task.id), "somebody has to try again"
    bus.broken = False
    cloud.invoke("ReconcileFunction", {"all": True})
    assert cloud.task(task.id).watch == 2
    assert look(cloud, task)["notify"] == []
    assert len(bus.events) == 1
    assert not cloud.is_listed_open(task.id)


def test_a_task_whose_watches_have_all_died_is_announced_by_the_reconciler(
    cloud: Cloud, bus: Bus, ended: Callable[[], Task]
) -> None:
    task = ended()
    bus.broken = True
    look(cloud, task)
    told(cloud, task)
    for _ in range(6):
        cloud.invoke("ReconcileFunction", {"all": True})
    assert cloud.is_listed_open(task.id)
    bus.broken = False
    cloud.invoke("ReconcileFunction", {"all": True})
    assert len(bus.events) == 1
    assert not cloud.is_listed_open(task.id)


def test_a_task_that_is_lost_because_everything_broke_is_announced_too(
    cloud: Cloud, bus: Bus, make_task: MakeTask
) -> None:
    task = make_task()
    cloud.store.create(task)
    lost = {"lose": {"id": task.id, "watch": 1}, "error": "States.Timeout"}
    assert cloud.invoke("ReconcileFunction", lost)["done"] is True
    assert [one["type"] for one in bus.events] == ["task.lost"]


def test_without_a_bus_nothing_is_announced_nor_waited_for(cloud: Cloud, bus: Bus, ended: Callable[[], Task]) -> None:
    cloud.overrides["EVENT_BUS"] = ""
    task = ended()
    look(cloud, task)
    told(cloud, task)
    assert bus.events == []
    assert cloud.task(task.id).state is State.SUCCEEDED
    assert not cloud.is_listed_open(task.id)

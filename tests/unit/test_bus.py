"""Every end of a task goes to the event bus: at least once, without secrets, and never in the way of other news."""

import json
from dataclasses import replace
from typing import Any

import pytest

from taskhook.bus import LONGEST, MOST_RESOURCES, Bus, detail
from taskhook.states import State
from taskhook.task import Delivery, Resource, Task
from tests.conftest import NOW, MakeTask
from tests.fakes import MemoryStore, make_settings


class Events:
    def __init__(self, *failures: Any) -> None:
        self.failures = list(failures)
        self.entries: list[dict[str, Any]] = []

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        failure = self.failures.pop(0) if self.failures else None
        if isinstance(failure, Exception):
            raise failure
        if failure:
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": failure}]}
        self.entries += Entries
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}


def bus(task: Task, events: Events) -> tuple[Bus, MemoryStore]:
    store, client = MemoryStore(task), events
    any_client: Any = client
    return Bus(store, make_settings(event_bus="default", parameters="/prod"), any_client), store


@pytest.fixture
def ended(make_task: MakeTask) -> Task:
    return make_task(
        state=State.FAILED, observed_at=NOW + 5, unannounced=True, sealed={"x": "s3cr3t"}, deliveries={"x": Delivery()}
    )


def test_an_end_is_an_event_of_taskhook_with_the_news_as_webhooks_have_it(ended: Task) -> None:
    events = Events()
    here, store = bus(ended, events)
    here.announce(ended)
    (entry,) = events.entries
    assert (entry["Source"], entry["DetailType"], entry["EventBusName"]) == ("taskhook", "task.failed", "default")
    told = json.loads(entry["Detail"])
    assert told["data"] == ended.news()
    assert (told["id"], told["stack"], told["type"]) == (ended.news_id, "prod", "task.failed")
    assert "s3cr3t" not in entry["Detail"]
    assert not store.tasks[ended.id].unannounced


def test_what_has_been_announced_is_not_announced_again(ended: Task) -> None:
    events = Events()
    here, _ = bus(ended, events)
    here.announce(replace(ended, unannounced=False))
    assert events.entries == []


@pytest.mark.parametrize("failure", ["ThrottlingException", RuntimeError("no bus")])
def test_a_failure_leaves_the_task_open_and_is_made_up_for(ended: Task, failure: Any) -> None:
    events = Events(failure)
    here, store = bus(ended, events)
    here.announce(ended)
    assert store.tasks[ended.id].unannounced
    assert replace(ended, deliveries={}).open
    here.announce(store.tasks[ended.id])
    assert len(events.entries) == 1


def test_a_stopped_task_is_closed_whatever_was_not_announced(ended: Task) -> None:
    assert not replace(ended, state=State.STOPPED).open


def test_an_event_never_exceeds_what_the_bus_takes(make_task: MakeTask) -> None:
    many = tuple(Resource(id=f"机器-{number}", state=State.FAILED) for number in range(20_000))
    task = make_task(state=State.FAILED, observed_at=NOW, resources=many, result={"x": "y" * 300_000})
    text = detail(task, "taskhook")
    assert len(text.encode()) <= LONGEST
    told = json.loads(text)
    assert told["shortened"] is True
    assert len(told["data"]["resources"]) == MOST_RESOURCES
    assert told["data"]["state"] == "failed"

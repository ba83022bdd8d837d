"""Destinations by the HTTP API, through the real handler: stored in SSM, tested, let go, and never a secret shown."""

import io
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from taskhook.states import State
from taskhook.task import Attempt, Delivery, DeliveryState, Task
from tests.conftest import MakeTask
from tests.integration.conftest import Call, Cloud, Server

RECORD = {
    "type": "webhook",
    "url": "https://hooks.example.com/s3cr3t-path",
    "headers": {"X-Token": "s3cr3t-header"},
    "filter": {"states": ["failed"]},
}

type Held = Callable[..., Task]


@pytest.fixture
def receiver(cloud: Cloud, server: Server) -> Server:
    cloud.overrides["ALLOW_PRIVATE_DESTINATIONS"] = "true"
    cloud.put("destinations/ops", {"type": "webhook", "url": f"{server.url}/s3cr3t-path"})
    return server


@pytest.fixture
def held(cloud: Cloud, make_ended: MakeTask) -> Held:
    """A task whose news is kept for ``ops``."""

    def make(name: str = "held", **changes: Any) -> Task:
        now = round(time.time(), 3)
        kept = Delivery(state=DeliveryState.HELD, attempts=12, tries=12, reason="HTTP 410")
        task = make_ended(
            task_id=name, **{"observed_at": now, "deadline": now + 60, "deliveries": {"ops": kept}, **changes}
        )
        cloud.store.create(task)
        cloud.ledger.hold("ops", task.id, version="1", now=now)
        return task

    return make


def test_a_destination_is_stored_shown_listed_and_removed(cloud: Cloud, api: Call, logs: io.StringIO) -> None:
    stored = api("PUT", "/destinations/new", RECORD)
    shown = api("GET", "/destinations/new")
    listed = api("GET", "/destinations")
    assert (stored.status, shown.status, listed.status) == (200, 200, 200)
    assert stored.json == shown.json
    assert [one["name"] for one in listed.json["destinations"]] == ["default", "new", "ops"]
    parameter = cloud.client("ssm").get_parameter(Name=f"/{cloud.stack}/destinations/new", WithDecryption=True)
    assert json.loads(parameter["Parameter"]["Value"]) == RECORD
    assert parameter["Parameter"]["Type"] == "SecureString"
    gone = api("DELETE", "/destinations/new")
    assert (gone.status, api("GET", "/destinations/new").status) == (204, 404)
    assert api("DELETE", "/destinations/new").status == 404
    assert not any("s3cr3t" in text for text in (stored.text, shown.text, listed.text, logs.getvalue()))


def test_a_wrong_record_is_a_problem_with_every_field_and_what_it_should_be(api: Call) -> None:
    reply = api("PUT", "/destinations/new", {**RECORD, "secrt": "s3cr3t", "rate": "often", "escalate": {"to": "x"}})
    assert reply.status == 422
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert set(reply.faults) == {"secrt", "rate", "escalate.after_seconds"}
    assert "secret" in reply.faults["secrt"]
    assert "s3cr3t" not in reply.text
    assert api("GET", "/destinations/new").status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/destinations/nobody"),
        ("DELETE", "/destinations/nobody"),
        ("POST", "/destinations/nobody/test"),
    ],
)
def test_an_unknown_destination_is_a_404(api: Call, method: str, path: str) -> None:
    reply = api(method, path)
    assert reply.status == 404
    assert "GET /destinations" in reply.json["detail"]


def test_a_test_message_that_is_taken_lets_everything_go(cloud: Cloud, api: Call, receiver: Server, held: Held) -> None:
    receiver.says(b"ok")
    task = held()
    cloud.ledger.died("ops", "2", reason="HTTP 410", code=None, now=time.time() - 60)
    assert api("GET", "/destinations/ops").json.items() >= {"state": "dead", "held": 1}.items()
    reply = api("POST", "/destinations/ops/test")
    assert (reply.status, reply.json["verdict"], reply.json["released"]) == (202, "delivered", 1)
    assert json.loads(receiver.got[0]["body"])["type"] == "taskhook.test"
    assert cloud.messages("TasksQueue") == [{"id": task.id, "watch": 2}]
    assert cloud.task(task.id).deliveries["ops"] == Delivery(attempts=12)
    assert cloud.is_listed_open(task.id)
    assert api("GET", "/destinations/ops").json.items() >= {"state": "ok", "held": 0}.items()


def test_a_test_message_that_is_refused_says_why_in_both_languages(
    cloud: Cloud, api: Call, receiver: Server, held: Held
) -> None:
    receiver.says(b"/s3cr3t-path is gone", status=410)
    held()
    reply = api("POST", "/destinations/ops/test")
    assert (reply.status, reply.json["verdict"], reply.json["status"], reply.json["released"]) == (202, "dead", 410, 0)
    assert "gone for good" in reply.json["detail"]
    assert "永久失效" in reply.json["detail_zh"]
    assert "s3cr3t" not in reply.text
    assert cloud.messages("TasksQueue") == []


def test_a_destination_that_cannot_work_as_it_is_stored_is_a_409(cloud: Cloud, api: Call) -> None:
    cloud.put("destinations/bad", {"type": "webhook", "url": 7})
    reply = api("POST", "/destinations/bad/test")
    assert reply.status == 409
    assert '"url"' in reply.json["detail"]


def test_held_news_goes_out_on_request_after_a_dry_run(cloud: Cloud, api: Call, held: Held) -> None:
    tasks = sorted(held(name).id for name in ("a", "b"))
    dry = api("POST", "/destinations/ops/deliveries", {"dry_run": True})
    assert (dry.status, sorted(dry.json["tasks"]), dry.json["dry_run"]) == (202, tasks, True)
    assert cloud.messages("TasksQueue") == []
    wet = api("POST", "/destinations/ops/deliveries", {"since": "2026-01-01T00:00:00Z"})
    assert (wet.json["count"], sorted(wet.json["tasks"])) == (2, tasks)
    assert sorted(one["id"] for one in cloud.messages("TasksQueue")) == tasks
    assert api("POST", "/destinations/ops/deliveries").json["count"] == 0


def test_one_delivery_is_made_again(cloud: Cloud, api: Call, held: Held) -> None:
    task = held()
    reply = api("POST", f"/tasks/{task.id}/deliveries/ops")
    assert (reply.status, reply.json["destination"], reply.json["state"]) == (202, "ops", "pending")
    assert cloud.messages("TasksQueue") == [{"id": task.id, "watch": 2}]
    assert cloud.task(task.id).deliveries["ops"].forced


def test_a_delivery_that_cannot_be_made_again_is_a_problem(api: Call, held: Held) -> None:
    assert api("POST", f"/tasks/{held().id}/deliveries/nobody").status == 404
    assert api("POST", f"/tasks/{'a' * 26}/deliveries/ops").status == 404
    running = held("running", state=State.RUNNING)
    reply = api("POST", f"/tasks/{running.id}/deliveries/ops")
    assert reply.status == 409
    assert "'running'" in reply.json["detail"]


def test_every_attempt_is_listed_with_what_was_answered(cloud: Cloud, api: Call, held: Held) -> None:
    now = round(time.time(), 3)
    refused = Attempt(
        at=now, verdict="dead", status=410, seconds=0.2, detail="HTTP 410: gone", event="task.succeeded",
        code="HTTP 410", detail_zh="HTTP 410：没了",
    )  # fmt: skip
    silent = Attempt(at=now + 1, verdict="transient", status=None, seconds=10.0, detail="no answer", event="task.lost")
    kept = Delivery(state=DeliveryState.HELD, attempts=2, log=(refused, silent), reason="HTTP 410: gone", first_at=now)
    task = held(deliveries={"ops": kept, "own.example-1": Delivery()})
    cloud.store.save_answer(task, "ops", now, "<b>gone</b>")
    reply = api("GET", f"/tasks/{task.id}/deliveries")
    ops, own = reply.json["deliveries"]
    assert (ops["state"], ops["reason"], ops["attempts"], own["log"]) == ("held", "HTTP 410: gone", 2, [])
    assert [one["answer"] for one in ops["log"]] == ["<b>gone</b>", None]
    assert set(ops["log"][0]) == {
        "at", "event", "verdict", "status", "code", "seconds", "detail", "detail_zh", "answer",
    }  # fmt: skip
    assert ops["log"][0]["detail_zh"] == "HTTP 410：没了"
    assert ops["first_attempt_at"].endswith("Z")
    assert ops["delivered_at"] is None

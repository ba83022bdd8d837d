"""One attempt through the real handler: the table, the key and the queue on moto, the receiver on loopback."""

import base64
import hashlib
import hmac
import io
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from taskhook.states import State
from taskhook.task import Delivery, DeliveryState, Task
from tests.conftest import MakeTask
from tests.integration.conftest import Call, Cloud, Server

KEY = b"s3cr3t-key-of-24-bytes!!"
SECRET = "whsec_" + base64.b64encode(KEY).decode()

type Tell = Callable[..., dict[str, Any]]


@pytest.fixture
def receiver(cloud: Cloud, server: Server) -> Server:
    cloud.overrides["ALLOW_PRIVATE_DESTINATIONS"] = "true"
    cloud.put("destinations/ops", {"type": "webhook", "url": f"{server.url}/s3cr3t-path", "secret": SECRET})
    return server


@pytest.fixture
def ended(cloud: Cloud, make_ended: MakeTask) -> Callable[..., Task]:
    def make(**changes: Any) -> Task:
        task = make_ended(**{"observed_at": round(time.time(), 3), **changes})
        cloud.store.create(task)
        return task

    return make


@pytest.fixture
def tell(cloud: Cloud) -> Tell:
    return lambda task, name="ops", watch=1: cloud.invoke(
        "NotifyFunction", {"id": task.id, "watch": watch, "destination": name}
    )


def test_news_is_signed_sent_and_written_down(cloud: Cloud, receiver: Server, ended: Any, tell: Tell) -> None:
    receiver.says(b"ok")
    task = ended()
    assert tell(task)["done"] is True
    (got,) = receiver.got
    headers = {name.lower(): value for name, value in got["headers"].items()}
    assert headers["webhook-id"] == task.news_id
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + got["body"]
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    news = json.loads(got["body"])
    assert (news["type"], news["data"]) == ("task.succeeded", task.news())
    after = cloud.task(task.id)
    assert after.deliveries["ops"].state is DeliveryState.DELIVERED
    assert not cloud.is_listed_open(task.id)


def test_a_destination_of_the_tasks_own_is_opened_and_told(
    cloud: Cloud, receiver: Server, api: Call, tell: Tell
) -> None:
    receiver.says(b"ok")
    own = {"type": "webhook", "url": f"{receiver.url}/own", "headers": {"X-Token": "s3cr3t"}}
    body = {"provider": "tencent.bm", "task_id": 7, "notify": [own]}
    task = cloud.task(api("POST", "/tasks", body).json["id"])
    cloud.store.save_look(replace(task, state=State.FAILED, observed_at=time.time()))
    (name,) = task.deliveries
    assert tell(task, name)["done"] is True
    (got,) = receiver.got
    assert (got["path"], got["headers"]["X-Token"]) == ("/own", "s3cr3t")


def test_a_sealed_destination_opens_for_its_own_task_only(
    cloud: Cloud, receiver: Server, api: Call, ended: Any, tell: Tell
) -> None:
    own = {"type": "webhook", "url": f"{receiver.url}/own"}
    task = cloud.task(api("POST", "/tasks", {"provider": "tencent.bm", "task_id": 7, "notify": [own]}).json["id"])
    stolen = ended(deliveries=task.deliveries, sealed=task.sealed)
    with pytest.raises(Exception, match="InvalidCiphertext"):
        tell(stolen, next(iter(task.deliveries)))
    assert receiver.got == []


def test_a_broken_receiver_is_tried_again_after_the_time_that_is_written_down(
    cloud: Cloud, receiver: Server, ended: Any, tell: Tell
) -> None:
    receiver.says(b"busy", status=503, Retry_After="30")
    task = ended()
    first = tell(task)
    delivery = cloud.task(task.id).deliveries["ops"]
    assert first["done"] is False
    assert delivery.next_attempt_at == pytest.approx(time.time() + 30, abs=3)
    assert tell(task) == first
    assert len(receiver.got) == 1
    cloud.store.save_delivery(cloud.task(task.id), "ops", replace(delivery, next_attempt_at=time.time() - 1))
    cloud.ledger.works("ops")  # the pause that it has asked for is over
    receiver.answers.clear()
    receiver.says(b"ok")
    assert tell(task)["done"] is True
    assert [one.status for one in cloud.task(task.id).deliveries["ops"].log] == [503, 200]


def test_news_that_nobody_took_is_kept_and_counted(
    cloud: Cloud, receiver: Server, ended: Any, tell: Tell, logs: io.StringIO
) -> None:
    receiver.says(b"gone", status=410)
    task = ended()
    assert tell(task)["done"] is True
    held = cloud.task(task.id).deliveries["ops"]
    assert held.state is DeliveryState.HELD
    assert "410" in (held.reason or "")
    assert [one.task for one in cloud.ledger.held("ops")] == [task.id]
    assert cloud.ledger.standing("ops").dead == "2"
    assert '"news held"' in logs.getvalue()
    assert not cloud.is_listed_open(task.id)


def test_the_last_attempt_that_fails_is_kept(cloud: Cloud, receiver: Server, ended: Any, tell: Tell) -> None:
    cloud.overrides["DELIVERY_ATTEMPTS"] = "3"
    receiver.says(b"", status=500)
    task = ended(deliveries={"ops": Delivery(attempts=2, tries=2)})
    assert tell(task)["done"] is True
    assert [one.task for one in cloud.ledger.held("ops")] == [task.id]


def test_one_destinations_trouble_is_not_anothers(cloud: Cloud, receiver: Server, ended: Any, tell: Tell) -> None:
    receiver.says(b"", status=500)
    task = ended(notify=("ops", "other"))
    cloud.put("destinations/other", {"type": "webhook", "url": f"{receiver.url}/other"})
    assert tell(task)["done"] is False
    receiver.answers.clear()
    receiver.says(b"")
    assert tell(task, "other")["done"] is True
    states = {name: one.state.value for name, one in cloud.task(task.id).deliveries.items()}
    assert states == {"ops": "pending", "other": "delivered"}
    assert cloud.is_listed_open(task.id)


@pytest.mark.parametrize(
    "record", [None, {"type": "webhook", "url": "http://127.0.0.1:1/s3cr3t"}, {"type": "pigeon"}, {"url": 7}]
)
def test_without_the_switch_private_and_broken_destinations_are_given_up(
    cloud: Cloud, ended: Any, tell: Tell, record: Any
) -> None:
    name = "missing" if record is None else "ops"
    if record is not None:
        cloud.put("destinations/ops", record)
    task = ended(notify=(name,))
    assert tell(task, name)["done"] is True
    held = cloud.task(task.id).deliveries[name]
    assert held.state is DeliveryState.HELD
    assert (held.reason or "").startswith(("no destination 'missing'", "destination 'ops': "))
    assert "s3cr3t" not in (held.reason or "")
    assert [one.detail for one in held.log] == [held.reason]


@pytest.mark.parametrize(
    ("changes", "watch"),
    [
        ({"watch": 2}, 1),
        ({"state": State.STOPPED}, 1),
        ({"state": State.RUNNING}, 1),
        ({"deliveries": {"ops": Delivery(state=DeliveryState.DELIVERED)}}, 1),
    ],
)
def test_nothing_is_sent_without_business(receiver: Server, ended: Any, tell: Tell, changes: Any, watch: int) -> None:
    assert tell(ended(**changes), watch=watch)["done"] is True
    assert receiver.got == []


def test_attempts_are_shown_in_words_and_without_secrets(
    receiver: Server, ended: Any, tell: Tell, api: Call, logs: io.StringIO
) -> None:
    receiver.says(f"cannot POST /s3cr3t-path with {SECRET}".encode(), status=500)
    task = ended()
    tell(task)
    reply = api("GET", f"/tasks/{task.id}/deliveries")
    (one,) = reply.json["deliveries"]
    assert one["next_attempt_at"].endswith("Z")
    (attempt,) = one["log"]
    assert (attempt["status"], attempt["verdict"], attempt["event"]) == (500, "transient", "task.succeeded")
    assert attempt["detail"].startswith("HTTP 500")
    assert "not told" in logs.getvalue()
    for text in (reply.text, logs.getvalue()):
        assert "s3cr3t" not in text
        assert SECRET not in text


def test_a_watch_that_only_waits_for_the_next_attempt_is_not_counted_as_dying(
    cloud: Cloud, make_task: MakeTask
) -> None:
    now = time.time()
    waiting = Delivery(attempts=1, next_attempt_at=now + 3600)
    task = make_task(
        state=State.SUCCEEDED,
        submitted_at=now,
        deadline=now + 60,
        observed_at=now,
        restarts=4,
        deliveries={"ops": waiting},
    )
    cloud.store.create(task)
    after = cloud.invoke("NotifyFunction", {"id": task.id, "watch": task.watch, "destination": "ops"})
    assert after["done"] is False
    assert (cloud.task(task.id).restarts, cloud.task(task.id).deliveries["ops"]) == (0, waiting)


# --- bad input, and an outside that is out of order ------------------------------------------------------------------


def test_a_table_that_refuses_breaks_the_invocation_and_the_state_machine_repeats_it(
    cloud: Cloud, receiver: Server, ended: Any, tell: Tell
) -> None:
    receiver.says(b"ok")
    task = ended()
    table = cloud.made["Tasks"]
    cloud.overrides["TABLE"] = "no-such-table"
    with pytest.raises(Exception, match="ResourceNotFound"):
        tell(task)
    assert receiver.got == []
    cloud.overrides["TABLE"] = table
    assert tell(task)["done"] is True
    assert len(receiver.got) == 1


def test_a_queue_that_refuses_does_not_repeat_what_was_taken(
    cloud: Cloud, receiver: Server, ended: Any, tell: Tell
) -> None:
    receiver.says(b"ok")
    held = ended(task_id="held", deliveries={"ops": Delivery(state=DeliveryState.HELD)})
    cloud.ledger.hold("ops", held.id, version="1", now=time.time())
    task = ended()
    cloud.overrides["TASKS_QUEUE"] = "https://sqs.eu-central-1.amazonaws.com/123456789012/no-such-queue"
    with pytest.raises(Exception, match="NonExistentQueue"):
        tell(task)
    assert tell(task)["done"] is True
    assert len(receiver.got) == 1
    # What was kept is open again, so that the reconciler starts it.
    assert cloud.is_listed_open(held.id)


def test_an_escalated_delivery_is_one_of_a_new_watch(cloud: Cloud, receiver: Server, ended: Any, tell: Tell) -> None:
    receiver.says(b"gone", status=410)
    cloud.put(
        "destinations/ops",
        {"type": "webhook", "url": f"{receiver.url}/x", "escalate": {"to": "default", "after_seconds": 600}},
    )
    task = ended()
    assert tell(task)["done"] is True
    after = cloud.task(task.id)
    assert {name: one.state.value for name, one in after.deliveries.items()} == {"ops": "held", "default": "pending"}
    assert cloud.messages("TasksQueue") == [{"id": task.id, "watch": 2}]
    assert cloud.is_listed_open(task.id)


def test_what_a_receiver_answered_is_shown_without_secrets(receiver: Server, ended: Any, tell: Tell, api: Call) -> None:
    receiver.says(b"cannot POST /s3cr3t-path " + b"x" * 9000, status=500)
    task = ended()
    tell(task)
    ((attempt,),) = (one["log"] for one in api("GET", f"/tasks/{task.id}/deliveries").json["deliveries"])
    assert attempt["answer"].startswith("cannot POST ***")
    assert len(attempt["answer"]) == 4096


# --- progress --------------------------------------------------------------------------------------------------------


def record(task: Task, name: str = "ops") -> dict[str, Any]:
    return {"Records": [{"messageId": "1", "body": json.dumps({"id": task.id, "destination": name})}]}


def test_how_a_task_goes_on_is_shown_to_who_asked(cloud: Cloud, receiver: Server, ended: Any) -> None:
    receiver.says(b"ok")
    cloud.put("destinations/ops", {"type": "webhook", "url": f"{receiver.url}/x", "progress": True})
    task = ended(state=State.RUNNING, observed_at=None, progress=0.5)
    assert cloud.invoke("NotifyFunction", record(task)) == {}
    (got,) = receiver.got
    assert json.loads(got["body"])["data"]["progress"] == 0.5
    assert cloud.task(task.id) == task


@pytest.mark.parametrize("status", [500, 410])
def test_what_cannot_be_shown_is_no_trouble(cloud: Cloud, receiver: Server, ended: Any, status: int) -> None:
    receiver.says(b"no", status=status)
    cloud.put("destinations/ops", {"type": "webhook", "url": f"{receiver.url}/x", "progress": True})
    task = ended(state=State.RUNNING, observed_at=None)
    assert cloud.invoke("NotifyFunction", record(task)) == {}
    assert cloud.ledger.held("ops") == []
    assert cloud.task(task.id) == task


def test_progress_of_a_task_that_has_ended_is_not_shown(cloud: Cloud, receiver: Server, ended: Any) -> None:
    cloud.put("destinations/ops", {"type": "webhook", "url": f"{receiver.url}/x", "progress": True})
    assert cloud.invoke("NotifyFunction", record(ended())) == {}
    assert receiver.got == []

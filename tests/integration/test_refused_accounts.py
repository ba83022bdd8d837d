"""A refused account through the real handlers: told once, waited for, resumed; the table and the queue on moto."""

import io
import time
from collections.abc import Callable
from typing import Any

import pytest

from taskhook.states import State
from taskhook.task import Delivery, DeliveryState, Task
from tests.conftest import MakeTask
from tests.integration.conftest import TENCENT, Cloud, Context, Server

REFUSED = {"Response": {"Error": {"Code": "AuthFailure.SecretIdNotFound", "Message": "no such key"}}}
DONE = {"Response": {"Status": 0, "RequestId": "r"}}

type Look = Callable[[str], dict[str, Any]]


@pytest.fixture
def provider(cloud: Cloud, server: Server) -> Server:
    cloud.overrides["ALLOW_INSECURE_ENDPOINTS"] = "true"
    cloud.put("accounts/tencent", {**TENCENT, "endpoints": {"clb": server.url}})
    return server


@pytest.fixture
def stored(cloud: Cloud, make_task: MakeTask) -> Callable[..., Task]:
    def make(task_id: str, **changes: Any) -> Task:
        now = round(time.time(), 3)
        task = make_task(task_id=task_id, submitted_at=now, deadline=now + 3600, watch_since=now, **changes)
        cloud.store.create(task)
        return task

    return make


@pytest.fixture
def look(cloud: Cloud) -> Look:
    """Looks of one process, which remembers; a new one where a test asks for the function again."""
    app = cloud.function("PollFunction")
    return lambda id: app.handler({"id": id, "watch": cloud.task(id).watch}, Context())


def replaced(cloud: Cloud, server: Server) -> None:
    cloud.put("accounts/tencent", {**TENCENT, "secret_id": "AKIDNEW", "endpoints": {"clb": server.url}})


def test_one_task_tells_and_the_others_wait(
    cloud: Cloud, provider: Server, stored: Callable[..., Task], look: Look
) -> None:
    provider.says(REFUSED)
    first, *others = [stored(f"task-{number}") for number in range(10)]
    assert look(first.id)["done"] is True
    asked = len(provider.got)
    assert not any(look(one.id)["done"] for one in others)
    assert len(provider.got) == asked
    assert cloud.task(first.id).state is State.LOST
    for one in others:
        waiting = cloud.task(one.id)
        assert (waiting.state, waiting.polls) == (State.RUNNING, 0)
        assert waiting.error is not None
        assert waiting.error.hint is not None
        assert "go on by themselves" in waiting.error.hint


def test_another_process_asks_once_and_tells_nobody(
    cloud: Cloud, provider: Server, stored: Callable[..., Task], look: Look
) -> None:
    provider.says(REFUSED)
    first, other = stored("first"), stored("other")
    look(first.id)
    cloud.invoke("PollFunction", {"id": other.id, "watch": 1})
    assert cloud.task(other.id).state is State.RUNNING


def test_a_look_that_was_repeated_tells_all_the_same(
    cloud: Cloud, provider: Server, stored: Callable[..., Task]
) -> None:
    provider.says(REFUSED)
    task = stored("first")
    version = cloud.client("ssm").get_parameter(Name=f"/{cloud.stack}/accounts/tencent")["Parameter"]["Version"]
    assert cloud.store.refuse_account("tencent", str(version), task=task.id, now=time.time())
    assert cloud.invoke("PollFunction", {"id": task.id, "watch": 1})["done"] is True
    assert cloud.task(task.id).state is State.LOST


def test_a_new_credential_lets_all_of_them_go_on(
    cloud: Cloud, provider: Server, stored: Callable[..., Task], look: Look
) -> None:
    for answer in (REFUSED, REFUSED, DONE):
        provider.says(answer)
    first, other = stored("first"), stored("other")
    look(first.id)
    look(other.id)
    cloud.client("dynamodb").update_item(
        TableName=cloud.made["Tasks"],
        Key={"id": {"S": first.id}},
        UpdateExpression="SET deliveries.ops = :told",
        ExpressionAttributeValues={":told": {"M": {"state": {"S": "delivered"}, "attempts": {"N": "1"}}}},
    )
    replaced(cloud, provider)
    assert cloud.invoke("PollFunction", {"id": other.id, "watch": 1})["done"] is True
    assert cloud.task(other.id).state is State.SUCCEEDED
    again = cloud.task(first.id)
    assert (again.state, again.watch, again.deliveries["ops"].state) == (State.RUNNING, 2, DeliveryState.PENDING)
    assert cloud.messages("TasksQueue") == [{"id": first.id, "watch": 2}]
    assert list(cloud.store.refused_accounts()) == []
    assert cloud.invoke("PollFunction", {"id": first.id, "watch": 2})["done"] is True
    assert cloud.task(first.id).state is State.SUCCEEDED


def test_the_reconciler_sees_the_new_credential_where_no_other_task_is_left_to_see_it(
    cloud: Cloud, provider: Server, stored: Callable[..., Task], look: Look
) -> None:
    provider.says(REFUSED)
    task = stored("only", deliveries={"ops": Delivery(state=DeliveryState.DELIVERED)})
    look(task.id)
    assert [one.name for one in cloud.store.refused_accounts()] == ["tencent"]
    assert cloud.invoke("ReconcileFunction", {"source": "aws.events"})["revived"] == 0
    replaced(cloud, provider)
    event = {"source": "aws.ssm", "detail-type": "Parameter Store Change", "detail": {"operation": "Update"}}
    assert cloud.invoke("ReconcileFunction", event)["revived"] == 1
    assert cloud.task(task.id).state is State.RUNNING
    assert cloud.messages("TasksQueue") == [{"id": task.id, "watch": 2}]
    assert cloud.invoke("ReconcileFunction", event)["revived"] == 0


def test_an_account_that_is_deleted_pauses_its_tasks_until_it_is_stored_again(
    cloud: Cloud, provider: Server, stored: Callable[..., Task], look: Look
) -> None:
    provider.says(DONE)
    first, other = stored("first"), stored("other")
    cloud.client("ssm").delete_parameter(Name=f"/{cloud.stack}/accounts/tencent")
    assert look(first.id)["done"] is True
    assert look(other.id)["done"] is False
    assert cloud.task(first.id).state is State.LOST
    replaced(cloud, provider)
    assert cloud.invoke("ReconcileFunction", {"all": True})["revived"] >= 1
    assert cloud.task(first.id).state is State.RUNNING


def test_the_refusal_is_told_of_again_after_a_day(cloud: Cloud) -> None:
    now = time.time()
    assert cloud.store.refuse_account("tencent", "1", task="a", now=now - 90_000)
    assert cloud.store.refuse_account("tencent", "1", task="b", now=now)
    assert not cloud.store.refuse_account("tencent", "1", task="c", now=now)
    assert cloud.store.restore_account("tencent") == ["a", "b"]
    assert cloud.store.restore_account("tencent") == []


def test_the_event_that_rings_the_alarm_is_logged_once_and_without_secrets(
    template: dict[str, Any], cloud: Cloud, provider: Server, stored: Callable[..., Task], look: Look, logs: io.StringIO
) -> None:
    provider.says(REFUSED)
    for number in range(3):
        look(stored(f"task-{number}").id)
    event = template["Resources"]["RefusedAccounts"]["Properties"]["FilterPattern"].split('"')[1]
    assert len({line for line in logs.getvalue().splitlines() if f'"{event}"' in line}) == 1
    assert "s3cr3t" not in logs.getvalue()
    assert "AKIDEXAMPLE" not in logs.getvalue()

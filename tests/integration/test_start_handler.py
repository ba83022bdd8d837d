"""From the queue into executions: each message for itself."""

import json
from typing import Any

import pytest

from tests.integration.conftest import Cloud

A, B = "a" * 26, "b" * 26


def event(*bodies: Any) -> dict[str, Any]:
    """As SQS sends it; a text is a message that is not ours."""
    records = [
        {
            "messageId": f"m-{number}",
            "body": body if isinstance(body, str) else json.dumps(body),
            "eventSource": "aws:sqs",
        }
        for number, body in enumerate(bodies)
    ]
    return {"Records": records}


def failed(answer: dict[str, Any]) -> list[str]:
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


def test_each_message_starts_one_execution_named_after_the_watch(cloud: Cloud) -> None:
    answer = cloud.invoke("StartFunction", event({"id": A, "watch": 1}, {"id": B, "watch": 3}))
    assert failed(answer) == []
    assert cloud.executions() == [f"{A}-1", f"{B}-3"]


def test_an_execution_begins_with_what_the_machine_reads(cloud: Cloud) -> None:
    cloud.invoke("StartFunction", event({"id": A, "watch": 1}))
    client = cloud.client("stepfunctions")
    (one,) = client.list_executions(stateMachineArn=cloud.made["WatchTask"])["executions"]
    payload = json.loads(client.describe_execution(executionArn=one["executionArn"])["input"])
    assert payload.items() >= {"id": A, "watch": 1, "done": False, "notify": []}.items()


def test_a_message_that_comes_twice_starts_nothing_twice(cloud: Cloud) -> None:
    message = {"id": A, "watch": 1}
    assert failed(cloud.invoke("StartFunction", event(message, message))) == []
    assert failed(cloud.invoke("StartFunction", event(message))) == []
    assert cloud.executions() == [f"{A}-1"]


def test_an_execution_of_that_name_that_was_begun_in_another_way_is_as_good(cloud: Cloud) -> None:
    cloud.client("stepfunctions").start_execution(
        stateMachineArn=cloud.made["WatchTask"], name=f"{A}-1", input='{"begun": "by hand"}'
    )
    assert failed(cloud.invoke("StartFunction", event({"id": A, "watch": 1}))) == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not json",
        "[]",
        "7",
        "null",
        '"text"',
        "[" * 100_000,
        {},
        {"id": A},
        {"watch": 1},
        {"id": None, "watch": 1},
        {"id": 7, "watch": 1},
        {"id": ["x"], "watch": 1},
        {"id": "../../x", "watch": 1},
        {"id": A, "watch": "1"},
        {"id": A, "watch": None},
        {"id": A, "watch": True},
        {"id": A, "watch": 0},
        {"id": A, "watch": 1.5},
        f'{{"id": "{A}", "watch": 1e400}}',
        f'{{"id": "{A}", "watch": Infinity}}',
    ],
)
def test_a_malformed_message_fails_alone(cloud: Cloud, body: Any) -> None:
    answer = cloud.invoke("StartFunction", event({"id": A, "watch": 1}, body, {"id": B, "watch": 1}))
    assert failed(answer) == ["m-1"]
    assert cloud.executions() == [f"{A}-1", f"{B}-1"]


def test_what_cannot_be_started_now_comes_again(cloud: Cloud) -> None:
    cloud.overrides["STATE_MACHINE"] = cloud.made["WatchTask"] + "-gone"
    answer = cloud.invoke("StartFunction", event({"id": A, "watch": 1}, {"id": B, "watch": 1}))
    assert failed(answer) == ["m-0", "m-1"]


def test_what_submit_puts_on_the_queue_is_what_start_takes(cloud: Cloud, api: Any) -> None:
    id = api("POST", "/tasks", {"provider": "tencent.bm", "task_id": 7}).json["id"]
    (message,) = cloud.messages("TasksQueue")
    assert failed(cloud.invoke("StartFunction", event(message))) == []
    assert cloud.executions() == [f"{id}-1"]

"""What could end in silence, and does not: duplicate messages, dead executions, secrets where nobody looks."""

import json
import time

import requests

from local.simulator import ALIBABA, TENCENT
from tests.e2e.conftest import SECRET, World


def test_a_queue_message_delivered_twice_starts_nothing_twice(world: World) -> None:
    task = world.post("tencent.clb", "slow-twice")
    sqs, outputs = world.stack.client("sqs"), world.stack.outputs()
    for _ in range(3):
        sqs.send_message(QueueUrl=outputs["TasksQueueUrl"], MessageBody=json.dumps({"id": task["id"], "watch": 1}))
    after = world.settled(task["id"])
    assert len(world.sim.log.of("slow-twice")) == after["polls"]
    assert len(world.news_of(task["id"])) == 1
    names = [one["name"] for one in _executions(world) if one["name"].startswith(task["id"])]
    assert names == [f"{task['id']}-1"]


def test_an_execution_that_is_aborted_is_replaced(world: World) -> None:
    task = world.post("tencent.clb", "slow-aborted")
    world.wait(task["id"], lambda one: one["polls"] > 0)
    [execution] = [one for one in _executions(world) if one["name"] == f"{task['id']}-1"]
    world.stack.client("stepfunctions").stop_execution(executionArn=execution["executionArn"], cause="a test")
    after = world.settled(task["id"], seconds=60)
    assert after["state"] == "succeeded"
    assert len(world.news_of(task["id"])) == 1


def test_a_task_whose_queue_message_was_lost_is_found_by_the_sweep(world: World) -> None:
    task = world.post("tencent.clb", "forever-sweep")
    world.wait(task["id"], lambda one: one["polls"] > 0)
    table, dynamodb = world.stack.outputs()["TableName"], world.stack.client("dynamodb")
    # As if accepted ten minutes ago by a submit that could not reach the queue.
    dynamodb.update_item(
        TableName=table,
        Key={"id": {"S": task["id"]}},
        UpdateExpression="SET #watch = :new, watch_since = :then",
        ExpressionAttributeNames={"#watch": "watch"},
        ExpressionAttributeValues={":new": {"N": "7"}, ":then": {"N": str(time.time() - 600)}},
    )
    answer = world.stack.client("lambda").invoke(FunctionName=world.stack.outputs()["ReconcileFunction"], Payload=b"{}")
    assert json.loads(answer["Payload"].read())["revived"] >= 1
    world.wait(task["id"], lambda one: one["polls"] > task["polls"] + 1)
    assert [one for one in _executions(world) if one["name"] == f"{task['id']}-8"]


def test_a_poll_function_that_keeps_breaking_ends_in_news(world: World) -> None:
    functions, machine = world.stack.client("lambda"), world.stack.client("stepfunctions")
    [poll] = [
        one["FunctionName"] for one in functions.list_functions()["Functions"] if "PollFunction" in one["FunctionName"]
    ]
    _speed_up(world, 0.02)  # the retries of a broken invocation take minutes
    functions.update_function_configuration(FunctionName=poll, Handler="app.nothing_of_that_name")
    try:
        task = world.post("tencent.clb", "slow-broken", notify=["default", "slack"])
        after = world.settled(task["id"], seconds=100)
    finally:
        functions.update_function_configuration(FunctionName=poll, Handler="app.handler")
        _speed_up(world, 1.0)
    assert after["state"] == "lost"
    assert after["error"]["message"] == "taskhook itself broke while it watched this task"
    assert [one.json["type"] for one in world.news_of(task["id"])] == ["task.lost"]
    assert len(world.slack_of("slow-broken")) == 1
    [execution] = [one for one in _executions(world) if one["name"].startswith(task["id"])]
    assert machine.describe_execution(executionArn=execution["executionArn"])["status"] == "SUCCEEDED"


def _speed_up(world: World, scale: float) -> None:
    setting = {"stepfunctions._SFN_WAIT_SCALE": scale}
    answer = requests.post(f"{world.stack.endpoint}/_ministack/config", json=setting, timeout=10)
    assert answer.status_code == 200, answer.text


def test_no_secret_is_left_in_logs_histories_records_or_answers(world: World) -> None:
    own = {
        "type": "webhook",
        "url": world.rx.url("/hook/gone"),
        "secret": SECRET,
        "headers": {"x-canary": "Kanarienvogel"},
    }
    chats = [
        {"type": "webhook", "url": world.rx.url("/hook/gone?1"), "auth": {"type": "basic", "username": "Kanarienwirt",
                                                                          "password": "Kanarienpass"}},
        {"type": "dingtalk", "url": world.rx.url("/dingtalk/310000?access_token=Kanarientoken"),
         "secret": "SECkanariengeheimnis"},
        {"type": "feishu", "url": world.rx.url("/feishu/19021?Kanarienhook"), "secret": "kanarienschluessel"},
        {"type": "wecom", "url": world.rx.url("/wecom/93000?key=Kanarienkey")},
        {"type": "slack_bot", "url": world.rx.url("/slack-api/invalid_auth/"), "token": "xoxb-Kanarienbot",
         "channel": "C0123456789"},
        {"type": "discord", "url": world.rx.url("/discord/404?Kanarienfunk")},
    ]  # fmt: skip
    world.settled(world.post("tencent.dts", "failing-canary", notify=chats)["id"], seconds=120)
    task = world.post("tencent.clb", "failing-canary", notify=[own, "removed", "drip", "default"])
    world.wait(task["id"], lambda one: sum(d["state"] != "pending" for d in one["deliveries"]) >= 3)
    outputs = world.stack.outputs()
    logs = world.stack.client("logs")
    seen = [json.dumps(world.get(task["id"])), world.call("GET", f"/tasks/{task['id']}/deliveries").text]
    seen += [world.call("GET", "/destinations").text, world.call("POST", "/destinations/gone/test").text]
    for group in ("submit", "start", "poll", "notify", "reconcile"):
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=f"/taskhook/{group}"):
            seen += [event["message"] for event in page["events"]]
    for execution in _executions(world):
        history = world.stack.client("stepfunctions").get_execution_history(executionArn=execution["executionArn"])
        seen.append(json.dumps(history["events"], default=str))
    for page in world.stack.client("dynamodb").get_paginator("scan").paginate(TableName=outputs["TableName"]):
        seen.append(json.dumps(page["Items"], default=str))
    assert len(seen) > 20
    secrets = (SECRET, SECRET.removeprefix("whsec_"), TENCENT.secret, TENCENT.key_id, ALIBABA.secret, ALIBABA.key_id,
               "Kanarien", "kanarien", "/hook/gone", "/slack", "/hook/drip", world.stack.api_key)  # fmt: skip
    found = {secret for secret in secrets for text in seen if secret in text}
    assert not found


def _executions(world: World) -> list[dict[str, str]]:
    pages = (
        world.stack.client("stepfunctions")
        .get_paginator("list_executions")
        .paginate(stateMachineArn=world.stack.outputs()["StateMachineArn"])
    )
    return [one for page in pages for one in page["executions"]]

"""What the emulator has confirmed is there again after SIGKILL, whatever it was doing."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from local.process import free_port
from local.settings import Settings
from local.stack import Stack

type Restart = Callable[[], Stack]


def started(settings: Settings) -> Stack:
    stack = Stack(settings, threading.Event())
    stack.emulator.start()
    stack.emulator.wait_until_ready()
    return stack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """The emulator alone, with one table, saved as after a deployment."""
    stack = started(Settings(home=tmp_path, port=free_port()))
    stack.client("dynamodb").create_table(
        TableName="tasks",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "state")],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_state",
                "KeySchema": [{"AttributeName": "state", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    stack.checkpoint()
    yield stack
    stack.kill()


@pytest.fixture
def restart(stack: Stack) -> Restart:
    """SIGKILL without a moment's notice, and a new start."""

    def _restart() -> Stack:
        stack.kill()
        stack.emulator.start()
        stack.emulator.wait_until_ready()
        return stack

    return _restart


def key(name: str) -> dict[str, Any]:
    return {"pk": {"S": name}, "sk": {"S": "task"}}


def row(name: str, state: str = "queued") -> dict[str, Any]:
    return {**key(name), "state": {"S": state}, "note": {"S": "完成"}, "blob": {"B": b"\x00\xff"}, "n": {"N": "1"}}


def rows(stack: Stack) -> dict[str, str]:
    items = stack.client("dynamodb").scan(TableName="tasks", ConsistentRead=True)["Items"]
    return {item["pk"]["S"]: item["state"]["S"] for item in items}


def test_every_kind_of_write_survives_a_kill(stack: Stack, restart: Restart) -> None:
    table = stack.client("dynamodb")
    for name in ("put", "updated", "deleted", "batch-deleted", "txn-deleted", "txn-updated", "statement"):
        table.put_item(TableName="tasks", Item=row(name))
    change = {
        "UpdateExpression": "SET #s = :s",
        "ExpressionAttributeNames": {"#s": "state"},
        "ExpressionAttributeValues": {":s": {"S": "running"}},
    }
    table.update_item(TableName="tasks", Key=key("updated"), **change)
    table.update_item(TableName="tasks", Key=key("created-by-update"), **change)
    table.delete_item(TableName="tasks", Key=key("deleted"))
    table.batch_write_item(
        RequestItems={
            "tasks": [{"PutRequest": {"Item": row("batch")}}, {"DeleteRequest": {"Key": key("batch-deleted")}}]
        }
    )
    table.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": "tasks", "Item": row("txn")}},
            {"Delete": {"TableName": "tasks", "Key": key("txn-deleted")}},
            {"Update": {"TableName": "tasks", "Key": key("txn-updated"), **change}},
        ]
    )
    table.execute_statement(Statement="""UPDATE tasks SET state='running' WHERE pk='statement' AND sk='task'""")
    before = rows(stack)

    after = restart()

    assert rows(after) == before
    assert before == {
        **dict.fromkeys(("put", "batch", "txn"), "queued"),
        **dict.fromkeys(("updated", "created-by-update", "txn-updated", "statement"), "running"),
    }
    assert after.client("dynamodb").get_item(TableName="tasks", Key=key("put"))["Item"] == row("put")
    found = after.client("dynamodb").query(
        TableName="tasks",
        IndexName="by_state",
        KeyConditionExpression="#s = :s",
        ExpressionAttributeNames={"#s": "state"},
        ExpressionAttributeValues={":s": {"S": "running"}},
    )
    assert found["Count"] == 4


def test_a_refused_write_leaves_nothing(stack: Stack, restart: Restart) -> None:
    table = stack.client("dynamodb")
    table.put_item(TableName="tasks", Item=row("there"))
    with pytest.raises(table.exceptions.TransactionCanceledException):
        table.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": "tasks", "Item": row("new")}},
                {
                    "Put": {
                        "TableName": "tasks",
                        "Item": row("there", "running"),
                        "ConditionExpression": "attribute_not_exists(pk)",
                    }
                },
            ]
        )
    assert rows(restart()) == {"there": "queued"}


def test_writes_during_checkpoints_survive_a_kill_in_the_middle(stack: Stack, restart: Restart) -> None:
    confirmed: dict[str, str] = {}
    stop = threading.Event()

    def write(writer: int) -> None:
        table = stack.client("dynamodb")
        number = 0
        try:
            while True:
                name, state = f"{writer}-{number % 40}", str(number)
                table.put_item(TableName="tasks", Item=row(name, state))
                confirmed[name] = state
                number += 1
        except Exception:  # the kill
            stop.set()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for writer in writers:
        writer.start()
    for _ in range(4):
        stack.checkpoint()
    time.sleep(0.3)
    stack.kill()
    for writer in writers:
        writer.join()
    found = rows(restart())
    # The last write of each may have happened without an answer.
    assert len(confirmed) > 30
    assert {name: state for name, state in confirmed.items() if int(found[name]) < int(state)} == {}


def test_a_torn_line_is_left_out(stack: Stack, restart: Restart) -> None:
    stack.client("dynamodb").put_item(TableName="tasks", Item=row("whole"))
    stack.kill()
    newest = max((stack.settings.home / "state" / "journal").glob("journal-*.jsonl"))
    with newest.open("ab") as file:
        file.write(newest.read_bytes().replace(b"whole", b"other")[:-20])
    assert rows(restart()) == {"whole": "queued"}
    stack.client("dynamodb").put_item(TableName="tasks", Item=row("later"))
    assert rows(restart()) == {"whole": "queued", "later": "queued"}


def test_a_table_that_was_created_again_has_none_of_the_old_items(stack: Stack, restart: Restart) -> None:
    table = stack.client("dynamodb")
    table.put_item(TableName="tasks", Item=row("old"))
    described = table.describe_table(TableName="tasks")["Table"]
    table.delete_table(TableName="tasks")
    table.create_table(
        TableName="tasks",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=described["KeySchema"],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
    )
    table.put_item(TableName="tasks", Item=row("new"))
    stack.checkpoint()
    assert rows(restart()) == {"new": "queued"}


def test_parameters_survive_a_kill_and_the_rest_a_checkpoint(stack: Stack, restart: Restart) -> None:
    keys = stack.client("kms")
    key_id = keys.create_key()["KeyMetadata"]["KeyId"]
    sealed = keys.encrypt(KeyId=key_id, Plaintext=b"secret")["CiphertextBlob"]
    api_key = stack.client("apigateway").create_api_key(name="k", enabled=True)
    stack.client("s3").create_bucket(Bucket="artifacts")
    stack.client("s3").put_object(Bucket="artifacts", Key="a", Body=b"content")
    queue = stack.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    template = {"Resources": {"T": {"Type": "AWS::SQS::Queue"}}}
    stack.client("cloudformation").create_stack(StackName="taskhook", TemplateBody=json.dumps(template))
    while stack.status() != "CREATE_COMPLETE":
        time.sleep(0.05)
    stack.checkpoint()
    parameters = stack.client("ssm")
    for name in ("kept", "removed"):
        parameters.put_parameter(Name=f"/taskhook/{name}", Value="v", Type="SecureString")
    parameters.delete_parameter(Name="/taskhook/removed")

    restart()

    found = parameters.get_parameters_by_path(Path="/taskhook", Recursive=True, WithDecryption=True)["Parameters"]
    assert [(parameter["Name"], parameter["Value"]) for parameter in found] == [("/taskhook/kept", "v")]
    assert keys.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"secret"
    value = stack.client("apigateway").get_api_key(apiKey=api_key["id"], includeValue=True)["value"]
    assert value == api_key["value"]
    assert stack.client("s3").get_object(Bucket="artifacts", Key="a")["Body"].read() == b"content"
    assert stack.client("sqs").send_message(QueueUrl=queue, MessageBody="m")["MessageId"]
    assert stack.status() == "CREATE_COMPLETE"


def runs(pid: int) -> bool:
    """A process that has ended may stay in the table until its adopted parent looks."""
    return bool(psutil.pid_exists(pid)) and bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)


def ends(pid: int, seconds: float = 10.0) -> bool:
    """Killed processes take a moment where the machine is busy."""
    deadline = time.monotonic() + seconds
    while runs(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def code(source: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", source)
    return buffer.getvalue()


def create_function(stack: Stack, name: str, source: str) -> None:
    stack.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role="arn:aws:iam::000000000000:role/r",
        Handler="app.handler",
        Timeout=20,
        Code={"ZipFile": code(source)},
    )


SLOW = """
import os, time
def handler(event, context):
    print("called")
    time.sleep(0.1)
    return os.getpid()
"""


def test_a_function_has_three_processes_at_most_and_they_end_with_the_emulator(stack: Stack, restart: Restart) -> None:
    create_function(stack, "slow", SLOW)
    stack.checkpoint()
    workers: list[int] = []

    def invoke() -> None:
        answer = stack.client("lambda").invoke(FunctionName="slow")
        assert "FunctionError" not in answer
        workers.append(json.load(answer["Payload"]))

    calls = [threading.Thread(target=invoke) for _ in range(12)]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    assert len(workers) == 12
    assert len(set(workers)) == 3
    restart()
    assert all(ends(pid) for pid in set(workers))
    answer = stack.client("lambda").invoke(FunctionName="slow")
    worker = json.load(answer["Payload"])
    stack.emulator.stop()
    assert ends(worker)


RECEIVER = """
import os, boto3
def handler(event, context):
    print("called")
    for record in event["Records"]:
        key = {"pk": {"S": record["body"]}, "sk": {"S": "task"}, "state": {"S": "received"}}
        boto3.client("dynamodb").put_item(TableName="tasks", Item=key)
"""


def test_queues_and_functions_go_on_at_another_port(stack: Stack) -> None:
    queue = stack.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    create_function(stack, "receive", RECEIVER)
    stack.client("lambda").create_event_source_mapping(
        FunctionName="receive", EventSourceArn="arn:aws:sqs:us-east-1:000000000000:q"
    )
    stack.emulator.stop()
    moved = started(Settings(home=stack.settings.home, port=free_port()))
    try:
        moved.client("sqs").send_message(QueueUrl=queue, MessageBody="news")
        deadline = time.monotonic() + 10
        while rows(moved) != {"news": "received"}:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        moved.kill()


PARENT = """
import sys, threading, pathlib
from local.settings import Settings
from local.stack import Stack
stack = Stack(Settings(home=pathlib.Path(sys.argv[1]), port=int(sys.argv[2])), threading.Event())
stack.emulator.start()
stack.emulator.wait_until_ready()
stack.client("sqs").create_queue(QueueName="q")
print(stack.emulator._process.pid, flush=True)
threading.Event().wait()
"""


def test_an_orphan_saves_its_state_and_ends(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-c", PARENT, str(tmp_path), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while runs(pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            pytest.fail("the emulator outlived its parent")
        time.sleep(0.05)
    stack = started(Settings(home=tmp_path, port=port))
    try:
        assert stack.client("sqs").list_queues()["QueueUrls"]
    finally:
        stack.emulator.stop()


def test_it_listens_on_loopback_only_and_nowhere_else(stack: Stack) -> None:
    assert stack.emulator._process is not None
    listening = [
        connection.laddr
        for connection in psutil.Process(stack.emulator._process.pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == [("127.0.0.1", stack.settings.port)]

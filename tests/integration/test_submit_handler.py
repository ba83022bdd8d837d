"""The HTTP API through its real handler: what it answers, what it stores, and that no body makes it answer 5xx."""

import base64
import io
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskhook.api.document import LONGEST_BODY
from taskhook.states import State
from taskhook.task import Delivery, DeliveryState, Task
from tests.integration.conftest import Call, Cloud, Reply
from tests.strategies import json_objects, json_values

CLB = {
    "provider": "tencent.clb",
    "task_id": "55c85074-3e7f-4c6d-864f-673660d4f8de",
    "region": "ap-guangzhou",
    "notify": ["ops"],
    "title": "Create listener",
    "metadata": {"ticket": "OPS-17"},
}
OWN = {
    "type": "webhook",
    "url": "https://hooks.example.com/s3cr3t-path",
    "secret": "whsec_" + base64.b64encode(b"s3cr3t-key-of-24-bytes!!").decode(),
    "headers": {"Authorization": "Bearer s3cr3t-token"},
}
DELIVERED = Delivery(state=DeliveryState.DELIVERED, attempts=1)

slow = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def is_problem(reply: Reply, status: int) -> bool:
    assert reply.status == status
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.json["status"] == status
    assert {"type", "title", "detail"} <= set(reply.json)
    return True


@pytest.fixture
def stored(cloud: Cloud, api: Call) -> Callable[..., Task]:
    """The task of ``CLB``, posted and then changed behind the API's back; nothing is left on the queue."""

    def make(**changes: Any) -> Task:
        posted = cloud.task(api("POST", "/tasks", CLB).json["id"])
        cloud.messages("TasksQueue")
        changed = replace(posted, **changes)
        cloud.store.replace(changed, seen=posted)
        return changed

    return make


# --- accepting -------------------------------------------------------------------------------------------------------


def test_a_task_is_accepted_stored_and_queued(cloud: Cloud, api: Call) -> None:
    reply = api("POST", "/tasks", CLB)
    assert reply.status == 202
    shown = reply.json
    assert reply.headers["Location"] == f"/tasks/{shown['id']}"
    assert (shown["state"], shown["provider"]) == ("queued", "tencent.clb.DescribeTaskStatus")
    assert (shown["account"], shown["polls"], shown["error"]) == ("tencent", 0, None)
    assert [(one["destination"], one["state"]) for one in shown["deliveries"]] == [("ops", "pending")]
    assert shown == cloud.task(shown["id"]).view() == api("GET", f"/tasks/{shown['id']}").json
    assert cloud.messages("TasksQueue") == [{"id": shown["id"], "watch": 1}]
    assert cloud.is_listed_open(shown["id"])


@pytest.mark.parametrize(
    "body",
    [
        {"provider": "tencent.bm", "task_id": 1000123},
        {"provider": "tencent.bm", "task_id": "1000123", "region": "bj"},
        {"provider": "tencent.dts.DescribeAsyncRequestInfo", "task_id": "cafe-babe", "region": "ap-guangzhou"},
        {"provider": "ALIBABA.BDRC", "task_id": "t-0004d9", "region": "cn-shanghai"},
    ],
)
def test_every_provider_is_taken(api: Call, body: dict[str, Any]) -> None:
    reply = api("POST", "/tasks", body)
    assert reply.status == 202
    assert [one["destination"] for one in reply.json["deliveries"]] == ["default"]
    assert reply.json["account"] == reply.json["provider"].split(".")[0]


def test_a_day_is_the_deadline_unless_given(cloud: Cloud, api: Call) -> None:
    usual = cloud.task(api("POST", "/tasks", CLB).json["id"])
    given_one = cloud.task(api("POST", "/tasks", {**CLB, "task_id": "other", "timeout_seconds": 60}).json["id"])
    assert usual.deadline - usual.submitted_at == pytest.approx(86_400)
    assert given_one.deadline - given_one.submitted_at == pytest.approx(60)


def test_a_queue_that_is_out_of_order_does_not_lose_a_task(cloud: Cloud, api: Call) -> None:
    cloud.overrides["TASKS_QUEUE"] = "https://sqs.eu-central-1.amazonaws.com/123456789012/no-such-queue"
    reply = api("POST", "/tasks", CLB)
    assert reply.status == 202
    assert cloud.is_listed_open(reply.json["id"])


def test_a_task_s_own_destination_is_sealed_and_never_shown(cloud: Cloud, api: Call) -> None:
    reply = api("POST", "/tasks", {**CLB, "notify": [OWN]})
    assert reply.status == 202
    task = cloud.task(reply.json["id"])
    (name,) = task.deliveries
    assert name.startswith("webhook-hooks.example.com-")
    everything = json.dumps(cloud.client("dynamodb").scan(TableName=cloud.made["Tasks"])["Items"], default=str)
    assert "s3cr3t" not in everything + reply.text
    opened = cloud.client("kms").decrypt(
        CiphertextBlob=base64.b64decode(task.sealed[name]), EncryptionContext={"task": task.id}
    )
    assert json.loads(opened["Plaintext"]) == OWN


# --- posting again ---------------------------------------------------------------------------------------------------


def test_the_same_task_again_is_known_and_nothing_is_queued(cloud: Cloud, api: Call) -> None:
    first = api("POST", "/tasks", CLB)
    cloud.messages("TasksQueue")
    second = api("POST", "/tasks", {**CLB, "title": "another"})
    assert (second.status, second.json) == (200, first.json)
    assert cloud.messages("TasksQueue") == []


@pytest.mark.parametrize("changed", [{"region": "ap-shanghai"}, {"task_id": "x"}, {"provider": "tencent.dts"}])
def test_another_name_is_another_task(api: Call, changed: dict[str, str]) -> None:
    assert api("POST", "/tasks", CLB).json["id"] != api("POST", "/tasks", {**CLB, **changed}).json["id"]


def test_a_number_and_its_text_are_the_same_task(api: Call) -> None:
    one, two = (api("POST", "/tasks", {"provider": "tencent.bm", "task_id": task_id}) for task_id in (7, " 007 "))
    assert (one.status, two.status, one.json["id"]) == (202, 200, two.json["id"])


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING])
def test_a_new_destination_is_added_while_the_task_is_watched(
    cloud: Cloud, api: Call, stored: Callable[..., Task], state: State
) -> None:
    task = stored(state=state)
    reply = api("POST", "/tasks", {**CLB, "notify": ["default", "ops"]})
    assert reply.status == 200
    assert [one["destination"] for one in reply.json["deliveries"]] == ["default", "ops"]
    assert cloud.task(task.id).watch == 1
    assert cloud.messages("TasksQueue") == []


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.PARTIAL, State.CANCELED])
def test_a_new_destination_is_told_the_end_at_once(
    cloud: Cloud, api: Call, stored: Callable[..., Task], state: State
) -> None:
    task = stored(state=state, observed_at=time.time(), deliveries={"ops": DELIVERED})
    reply = api("POST", "/tasks", {**CLB, "notify": [OWN]})
    after = cloud.task(task.id)
    assert (reply.status, reply.json["state"]) == (200, state.value)
    assert after.deliveries["ops"] == DELIVERED
    assert (len(after.pending), after.watch) == (1, 2)
    assert cloud.messages("TasksQueue") == [{"id": task.id, "watch": 2}]
    assert cloud.is_listed_open(task.id)


def test_a_destination_that_was_given_up_is_told_when_the_task_is_posted_again(
    cloud: Cloud, api: Call, stored: Callable[..., Task]
) -> None:
    given_up = Delivery(state=DeliveryState.HELD, attempts=12)
    task = stored(state=State.SUCCEEDED, observed_at=time.time(), deliveries={"ops": DELIVERED, "default": given_up})
    assert api("POST", "/tasks", {**CLB, "notify": ["default", "ops"]}).status == 200
    after = cloud.task(task.id)
    assert after.pending == ["default"]
    assert after.news_id == task.news_id
    assert cloud.messages("TasksQueue") == [{"id": task.id, "watch": 2}]


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED])
def test_an_ended_task_posted_again_is_left_alone(
    cloud: Cloud, api: Call, stored: Callable[..., Task], state: State
) -> None:
    task = stored(state=state, observed_at=time.time(), deliveries={"ops": DELIVERED})
    assert api("POST", "/tasks", CLB).status == 200
    assert cloud.task(task.id) == task
    assert cloud.messages("TasksQueue") == []


@pytest.mark.parametrize("state", [State.TIMED_OUT, State.LOST, State.STOPPED])
def test_what_we_gave_up_is_watched_again_when_posted_again(
    cloud: Cloud, api: Call, stored: Callable[..., Task], state: State
) -> None:
    task = stored(state=state, observed_at=time.time(), polls=4, deadline=1.0, deliveries={"ops": DELIVERED})
    reply = api("POST", "/tasks", {**CLB, "notify": ["default"], "timeout_seconds": 600})
    after = cloud.task(task.id)
    assert (reply.status, reply.json["state"]) == (200, "queued")
    assert (after.watch, after.error, after.observed_at) == (2, None, None)
    assert sorted(after.pending) == ["default", "ops"]
    assert after.deadline > time.time() + 500
    assert cloud.messages("TasksQueue") == [{"id": task.id, "watch": 2}]
    assert cloud.is_listed_open(task.id)


@pytest.mark.parametrize("state", [State.RUNNING, State.SUCCEEDED, State.LOST])
def test_destinations_of_one_task_do_not_grow_without_end(
    cloud: Cloud, api: Call, stored: Callable[..., Task], state: State
) -> None:
    stored(state=state, observed_at=time.time(), deliveries={"ops": DELIVERED})
    replies = [
        api(
            "POST",
            "/tasks",
            {**CLB, "notify": [{**OWN, "url": f"https://hooks.example.com/{post}/{n}"} for n in range(10)]},
        )
        for post in range(4)
    ]
    assert [reply.status for reply in replies] == [200, 200, 422, 422]
    assert "more than 30" in replies[-1].faults["notify"]


# --- showing and stopping --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["a" * 26, "nonsense", "..", "a" * 5000, "%2e%2e", "é"])
def test_an_unknown_task_is_a_404(api: Call, id: str) -> None:
    for method, path in (("GET", f"/tasks/{id}"), ("DELETE", f"/tasks/{id}"), ("GET", f"/tasks/{id}/deliveries")):
        is_problem(api(method, path), 404)


def test_watching_is_stopped(cloud: Cloud, api: Call) -> None:
    id = api("POST", "/tasks", CLB).json["id"]
    reply = api("DELETE", f"/tasks/{id}")
    assert (reply.status, reply.json["state"], reply.json["next_poll_at"]) == (200, "stopped", None)
    assert not cloud.is_listed_open(id)
    is_problem(api("DELETE", f"/tasks/{id}"), 409)


@pytest.mark.parametrize("state", [state for state in State if state.terminal])
def test_what_has_ended_cannot_be_stopped(api: Call, stored: Callable[..., Task], state: State) -> None:
    task = stored(state=state, observed_at=1.0)
    reply = api("DELETE", f"/tasks/{task.id}")
    assert is_problem(reply, 409)
    assert f"'{state.value}'" in reply.json["detail"]


def test_attempts_are_listed_by_destination(cloud: Cloud, api: Call) -> None:
    id = api("POST", "/tasks", {**CLB, "notify": ["ops", "default"]}).json["id"]
    reply = api("GET", f"/tasks/{id}/deliveries")
    assert [one["destination"] for one in reply.json["deliveries"]] == ["default", "ops"]
    assert reply.json["deliveries"][0] == {
        "destination": "default", "state": "pending", "reason": None, "attempts": 0, "next_attempt_at": None,
        "first_attempt_at": None, "delivered_at": None, "log": [],
    }  # fmt: skip


def test_health_and_page_need_nothing(api: Call) -> None:
    assert api("GET", "/health").json["status"] == "ok"
    page = api("GET", "/")
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("PATCH", "/tasks"), ("POST", "/tasks/x/y/z")])
def test_what_is_not_there_is_a_problem(api: Call, method: str, path: str) -> None:
    assert api(method, path).status in (404, 405)


# --- refusing --------------------------------------------------------------------------------------------------------


def test_all_faults_come_at_once_with_their_fields(cloud: Cloud, api: Call) -> None:
    body = {
        "provider": "tencent.cbl",
        "task_id": None,
        "region": "evil.example.com",
        "account": "nobody",
        "notify": ["nobody", {"type": "webhook", "url": "https://169.254.169.254/s3cr3t"}],
        "timeout_seconds": "soon",
        "title": "x" * 201,
        "metadata": {"a": "x" * 9000},
        "colour": "red",
    }
    reply = api("POST", "/tasks", body)
    assert is_problem(reply, 422)
    assert set(reply.faults) == {
        "provider", "task_id", "region", "account", "notify[0]", "notify[1].url", "timeout_seconds", "title",
        "metadata", "colour",
    }  # fmt: skip
    assert "s3cr3t" not in reply.text
    assert cloud.client("dynamodb").scan(TableName=cloud.made["Tasks"])["Count"] == 0
    assert cloud.messages("TasksQueue") == []


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"account": "nobody"}, "account", "no account 'nobody' is configured"),
        ({"account": "alibaba"}, "account", "is an account of alibaba"),
        ({"notify": ["nobody"]}, "notify[0]", "no destination 'nobody' is configured"),
        ({"provider": "tencent.cbl"}, "provider", "did you mean tencent.clb"),
        ({"region": None}, "region", "is required by"),
    ],
)
def test_what_is_not_configured_is_a_fault(api: Call, changes: dict[str, Any], field: str, said: str) -> None:
    assert said in api("POST", "/tasks", {**CLB, **changes}).faults[field]


def test_an_account_that_cannot_work_is_a_fault_without_its_secrets(cloud: Cloud, api: Call) -> None:
    cloud.put("accounts/broken", {"cloud": "tencent", "secret_id": "AKIDEXAMPLE", "secret_kee": "s3cr3t"})
    reply = api("POST", "/tasks", {**CLB, "account": "broken"})
    assert '"secret_key"' in reply.faults["account"]
    assert "s3cr3t" not in reply.text
    assert "AKID" not in reply.text


@pytest.mark.parametrize("size", [LONGEST_BODY + 1, 2 * LONGEST_BODY])
def test_a_body_over_64_kib_is_a_413(api: Call, size: int) -> None:
    assert is_problem(api("POST", "/tasks", "x" * size), 413)


@pytest.mark.parametrize("body", [None, "", "{", "provider=x", "[]", '"x"', "7", "null", "true", '{"a": NaN}'])
def test_what_is_no_json_object_is_a_400(api: Call, body: str | None) -> None:
    assert is_problem(api("POST", "/tasks", body), 400)


@pytest.mark.parametrize("levels", [100, 1500, 5000, 20_000])
def test_absurd_nesting_is_a_400(api: Call, levels: int) -> None:
    body = json.dumps(CLB)[:-1] + ', "metadata": {"a": ' + "[" * levels + "]" * levels + "}}"
    assert is_problem(api("POST", "/tasks", body), 400)


@pytest.mark.parametrize("nested", [20, 60])
def test_metadata_that_nests_sensibly_is_kept(cloud: Cloud, api: Call, nested: int) -> None:
    value: Any = 0
    for _ in range(nested):
        value = [value]
    reply = api("POST", "/tasks", {**CLB, "metadata": {"a": value}})
    assert reply.status == 202
    assert cloud.task(reply.json["id"]).metadata == {"a": value}


@pytest.mark.parametrize("raw", [b"\xff\xfe", b'{"title": "\xed\xa0\x80"}'])
def test_bytes_that_are_no_text_are_a_400(api: Call, raw: bytes) -> None:
    assert is_problem(api("POST", "/tasks", base64.b64encode(raw).decode(), encoded=True), 400)


@pytest.mark.parametrize("body", ["not base64!", "====", "é"])
def test_what_is_said_to_be_base64_and_is_not_is_a_400(api: Call, body: str) -> None:
    assert is_problem(api("POST", "/tasks", body, encoded=True), 400)


def test_a_long_destination_is_refused_before_it_is_sealed(api: Call) -> None:
    url = "https://hooks.example.com/" + "x" * 2000
    keys = " ".join("whsec_" + base64.b64encode(bytes([number]) * 64).decode() for number in range(10))
    long = {**OWN, "url": url, "secret": keys, "headers": {f"x-{n}": "v" * 180 for n in range(20)}}
    assert api("POST", "/tasks", {**CLB, "notify": [long]}).status == 422
    assert api("POST", "/tasks", {**CLB, "notify": [{**OWN, "url": url}]}).status == 202


@pytest.mark.timeout(10)
def test_a_body_full_of_faults_is_answered_in_time_and_in_size(api: Call) -> None:
    names = {f"{number:x}": 0 for number in range(6000)}
    reply = api("POST", "/tasks", names)
    assert reply.status == 422
    assert len(reply.text) < 6 * 1024 * 1024


@given(raw=st.binary(max_size=200))
@slow
def test_no_bytes_make_it_answer_5xx(shared_api: Call, raw: bytes) -> None:
    assert shared_api("POST", "/tasks", base64.b64encode(raw).decode(), encoded=True).status in (400, 422)


@given(value=json_values | json_objects)
@slow
def test_no_json_makes_it_answer_5xx(shared_api: Call, value: Any) -> None:
    assert shared_api("POST", "/tasks", json.dumps(value)).status in (400, 422)


@given(
    field=st.sampled_from([*CLB, "account", "timeout_seconds", "another"]),
    value=json_values,
    own=st.none() | st.tuples(st.sampled_from([*OWN, "another"]), json_values),
)
@slow
def test_no_body_that_is_nearly_right_makes_it_answer_5xx(
    shared_api: Call, field: str, value: Any, own: tuple[str, Any] | None
) -> None:
    body = {**CLB, field: value}
    if own is not None:
        body["notify"] = [{**OWN, own[0]: own[1]}]
    reply = shared_api("POST", "/tasks", json.dumps(body))
    assert reply.status in (200, 202, 400, 422)
    assert "s3cr3t" not in reply.text


@given(task_id=st.text(max_size=150), title=st.text(max_size=210), metadata=json_objects)
@slow
def test_what_is_accepted_can_be_shown_and_stopped(
    shared_api: Call, task_id: str, title: str, metadata: dict[str, Any]
) -> None:
    body = {**CLB, "task_id": task_id, "title": title, "metadata": metadata}
    reply = shared_api("POST", "/tasks", json.dumps(body))
    assert reply.status in (200, 202, 422)
    if reply.status != 422:
        shown = shared_api("GET", f"/tasks/{reply.json['id']}")
        assert shown.json == reply.json
        assert reply.status == 200 or shown.json["metadata"] == metadata


# --- when we are at fault --------------------------------------------------------------------------------------------


def test_a_table_that_is_out_of_order_is_a_500_that_says_so_and_nothing_else(cloud: Cloud, api: Call) -> None:
    cloud.overrides["TABLE"] = "no-such-table"
    reply = api("POST", "/tasks", CLB)
    assert is_problem(reply, 500)
    assert "no-such-table" not in reply.text


def test_secrets_are_neither_logged_nor_answered(cloud: Cloud, api: Call, logs: io.StringIO) -> None:
    replies = [
        api("POST", "/tasks", {**CLB, "notify": ["ops", OWN]}),
        api("POST", "/tasks", {**CLB, "notify": [{**OWN, "url": "http://10.0.0.1/s3cr3t"}]}),
        api("POST", "/tasks", {**CLB, "notify": [{**OWN, "secret": "s3cr3t"}]}),
        api("POST", "/tasks", {**CLB, "notify": [{**OWN, "type": "slack"}]}),
    ]
    replies.append(api("GET", f"/tasks/{replies[0].json['id']}"))
    replies.append(api("DELETE", f"/tasks/{replies[0].json['id']}"))
    cloud.overrides["TABLE"] = "no-such-table"
    replies.append(api("POST", "/tasks", {**CLB, "notify": [OWN]}))
    assert [reply.status for reply in replies] == [202, 422, 422, 422, 200, 200, 500]
    assert "answered" in logs.getvalue()
    assert not any("s3cr3t" in text for text in [logs.getvalue(), *(reply.text for reply in replies)])


def test_the_log_is_one_json_object_per_line(api: Call, logs: io.StringIO) -> None:
    api("POST", "/tasks", CLB)
    lines = [json.loads(line) for line in logs.getvalue().splitlines()]
    assert {line["message"] for line in lines} >= {"accepted", "answered"}

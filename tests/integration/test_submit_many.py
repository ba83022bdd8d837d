"""Many tasks in one call, calls that are repeated, and keys that may not do everything."""

import io
import json
import random
import string
import threading
from typing import Any

import pytest

from taskhook.api.door import LONGEST_BATCH
from taskhook.states import State
from tests.integration.conftest import Call, Cloud

CLB = {"provider": "tencent.clb", "task_id": "t-1", "region": "ap-guangzhou", "notify": ["ops"]}
OWN = {"type": "webhook", "url": "https://hooks.example.com/s3cr3t-path"}


def batch(api: Call, *tasks: Any, **more: Any) -> Any:
    return api("POST", "/tasks/batch", {"tasks": list(tasks)}, **more)


# --- many ------------------------------------------------------------------------------------------------------------


def test_each_task_is_taken_or_refused_on_its_own_in_the_order_of_the_request(cloud: Cloud, api: Call) -> None:
    answer = batch(api, CLB, {**CLB, "task_id": "t-2", "region": "mars-1"}, CLB, {})
    assert answer.status == 207
    assert [one["status"] for one in answer.json["results"]] == [202, 422, 200, 422]
    first, second, third, fourth = answer.json["results"]
    assert first["task"]["id"] == third["task"]["id"]
    assert [one["field"] for one in second["problem"]["errors"]] == ["region"]
    assert {one["field"] for one in fourth["problem"]["errors"]} >= {"provider", "task_id"}
    assert cloud.messages("TasksQueue") == [{"id": first["task"]["id"], "watch": 1}]


@pytest.mark.parametrize("one", [1, None, "x", [], True])
def test_what_is_no_task_at_all_is_refused_on_its_own_too(api: Call, one: Any) -> None:
    answer = batch(api, one, CLB)
    assert [result["status"] for result in answer.json["results"]] == [422, 202]
    assert answer.json["results"][0]["problem"]["errors"][0]["field"] == ""


def test_a_hundred_tasks_are_taken_and_more_are_not(api: Call) -> None:
    tasks = [{**CLB, "task_id": f"t-{number}"} for number in range(101)]
    answer = batch(api, *tasks[:100])
    assert {one["status"] for one in answer.json["results"]} == {202}
    refused = batch(api, *tasks)
    assert (refused.status, list(refused.faults)) == (422, ["tasks"])


@pytest.mark.parametrize(
    ("body", "fields"),
    [({}, ["tasks"]), ({"tasks": []}, ["tasks"]), ({"tasks": {}}, ["tasks"]),
     ({"tasks": None}, ["tasks"]), ({"task": [], "tasks": [CLB]}, ["task"])],
)  # fmt: skip
def test_what_is_no_list_of_tasks_is_refused_whole(cloud: Cloud, api: Call, body: Any, fields: list[str]) -> None:
    refused = api("POST", "/tasks/batch", body)
    assert refused.status == 422
    assert list(refused.faults) == fields
    assert not cloud.messages("TasksQueue")


def test_a_body_of_many_may_be_longer_but_not_endless(api: Call) -> None:
    tasks = [{**CLB, "task_id": f"t-{number}", "metadata": {"a": "x" * 8000}} for number in range(60)]
    assert batch(api, *tasks[:20]).status == 207
    padding = " " * LONGEST_BATCH
    assert api("POST", "/tasks/batch", json.dumps({"tasks": [CLB]}) + padding).status == 413


def test_a_field_given_twice_in_one_of_many_is_the_fault_of_that_one(api: Call) -> None:
    body = '{"tasks": [{"provider": "a", "provider": "tencent.clb", "task_id": "x", "region": "ap-guangzhou"}]}'
    (result,) = api("POST", "/tasks/batch", body).json["results"]
    assert [one["field"] for one in result["problem"]["errors"]] == ["provider"]


# --- once only -------------------------------------------------------------------------------------------------------


def test_a_call_that_is_repeated_answers_what_the_first_one_did(cloud: Cloud, api: Call) -> None:
    first = api("POST", "/tasks", CLB, headers={"Idempotency-Key": "k-1"})
    again = api("POST", "/tasks", CLB, headers={"idempotency-key": "k-1"})
    assert (first.status, again.status, again.json, again.headers["Location"]) == (
        202, 202, first.json, first.headers["Location"],
    )  # fmt: skip
    assert len(cloud.messages("TasksQueue")) == 1


def test_a_repeated_call_with_another_body_is_refused(api: Call) -> None:
    api("POST", "/tasks", CLB, headers={"Idempotency-Key": "k-2"})
    refused = api("POST", "/tasks", {**CLB, "title": "x"}, headers={"Idempotency-Key": "k-2"})
    assert (refused.status, list(refused.faults)) == (422, ["Idempotency-Key"])


def test_what_was_refused_may_be_mended_under_the_same_name(api: Call) -> None:
    headers = {"Idempotency-Key": "k-3"}
    assert api("POST", "/tasks", {**CLB, "region": "mars-1"}, headers=headers).status == 422
    assert api("POST", "/tasks", CLB, headers=headers).status == 202


def test_names_belong_to_a_key_and_a_call(cloud: Cloud, api: Call) -> None:
    cloud.put("keys/k1", {"name": "a"})
    headers = {"Idempotency-Key": "k-4"}
    assert api("POST", "/tasks", CLB, headers=headers).status == 202
    assert api("POST", "/tasks", {**CLB, "title": "x"}, headers=headers, key="k1").status == 200
    assert batch(api, {**CLB, "task_id": "t-9"}, headers=headers).status == 207
    again = batch(api, {**CLB, "task_id": "t-9"}, headers=headers)
    assert [one["status"] for one in again.json["results"]] == [202]


def test_the_answer_to_a_large_batch_is_kept_like_any_other(api: Call) -> None:
    tasks = [{**CLB, "task_id": f"t-{number}", "metadata": {"a": "x" * 8000}} for number in range(60)]
    first = batch(api, *tasks, headers={"Idempotency-Key": "k-7"})
    again = batch(api, *tasks, headers={"Idempotency-Key": "k-7"})
    assert (again.status, again.json) == (207, first.json)
    assert batch(api, *tasks[1:], headers={"Idempotency-Key": "k-7"}).status == 422


def test_an_answer_that_is_too_long_to_be_kept_is_given_all_the_same(api: Call) -> None:
    dice = random.Random(1)  # noqa: S311
    noise = ["".join(dice.choices(string.ascii_letters + string.digits, k=8000)) for _ in range(60)]
    tasks = [{**CLB, "task_id": f"t-{number}", "metadata": {"a": one}} for number, one in enumerate(noise)]
    first = batch(api, *tasks, headers={"Idempotency-Key": "k-6"})
    assert (first.status, {one["status"] for one in first.json["results"]}) == (207, {202})
    again = batch(api, *tasks, headers={"Idempotency-Key": "k-6"})
    assert (again.status, {one["status"] for one in again.json["results"]}) == (207, {200})


@pytest.mark.parametrize("name", ["", " ", "a\n", "x" * 256, "ключ"])
def test_a_name_that_is_none_is_refused(api: Call, name: str) -> None:
    refused = api("POST", "/tasks", CLB, headers={"Idempotency-Key": name})
    assert (refused.status, list(refused.faults)) == (422, ["Idempotency-Key"])


def test_two_at_once_do_it_once(cloud: Cloud, api: Call) -> None:
    """The second one hears that the first is at work; that it waits is the caller's part."""
    app = cloud.function("SubmitFunction")
    began, go = threading.Event(), threading.Event()
    encrypt = app.desk().seal.close

    def slowly(*args: Any) -> Any:
        began.set()
        assert go.wait(10)
        return encrypt(*args)

    cloud.patch.setattr(type(app.desk().seal), "close", staticmethod(slowly))
    answers = []
    body, headers = {**CLB, "notify": [OWN]}, {"Idempotency-Key": "k-5"}
    first = threading.Thread(target=lambda: answers.append(api("POST", "/tasks", body, headers=headers)))
    first.start()
    assert began.wait(10)
    second = api("POST", "/tasks", body, headers=headers)
    go.set()
    first.join()
    assert second.status == 409
    assert answers[0].status == 202


def test_where_earlier_answers_cannot_be_read_the_answer_is_a_problem(cloud: Cloud, api: Call) -> None:
    cloud.overrides["TABLE"] = "no-such-table"
    refused = api("POST", "/tasks", CLB, headers={"Idempotency-Key": "k-8"})
    assert (refused.status, refused.headers["Content-Type"]) == (500, "application/problem+json")
    assert "no-such-table" not in refused.text


# --- keys ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def team(cloud: Cloud) -> str:
    """A key for the account named b and the destination named ops."""
    cloud.put("accounts/b", {"cloud": "tencent", "secret_id": "AKIDEXAMPLE", "secret_key": "s3cr3t"})
    cloud.put("keys/team", {"name": "team-b", "accounts": ["b"], "destinations": ["ops"]})
    return "team"


def test_a_teams_key_cannot_use_another_teams_account_or_destination(cloud: Cloud, api: Call, team: str) -> None:
    refused = api("POST", "/tasks", {**CLB, "notify": ["ops", "default", OWN], "title": 7}, key=team)
    assert refused.status == 403
    assert set(refused.faults) == {"account", "notify[1]", "notify[2]", "title"}
    assert "s3cr3t" not in refused.text
    assert not cloud.messages("TasksQueue")
    same = api("POST", "/tasks", {**CLB, "account": "nobody"}, key=team).faults["account"]
    there = api("POST", "/tasks", {**CLB, "account": "alibaba"}, key=team).faults["account"]
    assert same.replace("nobody", "X") == there.replace("alibaba", "X"), "it must not say which accounts there are"


def test_a_teams_key_reaches_nobody_elses_destination_by_a_detour(cloud: Cloud, api: Call, team: str) -> None:
    cloud.put("keys/free", {"name": "free", "destinations": ["ops"], "own_destinations": True})
    for to in ("default", "nobody"):
        record = {**OWN, "escalate": {"to": to, "after_seconds": 1}}
        stored = api("PUT", "/destinations/ops", record, key=team)
        assert (stored.status, list(stored.faults)) == (403, ["escalate.to"])
        posted = api("POST", "/tasks", {**CLB, "notify": [record]}, key="free")
        assert (posted.status, list(posted.faults)) == (403, ["notify[0].escalate.to"])
        (result,) = batch(api, {**CLB, "notify": [record]}, key="free").json["results"]
        assert result["status"] == 403
        said = stored.faults["escalate.to"].replace(to, "X")
        assert said == "the API key may not tell 'X'; it may tell ops"
    assert not cloud.messages("TasksQueue")


def test_a_teams_key_sees_only_deliveries_to_whom_it_may_tell(cloud: Cloud, api: Call, team: str) -> None:
    body = {**CLB, "account": "b"}
    id = api("POST", "/tasks", {**body, "notify": ["ops", "default"]}).json["id"]
    assert [one["destination"] for one in api("GET", f"/tasks/{id}").json["deliveries"]] == ["default", "ops"]
    seen = (
        api("GET", f"/tasks/{id}", key=team).json["deliveries"],
        api("GET", "/tasks", key=team).json["tasks"][0]["deliveries"],
        api("GET", f"/tasks/{id}/deliveries", key=team).json["deliveries"],
        api("POST", "/tasks", body, key=team).json["deliveries"],
        api("DELETE", f"/tasks/{id}", key=team).json["deliveries"],
    )
    for deliveries in seen:
        assert [one["destination"] for one in deliveries] == ["ops"]


def test_what_is_held_names_no_task_of_others(cloud: Cloud, api: Call, team: str) -> None:
    others = api("POST", "/tasks", CLB).json["id"]
    own = api("POST", "/tasks", {**CLB, "account": "b"}).json["id"]
    for id in (others, own):
        cloud.ledger.hold("ops", id, version="1", now=1_795_000_000.0)
    assert api("POST", "/destinations/ops/deliveries", {"dry_run": True}, key=team).json["tasks"] == [own]
    assert set(api("POST", "/destinations/ops/deliveries", {"dry_run": True}).json["tasks"]) == {own, others}


def test_a_teams_key_sees_and_stops_its_own_tasks_alone(api: Call, team: str) -> None:
    others = api("POST", "/tasks", CLB).json["id"]
    own = api("POST", "/tasks", {**CLB, "account": "b"}, key=team).json["id"]
    for call in (
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/timeline"),
        ("GET", "/deliveries"),
        ("POST", "/deliveries/ops"),
    ):
        hidden = api(call[0], f"/tasks/{others}{call[1]}", key=team)
        missing = api(call[0], f"/tasks/{'a' * 26}{call[1]}", key=team)
        assert (hidden.status, hidden.text) == (404, missing.text), call
    assert [one["id"] for one in api("GET", "/tasks", key=team).json["tasks"]] == [own]
    assert api("GET", "/tasks", query={"account": "tencent"}, key=team).json["tasks"] == []
    assert api("GET", f"/tasks/{own}", key=team).status == 200
    assert {one["id"] for one in api("GET", "/tasks").json["tasks"]} == {own, others}
    assert api("DELETE", f"/tasks/{own}", key=team).json["state"] == "stopped"


def test_a_teams_key_manages_its_own_destinations_alone(cloud: Cloud, api: Call, team: str) -> None:
    names = [one["name"] for one in api("GET", "/destinations", key=team).json["destinations"]]
    assert names == ["ops"]
    record = {"type": "webhook", "url": "https://hooks.example.com/x"}
    assert api("PUT", "/destinations/default", record, key=team).status == 403
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/test"), ("POST", "/deliveries")):
        hidden = api(method, f"/destinations/default{path}", key=team)
        missing = api(method, f"/destinations/nobody{path}", key=team)
        assert (hidden.status, missing.status) == (404, 404), method
        assert hidden.text.replace("default", "X") == missing.text.replace("nobody", "X")


def test_two_keys_that_race_on_one_task_share_it(cloud: Cloud, api: Call, team: str) -> None:
    body = {**CLB, "account": "b"}
    answers: list[Any] = []
    threads = [
        threading.Thread(
            target=lambda key=key, to=to: answers.append(api("POST", "/tasks", {**body, "notify": [to]}, key=key))
        )
        for key, to in ((team, "ops"), (None, "default"))
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(one.status for one in answers) == [200, 202]
    (id,) = {one.json["id"] for one in answers}
    assert set(cloud.task(id).deliveries) == {"ops", "default"}
    assert cloud.task(id).state is State.QUEUED


def test_a_key_that_nobody_has_said_anything_of_may_do_nothing(cloud: Cloud, api: Call) -> None:
    refused = api("GET", "/tasks", key="unknown")
    assert refused.status == 403
    assert "/keys/unknown" in refused.json["detail"]
    cloud.put("keys/wrong", {"account": ["a"]})
    assert api("POST", "/tasks", CLB, key="wrong").status == 403
    assert api("GET", "/tasks", key="defaultkey").status == 200
    assert api("GET", "/providers", key="unknown").status == 403
    assert api("GET", "/destinations", key="unknown").status == 403


def test_where_a_keys_record_cannot_be_read_nothing_is_open(cloud: Cloud, api: Call) -> None:
    def broken(**_: Any) -> Any:
        raise RuntimeError("s3cr3t path")

    cloud.patch.setattr(cloud.client("ssm"), "get_parameter", broken)
    refused = api("GET", "/tasks", key="any")
    assert (refused.status, refused.headers["Content-Type"]) == (500, "application/problem+json")
    assert "s3cr3t" not in refused.text


def test_the_access_log_says_who_called_what_and_nothing_secret(
    cloud: Cloud, api: Call, logs: io.StringIO, team: str
) -> None:
    body = {**CLB, "account": "b", "title": "s3cr3t-title"}
    api("POST", "/tasks", body, key=team, headers={"Idempotency-Key": "s3cr3t-k"})
    # Written by two handlers: the library's logger is below the root.
    lines = [json.loads(line) for line in set(logs.getvalue().splitlines())]
    (line,) = [one for one in lines if one["message"] == "answered"]
    assert (line["request"], line["status"], line["key"]) == ("POST /tasks", 202, "team")
    assert line["bytes"] > 100
    assert "s3cr3t" not in logs.getvalue()

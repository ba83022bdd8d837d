"""Keys, quotas, lists, waiting and events, as callers meet them on the deployed stack."""

import concurrent.futures
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from local.openapi.operations import OPERATIONS
from tests.e2e.conftest import World

CLB = {"provider": "tencent.clb", "region": "ap-guangzhou"}


def with_key(world: World, name: str, method: str, path: str, **options: Any) -> requests.Response:
    return world.call(method, path, headers={"x-api-key": world.stack.keys[name]}, **options)


@pytest.mark.parametrize(("method", "path"), [one for one, call in OPERATIONS.items() if not call.open])
def test_no_call_is_answered_without_a_key(world: World, method: str, path: str) -> None:
    there = path.format(id="a" * 26, name="default", destination="default")
    for key in ("", "wrong"):
        refused = world.call(method.upper(), there, headers={"x-api-key": key}, data=b"{}")
        assert refused.status_code == 403
        assert refused.headers["content-type"] == "application/problem+json"


def test_a_teams_key_reaches_its_own_account_and_nobody_elses(world: World) -> None:
    others = world.post("tencent.clb", "forever-others")["id"]
    body = {**CLB, "task_id": "quick-team", "account": "tencent-role", "notify": ["slack"]}
    taken = with_key(world, "team", "POST", "/tasks", json=body)
    assert taken.status_code == 202, taken.text
    refused = with_key(world, "team", "POST", "/tasks", json={**CLB, "task_id": "quick-team"})
    assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")
    assert {one["field"] for one in refused.json()["errors"]} == {"account", "notify"}
    assert with_key(world, "team", "GET", f"/tasks/{others}").status_code == 404
    assert with_key(world, "team", "DELETE", f"/tasks/{others}").status_code == 404
    listed = with_key(world, "team", "GET", "/tasks").json()["tasks"]
    assert {one["account"] for one in listed} == {"tencent-role"}
    names = [one["name"] for one in with_key(world, "team", "GET", "/destinations").json()["destinations"]]
    assert names == ["slack"]
    assert world.call("DELETE", f"/tasks/{others}").status_code == 200


def test_a_key_whose_day_is_over_is_told_so(world: World) -> None:
    answers = [with_key(world, "few", "GET", "/providers") for _ in range(5)]
    assert {one.status_code for one in answers[:3]} == {200}
    assert answers[-1].status_code == 429
    assert answers[-1].headers["content-type"] == "application/problem+json"
    assert "usage plan" in answers[-1].json()["detail"]


def test_a_key_that_is_disabled_opens_nothing_any_more(world: World) -> None:
    assert with_key(world, "leaver", "GET", "/tasks").status_code == 200
    gateway = world.stack.client("apigateway")
    (key,) = gateway.get_api_keys(nameQuery="taskhook-key-leaver")["items"]
    gateway.update_api_key(apiKey=key["id"], patchOperations=[{"op": "replace", "path": "/enabled", "value": "false"}])
    refused = with_key(world, "leaver", "GET", "/tasks")
    assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")


def test_a_number_that_is_no_json_is_refused_and_breaks_no_list(world: World) -> None:
    body = json.dumps({**CLB, "task_id": "quick-number", "metadata": {"a": 1}}).replace('"a": 1', '"a": 1e999')
    assert world.call("POST", "/tasks", data=body).status_code == 400
    assert world.call("GET", "/tasks").json()["tasks"] is not None


def test_a_task_that_is_waited_for_is_shown_as_soon_as_it_ends(world: World) -> None:
    id = world.post("tencent.clb", "quick-waited", notify=["slack"])["id"]
    deadline = time.monotonic() + 90
    while (task := world.call("GET", f"/tasks/{id}", params={"wait": 25}).json())["state"] in ("queued", "running"):
        assert time.monotonic() < deadline
    assert task["state"] == "succeeded"
    tag = world.call("GET", f"/tasks/{id}").headers["etag"]
    world.settled(id)
    story = [one["kind"] for one in world.call("GET", f"/tasks/{id}/timeline").json()["timeline"]]
    assert story[0] == "submitted"
    assert story.index("look") < story.index("ended") < story.index("attempt")
    tag = world.call("GET", f"/tasks/{id}").headers["etag"]
    same = world.call("GET", f"/tasks/{id}", headers={"if-none-match": tag})
    assert (same.status_code, same.content) == (304, b"")


def test_callers_who_wait_do_not_keep_others_from_being_answered(world: World) -> None:
    id = world.post("tencent.clb", "forever-crowd")["id"]

    def wait() -> requests.Response:
        state = world.get(id)["state"]
        return world.call("GET", f"/tasks/{id}", params={"wait": 20 if state == "running" else 1})

    world.wait(id, lambda task: task["state"] == "running")
    with concurrent.futures.ThreadPoolExecutor(20) as crowd:
        waiting = [crowd.submit(wait) for _ in range(20)]
        time.sleep(1)
        assert world.call("GET", "/health").status_code == 200
        assert not all(one.done() for one in waiting), "it was answered while others wait"
        # There are fewer places than callers, so the first who are answered are those who found none.
        first, _ = concurrent.futures.wait(waiting, timeout=60, return_when=concurrent.futures.FIRST_COMPLETED)
        assert any("retry-after" in one.result().headers for one in first)
        assert world.call("DELETE", f"/tasks/{id}").status_code == 200  # which the others hear of at once
        answers = [one.result() for one in waiting]
    assert {one.status_code for one in answers} == {200}
    assert any(one.json()["state"] == "stopped" for one in answers)


def test_many_tasks_go_in_and_come_out_of_lists_page_by_page(world: World) -> None:
    tasks = [{**CLB, "task_id": f"forever-list-{number}", "notify": ["slack"]} for number in range(30)]
    posted = world.call("POST", "/tasks/batch", json={"tasks": [*tasks, {"provider": "nothing"}]})
    assert posted.status_code == 207
    results = posted.json()["results"]
    assert [one["status"] for one in results] == [202] * 30 + [422]
    wanted = [one["task"]["id"] for one in results[:30]]
    found, cursor = [], None
    for _ in range(50):
        query = {"provider": "tencent.clb", "account": "tencent", "limit": 7} | ({"cursor": cursor} if cursor else {})
        page = world.call("GET", "/tasks", params=query).json()
        found += [one["id"] for one in page["tasks"]]
        cursor = page["next_cursor"]
        if cursor is None or set(wanted) <= set(found):
            break
    assert set(wanted) <= set(found)
    assert len(found) == len(set(found))
    for id in wanted:
        assert world.call("DELETE", f"/tasks/{id}").status_code == 200
    stopped = world.call("GET", "/tasks", params={"state": "stopped", "limit": 100}).json()["tasks"]
    assert set(wanted) <= {one["id"] for one in stopped}


def test_a_repeated_post_is_answered_as_the_first_one(world: World) -> None:
    body = {**CLB, "task_id": "quick-once", "notify": ["slack"]}
    first = world.call("POST", "/tasks", json=body, headers={"Idempotency-Key": "job-1"})
    again = world.call("POST", "/tasks", json=body, headers={"Idempotency-Key": "job-1"})
    assert (first.status_code, again.status_code, again.content) == (202, 202, first.content)
    other = world.call("POST", "/tasks", json={**body, "title": "x"}, headers={"Idempotency-Key": "job-1"})
    assert other.status_code == 422


@pytest.mark.parametrize("id", ["a/b", "%2e%2e%2f", "%25", "x" * 10_000, "a" * 26 + "%00", "ÄÖÜ", "' OR 1=1"])
def test_an_id_that_is_none_is_not_found_whatever_it_holds(world: World, id: str) -> None:
    for method, rest in (("GET", ""), ("DELETE", ""), ("GET", "/timeline"), ("POST", "/deliveries/ops")):
        answer = world.call(method, f"/tasks/{id}{rest}")
        assert answer.status_code == 404, (method, rest, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.fixture
def heard(world: World) -> Iterator[Any]:
    """A rule as an operator writes it: ends of tasks of one account that are no success, into a queue."""
    events, sqs = world.stack.client("events"), world.stack.client("sqs")
    queue = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["taskhook"], "detail-type": ["task.failed"], "detail": {"data": {"account": ["tencent"]}}}
    events.put_rule(Name="failed-tasks", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="failed-tasks", Targets=[{"Id": "1", "Arn": arn}])

    def read() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while batch := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            found += [json.loads(one["Body"]) for one in batch]
            for one in batch:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=one["ReceiptHandle"])
        return found

    yield read
    events.remove_targets(Rule="failed-tasks", Ids=["1"])
    events.delete_rule(Name="failed-tasks")
    sqs.delete_queue(QueueUrl=queue)


def test_every_end_is_an_event_that_rules_can_choose(world: World, heard: Any) -> None:
    failed = world.post("tencent.clb", "failing-event", notify=["slack"])["id"]
    good = world.post("tencent.clb", "quick-event", notify=["slack"])["id"]
    for id in (failed, good):
        world.settled(id)
    # The event goes out before the state machine goes on to tell anybody.
    (event,) = [one for one in heard() if one["detail"]["data"]["id"] in (failed, good)]
    assert (event["source"], event["detail-type"]) == ("taskhook", "task.failed")
    shown = world.get(failed)
    assert event["detail"]["data"] == {name: value for name, value in shown.items() if name != "deliveries"}
    assert event["detail"]["stack"] == "taskhook"
    again = world.call("POST", f"/tasks/{failed}/deliveries/slack")
    assert again.status_code == 202
    world.settled(failed)
    assert heard() == [], "a delivery that is made again is no news"

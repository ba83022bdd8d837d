"""Accounts on the deployed template: keys that are replaced, roles that are assumed, entries that an operator adds."""

import json
from typing import Any

import pytest

from tests.e2e.conftest import NEW_KEY, OLD_KEY, World

CLB = "tencent.clb"


def store(world: World, name: str, value: Any) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    world.stack.client("ssm").put_parameter(Name=f"/taskhook/{name}", Value=text, Type="SecureString", Overwrite=True)


def sweep(world: World) -> None:
    """What the schedule does every five minutes, and AWS at once when a parameter changes."""
    world.stack.client("lambda").invoke(FunctionName=world.stack.outputs()["ReconcileFunction"], Payload=b"{}")


@pytest.mark.timeout(240)
def test_a_refused_account_is_told_of_once_and_all_of_its_tasks_go_on_with_the_new_key(world: World) -> None:
    world.sim.admit(OLD_KEY)
    ids = [world.post(CLB, f"slow-rotated-{number}", account="rotated")["id"] for number in range(8)]
    for id in ids:
        world.wait(id, lambda task: task["polls"] > 0)
    world.sim.revoke(OLD_KEY)
    refused = [world.wait(id, lambda task: task["error"] is not None) for id in ids]
    assert {task["error"]["code"] for task in refused} == {"AuthFailure.SecretIdNotFound"}
    world.wait(next(task["id"] for task in refused if task["state"] == "lost"), lambda task: True)
    tasks = [world.get(id) for id in ids]
    [told] = [task for task in tasks if task["state"] == "lost"]
    assert {task["state"] for task in tasks if task is not told} == {"running"}
    assert "go on by themselves" in told["error"]["hint"]
    world.settled(told["id"])
    assert [one.json["type"] for one in world.news_of(told["id"])] == ["task.lost"]

    world.sim.admit(NEW_KEY)
    store(world, "accounts/rotated", NEW_KEY.account(world.sim.url))
    sweep(world)
    for id in ids:
        done = world.wait(id, lambda task: task["state"] == "succeeded", seconds=150)
        assert done["error"] is None
        world.settled(id)
    assert [one.json["type"] for one in world.news_of(told["id"])] == ["task.lost", "task.succeeded"]
    for id in set(ids) - {told["id"]}:
        assert [one.json["type"] for one in world.news_of(id)] == ["task.succeeded"]


def test_a_role_of_either_cloud_is_assumed_once_by_each_function_and_no_key_of_it_is_stored(world: World) -> None:
    tencent = world.post(CLB, "quick-role", account="tencent-role")
    alibaba = world.post("alibaba.bdrc", "quick-role", account="alibaba-role")
    assert world.ended(tencent["id"])["state"] == world.ended(alibaba["id"])["state"] == "succeeded"
    keys = {one.key_id for one in world.sim.log if one.task_id == "quick-role"}
    assert len(keys) == 2
    assert not [key for key in keys if key and "simulated" in key]


def test_a_role_that_cannot_be_assumed_says_what_to_repair(world: World) -> None:
    task = world.settled(world.post("alibaba.bdrc", "quick-forbidden", account="forbidden-role")["id"])
    assert task["state"] == "lost"
    assert "cannot be assumed" in task["error"]["message"]
    assert "trust policy" in task["error"]["hint"]


def test_an_operators_own_entry_works_without_a_deployment(world: World) -> None:
    entry = """
        title = "Load balancers, asked in another way"
        version = "2018-03-17"
        docs = "https://docs.example.com/"
        [DescribeWidgets]
        action = "DescribeTaskStatus"
        task_id = "{TaskId}"
        found = "the widget's page"
        status = "Status"
        states = { running = [2], succeeded = [0], failed = [1] }
        [DescribeNothing]
        task_id = "{TaskId}"
        found = "nowhere"
        status = "Status"
        state = { running = [2], succeeded = [0] }
    """
    store(world, "providers/tencent.clb", entry)
    listed = world.call("GET", "/providers").json()
    assert [(one["entry"], one["line"]) for one in listed["broken"]] == [("providers/tencent.clb", 15)]
    task = world.post("tencent.clb.DescribeWidgets", "quick-widget")
    assert world.ended(task["id"])["state"] == "succeeded"
    refused = world.call(
        "POST", "/tasks", json={"provider": "tencent.clb.DescribeNothing", "task_id": "x", "region": "ap-guangzhou"}
    )
    assert refused.status_code == 422
    assert "line 15: tencent.clb.DescribeNothing: 'state' is not a key" in refused.json()["errors"][0]["message"]

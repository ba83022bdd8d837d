"""An operator's own entries of the catalogue: usable at once, listed, and never in the way of others when broken."""

import time
from typing import Any

import pytest

from taskhook.states import State
from tests.conftest import MakeTask
from tests.integration.conftest import TENCENT, Call, Cloud, Server

WIDGET = """
title = "Widgets"
version = "2026-01-01"
docs = "https://docs.example.com/widget"

[DescribeWidgetTask]
task_id = "{WidgetId}/{TaskId:int}"
found = "`TaskId` in the answer of BendWidget"
at = "Tasks"
where = { TaskId = "{TaskId}" }
status = "State"
states = { running = ["BENDING"], succeeded = ["BENT"], failed = ["BROKEN"] }

[DescribeBroken]
task_id = "{TaskId}"
found = "`TaskId`"
status = "State"
states = { running = ["BENDING"], suceeded = ["BENT"] }
"""
TASK = {"provider": "tencent.widget", "task_id": "w-1/42", "region": "ap-guangzhou", "notify": ["ops"]}


def put(cloud: Cloud, service: str, text: str) -> None:
    cloud.client("ssm").put_parameter(
        Name=f"/{cloud.stack}/providers/{service}", Value=text, Type="String", Overwrite=True
    )


def test_a_task_of_an_added_provider_is_accepted_and_watched(cloud: Cloud, api: Call, server: Server) -> None:
    put(cloud, "tencent.widget", WIDGET)
    cloud.overrides["ALLOW_INSECURE_ENDPOINTS"] = "true"
    cloud.put("accounts/tencent", {**TENCENT, "endpoints": {"widget": server.url}})
    reply = api("POST", "/tasks", TASK)
    assert (reply.status, reply.json["provider"]) == (202, "tencent.widget.DescribeWidgetTask")
    server.says({"Response": {"Tasks": [{"TaskId": 41, "State": "BROKEN"}, {"TaskId": 42, "State": "Bent"}]}})
    cloud.invoke("PollFunction", {"id": reply.json["id"], "watch": 1})
    assert cloud.task(reply.json["id"]).state is State.SUCCEEDED


def test_a_broken_entry_is_refused_with_its_line_and_the_other_is_unharmed(cloud: Cloud, api: Call) -> None:
    put(cloud, "tencent.widget", WIDGET)
    fault = api("POST", "/tasks", {**TASK, "provider": "tencent.widget.DescribeBroken"}).faults["provider"]
    assert "providers/tencent.widget, line 18: tencent.widget.DescribeBroken: 'suceeded' must be one of" in fault
    assert api("POST", "/tasks", TASK).status == 202


def test_a_file_that_is_no_toml_breaks_nothing_but_itself(cloud: Cloud, api: Call) -> None:
    put(cloud, "tencent.widget", "[DescribeWidgetTask\n")
    assert "line 1" in api("POST", "/tasks", TASK).faults["provider"]
    clb = {"provider": "tencent.clb", "task_id": "x", "region": "ap-guangzhou", "notify": ["ops"]}
    assert api("POST", "/tasks", clb).status == 202


def test_an_entry_that_breaks_while_its_tasks_are_watched_loses_none_of_them(cloud: Cloud, make_task: MakeTask) -> None:
    now = time.time()
    times = {"submitted_at": now, "deadline": now + 3600}
    task = make_task(provider="tencent.widget.DescribeWidgetTask", task_id="w-1/42", **times)
    cloud.store.create(task)
    put(cloud, "tencent.widget", WIDGET.replace("status =", "statuss ="))
    assert cloud.invoke("PollFunction", {"id": task.id, "watch": 1})["done"] is False
    after = cloud.task(task.id)
    assert after.error is not None
    assert (after.state, after.error.code) == (State.RUNNING, "ProviderNotUsable")
    assert "line 11" in after.error.message


def test_the_list_holds_what_is_built_in_what_was_added_and_what_is_broken(cloud: Cloud, api: Call) -> None:
    put(cloud, "tencent.widget", WIDGET)
    put(cloud, "tencent.clb", WIDGET.replace("DescribeWidgetTask", "DescribeTaskStatus"))
    put(cloud, "aws.s3", WIDGET)
    reply = api("GET", "/providers")
    listed: dict[str, Any] = {one["name"]: one for one in reply.json["providers"]}
    assert listed["tencent.clb.DescribeTaskStatus"]["origin"] == "built in"
    assert listed["tencent.clb.DescribeTaskStatus"]["short"] == "tencent.clb"
    widget = listed["tencent.widget.DescribeWidgetTask"]
    assert (widget["origin"], widget["short"]) == ("operator", "tencent.widget")
    assert widget["states"] == {"running": ["BENDING"], "succeeded": ["BENT"], "failed": ["BROKEN"]}
    assert widget["task_id"]["form"] == "{WidgetId}/{TaskId}"
    assert "tencent.widget.DescribeBroken" not in listed
    broken = {(one["entry"], one["line"]) for one in reply.json["broken"]}
    assert ("providers/tencent.widget", 18) in broken
    assert ("providers/tencent.clb", 6) in broken
    assert ("providers/aws.s3", 1) in broken


def test_what_is_built_in_is_never_changed_by_an_added_entry(cloud: Cloud, api: Call) -> None:
    put(cloud, "tencent.clb", WIDGET.replace("DescribeWidgetTask", "DescribeTaskStatus"))
    clb = {"provider": "tencent.clb", "task_id": "55c85074", "region": "ap-guangzhou", "notify": ["ops"]}
    assert api("POST", "/tasks", clb).status == 202


BOMBS = {
    "parentheses": WIDGET.replace('status = "State"', 'status = "' + "(" * 2000 + "a" + ")" * 2000 + '"', 1),
    "negations": WIDGET.replace('status = "State"', 'failed_if = "' + "!" * 3000 + 'a"\nstatus = "State"', 1),
    "repetitions": WIDGET.replace(
        'status = "State"', 'patterns = {TaskId = "a{99999999999999999999}"}\nstatus = "State"', 1
    ),
    "groups": WIDGET.replace(
        'status = "State"', 'patterns = {TaskId = "' + "(" * 2000 + "a" + ")" * 2000 + '"}\nstatus = "State"', 1
    ),
    "brackets": WIDGET + "x = " + "[" * 3000 + "]" * 3000,
    "digits": WIDGET + "x = " + "9" * 5000,
    "date": WIDGET.replace(
        'status = "State"', 'send = {T = 2018-03-17, TaskId = "{TaskId}", W = "{WidgetId}"}\nstatus = "State"', 1
    ),
    "explosion": WIDGET.replace('status = "State"', 'patterns = {WidgetId = "(a+)+b"}\nstatus = "State"', 1),
    "another host": WIDGET.replace('title = "Widgets"', 'title = "Widgets"\nservice = "evil.com/"'),
    "anybodys host": WIDGET.replace('title = "Widgets"', 'title = "Widgets"\nhost = "{WidgetId}.com"'),
    "typo": WIDGET.replace('status = "State"', 'failed_if = "to_nubmer(Failed) > `0`"\nstatus = "State"', 1),
    "no comparison": WIDGET.replace('status = "State"', 'failed_if = "length(Failed)"\nstatus = "State"', 1),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_an_absurd_entry_is_refused_and_everything_else_works(cloud: Cloud, api: Call, bomb: str) -> None:
    put(cloud, "tencent.widget", BOMBS[bomb])
    put(cloud, "tencent.gadget", WIDGET)
    listed = api("GET", "/providers")
    assert listed.status == 200
    assert "providers/tencent.widget" in {one["entry"] for one in listed.json["broken"]}
    names = {one["name"] for one in listed.json["providers"]}
    assert "tencent.gadget.DescribeWidgetTask" in names
    assert "tencent.widget.DescribeWidgetTask" not in names
    assert "providers/tencent.widget" in api("POST", "/tasks", TASK).faults["provider"]
    assert api("POST", "/tasks", {**TASK, "provider": "tencent.gadget"}).status == 202

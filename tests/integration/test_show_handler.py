"""The API where it reads: lists from the real indexes, conditional answers, waiting, the story of a task, files."""

import base64
import hashlib
import json
import re
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from taskhook.states import State
from taskhook.task import Task, digest
from tests.conftest import ROOT
from tests.integration.conftest import Call, Cloud

NOW = 1_795_255_200.0


def stored(cloud: Cloud, number: int, **changes: Any) -> Task:
    task = Task(
        **{
            "id": digest(cloud.stack, str(number)),
            "provider": "tencent.clb.DescribeTaskStatus",
            "account": "tencent",
            "region": "ap-guangzhou",
            "task_id": f"task-{number}",
            "submitted_at": NOW + number,
            "deadline": NOW + 9_000_000,
            **changes,
        }
    )
    assert cloud.store.create(task)
    return task


def ids(reply: Any) -> list[str]:
    return [one["task_id"] for one in reply.json["tasks"]]


def test_tasks_are_listed_newest_first_page_by_page(cloud: Cloud, api: Call) -> None:
    for number in range(5):
        stored(cloud, number)
    first = api("GET", "/tasks", query={"limit": 2})
    assert ids(first) == ["task-4", "task-3"]
    second = api("GET", "/tasks", query={"limit": 2, "cursor": first.json["next_cursor"]})
    assert ids(second) == ["task-2", "task-1"]
    third = api("GET", "/tasks", query={"limit": 2, "cursor": second.json["next_cursor"]})
    assert (ids(third), third.json["next_cursor"]) == (["task-0"], None)


def test_filters_choose_alone_and_together(cloud: Cloud, api: Call) -> None:
    stored(cloud, 1, state=State.FAILED)
    stored(cloud, 2, account="other")
    stored(cloud, 3, provider="tencent.dts.DescribeAsyncRequestInfo", state=State.FAILED)
    assert ids(api("GET", "/tasks", query={"state": "failed"})) == ["task-3", "task-1"]
    assert ids(api("GET", "/tasks", query={"provider": "tencent.clb"})) == ["task-2", "task-1"]
    assert ids(api("GET", "/tasks", query={"account": "other"})) == ["task-2"]
    assert ids(api("GET", "/tasks", query={"provider": "tencent.clb", "state": "failed"})) == ["task-1"]
    assert ids(api("GET", "/tasks", query={"provider": "tencent.dts", "state": "queued"})) == []


def test_a_task_moves_between_lists_as_its_state_changes(cloud: Cloud, api: Call) -> None:
    task = stored(cloud, 1)
    saved = cloud.store.save_look(replace(task, state=State.RUNNING, provider_state="2", polls=1))
    assert (saved.provider_state, saved.state) == ("2", State.RUNNING)
    assert ids(api("GET", "/tasks", query={"state": "queued"})) == []
    assert ids(api("GET", "/tasks", query={"state": "running", "account": "tencent"})) == ["task-1"]
    assert api("DELETE", f"/tasks/{task.id}").status == 200
    for name in ("state", "account", "provider"):
        wanted = {"state": "stopped"} | ({name: getattr(task, name)} if name != "state" else {})
        assert ids(api("GET", "/tasks", query=wanted)) == ["task-1"]


def test_what_the_table_keeps_beside_tasks_is_in_no_list(cloud: Cloud, api: Call) -> None:
    cloud.ledger.hold("ops", "x", version="1", now=NOW)
    cloud.store.refuse_account("tencent", "1", task="x", now=NOW)
    assert ids(api("GET", "/tasks")) == []


@pytest.mark.parametrize(
    ("query", "field"),
    [({"state": "done"}, "state"), ({"limit": "0"}, "limit"), ({"limit": "101"}, "limit"), ({"limit": "x"}, "limit"),
     ({"stat": "failed"}, "stat"), ({"provider": "tencent.cbl"}, "provider"), ({"cursor": "x"}, "cursor"),
     ({"cursor": ""}, "cursor")],
)  # fmt: skip
def test_a_query_that_is_wrong_names_what_is(api: Call, query: dict[str, str], field: str) -> None:
    refused = api("GET", "/tasks", query=query)
    assert refused.status == 422
    assert list(refused.faults) == [field]
    assert "stored" not in refused.json["detail"]


def test_a_cursor_of_other_filters_is_refused(cloud: Cloud, api: Call) -> None:
    for number in range(3):
        stored(cloud, number)
    text = api("GET", "/tasks", query={"limit": 1}).json["next_cursor"]
    assert api("GET", "/tasks", query={"limit": 1, "cursor": text, "state": "queued"}).faults["cursor"]


def test_what_has_not_changed_is_not_sent_again(cloud: Cloud, api: Call) -> None:
    task = stored(cloud, 1)
    for path in (f"/tasks/{task.id}", "/tasks", f"/tasks/{task.id}/timeline", "/providers", "/health"):
        tag = api("GET", path).headers["ETag"]
        same = api("GET", path, headers={"If-None-Match": tag})
        assert (same.status, same.text, same.headers["ETag"]) == (304, "", tag), path
        assert api("GET", path, headers={"If-None-Match": f'"other", W/{tag}'}).status == 304
        assert api("GET", path, headers={"If-None-Match": '"other"'}).status == 200
    tag = api("GET", f"/tasks/{task.id}").headers["ETag"]
    cloud.store.save_look(replace(task, state=State.RUNNING, polls=1))
    assert api("GET", f"/tasks/{task.id}", headers={"if-none-match": tag}).status == 200


def test_a_task_that_has_ended_is_not_waited_for(cloud: Cloud, api: Call) -> None:
    task = stored(cloud, 1, state=State.SUCCEEDED)
    began = time.monotonic()
    assert api("GET", f"/tasks/{task.id}", query={"wait": 25}).json["state"] == "succeeded"
    assert time.monotonic() - began < 5


def test_a_caller_who_waits_hears_of_the_change(cloud: Cloud, api: Call) -> None:
    task = stored(cloud, 1)
    store = cloud.store
    change = threading.Timer(0.7, lambda: store.save_look(replace(task, state=State.RUNNING, polls=1)))
    change.start()
    assert api("GET", f"/tasks/{task.id}", query={"wait": 20}).json["state"] == "running"
    change.join()


def test_a_caller_with_a_tag_hears_of_anything_that_changes(cloud: Cloud, api: Call) -> None:
    task = cloud.store.save_look(replace(stored(cloud, 1), state=State.RUNNING, polls=1))
    tag = api("GET", f"/tasks/{task.id}").headers["ETag"]
    store = cloud.store
    change = threading.Timer(0.7, lambda: store.save_look(replace(task, progress=0.5, polls=2)))
    change.start()
    told = api("GET", f"/tasks/{task.id}", query={"wait": 20}, headers={"If-None-Match": tag})
    assert (told.status, told.json["progress"]) == (200, 0.5)
    change.join()
    tag = told.headers["ETag"]
    assert api("GET", f"/tasks/{task.id}", query={"wait": 1}, headers={"If-None-Match": tag}).status == 304


def test_where_all_places_are_taken_the_answer_comes_at_once(cloud: Cloud, api: Call) -> None:
    cloud.overrides["LONG_POLLS"] = "0"
    task = stored(cloud, 1)
    answer = api("GET", f"/tasks/{task.id}", query={"wait": 25})
    assert (answer.status, answer.headers["Retry-After"]) == (200, "2")


@pytest.mark.parametrize("wait", ["-1", "26", "x", "1.5"])
def test_a_wait_that_cannot_be_is_a_fault(cloud: Cloud, api: Call, wait: str) -> None:
    task = stored(cloud, 1)
    assert api("GET", f"/tasks/{task.id}", query={"wait": wait}).faults["wait"]


def test_the_timeline_tells_the_looks(cloud: Cloud, api: Call) -> None:
    task = stored(cloud, 1)
    events = api("GET", f"/tasks/{task.id}/timeline").json["timeline"]
    assert Counter(one["kind"] for one in events) == {"submitted": 1}


@pytest.mark.parametrize("path", ["/tasks/" + "a" * 26, "/tasks/x", "/tasks/" + "a" * 26 + "/timeline", "/nothing"])
def test_what_is_not_there_is_a_problem(api: Call, path: str) -> None:
    refused = api("GET", path)
    assert (refused.status, refused.headers["Content-Type"]) == (404, "application/problem+json")


def test_the_document_is_served_as_it_is_and_the_pages_run_only_what_is_in_them(api: Call) -> None:
    assert json.loads(api("GET", "/openapi.json").text)["openapi"] == "3.1.0"
    for path in ("/", "/docs"):
        page = api("GET", path)
        assert page.headers["Content-Type"].startswith("text/html")
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
        for script in re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL):
            digest_of = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
            assert f"'sha256-{digest_of}'" in policy
        assert not re.search(
            r"""(src|href)=["']https?://""", re.sub(r"<script>.*?</script>", "", page.text, flags=re.DOTALL)
        )


def test_other_pages_may_not_call_unless_they_are_named(cloud: Cloud, api: Call) -> None:
    origin = {"Origin": "https://ops.example.com"}
    assert "Access-Control-Allow-Origin" not in api("GET", "/health", headers=origin).headers
    assert api("OPTIONS", "/tasks", headers=origin).status == 404
    cloud.overrides["CORS_ORIGINS"] = "https://ops.example.com https://b.example.com"
    answer = api("GET", "/health", headers=origin)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://ops.example.com"
    assert answer.headers["Vary"] == "Origin"
    preflight = api("OPTIONS", "/tasks", headers=origin)
    assert preflight.status == 204
    assert "x-api-key" in preflight.headers["Access-Control-Allow-Headers"]
    assert "DELETE" in preflight.headers["Access-Control-Allow-Methods"]
    refused = api("GET", "/tasks/x", headers=origin)
    assert (refused.status, refused.headers["Access-Control-Allow-Origin"]) == (404, "https://ops.example.com")
    assert (
        "Access-Control-Allow-Origin" not in api("GET", "/health", headers={"Origin": "https://evil.example"}).headers
    )


@pytest.mark.parametrize("name", ["submit", "show", "destinations"])
def test_the_event_beside_the_template_is_one_that_its_function_answers(cloud: Cloud, name: str) -> None:
    event = json.loads((ROOT / f"events/{name}.json").read_text("utf-8"))
    answer = cloud.invoke(f"{name.capitalize()}Function", event)
    assert answer["statusCode"] in (200, 202), answer["body"]

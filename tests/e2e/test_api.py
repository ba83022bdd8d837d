"""The HTTP API as a caller meets it, the gateway's own refusals included."""

import json
from typing import Any

import pytest

from tests.e2e.conftest import World

GOOD = {"provider": "tencent.clb", "task_id": "forever-api", "region": "ap-guangzhou"}

REFUSED: list[tuple[str, Any, int, list[str]]] = [
    ("not JSON", b"{", 400, []),
    ("a list", b"[]", 400, []),
    ("nothing", b"", 400, []),
    ("everything missing", {}, 422, ["provider", "task_id"]),
    ("many faults", {"provider": "tencent.clb", "x": 1, "title": 7, "timeout_seconds": 0}, 422,
     ["x", "task_id", "region", "timeout_seconds", "title"]),
    ("a field twice", b'{"provider": "tencent.clb", "provider": "tencent.dts", "task_id": "a", "region": "ap-tokyo"}',
     422, ["provider"]),
    ("unknown provider", {**GOOD, "provider": "tencent.cbl"}, 422, ["provider"]),
    ("text for BM", {"provider": "tencent.bm", "task_id": "abc"}, 422, ["task_id"]),
    ("beyond 64 bits", {"provider": "tencent.bm", "task_id": 2**64}, 422, ["task_id"]),
    ("control characters", {**GOOD, "task_id": "a\nb"}, 422, ["task_id"]),
    ("a path trick", {"provider": "alibaba.bdrc", "task_id": "../../x", "region": "cn-shanghai"}, 422, ["task_id"]),
    ("a host trick", {**GOOD, "region": "evil.example/"}, 422, ["region"]),
    ("unknown region", {**GOOD, "region": "mars-1"}, 422, ["region"]),
    ("region missing", {"provider": "tencent.clb", "task_id": "a"}, 422, ["region"]),
    ("unknown account", {**GOOD, "account": "nobody"}, 422, ["account"]),
    ("the other cloud's account", {**GOOD, "account": "alibaba"}, 422, ["account"]),
    ("unknown destination", {**GOOD, "notify": ["nobody-there"]}, 422, ["notify[0]"]),
    ("not https", {**GOOD, "notify": [{"type": "webhook", "url": "http://example.com/x"}]}, 422, ["notify[0].url"]),
    ("credentials in the URL", {**GOOD, "notify": [{"type": "webhook", "url": "https://u:p@example.com/x"}]}, 422,
     ["notify[0].url"]),
    ("a metadata address", {**GOOD, "notify": [{"type": "webhook", "url": "https://169.254.169.254/x"}]}, 422,
     ["notify[0].url"]),
    ("too large metadata", {**GOOD, "metadata": {"a": "x" * 9000}}, 422, ["metadata"]),
    ("too large title", {**GOOD, "title": "x" * 201}, 422, ["title"]),
    ("too large", {**GOOD, "metadata": {"a": "x" * 70_000}}, 413, []),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "fields"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_bad_input_gets_a_clear_problem(world: World, body: Any, status: int, fields: list[str]) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = world.call("POST", "/tasks", data=data, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert sorted(one["field"] for one in problem.get("errors", [])) == sorted(fields)
    assert "u:p@" not in answer.text


@pytest.mark.parametrize("key", ["wrong", ""])
def test_a_wrong_api_key_gets_a_clear_problem(world: World, key: str) -> None:
    answer = world.call("POST", "/tasks", json=GOOD, headers={"x-api-key": key})
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert "x-api-key" in answer.json()["detail"]


def test_an_unknown_path_and_an_unknown_task_get_404(world: World) -> None:
    for path in ("/nothing", "/tasks/" + "a" * 26, "/tasks/x%2F..%2Fy", "/tasks/" + "a" * 5000):
        answer = world.call("GET", path)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"


def test_health_and_page_need_no_key(world: World) -> None:
    assert world.call("GET", "/health", headers={"x-api-key": ""}).json()["status"] == "ok"
    page = world.call("GET", "/", headers={"x-api-key": ""})
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")


def test_a_task_is_accepted_once_and_stopped_once(world: World) -> None:
    first = world.call("POST", "/tasks", json={**GOOD, "metadata": {"ticket": "OPS-17"}})
    assert first.status_code == 202
    task = first.json()
    assert first.headers["location"] == f"/tasks/{task['id']}"
    assert task["provider"] == "tencent.clb.DescribeTaskStatus"
    assert task["metadata"] == {"ticket": "OPS-17"}
    again = world.call("POST", "/tasks", json={**GOOD, "provider": "tencent.clb.DescribeTaskStatus"})
    assert (again.status_code, again.json()["id"]) == (200, task["id"])
    stopped = world.call("DELETE", f"/tasks/{task['id']}")
    assert (stopped.status_code, stopped.json()["state"]) == (200, "stopped")
    refused = world.call("DELETE", f"/tasks/{task['id']}")
    assert refused.status_code == 409
    assert refused.headers["content-type"] == "application/problem+json"


def test_a_stopped_task_tells_nobody_and_can_be_watched_again(world: World) -> None:
    body = {**GOOD, "task_id": "slow-again", "title": "watched again"}
    id = world.call("POST", "/tasks", json=body).json()["id"]
    world.wait(id, lambda task: task["polls"] > 0)
    assert world.call("DELETE", f"/tasks/{id}").status_code == 200
    polls = world.get(id)["polls"]
    revived = world.call("POST", "/tasks", json=body)
    assert revived.status_code == 200
    assert revived.json()["state"] == "queued"
    after = world.settled(id)
    assert after["state"] == "succeeded"
    assert after["polls"] > polls
    assert [one.json["type"] for one in world.news_of(id)] == ["task.succeeded"]

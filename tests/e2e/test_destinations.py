"""Destinations as their owner meets them: stored, tested, repaired, told in their own way, and never shown in full."""

import json
import time
from typing import Any

import pytest

from tests.e2e.conftest import SECRET, World


def _deliveries(world: World, id: str) -> dict[str, dict[str, Any]]:
    found = world.call("GET", f"/tasks/{id}/deliveries").json()["deliveries"]
    return {one["destination"]: one for one in found}


def _destination(world: World, name: str) -> dict[str, Any]:
    answer = world.call("GET", f"/destinations/{name}")
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def _delivered(world: World, id: str, name: str, seconds: float = 60) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while (one := _deliveries(world, id)[name])["state"] not in ("delivered", "accepted"):
        assert time.monotonic() < deadline, one
        time.sleep(0.25)
    return one


def test_news_for_a_destination_that_is_gone_is_held_and_goes_out_when_it_is_repaired(world: World) -> None:
    first = world.post("tencent.clb", "instant-held-1", notify=["leaving"])
    world.settled(first["id"])
    assert _deliveries(world, first["id"])["leaving"]["state"] == "held"
    calls = len([one for one in world.rx.messages if one.path == "/hook/gone"])

    second = world.post("tencent.clb", "instant-held-2", notify=["leaving"])
    world.settled(second["id"])
    assert "out of order" in _deliveries(world, second["id"])["leaving"]["reason"]
    assert len([one for one in world.rx.messages if one.path == "/hook/gone"]) == calls  # it has said that it is gone

    shown = _destination(world, "leaving")
    assert (shown["state"], shown["held"]) == ("dead", 2)
    assert "HTTP 410" in shown["reason"]
    dry = world.call("POST", "/destinations/leaving/deliveries", json={"dry_run": True}).json()
    assert sorted(dry["tasks"]) == sorted([first["id"], second["id"]])

    repaired = {"type": "webhook", "url": world.rx.url("/hook"), "secret": SECRET}
    assert world.call("PUT", "/destinations/leaving", json=repaired).json()["state"] == "ok"
    tested = world.call("POST", "/destinations/leaving/test")
    assert (tested.status_code, tested.json()["verdict"], tested.json()["released"]) == (202, "delivered", 2)
    for task in (first, second):
        _delivered(world, task["id"], "leaving")
        assert len(world.news_of(task["id"])) == 1
    assert _destination(world, "leaving")["state"] == "ok"


def test_news_is_told_once_more_on_request_under_the_same_id(world: World) -> None:
    task = world.post("tencent.clb", "instant-again")
    world.settled(task["id"])
    answer = world.call("POST", f"/tasks/{task['id']}/deliveries/default")
    assert answer.status_code == 202, answer.text
    world.rx.wait_for(2, 30, where=lambda one: one.path == "/hook" and one.json.get("data", {}).get("id") == task["id"])
    first, second = world.news_of(task["id"])
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert world.call("POST", f"/tasks/{task['id']}/deliveries/nobody-known").status_code == 404
    running = world.post("tencent.clb", "slow-not-yet")
    assert world.call("POST", f"/tasks/{running['id']}/deliveries/default").status_code == 409


def test_somebody_else_is_told_when_a_destination_has_not_taken_the_news(world: World) -> None:
    task = world.post("tencent.clb", "failing-escalated", notify=["unheard"], title="escalated-title")
    world.settled(task["id"], seconds=120)
    after = _deliveries(world, task["id"])
    assert after["oncall"]["state"] == "delivered"
    assert after["unheard"]["state"] == "held"
    [message] = world.slack_of("escalated-title")
    assert "失败" in json.dumps(message.json, ensure_ascii=False)


def test_a_slack_bot_posts_one_message_edits_it_and_replies_at_the_end(world: World) -> None:
    task = world.post("alibaba.bdrc", "progress-live", notify=["bot"], title="live-title")
    world.settled(task["id"], seconds=120)
    calls = [
        one for one in world.rx.messages if one.path.startswith("/slack-api/") and "live-title" in one.body.decode()
    ]
    posted = [one.json for one in calls if one.path.endswith("chat.postMessage")]
    edited = [one.json for one in calls if one.path.endswith("chat.update")]
    assert [bool(one.get("thread_ts")) for one in posted] == [False, True]
    assert edited
    assert {one["ts"] for one in edited} == {posted[1]["thread_ts"]}


CHATS = {
    "robot": ("/dingtalk", "delivered"),
    "discord": ("/discord/api/webhooks/1/discord-token", "delivered"),
    "teams": ("/teams", "accepted"),
    "feishu": ("/feishu/open-apis/bot/v2/hook/feishu-token", "delivered"),
    "wecom": ("/wecom", "delivered"),
}


@pytest.fixture(scope="module")
def chatted(world: World) -> dict[str, Any]:
    task = world.post("tencent.dts", "failing-chats", notify=list(CHATS), title="chat-title")
    return world.settled(task["id"], seconds=120)


@pytest.mark.parametrize("name", CHATS)
def test_every_chat_tool_is_told_in_its_own_way(world: World, chatted: dict[str, Any], name: str) -> None:
    path, state = CHATS[name]
    assert {one["destination"]: one["state"] for one in chatted["deliveries"]}[name] == state
    [message] = [
        one
        for one in world.rx.messages
        if one.path == path and "chat-title" in json.dumps(one.json, ensure_ascii=False)
    ]
    assert message.status in (200, 202)


def test_more_news_than_a_robot_takes_is_put_together_and_none_is_lost(world: World) -> None:
    tasks = [world.post("tencent.clb", f"instant-digest-{number}", notify=["robot"]) for number in range(20)]
    for task in tasks:
        world.settled(task["id"], seconds=120)
        _delivered(world, task["id"], "robot")
    mine = [one for one in world.rx.messages if one.path == "/dingtalk" and "instant-digest-" in one.body.decode()]
    said = "".join(json.dumps(one.json, ensure_ascii=False) for one in mine)
    assert all(task["task_id"] in said for task in tasks)
    assert len(mine) < len(tasks)
    assert not [one for one in mine if b"130101" in one.body]


def test_a_running_task_makes_progress_news_as_cloudevents(world: World) -> None:
    task = world.post("alibaba.bdrc", "progress-events", notify=["events"])
    world.settled(task["id"], seconds=120)
    events = [
        one.json for one in world.rx.messages if one.headers["content-type"].startswith("application/cloudevents+json")
    ]
    mine = [one for one in events if one["data"]["id"] == task["id"]]
    assert [one["type"] for one in mine][-1] == "task.succeeded"
    assert "task.progress" in [one["type"] for one in mine]
    assert len({one["id"] for one in mine}) == len(mine)


def test_destinations_are_managed_and_their_secrets_never_come_out(world: World) -> None:
    record = {"type": "webhook", "url": world.rx.url("/hook?token=s3cr3t-token"), "secret": SECRET}
    stored = world.call("PUT", "/destinations/fresh", json=record)
    assert stored.status_code == 200, stored.text
    listed = world.call("GET", "/destinations")
    assert "fresh" in [one["name"] for one in listed.json()["destinations"]]
    assert not [secret for secret in ("s3cr3t-token", SECRET, "robot", "xoxb-") if secret in stored.text]
    assert not [secret for secret in ("s3cr3t-token", SECRET, "access_token", "xoxb-") if secret in listed.text]
    assert world.call("DELETE", "/destinations/fresh").status_code == 204
    assert world.call("DELETE", "/destinations/fresh").status_code == 404
    assert world.call("GET", "/destinations/fresh").status_code == 404
    assert world.call("POST", "/destinations/fresh/test").status_code == 404


def test_a_bad_record_is_refused_with_every_fault_at_once(world: World) -> None:
    record = {
        "type": "webhook",
        "url": "ftp://example.com",
        "secret": "short",
        "filter": {"states": ["done"]},
        "lang": "fr",
    }
    answer = world.call("PUT", "/destinations/bad", json=record)
    assert answer.status_code == 422
    assert {one["field"] for one in answer.json()["errors"]} == {"url", "secret", "filter.states", "lang"}
    assert world.call("GET", "/destinations/bad").status_code == 404

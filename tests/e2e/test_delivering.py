"""Receivers that are down, slow, busy, gone, redirecting or dripping: none ends in silence or holds up another."""

import json
import time
from typing import Any

import pytest

from tests.e2e.conftest import World

pytestmark = pytest.mark.timeout(330)
"""The first test waits for all of them, up to twice the 150 s of ``told``."""

OUTCOMES = {
    # destination: (what its delivery ends as, how many attempts that takes)
    "default": ("delivered", 1),
    "slow": ("delivered", 1),
    "shaky": ("delivered", 2),
    "busy": ("delivered", 2),
    "paused": ("delivered", 2),
    "down": ("held", 3),
    "nobody": ("held", 3),
    "drip": ("held", 3),
    "gone": ("held", 1),
    "redirect": ("held", 1),
    "no-service": ("held", 1),
    "failures": ("skipped", 0),
}


@pytest.fixture(scope="module")
def added(world: World) -> str:
    """A task that runs for 20 s, with a destination that was added a second after the start."""
    task = world.post("tencent.clb", "slow-added")
    time.sleep(1)
    world.post("tencent.clb", "slow-added", notify=["slack"])
    return str(task["id"])


@pytest.fixture(scope="module")
def told(world: World, added: str) -> dict[str, Any]:
    """One task that tells everybody at once, when all of them have been told or given up. ``added`` runs meanwhile."""
    names = list(OUTCOMES)
    task = world.post("tencent.clb", "instant-d", notify=names[:6])
    other = world.post("tencent.dts", "instant-d", notify=names[6:])
    both = [world.settled(one["id"], seconds=150) for one in (task, other)]
    found = {one["destination"]: one for task in both for one in _deliveries(world, task["id"])}
    return {"deliveries": found, "ids": [task["id"] for task in both]}


def _deliveries(world: World, id: str) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = world.call("GET", f"/tasks/{id}/deliveries").json()["deliveries"]
    return answer


@pytest.mark.parametrize("name", OUTCOMES)
def test_each_receiver_gets_what_it_deserves(told: dict[str, Any], name: str) -> None:
    delivery = told["deliveries"][name]
    assert (delivery["state"], delivery["attempts"]) == OUTCOMES[name], delivery
    assert len(delivery["log"]) == delivery["attempts"]
    assert all(one["detail"] and one["verdict"] for one in delivery["log"])


def test_a_broken_receiver_delays_nobody(world: World, told: dict[str, Any]) -> None:
    first_told = told["deliveries"]["default"]["log"][0]["at"]
    last_failure = told["deliveries"]["down"]["log"][-1]["at"]
    assert first_told < last_failure
    [id] = {one.json["data"]["id"] for one in world.rx.messages if one.path == "/hook/down"}
    assert len(world.news_of(id)) == 1


def test_every_attempt_carries_the_same_id_and_a_fresh_signature(world: World, told: dict[str, Any]) -> None:
    attempts = [one for one in world.rx.messages if one.path == "/hook/down"]
    assert len(attempts) == 3
    assert len({one.headers["webhook-id"] for one in attempts}) == 1
    assert len({one.headers["webhook-timestamp"] for one in attempts}) == 3
    assert all(one.verified for one in attempts)


def test_retry_after_is_obeyed(world: World, told: dict[str, Any]) -> None:
    for path in ("/hook/429/1", "/hook/503/1"):
        first, second = [one for one in world.rx.messages if one.path == path]
        assert second.at - first.at >= 1.0


def test_a_redirect_is_not_followed(world: World, told: dict[str, Any]) -> None:
    redirected = [one for one in world.rx.messages if one.path == "/hook/redirect"]
    assert len(redirected) == 1
    assert not world.news_of(redirected[0].json["data"]["id"])


def test_every_answer_is_kept_and_explained(told: dict[str, Any]) -> None:
    [attempt] = told["deliveries"]["no-service"]["log"]
    assert (attempt["status"], attempt["code"]) == (404, "no_service")
    assert [one["answer"] for one in told["deliveries"]["gone"]["log"]] == ["gone"]
    assert "webhook was removed" in attempt["detail"]
    assert attempt["detail_zh"]
    assert told["deliveries"]["failures"]["reason"] == "the destination's filter on states leaves it out"


def test_a_destination_of_the_task_itself_is_told_and_never_shown(world: World) -> None:
    url = world.rx.url("/hook")
    own = {"type": "webhook", "url": url, "secret": "whsec_dGhpcyBpcyBhIHNlY3JldCBvZiB0aGUgdGVzdHM="}
    task = world.post("tencent.clb", "instant-own", notify=[own])
    after = world.settled(task["id"])
    assert [one["state"] for one in after["deliveries"]] == ["delivered"]
    shown = json.dumps(after) + json.dumps(_deliveries(world, task["id"]))
    assert "whsec_" not in shown
    assert url not in shown
    item = world.stack.client("dynamodb").get_item(
        TableName=world.stack.outputs()["TableName"], Key={"id": {"S": task["id"]}}
    )["Item"]
    assert "whsec_" not in json.dumps(item, default=str)
    assert "/hook" not in json.dumps(item, default=str)


def test_a_destination_added_after_the_end_is_told_at_once(world: World) -> None:
    task = world.post("tencent.clb", "instant-late")
    world.settled(task["id"])
    polls = len(world.sim.log.of("instant-late"))
    again = world.post("tencent.clb", "instant-late", notify=["default", "slack"], title="ignored")
    assert again["id"] == task["id"]
    after = world.settled(task["id"])
    assert {one["destination"]: one["state"] for one in after["deliveries"]} == {
        "default": "delivered",
        "slack": "delivered",
    }
    assert len(world.news_of(task["id"])) == 1
    assert len(world.sim.log.of("instant-late")) == polls


def test_a_destination_added_while_watching_hears_the_end(world: World, added: str) -> None:
    after = world.settled(added, seconds=60)
    assert {one["destination"] for one in after["deliveries"]} == {"default", "slack"}
    assert len(world.slack_of("slow-added")) == 1

"""What the catalogue does not hold, and what one entry alone cannot show: pages, parts, paths, operators' entries."""

import json
from dataclasses import replace
from typing import Any

import pytest

from local.simulator import ALIBABA
from local.simulator.clouds import Clouds
from taskhook.providers.model import Observation, Refusal
from taskhook.states import State
from tests.simulated import MACHINE_COUNT, NOW, ORACLES, OWN, World, code_of, signed_acs3, signed_tc3

pytestmark = ORACLES


@pytest.mark.parametrize(
    ("name", "task_id", "sizes"), [("tencent.twin", "1700001", [2, 1]), ("alibaba.twin-a", "canceled-1", [2, 2])]
)
def test_pages_are_answered_one_by_one(world: World, name: str, task_id: str, sizes: list[int]) -> None:
    assert isinstance(world.look(world.find(name), task_id), Observation)
    world.clock.now += 3
    del world.bodies[:]
    seen = world.look(world.find(name), task_id)
    assert isinstance(seen, Observation)
    assert (seen.state, len(seen.resources)) == (State.FAILED, MACHINE_COUNT)
    places = (body.get("Response") or body["Data"] for body in world.bodies)
    assert [len(place["Targets"]) for place in places] == sizes
    assert [entry.poll for entry in world.sim.log.of(task_id, name)] == [1, 2, 2]


@pytest.mark.parametrize("changes", [{"Offset": -2}, {"Offset": "0"}, {"Offset": 0.5}, {"Limit": 3}])
def test_pages_are_of_the_size_that_was_asked_for(changes: dict[str, Any]) -> None:
    clouds = Clouds(own=OWN, clock=lambda: NOW)
    for more, code in (({}, None), (changes, "InvalidParameter")):
        body = {"JobId": 3300001, "Limit": 2, "Offset": 0, **more}
        asked = signed_tc3(body=body, service="twin", action="DescribeTargets", version="2020-01-01")
        assert code_of(clouds.respond(asked)) == code


def test_a_part_that_may_be_left_out_belongs_to_the_id_when_it_is_sent(world: World) -> None:
    for task_id in ("3300002", "zone-1/3300002"):
        assert isinstance(world.look(world.find("tencent.twin"), task_id), Observation)
        assert world.sim.log.of(task_id, "tencent.twin")


def test_the_path_says_which_service_is_meant(world: World) -> None:
    assert isinstance(seen := world.look(world.find("alibaba.twin-b"), "instant-b"), Observation)
    assert seen.provider_state == "done"
    plain = world.account(ALIBABA, endpoints={"twin-b": world.sim.url, "bdrc": world.sim.url})
    assert isinstance(seen := world.look(world.find("alibaba.bdrc"), "instant-plain", plain), Observation)
    assert isinstance(seen := world.look(world.find("alibaba.twin-b"), "instant-b", plain), Refusal)
    assert seen.problem.code == "InvalidProduct.NotFound"
    assert "twin-a, twin-b" in seen.problem.message
    elsewhere = world.account(ALIBABA, endpoints={"twin-b": f"{world.sim.url}/alibaba/rds"})
    assert isinstance(seen := world.look(world.find("alibaba.twin-b"), "instant-b", elsewhere), Refusal)
    assert seen.problem.code == "NoSuchVersion"


@pytest.mark.parametrize("since", ["{days_ago_9}", "{now}", "{JobId}", "{now} "])
def test_times_are_those_that_the_entry_says(world: World, since: str) -> None:
    provider = world.find("alibaba.twin-a")
    assert isinstance(world.look(provider, "instant-time"), Observation)
    send = {**provider.send, "Deep": {"Since": since}}
    assert world.refused(replace(provider, send=send), "instant-time") == "InvalidParameter"


def test_a_part_that_no_request_carries_is_told_by_script(world: World) -> None:
    provider = world.find("tencent.cvm")
    world.sim.script("ins-1/request-2", "instant")
    assert isinstance(world.look(provider, "ins-1/request-2"), Observation)
    assert world.refused(provider, "ins-1/request-1") == "TaskNotFound"
    assert len(world.sim.log.of("ins-1/request-2", "tencent.cvm")) == 2


def test_an_operators_entries_change_nothing_that_is_built_in() -> None:
    changed = OWN["alibaba.twin-b"].replace("2020-01-01", "2023-08-08").replace("ListTargets", "DescribeTask")
    for text in (changed, changed.replace("DescribeTask", "DescribeMore")):
        clouds = Clouds(own={"alibaba.bdrc": text}, clock=lambda: NOW)
        assert json.loads(clouds.respond(signed_acs3()).body)["Data"]["TaskStatus"] == "COMPLETE"
        assert clouds.log.of("instant-1", "alibaba.bdrc")

"""How the simulated APIs say what a task's life says; and JMESPath backwards, by which they find the words."""

import json
from typing import Any

import jmespath
import pytest

from local.simulator import placing
from local.simulator.clouds import Clouds
from tests.simulated import NOW, ORACLES, signed_acs3, signed_bm

pytestmark = ORACLES


def bm_data(clouds: Clouds, task_id: str, polls: int = 1) -> list[Any]:
    replies = [clouds.respond(signed_bm(taskId=task_id, Nonce=str(n + 1))) for n in range(polls)]
    return [json.loads(reply.body)["data"] for reply in replies]


def test_bm_status_follows_its_machines() -> None:
    now = float(NOW)
    clouds = Clouds(clock=lambda: now)
    assert bm_data(clouds, "1400001")[0]["status"] == 4
    now += 1
    [data] = [json.loads(clouds.respond(signed_bm(taskId="1400001", Nonce="7")).body)["data"]]
    assert (data["status"], [one["status"] for one in data["instanceIds"]]) == (7, [1, 2, 4])
    now += 2
    [data] = [json.loads(clouds.respond(signed_bm(taskId="1400001", Nonce="8")).body)["data"]]
    assert (data["status"], [one["status"] for one in data["instanceIds"]]) == (3, [1, 2, 1])


def test_bm_speaks_every_documented_dialect(clouds: Clouds) -> None:
    plain, resource_ids, single, keyed, strings, blanks, nulls, _, over = bm_data(clouds, "3400001", 9)
    assert plain["status"] == 5
    assert resource_ids["resourceIds"] == plain["instanceIds"]
    assert single["resourceIds"] == plain["instanceIds"][0]
    assert keyed["resourceIds"]["cpm-3dw234"] == plain["instanceIds"][0]
    assert strings["status"] == "5"
    assert blanks["status "] == 5
    assert nulls == {"status": 5, "instanceIds": None, "resourceIds": None}
    assert over["status "] == 1


def test_bm_keeps_integers_above_2_to_the_53(clouds: Clouds) -> None:
    assert bm_data(clouds, "3300000000000000000001")[0]["status"] == 1
    assert clouds.log.of("3300000000000000000001")


def test_bdrc_times_stand_still_once_it_is_over() -> None:
    now = float(NOW)
    clouds = Clouds(clock=lambda: now)
    seen = []
    for second in (0, 5, 60):
        now = float(NOW + second)
        reply = clouds.respond(signed_acs3(task="failing-1", signature_nonce=f"n{second}"))
        data = json.loads(reply.body)["Data"]
        seen.append((data["TaskStatus"], data["StartTime"], data["CompleteTime"]))
    assert seen == [("RUNNING", NOW, NOW + 1), ("FAILED", NOW, NOW + 2), ("FAILED", NOW, NOW + 2)]


def test_bdrc_progress_moves() -> None:
    now = float(NOW)
    clouds = Clouds(clock=lambda: now)
    seen = []
    for second in range(11):
        now = float(NOW + second)
        reply = clouds.respond(signed_acs3(task="progress-1", signature_nonce=f"n{second}"))
        seen.append(json.loads(reply.body)["Data"]["Progress"])
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0, 10_000)
    assert len(set(seen)) > 6


PATHS = (
    "Status",
    "Data.TaskStatus",
    "Set[0].Status",
    "Set[-1]",
    "Steps[].Reason | [0]",
    "Steps[*].Errors[].Reason | [0]",
    "Steps[?Code].Code | [0]",
    "detail.*.message | [0]",
    '"odd name".value',
    "Message || Messages[0].Text",
    "to_number(Percent)",
    "avg(Jobs[].Percent)",
)


@pytest.mark.parametrize("path", PATHS)
def test_what_is_put_by_a_path_is_found_by_it(path: str) -> None:
    assert jmespath.search(path, placing.put({"kept": 1}, path, 42)) == 42
    assert placing.put({"kept": 1}, path, 42)["kept"] == 1


CONDITIONS = (
    "Progress == `-1`",
    "Code != '0'",
    "`0` < Failed",
    "State == 'Finished' && to_number(Failed) > `0` && Succeeded == `0`",
    "contains(Message, 'failed') || Failed >= `1`",
    "!Fine",
)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditions_hold_or_do_not_as_they_are_told(condition: str) -> None:
    holding = placing.holding({"Fine": True, "Message": ""}, condition)
    assert jmespath.search(condition, holding) is True
    assert jmespath.search(condition, placing.holding(holding, condition, truth=False)) is False


def test_nothing_is_put_where_there_is_no_path() -> None:
    assert placing.put({}, "`1`", 42) == {}

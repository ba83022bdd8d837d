"""More tasks at once than a provider's limit allows looks: nobody is refused, and nobody waits for long."""

import pytest

from tests.e2e.conftest import OVER_THE_LIMIT, World

TASKS = 150


@pytest.mark.timeout(240)
def test_a_herd_keeps_to_the_limit_and_is_seen_to_its_end(world: World) -> None:
    ids = [world.post("tencent.clb", f"quick-herd-{number}", urgency="high")["id"] for number in range(TASKS)]
    tasks = [world.settled(id, seconds=180) for id in ids]
    assert {task["state"] for task in tasks} == {"succeeded"}
    seen = [one for one in world.sim.log if one.task_id is not None and one.task_id.startswith("quick-herd-")]
    assert [one for one in seen if one.verdict in OVER_THE_LIMIT] == []
    assert len(seen) == sum(task["polls"] for task in tasks)
    # 20/s is the limit and 18/s are planned: well above half of that are used while there is a crowd.
    busiest = sorted(one.at for one in seen)[: 2 * TASKS]
    assert len(busiest) / (busiest[-1] - busiest[0]) > 6

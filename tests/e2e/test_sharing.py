"""Many tasks at an API that takes many ids: they share requests, and each ends with its own news."""

from tests.e2e.conftest import World

JOBS = "tencent.clb.DescribeAsyncJobs"
TASKS = 60


def test_many_tasks_share_requests_and_each_is_told_once(world: World) -> None:
    lives = [("quick", "succeeded"), ("failing", "failed"), ("slow", "succeeded")]
    posted = {}
    for number in range(TASKS):
        life, state = lives[number % len(lives)]
        posted[world.post(JOBS, f"{life}-shared-{number}", urgency="high")["id"]] = state
    tasks = {id: world.settled(id) for id in posted}
    assert {id: task["state"] for id, task in tasks.items()} == posted
    for id in posted:
        assert len(world.news_of(id)) == 1
    names = {task["task_id"] for task in tasks.values()}
    requests = [one for one in world.sim.log if names & {asked.task_id for asked in one.asked}]
    looks = sum(task["polls"] for task in tasks.values())
    assert max(one.ids for one in requests) > 1
    assert len(requests) < looks

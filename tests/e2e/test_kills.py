"""A kill in the middle of everything, in an installation of its own."""

from pathlib import Path

import pytest

from local.receiver import Receiver
from local.run import serving
from local.settings import Settings
from local.simulator import Simulator
from tests.e2e.conftest import QUICK_PARAMETERS, SECRET, World, config_for


@pytest.mark.timeout(240)
def test_after_a_kill_every_watch_goes_on_and_nobody_is_told_twice(tmp_path: Path) -> None:
    with Simulator() as sim, Receiver(secret=SECRET) as rx:
        settings, config = Settings(home=tmp_path, port=0), config_for(sim, rx)
        with serving(settings, config=config, parameters=QUICK_PARAMETERS) as stack:
            before = World(sim, rx, stack)
            told = before.post("tencent.clb", "instant-before", notify=["default", "slack"])
            before.settled(told["id"])
            going = [before.post("tencent.clb", f"slow-kill-{number}")["id"] for number in range(5)]
            waiting = before.post("alibaba.bdrc", "instant-shaky", notify=["shaky", "default"])
            before.wait(going[0], lambda one: one["polls"] > 0)
            accepted = [before.post("tencent.dts", f"quick-kill-{number}")["id"] for number in range(5)]
            key = stack.api_key
            stack.kill()  # right after the answer: nothing that was accepted may be forgotten
        with serving(settings, config=config, parameters=QUICK_PARAMETERS) as stack:
            after = World(sim, rx, stack)
            assert stack.api_key == key
            for id in [told["id"], *going, *accepted, waiting["id"]]:
                task = after.settled(id, seconds=120)
                assert task["state"] == "succeeded", task
                assert {one["state"] for one in task["deliveries"]} == {"delivered"}
                acknowledged = [one for one in after.news_of(id) if one.status == 204]
                assert len(acknowledged) == 1, task["task_id"]
            assert len(after.slack_of("instant-before")) == 1

"""What a network does to the simulator's answers; its log, and its pages for people."""

import time

import pytest
import requests
from tencentcloud.clb.v20180317 import clb_client
from tencentcloud.common.http.request import RequestInternal

from local.simulator import LIVES, TENCENT, Simulator
from tests.simulated import ORACLES, ask_clb, tencent_client

pytestmark = ORACLES


def post_clb(sim: Simulator, task_id: str) -> requests.Response:
    """One poll without the SDK in between: the wire as it is."""
    request = RequestInternal("", "POST", "/", {}, "")
    client = tencent_client(clb_client.ClbClient, sim)
    client._build_req_inter("DescribeTaskStatus", {"TaskId": task_id}, request)
    return requests.post(f"{sim.url}/", data=request.data, headers=request.header, timeout=3, allow_redirects=False)


@pytest.mark.parametrize("task_id", ["reset-net", "truncated-net", "hung-net"])
def test_broken_connections_are_broken(sim: Simulator, task_id: str) -> None:
    assert post_clb(sim, task_id).json()["Response"]["Status"] == 2
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        post_clb(sim, task_id)


def test_answers_that_are_not_answers(sim: Simulator) -> None:
    for task_id, status, content_type in [
        ("html-net", 200, "text/html; charset=utf-8"),
        ("malformed-net", 200, "application/json"),
        ("empty-net", 200, "application/json"),
        ("unavailable-net", 503, "text/plain; charset=utf-8"),
    ]:
        post_clb(sim, task_id)
        response = post_clb(sim, task_id)
        assert (response.status_code, response.headers["Content-Type"]) == (status, content_type), task_id
        with pytest.raises(requests.JSONDecodeError):
            response.json()


def test_error_with_a_charset_is_an_answer_to_the_sdk(sim: Simulator) -> None:
    """Why taskhook reads every body itself: the SDK takes this error for a task without a status."""
    ask_clb(sim, "charset-net")
    assert ask_clb(sim, "charset-net").Status is None


def test_redirect_points_to_a_trap_that_tells_who_followed(sim: Simulator) -> None:
    post_clb(sim, "redirect-net")
    location = post_clb(sim, "redirect-net").headers["Location"]
    before = sum(entry.api == "trap" for entry in sim.log)
    requests.get(location, timeout=3)
    assert sum(entry.api == "trap" for entry in sim.log) == before + 1


def test_log_tells_each_poll_of_a_task(sim: Simulator) -> None:
    for _ in range(3):
        post_clb(sim, "throttled-log")
    entries = sim.log.of("throttled-log", api="tencent.clb")
    assert [entry.verdict for entry in entries] == ["fault throttled"] * 2 + ["answered running"]
    assert [entry.poll for entry in entries] == [1, 2, 3]
    assert {(entry.region, entry.key_id, entry.status) for entry in entries} == {("ap-guangzhou", TENCENT.key_id, 200)}
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    counted = requests.get(f"{sim.url}/_log", timeout=3).json()["tasks"]
    [task] = [one for one in counted if one["task_id"] == "throttled-log"]
    assert task["verdicts"] == {"fault throttled": 2, "answered running": 1}
    assert len(requests.get(f"{sim.url}/_log?task_id=throttled-log", timeout=3).json()) == 3


def test_lives_are_listed_for_people(sim: Simulator) -> None:
    listed = requests.get(f"{sim.url}/_lives", timeout=3).text
    assert all(life.about in listed for life in LIVES.values())
    assert requests.get(f"{sim.url}/elsewhere", timeout=3).status_code == 404


def test_close_is_prompt_and_may_be_repeated() -> None:
    simulator = Simulator(hang_seconds=30)
    with requests.Session() as session:  # a connection kept alive must not hold it up
        session.get(f"{simulator.url}/_lives", timeout=3)
        began = time.monotonic()
        simulator.close()
        simulator.close()
        assert time.monotonic() - began < 2

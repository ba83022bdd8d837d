"""`taskhook watch`: to the end, through failures, and with a status that says what the end was."""

import json
import signal
import subprocess
import time

import pytest

from taskhook_cli.exits import BY_STATE, Exit, exit_of
from tests.cli.conftest import Run, Start
from tests.cli.service import DROP, Reply, Service, problem


@pytest.mark.parametrize("state", BY_STATE)
def test_each_end_has_its_exit_status(run: Run, service: Service, state: str) -> None:
    service.add("one", state="running")
    service.after(0.1, "one", state=state)
    result = run("watch", "one")
    assert result.exit_code == BY_STATE[state]
    assert result.stdout.startswith(state)
    assert "took 8 s" in result.stdout


def test_the_statuses_of_all_ends_differ() -> None:
    assert len(set(BY_STATE.values())) == len(BY_STATE)


def test_of_several_ends_the_gravest_decides() -> None:
    assert exit_of(["succeeded", "partial", "failed", "canceled"]) == Exit.FAILED
    assert exit_of(["succeeded", "stopped"]) == Exit.STOPPED
    assert exit_of(["succeeded", "succeeded"]) == Exit.OK


def test_each_change_is_one_line_and_the_end_is_the_result(run: Run, service: Service) -> None:
    service.add("one", title="Copy image")
    same: dict[str, object] = {}  # another look that found the same
    service.steps = [("one", {"progress": 0.42}), ("one", same), ("one", {"state": "succeeded", "progress": 1.0})]
    result = run("watch", "one")
    lines = [line.partition("  ")[2] for line in result.stderr.splitlines()]
    assert lines == [
        "running    Copy image [one]",
        "running    Copy image [one]  42 %",
        "succeeded  Copy image [one]  took 8 s",
    ]
    assert result.stdout == "succeeded  Copy image [one]  took 8 s\n"


def test_it_waits_by_long_poll_with_the_etag(run: Run, service: Service) -> None:
    service.add("one")
    service.after(0.5, "one", state="succeeded")
    run("watch", "one")
    first, *others = service.calls("GET", "/tasks/one")
    assert first.query == {}
    assert all(one.query == {"wait": "25"} and "if-none-match" in one.headers for one in others)
    assert len(others) <= 2


def test_json_prints_every_change_and_no_word_else(run: Run, service: Service) -> None:
    service.add("one")
    service.steps = [("one", {"state": "failed", "error": {"code": "X", "message": "no", "hint": None}})]
    result = run("watch", "one", "--json")
    states = [json.loads(line)["state"] for line in result.stdout.splitlines()]
    assert states == ["running", "failed"]
    assert result.stderr == ""


def test_quiet_leaves_only_the_result(run: Run, service: Service) -> None:
    service.add("one", state="succeeded")
    assert run("watch", "one", "-q").stderr == ""


def test_several_tasks_are_followed_at_once(run: Run, service: Service) -> None:
    for number in range(4):
        service.add(f"t{number}")
        service.after(0.1 + 0.05 * number, f"t{number}", state="failed" if number == 1 else "succeeded")
    result = run("watch", "t0", "t1", "t2", "t3", "t0")
    assert result.exit_code == Exit.FAILED
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["succeeded", "failed", "succeeded", "succeeded"]


def test_more_tasks_than_workers_are_asked_in_turn(run: Run, service: Service) -> None:
    ids = [f"t{number}" for number in range(12)]
    for id in ids:
        service.add(id, state="succeeded" if id != "t3" else "running")
    service.after(0.3, "t3", state="succeeded")
    assert run("watch", *ids).exit_code == 0


FAULTS = {
    "dropped": DROP,
    "500": problem(500, "taskhook itself is at fault."),
    "502 of a gateway": Reply(status=502, body=b"<html>Bad Gateway"),
    "429": problem(429, "Too many requests."),
    "504": Reply(status=504, body=b""),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_failures_on_the_way_are_borne(run: Run, service: Service, fault: Reply) -> None:
    service.add("one")
    service.faults = [fault, None, fault, fault]
    service.after(0.2, "one", state="partial")
    result = run("watch", "one")
    assert result.exit_code == Exit.PARTIAL, result.stderr
    assert "trying again" in result.stderr


def test_failures_without_end_are_an_end(run: Run, service: Service) -> None:
    service.add("one")
    service.faults = [None, *[DROP] * 10_000]
    result = run("watch", "one", "--patience", "1s")
    assert result.exit_code == Exit.UNREACHABLE
    assert "given up after" in result.stderr
    assert "the service goes on watching the task" in result.stderr


def test_a_service_that_asks_for_more_time_than_there_is_is_not_waited_for(run: Run, service: Service) -> None:
    service.faults = [problem(429, "Slowly.", headers={"Retry-After": "99999"})] * 3
    started = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("taskhook_cli.client.backoff", lambda *, retry_after, **_: retry_after)
        assert run("watch", "one").exit_code == Exit.UNREACHABLE
    assert time.monotonic() - started < 5


def test_an_unknown_task_is_refused_with_the_likeliest_cause(run: Run, service: Service) -> None:
    result = run("watch", "55c85074-3e7f-4c6d-864f-673660d4f8de")
    assert result.exit_code == Exit.REFUSED
    assert "not the cloud's" in result.stderr


def test_wait_timeout_has_a_status_of_its_own(run: Run, service: Service) -> None:
    service.add("one")
    result = run("watch", "one", "--wait-timeout", "1s")
    assert result.exit_code == Exit.STILL_RUNNING
    assert "taskhook watch one" in result.stderr


def test_a_wrong_key_ends_it(run: Run, service: Service) -> None:
    service.add("one")
    result = run("watch", "one", env={"TASKHOOK_API_KEY": "another-key"})
    assert result.exit_code == Exit.REFUSED
    assert "x-api-key" in result.stderr
    assert "another-key" not in result.stderr


@pytest.mark.parametrize("answer", [{"id": "other", "state": "succeeded"}, {"id": "one"}, {"id": "one", "state": 3}])
def test_an_answer_about_anything_else_is_no_end(run: Run, service: Service, answer: dict[str, object]) -> None:
    service.on["GET", "/tasks/one"] = lambda request: Reply(body=answer)
    result = run("watch", "one")
    assert result.exit_code == Exit.REFUSED
    assert "not taskhook's" in result.stderr


def interrupted(process: subprocess.Popen[str], service: Service) -> tuple[str, str]:
    deadline = time.monotonic() + 60
    while not service.calls("GET", "/tasks/one"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=60)


def test_ctrl_c_leaves_the_task_to_the_service_and_says_so(start: Start, service: Service) -> None:
    service.add("one")
    process = start("watch", "one")
    _, errors = interrupted(process, service)
    assert process.returncode == Exit.INTERRUPTED
    assert "the service goes on watching the task; look again with: taskhook watch one" in errors
    assert "Traceback" not in errors
    assert service.calls("DELETE") == []


def test_a_pipe_from_the_clouds_tool_ends_when_the_task_has(start: Start, service: Service) -> None:
    id = service.id_of("tencent.clb", "r-1")
    service.steps = [(id, {"state": "running", "progress": 0.5}), (id, {"state": "succeeded"})]
    process = start("submit", "tencent.clb", "--region", "ap-guangzhou", "--watch", "--title", "Listener")
    output, errors = process.communicate('{"RequestId": "r-1"}', timeout=60)
    assert process.returncode == 0, errors
    assert output.splitlines()[0] == id
    assert output.splitlines()[1].startswith("succeeded  Listener")
    assert "50 %" in errors

"""The command line against the real stack: as a process, in a pipe, with real waits."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.e2e.conftest import SECRET, World

type Taskhook = Callable[..., subprocess.CompletedProcess[str]]
type Begin = Callable[..., subprocess.Popen[str]]

ENDS = [("quick", 0), ("failing", 10), ("partial", 10), ("canceled", 10)]
"""CLB knows no partial success and no cancellation: both are failures there."""


@pytest.fixture
def begin(world: World, tmp_path: Path) -> Iterator[Begin]:
    started: list[subprocess.Popen[str]] = []
    env = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "cli"), "HOME": str(tmp_path),
        "TASKHOOK_URL": world.stack.url, "TASKHOOK_API_KEY": world.stack.api_key, "TASKHOOK_WEBHOOK_SECRET": SECRET,
    }  # fmt: skip

    def call(*words: str) -> subprocess.Popen[str]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [sys.executable, "-m", "taskhook_cli", *words]
        process = subprocess.Popen(command, cwd=tmp_path, env=env, text=True, **pipes)  # type: ignore[call-overload]
        started.append(process)
        return process  # type: ignore[no-any-return]

    yield call
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def taskhook(begin: Begin) -> Taskhook:
    def call(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        process = begin(*words)
        output, errors = process.communicate(stdin, timeout=100)
        return subprocess.CompletedProcess(words, process.returncode, output, errors)

    return call


@pytest.mark.parametrize(("life", "status"), ENDS)
def test_what_tccli_printed_is_watched_to_its_end(taskhook: Taskhook, life: str, status: int) -> None:
    document = json.dumps({"RequestId": f"{life}-cli"})
    done = taskhook("submit", "tencent.clb", "--region", "ap-guangzhou", "--watch", "--title", life, stdin=document)
    assert done.returncode == status, done.stderr
    id, end = done.stdout.splitlines()
    assert id in end
    assert f"took RequestId: {life}-cli" in done.stderr


def test_an_id_below_data_is_found_and_progress_is_followed(taskhook: Taskhook) -> None:
    document = json.dumps({"Code": "200", "Success": True, "Data": {"TaskId": "progress-cli"}, "RequestId": "r-1"})
    done = taskhook("submit", "alibaba.bdrc", "--region", "cn-shanghai", "--watch", "--json", stdin=document)
    assert done.returncode == 0, done.stderr
    seen = [json.loads(line)["progress"] for line in done.stdout.splitlines()]
    assert len({one for one in seen if one is not None}) >= 3


def test_many_ids_are_one_batch_and_those_refused_are_named(taskhook: Taskhook) -> None:
    ids = "\n".join(["quick-cli-1", "../x", "quick-cli-2"])
    done = taskhook("submit", "alibaba.bdrc", "--region", "cn-shanghai", "--json", stdin=ids)
    assert done.returncode == 1
    assert [json.loads(line)["task_id"] for line in done.stdout.splitlines()] == ["quick-cli-1", "quick-cli-2"]
    assert "../x: " in done.stderr
    assert "TASK_ID (task_id)" in done.stderr


def test_a_refused_submission_names_options(taskhook: Taskhook) -> None:
    done = taskhook("submit", "tencent.clb", "x", "--timeout", "0", "--region", "mars-1", "--notify", "nobody-there")
    assert done.returncode == 1
    for option in ("--timeout (timeout_seconds): ", "--region (region): ", "--notify (notify[0]): "):
        assert option in done.stderr


def test_a_repeated_key_posts_once(taskhook: Taskhook, world: World) -> None:
    words = ("submit", "tencent.clb", "quick-cli-key", "--region", "ap-guangzhou", "--idempotency-key", "cli-once")
    first, second = taskhook(*words), taskhook(*words)
    assert first.stdout == second.stdout
    other = taskhook(*words[:2], "quick-cli-other", *words[3:])
    assert other.returncode == 1


def test_tasks_are_listed_shown_redelivered_and_stopped(taskhook: Taskhook, world: World) -> None:
    task = world.post("tencent.clb", "forever-cli", title="For ever")
    # In this order: a task goes from queued to running, and would be missed the other way round.
    queued = taskhook("list", "--state", "queued", "--provider", "tencent.clb", "--all", "--json")
    listed = taskhook("list", "--state", "running", "--provider", "tencent.clb", "--all", "--json")
    ids = [json.loads(line)["id"] for line in (listed.stdout + queued.stdout).splitlines()]
    assert task["id"] in ids
    assert taskhook("redeliver", task["id"], "default").returncode == 1
    shown = taskhook("show", task["id"])
    assert shown.returncode == 0, shown.stderr
    assert "For ever" in shown.stdout
    assert "submitted" in shown.stdout
    watched = taskhook("watch", task["id"], "--wait-timeout", "1s")
    assert watched.returncode == 4
    assert taskhook("stop", task["id"]).returncode == 0
    assert taskhook("watch", task["id"]).returncode == 15
    assert taskhook("stop", task["id"]).returncode == 0


def test_pages_hold_every_task_once(taskhook: Taskhook, world: World) -> None:
    posted = {world.post("tencent.dts", f"forever-cli-{number}")["id"] for number in range(12)}
    done = taskhook("list", "--provider", "tencent.dts", "--all", "--json")
    ids = [json.loads(line)["id"] for line in done.stdout.splitlines()]
    assert posted <= set(ids)
    assert len(ids) == len(set(ids))
    assert len(taskhook("list", "--limit", "5").stdout.splitlines()) == 5
    assert taskhook("stop", *posted).returncode == 0


@pytest.mark.parametrize("id", ["a" * 26, "a/b", "%2e%2e", "x" * 1000])
def test_an_id_that_is_none_is_refused(taskhook: Taskhook, id: str) -> None:
    done = taskhook("watch", id)
    assert done.returncode == 1
    assert "not the cloud's" in done.stderr


def test_every_provider_says_where_its_id_is(taskhook: Taskhook) -> None:
    done = taskhook("providers", "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) >= 80
    assert taskhook("providers", "tencent.clb").stdout.count("RequestId") >= 2


def test_a_destination_is_stored_tested_and_deleted(taskhook: Taskhook, world: World) -> None:
    record = json.dumps({"type": "webhook", "url": world.rx.url("/hook"), "secret": SECRET})
    stored = taskhook("destinations", "put", "cli", stdin=record)
    assert stored.returncode == 0, stored.stderr
    assert SECRET not in stored.stdout
    tested = taskhook("destinations", "test", "cli")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert taskhook("destinations", "release", "cli", "--since", "1h", "--dry-run").returncode == 0
    assert "cli\twebhook" in taskhook("destinations").stdout
    assert taskhook("destinations", "delete", "cli").returncode == 0
    assert taskhook("destinations", "test", "cli").returncode == 1


def test_a_webhook_that_was_sent_is_genuine_and_another_body_is_not(
    taskhook: Taskhook, world: World, tmp_path: Path
) -> None:
    task = world.post("tencent.clb", "instant-cli")
    world.settled(task["id"])
    message = world.news_of(task["id"])[0]
    (tmp_path / "headers").write_text("".join(f"{name}: {value}\n" for name, value in message.headers.items()))
    (tmp_path / "body").write_bytes(message.body)
    assert taskhook("verify", "body", "--headers", "headers").returncode == 0
    (tmp_path / "body").write_bytes(message.body + b"\n")
    changed = taskhook("verify", "body", "--headers", "headers")
    assert changed.returncode == 1
    assert "a line break was added" in changed.stderr


def test_news_that_is_listened_to_is_that_of_the_webhook(begin: Begin, world: World) -> None:
    process = begin("listen", "--json", "--provider", "alibaba.bdrc", "--interval", "1s")
    assert process.stderr is not None
    assert process.stdout is not None
    assert "listening" in process.stderr.readline()
    posted = [world.post("alibaba.bdrc", f"{life}-listened")["id"] for life in ("instant", "quick", "failing")]
    heard: dict[str, Any] = {}
    deadline = time.monotonic() + 60
    while set(heard) < set(posted) and time.monotonic() < deadline:
        news = json.loads(process.stdout.readline())
        assert news["data"]["id"] not in heard
        heard[news["data"]["id"]] = news
    for id in posted:
        world.settled(id)
        sent = world.news_of(id)[0].json
        assert (heard[id]["type"], heard[id]["timestamp"]) == (sent["type"], sent["timestamp"])
        assert set(sent["data"]) <= set(heard[id]["data"])

"""`taskhook listen`: every end is told once, whatever happens between two rounds."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskhook_cli import listening
from taskhook_cli.errors import Refused, Unreachable
from taskhook_cli.listening import Listener
from tests.cli.conftest import Run, Start
from tests.cli.service import DROP, ENDED, Service


class World:
    """Tasks in memory. ``happen`` is called before every answer, so that the world moves in the middle of a round."""

    def __init__(self) -> None:
        self.now = 1_790_000_000
        self.all: dict[str, dict[str, Any]] = {}
        self.happen: Callable[[], None] = lambda: None

    def begin(self, id: str) -> None:
        """A task that is posted again begins anew: it is the newest of all then."""
        self.all[id] = {"id": id, "submitted_at": self._time(), "state": "running", "observed_at": None}

    def end(self, id: str, state: str = "succeeded") -> None:
        self.all[id] |= {"state": state, "observed_at": self._time()}

    def _time(self) -> str:
        self.now += 1
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.now))

    def tasks(self, filters: dict[str, Any]) -> Iterable[dict[str, Any]]:
        self.happen()
        found = [dict(task) for task in self.all.values() if filters.get("state") in (None, task["state"])]
        yield from sorted(found, key=lambda task: str(task["submitted_at"]), reverse=True)

    def task(self, id: str) -> dict[str, Any]:
        self.happen()
        if id not in self.all:
            raise Refused(404, "There is no such task.")
        return dict(self.all[id])


def told(listener: Listener) -> list[str]:
    return [task["id"] for task in listener.round()]


def test_what_had_ended_before_is_no_news_and_what_ends_later_is() -> None:
    world = World()
    world.begin("old")
    world.end("old")
    world.begin("open")
    listener = Listener(world, {})
    assert told(listener) == []
    assert told(listener) == []
    world.end("open")
    assert told(listener) == ["open"]
    assert told(listener) == []


def test_a_task_that_began_and_ended_between_two_rounds_is_told() -> None:
    world = World()
    listener = Listener(world, {})
    listener.round()
    for number in range(300):  # more than a page, and longer than the overlap
        world.begin(f"t{number}")
        world.end(f"t{number}")
    assert told(listener) == [f"t{number}" for number in range(300)]
    assert told(listener) == []


def test_a_task_that_is_watched_again_is_told_again() -> None:
    world = World()
    world.begin("one")
    listener = Listener(world, {})
    listener.round()
    world.end("one", "lost")
    assert told(listener) == ["one"]
    world.begin("one")
    assert told(listener) == []
    world.end("one")
    assert told(listener) == ["one"]


def test_a_task_that_is_watched_again_and_ends_between_two_rounds_is_told_again() -> None:
    world = World()
    world.begin("one")
    for number in range(300):
        world.begin(f"t{number}")
    listener = Listener(world, {})
    listener.round()
    world.end("one", "timed_out")
    assert told(listener) == ["one"]
    world.begin("one")
    world.end("one")
    assert told(listener) == ["one"]
    assert told(listener) == []


def test_only_ends_that_are_wished_for_are_told() -> None:
    world = World()
    listener = Listener(world, {}, states=frozenset({"failed"}))
    listener.round()
    for id, state in (("a", "failed"), ("b", "succeeded"), ("c", "failed")):
        world.begin(id)
        world.end(id, state)
    assert told(listener) == ["a", "c"]


def test_a_round_that_fails_is_made_again_without_loss() -> None:
    world = World()
    world.begin("one")
    listener = Listener(world, {})
    listener.round()
    world.end("one")

    def broken() -> None:
        raise Unreachable("no network")

    world.happen = broken
    with pytest.raises(Unreachable):
        listener.round()
    world.happen = lambda: None
    assert told(listener) == ["one"]


def test_a_task_that_is_gone_is_dropped_and_said() -> None:
    world, dropped = World(), list[str]()
    world.begin("one")
    listener = Listener(world, {}, dropped=dropped.append)
    listener.round()
    del world.all["one"]
    assert told(listener) == []
    assert dropped == ["one"]
    assert told(listener) == []


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "MOST_TOLD", 50)
    world = World()
    listener = Listener(world, {})
    listener.round()
    for number in range(2000):
        world.begin(f"t{number}")
        world.end(f"t{number}")
        if number % 20 == 0:
            listener.round()
    assert len(listener._told) <= 50 + 200
    assert not listener._open


STEPS = st.lists(st.tuples(st.sampled_from(["begin", "end", "round", "skip"]), st.integers(0, 5)), max_size=60)


@given(steps=STEPS, moves=st.lists(st.booleans(), max_size=80))
def test_every_end_is_told_once_whatever_the_world_does_meanwhile(
    steps: list[tuple[str, int]], moves: list[bool]
) -> None:
    world, ends, heard = World(), list[str](), list[str]()
    listener = Listener(world, {})
    listener.round()
    queue = iter(moves)
    waiting: list[tuple[str, str]] = []

    def move() -> None:
        """One step of the world, in the middle of a round."""
        if next(queue, False) and waiting:
            act(*waiting.pop(0))

    def act(kind: str, id: str) -> None:
        known = world.all.get(id)
        if kind == "begin" and known is None:
            world.begin(id)
        elif kind == "end" and known and known["state"] not in ENDED:
            world.end(id)
            ends.append(id)

    world.happen = move
    for count, (kind, number) in enumerate(steps):
        if kind == "round":
            heard += told(listener)
        else:
            waiting.append((kind, f"t{number}"))
            if kind == "skip" or count % 2:
                act(*waiting.pop(0))
    world.happen = lambda: None
    heard += told(listener) + told(listener)
    assert sorted(heard) == sorted(ends)


def test_ids_are_followed_to_their_ends_and_told_as_a_webhook_would(run: Run, service: Service) -> None:
    service.add("one", title="First")
    service.add("two", state="stopped")
    service.after(0.2, "one", state="failed")
    result = run("listen", "one", "two", "--json")
    assert result.exit_code == 0, result.stderr
    (line,) = result.stdout.splitlines()
    news = json.loads(line)
    assert news["type"] == "task.failed"
    assert news["timestamp"] == service.tasks["one"]["observed_at"]
    assert news["data"] == {name: value for name, value in service.tasks["one"].items() if name != "deliveries"}


def test_a_command_gets_the_news_on_its_standard_input(run: Run, service: Service, tmp_path: Any) -> None:
    service.add("one", state="succeeded")
    service.add("two", state="succeeded")
    script = tmp_path / "handle news.py"
    script.write_text("import sys, pathlib\npathlib.Path('got').open('a').write(sys.stdin.read())\nsys.exit(3)\n")
    result = run("listen", "one", "two", "--exec", f"{sys.executable} '{script}'")
    got = [json.loads(line) for line in (tmp_path / "got").read_text().splitlines()]
    assert sorted(one["data"]["id"] for one in got) == ["one", "two"]
    assert result.stderr.count("ended with status 3") == 2
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("command", "words"), [("/nowhere/at-all", "cannot be started"), ("sleep 9", "was ended after")]
)
def test_a_command_that_fails_holds_nothing_up(run: Run, service: Service, command: str, words: str) -> None:
    service.add("one", state="succeeded")
    result = run("listen", "one", "--exec", command, "--exec-timeout", "1s")
    assert result.exit_code == 0
    assert words in result.stderr
    assert "one" in result.stdout


@pytest.mark.parametrize("words", [("a", "--provider", "x"), ("a", "--exec", "'"), ("--state", "running")])
def test_what_cannot_be_meant_is_bad_usage(run: Run, words: tuple[str, ...]) -> None:
    assert run("listen", *words).exit_code == 2


def test_all_that_matches_is_told_through_a_network_loss(start: Start, service: Service) -> None:
    service.add("before", state="succeeded")
    service.add("open")
    process = start("listen", "--json", "--interval", "1s", "--provider", "tencent.clb")
    assert process.stdout is not None
    assert process.stderr is not None
    assert "listening" in process.stderr.readline()
    service.faults = [None, *[DROP] * 2]
    service.add("quick", state="failed")
    service.change("open", state="succeeded")
    lines = _read(process.stdout, 2)
    assert sorted(json.loads(line)["data"]["id"] for line in lines) == ["open", "quick"]
    assert all(one.query.get("provider") == "tencent.clb" for one in service.calls("GET") if one.path == "/tasks")


def _read(stream: Any, count: int) -> list[str]:
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(stream.readline() for _ in range(count)), daemon=True)
    reader.start()
    reader.join(timeout=60)
    return lines

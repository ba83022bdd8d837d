"""Small rooms: lengths of time, harmless texts, news, the completion scripts, and what a terminal shows."""

import os
import re
import select
import sys
import time
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskhook_cli.durations import parse_duration, show_duration
from taskhook_cli.safe import clean, short
from taskhook_cli.story import fraction, line, percent
from tests.cli.conftest import Run, Start
from tests.cli.service import Service


@pytest.mark.parametrize(("text", "seconds"), [
    ("90", 90), ("90s", 90), ("2h", 7200), ("3d", 259_200), ("1h30m", 5400), (" 5M ", 300), ("0", 0),
    ("", None), ("soon", None), ("-1", None), ("1.5h", None), ("1w", None), ("h", None), ("1h 30m", None), ("٣s", None),
    ("9" * 30, None),
])  # fmt: skip
def test_lengths_of_time_are_read(text: str, seconds: int | None) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(("seconds", "text"), [
    (0, "0 s"), (59.6, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (100_000, "1 d 3 h"), (-5, "0 s"),
])  # fmt: skip
def test_lengths_of_time_are_shown(seconds: float, text: str) -> None:
    assert show_duration(seconds) == text


@given(st.text())
def test_a_clean_text_has_nothing_that_cannot_be_seen_and_stays_clean(text: str) -> None:
    once = clean(text)
    assert not {unicodedata.category(one) for one in once} & {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert clean(once) == once
    assert len(short(text, 10)) <= 10


@pytest.mark.parametrize(("text", "safe"), [
    ("\x1b[31mred\x1b[0m", "red"), ("\x1b]0;title\x07x", "x"), ("\x1b]8;;http://e\x1b\\link\x1b]8;;\x1b\\", "link"),
    ("a\nb", "a b"), ("a\tb", "a b"), ("\x9b31mred", "red"), ("\x1b", ""), ("\x1bPq\x1b\\x", "x"),
    ("任务 é 👩‍💻", "任务 é 👩‍💻"),
    ("a\u202eb", "ab"), ("\ud800", ""),
])  # fmt: skip
def test_escape_sequences_are_taken_out_whole(text: str, safe: str) -> None:
    assert clean(text) == safe


TASK = st.fixed_dictionaries({}, optional={
    name: st.none() | st.text() | st.integers() | st.booleans() | st.dictionaries(st.text(), st.text(), max_size=2)
    for name in ("id", "state", "title", "progress", "estimate", "error", "message", "took_seconds", "submitted_at",
                 "provider", "provider_state")
})  # fmt: skip


@given(TASK)
def test_a_task_of_another_version_is_still_one_line(task: dict[str, Any]) -> None:
    assert "\n" not in line(task, 0.0)
    done = fraction(task, 0.0)
    assert done is None or 0 <= done <= 1
    assert percent(task) is None or 0 <= (percent(task) or 0) <= 100


def test_the_estimate_moves_the_bar_but_never_to_its_end() -> None:
    task = {"submitted_at": "1970-01-01T00:00:00Z", "estimate": {"at": "1970-01-01T00:01:40Z"}, "state": "running"}
    assert fraction(task, 25.0) == 0.25
    assert fraction(task, 500.0) == 0.95
    assert fraction({**task, "progress": 0.1}, 25.0) == 0.1
    assert fraction({**task, "state": "failed"}, 25.0) == 1.0


SHELLS = {"bash": "complete -o nosort -F", "zsh": "#compdef taskhook", "fish": "complete --no-files --command taskhook"}


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_prints_the_script_of_each_shell(run: Run, shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert SHELLS[shell] in result.stdout


def completing(words: str) -> dict[str, str]:
    """As the scripts set it."""
    return {"_TASKHOOK_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}


def completed(run: Run, words: str) -> list[str]:
    result = run(env=completing(words), prog_name="taskhook")
    assert result.stderr == ""
    return [one.partition(",")[2] for one in result.stdout.splitlines() if one]


def test_providers_and_states_are_completed_without_a_call(run: Run, service: Service) -> None:
    assert completed(run, "taskhook submit tencent.") == []
    run("providers")
    calls = len(service.requests)
    assert completed(run, "taskhook submit tencent.") == ["tencent.clb", "tencent.cvm", "tencent.vod"]
    assert completed(run, "taskhook list --provider ali") == ["alibaba.bdrc", "alibaba.emr"]
    assert completed(run, "taskhook list --state l") == ["lost"]
    assert completed(run, "taskhook dest") == ["destinations"]
    assert len(service.requests) == calls


def test_completion_works_in_a_process_of_its_own(start: Start) -> None:
    code = "import sys; sys.argv[0] = 'taskhook'; from taskhook_cli.app import main; main()"
    process = start(env=completing("taskhook wat"), args=[sys.executable, "-c", code])
    assert process.communicate(timeout=60) == ("plain,watch\n", "")


def on_a_terminal(start: Start, service: Service, **env: str) -> str:
    """What `watch` draws on a terminal."""
    service.add("one", title="Copy \x1b[5mimage")
    master, slave = os.openpty()
    process = start("watch", "one", stderr=slave, env={"TERM": "xterm-256color", "COLUMNS": "150", **env})
    os.close(slave)
    drawn, deadline = b"", time.monotonic() + 60
    changes: list[dict[str, Any]] = [{"state": "succeeded"}, {"progress": 0.42}]
    shown = [b"42 %", b"running"]  # the next change comes when the one before is to be seen
    while time.monotonic() < deadline:
        if changes and shown[-1] in drawn:
            shown.pop()
            service.change("one", **changes.pop())
        try:
            if select.select([master], [], [], 0.1)[0]:
                drawn += os.read(master, 65_536)
            elif process.poll() is not None:
                break
        except OSError:
            break
    os.close(master)
    assert process.wait(timeout=60) == 0
    return drawn.decode()


def test_a_terminal_shows_a_bar_and_the_hostile_title_stays_text(start: Start, service: Service) -> None:
    drawn = on_a_terminal(start, service)
    assert "━" in drawn
    assert "42 %" in drawn
    assert "Copy image" in drawn
    assert "\x1b[5m" not in drawn
    assert "\x1b[36m" in drawn


def test_no_color_is_respected(start: Start, service: Service) -> None:
    assert not re.search(r"\x1b\[[\d;]*3\dm", on_a_terminal(start, service, NO_COLOR="1"))


def test_a_terminal_is_no_input(start: Start, service: Service) -> None:
    master, slave = os.openpty()
    process = start("submit", "tencent.clb", stdin=slave)
    _, errors = process.communicate(timeout=60)
    os.close(master)
    os.close(slave)
    assert process.returncode == 2
    assert "that is a terminal" in errors


def test_the_version_and_the_help_need_nothing(run: Run) -> None:
    assert re.fullmatch(r"taskhook, version \d+\.\d+\.\d+\n", run("--version").stdout)
    assert "Examples:" in run("--help").stdout

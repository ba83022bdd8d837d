from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskhook.destinations import wording
from taskhook.destinations.model import Language
from taskhook.states import State
from taskhook.task import Problem
from taskhook.times import duration
from tests.chat import START, languages
from tests.chat_tasks import build, failed, tasks

ENGLISH, CHINESE = Language.ENGLISH, Language.CHINESE


# --- small words -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (0, "0 s", "0 秒"),
        (8, "8 s", "8 秒"),
        (60, "1 min", "1 分钟"),
        (200, "3 min 20 s", "3 分 20 秒"),
        (7500, "2 h 5 min", "2 小时 5 分钟"),
        (3600, "1 h", "1 小时"),
        (273_600, "3 d 4 h", "3 天 4 小时"),
    ],
)
def test_a_span_reads_well_in_both_languages(seconds: float, english: str, chinese: str) -> None:
    assert wording.span(seconds) == english
    assert wording.span(seconds, CHINESE) == chinese


@given(st.floats(0, 10**8))
def test_both_languages_say_the_same_numbers(seconds: float) -> None:
    numbers = [word for word in duration(seconds).split() if word.isdigit()]
    assert [word for word in wording.span(seconds, CHINESE).split() if word.isdigit()] == numbers


def test_a_time_says_whose_it_is() -> None:
    assert wording.clock(1_795_000_190.9) == "2026-11-18 11:09:50 UTC"
    assert wording.clock(1_795_000_190.9, CHINESE) == "2026-11-18 19:09:50（北京时间）"


@pytest.mark.parametrize("name", wording._LABELS)
def test_every_label_is_there_in_both_languages(name: str) -> None:
    assert wording.label(name).isascii()
    assert not wording.label(name, CHINESE).isascii()


def test_every_state_has_words_of_its_own_in_both_languages() -> None:
    assert wording.OUTCOMES.keys() == set(State)
    for column in (1, 2):
        ends = [row[column] for state, row in wording.OUTCOMES.items() if state.terminal]
        assert len(set(ends)) == len(ends)
    assert "失败" not in wording.OUTCOMES[State.LOST][2]


@given(st.lists(st.text(min_size=1, max_size=10), max_size=30), st.integers(15, 100), languages)
def test_a_list_fits_and_says_what_is_left_out(lines: list[str], limit: int, language: Language) -> None:
    kept = wording.fill(lines, limit, len, language)
    assert len("\n".join(kept)) <= limit
    if kept != lines:
        assert kept == [*lines[: len(kept) - 1], wording.more(len(lines) - len(kept) + 1, language)]


# --- one task --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "english", "chinese"),
    [
        (State.SUCCEEDED, "✅ Succeeded", "✅ 成功"),
        (State.FAILED, "❌ Failed", "❌ 失败"),
        (State.PARTIAL, "⚠️ Partly failed", "⚠️ 部分失败"),
        (State.CANCELED, "🚫 Canceled", "🚫 已取消"),
        (State.TIMED_OUT, "⏰ Still not finished at the deadline", "⏰ 到截止时间仍未结束"),
        (State.LOST, "🔭 Lost sight of", "🔭 失去跟踪"),
        (State.RUNNING, "⏳ Still running", "⏳ 仍在进行"),
    ],
)
def test_the_outcome_is_one_word_or_so(state: State, english: str, chinese: str) -> None:
    assert wording.outcome(build(state=state)) == english
    assert wording.outcome(build(state=state), CHINESE) == chinese


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ("Took", "3 min 20 s")),
        ({"finished_at": START + 60}, ("Took", "1 min")),
        ({"started_at": START + 100}, ("Took", "3 min 20 s")),
        ({"started_at": START - 50, "finished_at": START + 60}, ("Took", "1 min")),
        ({"finished_at": START + 9999}, ("Took", "3 min 20 s")),
        ({"state": State.LOST, "started_at": START + 100}, ("Watched for", "3 min 20 s")),
        ({"state": State.TIMED_OUT}, ("Watched for", "3 min 20 s")),
        ({"finished_at": START - 5}, None),
        ({"observed_at": None}, None),
        ({"state": State.LOST, "observed_at": None}, None),
        ({"state": State.LOST, "observed_at": START - 1}, None),
    ],
)
def test_how_long_it_took_is_what_its_took_seconds_say(changes: dict[str, Any], said: tuple[str, str] | None) -> None:
    assert wording.took(build(**changes)) == said


def test_how_long_it_took_is_said_in_chinese_too() -> None:
    assert wording.took(build(), CHINESE) == ("用时", "3 分 20 秒")
    assert wording.took(build(state=State.LOST), CHINESE) == ("已跟踪", "3 分 20 秒")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "seen within 50 s"),
        ({"finished_at": START + 188}, "seen within 12 s"),
        ({"looked_at": START + 195}, "seen within 5 s"),
        ({"looked_at": START + 195.2}, None),
        ({"finished_at": START + 199}, None),
        ({"finished_at": START + 10, "looked_at": None}, "seen within 3 min 10 s"),
        # One look only, at what may have been over long before: nothing is known of how late that was.
        ({"looked_at": None}, None),
        ({"looked_at": None, "finished_at": START - 60}, None),
        ({"state": State.LOST}, None),
        ({"state": State.RUNNING}, None),
    ],
)
def test_how_late_the_end_was_seen_is_said_where_it_matters(changes: dict[str, Any], said: str | None) -> None:
    assert wording.seen(build(**changes)) == said


def test_how_late_the_end_was_seen_is_said_in_chinese_too() -> None:
    assert wording.seen(build(finished_at=START + 188), CHINESE) == "12 秒内发现"


def test_who_says_when_it_ended() -> None:
    assert wording.ended_at(build()) == ("Noticed", START + 200)
    assert wording.ended_at(build(finished_at=START + 9)) == ("Finished", START + 9)
    assert wording.ended_at(build(), CHINESE) == ("发现于", START + 200)
    assert wording.ended_at(build(observed_at=None)) is None


@pytest.mark.parametrize(
    ("changes", "language", "said"),
    [
        ({"error": Problem(code="E1", message="boom")}, ENGLISH, "E1: boom"),
        ({"error": Problem(code="E1", message="boom")}, CHINESE, "E1：boom"),
        ({"error": Problem(code="E1", message="E1")}, CHINESE, "E1"),
        ({"provider_state": "FAIL"}, CHINESE, "FAIL：云服务未说明原因"),
        ({}, ENGLISH, "failed: the provider gives no reason"),
        ({}, CHINESE, "失败：云服务未说明原因"),
    ],
)
def test_a_failure_always_has_a_reason(changes: dict[str, Any], language: Language, said: str) -> None:
    problem = wording.why(build(state=State.FAILED, **changes), language)
    assert problem is not None
    assert wording.explained(problem, language) == said


def test_what_did_not_succeed_is_counted() -> None:
    assert wording.tally(failed()) == "2 of 3 did not succeed"
    assert wording.tally(failed(), CHINESE) == "3 个资源中有 2 个未成功"
    assert wording.polled(build(polls=1)) == "polled once"
    assert wording.polled(build(polls=3), CHINESE) == "查询 3 次"


# --- many tasks ------------------------------------------------------------------------------------------------------


def test_a_digest_tells_what_went_wrong_first() -> None:
    some = [build(), build(state=State.LOST, task_id="b", region=None), build(state=State.FAILED, title=None)]
    told = wording.digest(some)
    assert told.headline == "3 tasks ended: 1 failed, 1 lost sight of, 1 succeeded"
    assert told.lines == (
        "❌ Failed: tencent.clb 55c85074-3e7f (tencent.clb, ap-guangzhou, task 55c85074-3e7f)",
        "🔭 Lost sight of: Create listener for shop.example (tencent.clb, task b)",
        "✅ Succeeded: Create listener for shop.example (tencent.clb, ap-guangzhou, task 55c85074-3e7f)",
    )


def test_a_digest_in_chinese() -> None:
    told = wording.digest([build(), *[build(state=State.FAILED)] * 2, *[build()] * 9], CHINESE)
    assert told.headline == "12 个任务已结束：2 个失败，10 个成功"
    assert told.lines[0] == "❌ 失败：Create listener for shop.example（tencent.clb，ap-guangzhou，任务 55c85074-3e7f）"


def test_a_digest_of_one() -> None:
    assert wording.digest([build()]).headline == "1 task ended: 1 succeeded"


def test_a_digest_of_tasks_that_still_run_does_not_say_that_they_ended() -> None:
    assert wording.digest([build(), build(state=State.RUNNING)]).headline == "2 tasks: 1 succeeded, 1 still running"


@given(st.lists(tasks, max_size=8), languages)
def test_no_line_of_a_digest_pushes_out_its_own_end(some: list[Any], language: Language) -> None:
    told = wording.digest(some, language)
    assert len(told.lines) == len(some)
    for line, task in zip(told.lines, sorted(some, key=wording._rank), strict=True):
        assert len(line) < 600
        assert len(line.splitlines()) == 1
        assert line.startswith(wording.outcome(task, language))
        assert task.task_id in line

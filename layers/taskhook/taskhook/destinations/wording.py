"""What people are told about a task, in words that every chat channel shares. Nothing here knows a channel's syntax.

What providers say stays as they say it; what taskhook says is in the language of the destination.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone

from taskhook.destinations.advice import in_chinese
from taskhook.destinations.model import Language
from taskhook.destinations.text import ELLIPSIS, Size, cut, one_line
from taskhook.states import ANSWERED, State
from taskhook.task import Problem, Resource, Task
from taskhook.times import duration

_ENGLISH, _CHINESE = Language.ENGLISH, Language.CHINESE

OUTCOMES = {
    State.QUEUED: ("⏳", "Waiting", "等待中"),
    State.RUNNING: ("⏳", "Still running", "仍在进行"),
    State.SUCCEEDED: ("✅", "Succeeded", "成功"),
    State.FAILED: ("❌", "Failed", "失败"),
    State.PARTIAL: ("⚠️", "Partly failed", "部分失败"),
    State.CANCELED: ("🚫", "Canceled", "已取消"),
    State.TIMED_OUT: ("⏰", "Still not finished at the deadline", "到截止时间仍未结束"),
    # Not a word of failing here: the job may well be fine, it is we who cannot see it any more.
    State.LOST: ("🔭", "Lost sight of", "失去跟踪"),
    State.STOPPED: ("⏹️", "No longer watched", "已停止跟踪"),
}
"""The sign and the words that begin every message, in English and in Chinese: on a phone they are all that shows."""

_LABELS: Mapping[str, tuple[str, str]] = {
    "provider": ("Provider", "云服务"),
    "account": ("Account", "账号"),
    "task": ("Task", "任务"),
    "took": ("Took", "用时"),
    "watched": ("Watched for", "已跟踪"),
    "why": ("Why", "原因"),
    "to_do": ("What to do", "处理建议"),
    "finished": ("Finished", "结束于"),
    "noticed": ("Noticed", "发现于"),
    "provider_state": ("provider state", "云服务状态"),
    "progress": ("Progress", "进度"),
    "expected": ("Expected to end", "预计结束于"),
}

_UNITS = {"d": "天", "h": "小时", "min": "分钟", "s": "秒"}
_BEIJING = timezone(timedelta(hours=8))
"""There has been no daylight saving time in China since 1991."""

NOTABLE_SECONDS = 5.0
"""An end that was seen sooner after it than this was seen at once, as far as a person is concerned."""

_RANKS = (State.FAILED, State.PARTIAL, State.TIMED_OUT, State.LOST, State.CANCELED, State.SUCCEEDED)
_TITLE, _PLACE, _TASK_ID = 120, 100, 256
"""Characters of each in a line of a digest, so that none of them can push out another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """Many tasks as one message, in plain text: a line each, what went wrong first."""

    headline: str
    lines: tuple[str, ...]


# --- small words -----------------------------------------------------------------------------------------------------


def label(name: str, language: Language = _ENGLISH) -> str:
    """The name of a fact, such as ``Provider``; ``_LABELS`` has them all."""
    return _chosen(language, *_LABELS[name])


def colon(language: Language = _ENGLISH) -> str:
    """Between a name and its value: Chinese has a sign of its own, which needs no blank after it."""
    return _chosen(language, ": ", "：")


def state(one: State, language: Language = _ENGLISH) -> str:
    """How a resource fared, in the middle of a sentence."""
    return _chosen(language, one.value, "进行中" if one is State.RUNNING else OUTCOMES[one][2])


def span(seconds: float, language: Language = _ENGLISH) -> str:
    """``3 min 20 s``, ``3 分 20 秒``."""
    words = duration(seconds)
    return _chosen(language, words, " ".join(_UNITS.get(one, one) for one in words.split()).replace("分钟 ", "分 "))


def clock(moment: float, language: Language = _ENGLISH) -> str:
    """A time for channels that cannot show it by the reader's own clock."""
    zone, name = (_BEIJING, "（北京时间）") if language is _CHINESE else (UTC, " UTC")
    return f"{datetime.fromtimestamp(int(moment), zone):%Y-%m-%d %H:%M:%S}{name}"


def more(count: int, language: Language = _ENGLISH) -> str:
    """The last line of a list that does not fit."""
    return ELLIPSIS + _chosen(language, f" and {count} more", f"另有 {count} 项")


def fill(lines: Sequence[str], limit: int, size: Size = len, language: Language = _ENGLISH) -> list[str]:
    """As many lines as fit when joined by one character, and how many more there are."""
    room = limit - size(more(len(lines), language))
    kept = 0
    for line in lines:
        room -= size(line) + 1
        if room < 0:
            break
        kept += 1
    return [*lines[:kept], *([more(len(lines) - kept, language)] if kept < len(lines) else [])]


def _chosen(language: Language, english: str, chinese: str) -> str:
    return chinese if language is _CHINESE else english


# --- one task --------------------------------------------------------------------------------------------------------


def outcome(task: Task, language: Language = _ENGLISH) -> str:
    sign, english, chinese = OUTCOMES[task.state]
    return f"{sign} {_chosen(language, english, chinese)}"


def title(task: Task, language: Language = _ENGLISH) -> str:
    """What the caller calls the task, else what the provider does."""
    return one_line(task.title or "") or f"{service(task)} {one_line(task.task_id)}"


def service(task: Task) -> str:
    """``tencent.clb``, as callers write it, without the action."""
    return ".".join(task.provider.split(".")[:2])


def place(task: Task, language: Language = _ENGLISH) -> str:
    return _chosen(language, ", ", "，").join(part for part in (service(task), task.region) if part)


def took(task: Task, language: Language = _ENGLISH) -> tuple[str, str] | None:
    """How long it took, as its ``took_seconds`` says; how long it was watched, where nobody saw it end.

    None where a clock that is not ours says that it ended before it was submitted: then the span says nothing.
    """
    if task.state in ANSWERED:
        seconds, name = task.took, "took"
        if task.finished_at is not None and task.finished_at < task.submitted_at:
            return None
    else:
        seconds, name = _watched(task), "watched"
    return None if seconds is None else (label(name, language), span(seconds, language))


def _watched(task: Task) -> float | None:
    if task.observed_at is None or task.observed_at < task.submitted_at:
        return None
    return task.observed_at - task.submitted_at


def ended(task: Task) -> float | None:
    return task.finished_at or task.observed_at


def ended_at(task: Task, language: Language = _ENGLISH) -> tuple[str, float] | None:
    """When it ended, in seconds since the epoch, after a word that says who says so: the provider's clock or ours."""
    moment = ended(task)
    return None if moment is None else (label("finished" if task.finished_at else "noticed", language), moment)


def seen(task: Task, language: Language = _ENGLISH) -> str | None:
    """``seen within 12 s``, where that is known and a person would mind."""
    late = task.seen_within
    if late is None or late < NOTABLE_SECONDS or not _compared(task):
        return None
    return _chosen(language, f"seen within {span(late)}", f"{span(late, _CHINESE)}内发现")


def _compared(task: Task) -> bool:
    """Whether anything but the submission says when the task was not over yet."""
    if task.finished_at is not None:
        return task.finished_at >= task.submitted_at
    return task.looked_at is not None


def polled(task: Task, language: Language = _ENGLISH) -> str:
    english = "polled once" if task.polls == 1 else f"polled {task.polls} times"
    return _chosen(language, english, f"查询 {task.polls} 次")


def why(task: Task, language: Language = _ENGLISH) -> Problem | None:
    """The reason of an end that nobody hoped for; a failure without one says so."""
    if not task.state.terminal or task.state is State.SUCCEEDED:
        return None
    if task.error:
        hint = in_chinese(task.error.hint) if task.error.hint and language is Language.CHINESE else task.error.hint
        # A bare status word ("1", "failed") explains nothing that the outcome does not say already.
        return replace(task.error, hint=hint, code="" if task.error.code == task.provider_state else task.error.code)
    code = task.provider_state or state(task.state, language)
    if task.message:
        return Problem(code=code, message=task.message)
    if task.state is State.FAILED:
        return Problem(code=code, message=_chosen(language, "the provider gives no reason", "云服务未说明原因"))
    return None


def explained(problem: Problem, language: Language = _ENGLISH) -> str:
    """Code and message; once only, where a provider repeats itself."""
    code, message = one_line(problem.code), one_line(problem.message)
    return colon(language).join(dict.fromkeys(part for part in (code, message) if part))


def reasons(task: Task, language: Language = _ENGLISH, *, most: int, most_hint: int) -> list[tuple[str, str, int]]:
    """Why it ended badly, and what to do: a label, the words in one line, and how much room they may have."""
    problem = why(task, language)
    if problem is None:
        return []
    parts = (("why", explained(problem, language), most), ("to_do", one_line(problem.hint or ""), most_hint))
    return [(label(name, language), words, room) for name, words, room in parts if words]


def unsuccessful(task: Task) -> list[Resource]:
    return [one for one in task.resources if one.state is not State.SUCCEEDED]


def tally(task: Task, language: Language = _ENGLISH) -> str:
    """``2 of 5 did not succeed``."""
    bad, whole = len(unsuccessful(task)), len(task.resources)
    return _chosen(language, f"{bad} of {whole} did not succeed", f"{whole} 个资源中有 {bad} 个未成功")


# --- many tasks ------------------------------------------------------------------------------------------------------


def digest(tasks: Sequence[Task], language: Language = _ENGLISH) -> Digest:
    """The headline counts all of them: ``12 tasks ended: 2 failed, 10 succeeded``."""
    ordered = sorted(tasks, key=_rank)
    return Digest(headline=_headline(ordered, language), lines=tuple(_line(task, language) for task in ordered))


def _rank(task: Task) -> int:
    return _RANKS.index(task.state) if task.state in _RANKS else len(_RANKS)


def _headline(ordered: Sequence[Task], language: Language) -> str:
    total = len(ordered)
    tasks = _chosen(language, "1 task" if total == 1 else f"{total} tasks", f"{total} 个任务")
    if all(task.state.terminal for task in ordered):
        tasks += _chosen(language, " ended", "已结束")
    counts = Counter(task.state for task in ordered)
    return tasks + colon(language) + _chosen(language, ", ", "，").join(_counted(counts, language))


def _counted(counts: Mapping[State, int], language: Language) -> list[str]:
    """In the order of the first of each, as a Counter keeps it."""
    return [
        _chosen(language, f"{count} {OUTCOMES[one][1].lower()}", f"{count} 个{OUTCOMES[one][2]}")
        for one, count in counts.items()
    ]


def _line(task: Task, language: Language) -> str:
    """``❌ Failed: Create listener (tencent.clb, ap-guangzhou, task 55c85074)``."""
    where = cut(one_line(place(task, language)), _PLACE)
    name = _chosen(language, ", task ", "，任务 ") + cut(one_line(task.task_id), _TASK_ID)
    brackets = _chosen(language, " ({})", "（{}）")
    return f"{outcome(task, language)}{colon(language)}{cut(title(task), _TITLE)}{brackets.format(where + name)}"

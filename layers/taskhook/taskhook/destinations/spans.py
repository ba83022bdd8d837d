"""How long a task took or, while it goes on, how far it is: what chat channels show in the same words."""

from collections.abc import Callable

from taskhook.destinations import wording
from taskhook.destinations.model import Language
from taskhook.task import Task

_TENTHS = 10

type Clock = Callable[[float], str]
"""Shows a time, as well as the channel can."""


def spans(task: Task, language: Language, clock: Clock) -> list[tuple[str, str]]:
    """Labels and values, in plain text but for what ``clock`` makes."""
    if not task.state.terminal:
        return [*_progress(task, language), *_expected(task, language, clock)]
    took = wording.took(task, language)
    return [took] if took else []


def _progress(task: Task, language: Language) -> list[tuple[str, str]]:
    return [] if task.progress is None else [(wording.label("progress", language), bar(task.progress))]


def _expected(task: Task, language: Language, clock: Clock) -> list[tuple[str, str]]:
    return [(wording.label("expected", language), clock(task.estimate.at))] if task.estimate else []


def bar(done: float) -> str:
    """``▓▓▓▓░░░░░░ 45 %``. A hundred is for what is done, so nothing is rounded up."""
    part = min(1.0, max(0.0, done))  # in this order what is no number is nothing
    full = int(part * _TENTHS)
    return f"{'▓' * full}{'░' * (_TENTHS - full)} {int(part * 100)} %"

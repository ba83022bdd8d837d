"""Scripted lives: what a task's provider says, poll after poll, until the end.

A :class:`Life` is a value: steps in order, each an :class:`Answer` or a :class:`Fault`, each lasting some seconds, some
polls, or for ever. Time counts from the first poll of the task. Answers are written in neutral words and every
simulated API renders them in its own (see answering.py, bm.py), so one table of lives serves all.

A task id names its life: ``quick-1`` or ``quick`` where ids are strings, ``110001`` where they are integers (the first
two digits; an id needs at least four). Of an id in several parts, the last one counts. Any other id lives ``default``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Outcome(StrEnum):
    """What a provider can say of a task, or of one machine of it, in neutral words."""

    CREATED = "created"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PARTIAL = "partial"
    CANCELED = "canceled"
    EXPIRED = "expired"
    UNKNOWN = "unknown"  # rendered as a word that no documentation lists


class Fault(StrEnum):
    """What can go wrong instead of an answer."""

    THROTTLED = "throttled"  # the provider's own shape
    THROTTLED_CHARSET = "throttled-charset"  # the same, labelled `application/json; charset=utf-8`
    INTERNAL = "internal"  # the provider's own shape for "our fault, try again"
    REFUSED = "refused"  # credential not allowed to do this
    NOT_FOUND = "not-found"  # the provider does not know the task
    UNAVAILABLE = "unavailable"  # HTTP 503 from a gateway, not JSON
    HTML = "html"  # HTTP 200 with a web page
    MALFORMED = "malformed"  # 200 and application/json, but not JSON
    TRUNCATED = "truncated"  # the connection ends before the announced length
    EMPTY = "empty"  # 200 with nothing in it
    HANG = "hang"  # silence for HANG_SECONDS, then the connection is closed
    RESET = "reset"  # TCP reset
    REDIRECT = "redirect"  # 302 to a place on the same port that records who followed


class Dialect(StrEnum):
    """Ways in which documentation and reality disagree about the same answer."""

    PLAIN = "plain"
    RESOURCE_IDS = "resource-ids"  # BM: `resourceIds` (its documented name) instead of `instanceIds` (its examples)
    OBJECT = "object"  # BM: one object instead of a list of one
    KEYED = "keyed"  # BM: an object keyed by machine id
    STRINGS = "strings"  # numbers as strings
    BLANKS = "blanks"  # keys and values with stray blanks
    NULLS = "nulls"  # optional fields null instead of absent
    CASE = "case"  # names and status words in another case


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``progress``: from and to, as fractions; it moves from one to the other while the step lasts."""

    outcome: Outcome
    machines: tuple[tuple[str, Outcome], ...] = ()
    message: str | None = None
    progress: tuple[float, float] | None = None
    dialect: Dialect = Dialect.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """``seconds`` and ``polls`` limit how long it lasts (whichever is reached first); without either, for ever."""

    says: Answer | Fault
    seconds: float | None = None
    polls: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    name: str
    about: str
    steps: tuple[Step, ...]
    digits: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a task is looked at: ``born`` at its first poll, in this step ``since``; ``fraction`` of it has passed."""

    born: float
    since: float
    fraction: float


@dataclass(slots=True)
class Course:
    """How far one task has come in its life. ``advance`` is called once per poll."""

    life: Life
    born: float
    began: float = 0.0
    step: int = 0
    polls_in_step: int = 0
    polls: int = 0

    def __post_init__(self) -> None:
        self.began = self.born

    def advance(self, now: float) -> tuple[Answer | Fault, Moment]:
        """What is said at ``now``."""
        while self._over(now):
            seconds = self.current.seconds
            # A step limited by time ended when it was due, not when somebody next looked.
            ended_by_time = seconds is not None and now >= self.began + seconds
            self.began = self.began + seconds if ended_by_time and seconds is not None else now
            self.step += 1
            self.polls_in_step = 0
        self.polls_in_step += 1
        self.polls += 1
        return self.again(now)

    def again(self, now: float) -> tuple[Answer | Fault, Moment]:
        """What was said at the last poll, for the rest of its answer."""
        return self.current.says, Moment(born=self.born, since=self.began, fraction=self._fraction(now))

    @property
    def current(self) -> Step:
        return self.life.steps[self.step]

    def _over(self, now: float) -> bool:
        if self.step == len(self.life.steps) - 1:
            return False
        step = self.current
        by_time = step.seconds is not None and now >= self.began + step.seconds
        by_polls = step.polls is not None and self.polls_in_step >= step.polls
        return by_time or by_polls

    def _fraction(self, now: float) -> float:
        seconds = self.current.seconds
        return 1.0 if not seconds else min(1.0, max(0.0, (now - self.began) / seconds))


HANG_SECONDS = 30.0
MACHINES = ("cpm-3dw234", "cpm-sdf343x", "cpm-9k2mq0")
REASON = "disk 2 did not come online"


def running(
    seconds: float | None = None,
    *,
    polls: int | None = None,
    done: int = 0,
    progress: tuple[float, float] | None = None,
    dialect: Dialect = Dialect.PLAIN,
) -> Step:
    """Still going, ``done`` of the machines finished."""
    machines = _machines(*(Outcome.SUCCEEDED if n < done else Outcome.RUNNING for n in range(len(MACHINES))))
    answer = Answer(outcome=Outcome.RUNNING, machines=machines, progress=progress, dialect=dialect)
    return Step(says=answer, seconds=seconds, polls=polls)


def succeeded(dialect: Dialect = Dialect.PLAIN) -> Step:
    machines = _machines(*(Outcome.SUCCEEDED for _ in MACHINES))
    return Step(says=Answer(outcome=Outcome.SUCCEEDED, machines=machines, progress=(1.0, 1.0), dialect=dialect))


def failed() -> Step:
    machines = _machines(*(Outcome.FAILED for _ in MACHINES))
    return Step(says=Answer(outcome=Outcome.FAILED, machines=machines, message=REASON))


def ended(outcome: Outcome, message: str | None = None) -> Step:
    return Step(says=Answer(outcome=outcome, message=message))


def fault(kind: Fault, polls: int | None = None) -> Step:
    return Step(says=kind, polls=polls)


def _machines(*outcomes: Outcome) -> tuple[tuple[str, Outcome], ...]:
    return tuple(zip(MACHINES, outcomes, strict=True))


_PARTLY_GOING = Answer(outcome=Outcome.RUNNING, machines=_machines(Outcome.SUCCEEDED, Outcome.FAILED, Outcome.RUNNING))
_PARTLY_DONE = Answer(
    outcome=Outcome.PARTIAL, machines=_machines(Outcome.SUCCEEDED, Outcome.FAILED, Outcome.SUCCEEDED), message=REASON
)

DEFAULT = Life(name="default", about="running for 3 s, then success", steps=(running(3), succeeded()))


def _life(digits: int, name: str, about: str, *steps: Step) -> Life:
    return Life(name=name, about=about, steps=steps, digits=digits)


def _recovers(digits: int, name: str, about: str, kind: Fault, polls: int = 2) -> Life:
    """Runs, meets one kind of fault ``polls`` times, and succeeds."""
    return _life(digits, name, about, running(polls=1), fault(kind, polls), running(polls=1), succeeded())


_LIVES = (
    _life(11, "quick", "running for 1 s, then success", running(1), succeeded()),
    _life(12, "slow", "running for 20 s, machine after machine, then success",
          running(8), running(6, done=1), running(6, done=2), succeeded()),
    _life(13, "failing", "running for 2 s, then failure with a reason", running(2), failed()),
    _life(14, "partial", "some machines succeed, one fails (a failure where the API has no parts and no such word)",
          running(1), Step(says=_PARTLY_GOING, seconds=2), Step(says=_PARTLY_DONE)),
    _life(15, "flaky", "every other poll goes wrong in another way, then success",
          fault(Fault.INTERNAL, 1), running(polls=1), fault(Fault.UNAVAILABLE, 1), running(polls=1),
          fault(Fault.RESET, 1), fault(Fault.MALFORMED, 1), running(polls=1), succeeded()),
    _life(16, "throttled", "throttled twice, then running once, then success",
          fault(Fault.THROTTLED, 2), running(polls=1), succeeded()),
    _life(17, "canceled", "running for 2 s, then canceled (a failure where the API has no such word)",
          running(2), ended(Outcome.CANCELED, "canceled by the operator")),
    _life(18, "expired", "created for 2 s, then expired, in most APIs a failure like others",
          Step(says=Answer(outcome=Outcome.CREATED), seconds=2), ended(Outcome.EXPIRED, "not started in time")),
    _life(19, "lost", "running for 2 s, then unknown to the provider for ever", running(2), fault(Fault.NOT_FOUND)),
    _life(20, "missing", "never known to the provider", fault(Fault.NOT_FOUND)),
    _life(21, "forever", "running for ever", running()),
    _life(22, "unknown-word", "a status word that nobody documented for 3 s, then success",
          Step(says=Answer(outcome=Outcome.UNKNOWN), seconds=3), succeeded()),
    _recovers(23, "html", "a web page instead of JSON, twice, then success", Fault.HTML),
    _recovers(24, "hung", f"silence for {HANG_SECONDS:g} s, once, then success", Fault.HANG, 1),
    _life(25, "progress", "progress from 0 to 100 % in 10 s, then success",
          Step(says=Answer(outcome=Outcome.CREATED, progress=(0.0, 0.0)), seconds=1),
          running(3, progress=(0.0, 0.33)), running(3, done=1, progress=(0.33, 0.66)),
          running(3, done=2, progress=(0.66, 1.0)), succeeded()),
    _life(26, "refused", "running for 2 s, then the credential is refused for ever",
          running(2), fault(Fault.REFUSED)),
    _recovers(27, "truncated", "answers cut off in the middle, twice, then success", Fault.TRUNCATED),
    _recovers(28, "reset", "connections reset, twice, then success", Fault.RESET),
    _recovers(29, "redirect", "redirected elsewhere (nobody may follow), twice, then success", Fault.REDIRECT),
    _recovers(30, "charset", "an error labelled application/json; charset=utf-8, twice, then success",
              Fault.THROTTLED_CHARSET),
    _recovers(31, "outage", "provider errors (5xx or its own kind), six times, then success", Fault.INTERNAL, 6),
    _life(32, "down", "provider errors for ever", fault(Fault.INTERNAL)),
    _life(33, "instant", "success at the first poll", succeeded()),
    _life(34, "odd", "the same answer in every spelling seen in documentation, then success",
          *(running(polls=1, done=1, dialect=dialect) for dialect in Dialect), succeeded(Dialect.BLANKS)),
    _recovers(35, "malformed", "not JSON though it says so, twice, then success", Fault.MALFORMED),
    _recovers(36, "empty", "nothing at all with HTTP 200, twice, then success", Fault.EMPTY),
    _recovers(37, "unavailable", "HTTP 503 from a gateway, twice, then success", Fault.UNAVAILABLE),
)  # fmt: skip

LIVES: Mapping[str, Life] = MappingProxyType({life.name: life for life in (*_LIVES, DEFAULT)})
_BY_DIGITS = {str(life.digits): life for life in _LIVES}
# Longest first: `unknown-word` before a future `unknown`.
_NAMES = sorted(LIVES, key=len, reverse=True)


def life_of(task_id: str) -> Life:
    """The life that a task id asks for."""
    task_id = task_id.rpartition("/")[2]
    if re.fullmatch(r"[0-9]{4,}", task_id):
        return _BY_DIGITS.get(task_id[:2], DEFAULT)
    name = next((name for name in _NAMES if task_id == name or task_id.startswith(f"{name}-")), "default")
    return LIVES[name]


def table() -> str:
    """The lives for people, as plain text."""
    rows = [("TASK ID", "WHOLE NUMBER", "LIFE")]
    rows += [(f"{life.name}-...", f"{life.digits}...", life.about) for life in _LIVES]
    rows += [("anything else", "anything else", DEFAULT.about)]
    return "".join(f"{text:<18}{number:<16}{about}\n" for text, number, about in rows)

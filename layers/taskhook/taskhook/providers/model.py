"""What a provider is: a row that says what to call, where the status is and what its words mean."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

import requests

from taskhook.accounts import Account
from taskhook.http import Answer
from taskhook.states import State
from taskhook.task import Problem, Resource

type Clock = Callable[[], float]


class Trouble(Enum):
    """Why a look brought no status, and what that means for the next one."""

    TRANSIENT = "transient"
    """The provider or the way to it is broken: look again, for as long as the installation's patience lasts."""
    THROTTLED = "throttled"
    """Too many calls: look again, later than planned."""
    DOUBTFUL = "doubtful"
    """Perhaps it passes: a few more looks, then the task is lost."""
    CREDENTIALS = "credentials"
    """Refused: read the account anew and sign once more; refused again, the task is lost."""
    NOT_FOUND = "not_found"
    """The provider does not know the task: normal just after it was created, else the task is lost."""
    FINAL = "final"
    """Asking again cannot help: the task is lost at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A look that brought no status. ``retry_after`` is what the provider asked for, in seconds."""

    trouble: Trouble
    problem: Problem
    retry_after: float | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What the provider said. ``known`` is false where its word is not in our table; the state is then running."""

    state: State
    provider_state: str | None
    known: bool = True
    progress: float | None = None
    message: str | None = None
    error: Problem | None = None
    resources: tuple[Resource, ...] = ()
    result: Any = None
    started_at: float | None = None
    finished_at: float | None = None
    request_id: str | None = None


type Outcome = Observation | Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskId:
    """What a task id is at one API: how it must look, and where a user finds it."""

    pattern: re.Pattern[str]
    shape: str
    found: str
    integer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One look: everything that a request depends on, and nothing else."""

    task_id: str
    region: str | None
    account: Account
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One status API. ``words`` maps its status words, case-folded, to our states."""

    name: str
    version: str | None
    task_id: TaskId
    region: Literal["required", "optional"]
    regions: frozenset[str]
    words: Mapping[str, State]
    rate_limit: str | None
    source: str
    ask: Callable[["Provider", Question], requests.Request]
    read: Callable[["Provider", Answer], Outcome]

    @property
    def cloud(self) -> str:
        return self.name.split(".")[0]

    @property
    def service(self) -> str:
        return self.name.split(".")[1]

    @property
    def action(self) -> str:
        return self.name.split(".")[2]

    def state(self, word: str | None) -> State | None:
        """The state that a word of this API means, None for a word that is not in its table."""
        return self.words.get(word.casefold()) if word is not None else None

"""What a provider is: a row that says what to call, where the status is and what its words mean."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, Protocol

from taskhook.accounts import Account
from taskhook.states import State
from taskhook.task import Problem, Resource

type Clock = Callable[[], float]
type Values = Mapping[str, str | int]
"""What stands for the placeholders of an entry: the parts of the task id, the region, times."""


class Trouble(Enum):
    """Why a look brought no status, and what that means for the next one."""

    TRANSIENT = "transient"
    """The provider or the way to it is broken: look again, for as long as the installation's patience lasts."""
    THROTTLED = "throttled"
    """Too many calls: look again, later than planned."""
    DOUBTFUL = "doubtful"
    """Perhaps it passes: a few more looks, then the task is lost."""
    CREDENTIALS = "credentials"
    """The account is refused: read it anew and sign once more; refused again, its tasks wait until it changes."""
    NOT_FOUND = "not_found"
    """The provider does not know the task: normal just after it was created, else the task is lost."""
    FINAL = "final"
    """Asking again cannot help: the task is lost at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What an error code means, and in plain words what to do about it."""

    trouble: Trouble
    hint: str | None = None


type Table = Mapping[str, Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A look that brought no status. ``retry_after`` is what the provider asked for, in seconds.

    ``credential`` names the stored credential that was refused, without telling anything of it. ``asked`` is false
    where that credential is known to be refused and nobody was asked again.
    """

    trouble: Trouble
    problem: Problem
    retry_after: float | None = None
    request_id: str | None = None
    credential: str | None = None
    asked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What the provider said. ``known`` is false where its word is not in our table; the state is then running.

    ``passing`` marks a final word that this API is known to pass through on the way to another one: it counts when it
    is seen twice in a row.
    """

    state: State
    provider_state: str | None
    known: bool = True
    passing: bool = False
    progress: float | None = None
    message: str | None = None
    error: Problem | None = None
    resources: tuple[Resource, ...] = ()
    result: Any = None
    started_at: float | None = None
    finished_at: float | None = None
    request_id: str | None = None
    type: str | None = None
    """What kind of task it is, in the provider's word: tasks of one kind take similarly long."""


type Outcome = Observation | Refusal


class Path(Protocol):
    """A compiled JMESPath expression, which finds None where there is nothing."""

    @property
    def expression(self) -> str: ...

    def search(self, value: Any) -> Any: ...


ANY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:=@-]{0,127}")
WHOLE_NUMBER = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One value of a task id. Only a leading part can be optional: ``SubAppId`` in ``{SubAppId?}/{TaskId}``."""

    name: str
    integer: bool = False
    optional: bool = False
    pattern: re.Pattern[str] = ANY_ID

    def canonical(self, text: str) -> str | None:
        """The value as this API takes it, None where it cannot be one."""
        if not self.pattern.fullmatch(text) or ".." in text:
            return None
        if not self.integer:
            return text
        return str(int(text)) if int(text) < 2**64 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskId:
    """What a task id is at one API: its parts, written with slashes between them, and where a user finds it."""

    parts: tuple[Part, ...]
    found: str
    example: str | None = None
    paths: tuple[str, ...] = ()
    """Where it stands in the JSON that started the task, as JMESPath, the likeliest first."""

    @property
    def form(self) -> str:
        """As it stands in the catalogue without the types: ``{InstanceId}/{FlowId}``."""
        return "/".join(f"{{{part.name}{'?' if part.optional else ''}}}" for part in self.parts)

    @property
    def shape(self) -> str:
        """In words, for people."""
        if len(self.parts) == 1:
            return _shape(self.parts[0])
        described = "; ".join(f"{part.name}: {_shape(part)}" for part in self.parts)
        left_out = [part.name for part in self.parts if part.optional]
        optional = f" ({' and '.join(left_out)} may be left out)" if left_out else ""
        return f"{self.form.replace('?', '')}{optional}, with slashes between the values ({described})"

    def canonical(self, value: str | int) -> str | None:
        """The task id as this API takes it, None where it cannot be one.

        Each part is safe in a path, in a log and in a JMESPath: no controls, no blanks, no quotes, no slashes, and
        never ``.`` or ``..``.
        """
        found = self._matched(str(value).strip())
        return "/".join(text for _, text in found) if found is not None else None

    def values(self, canonical: str) -> dict[str, str | int]:
        """The parts by name. Raises ValueError for a text that ``canonical`` did not answer."""
        found = self._matched(canonical)
        if found is None:
            raise ValueError("not a task id of this API")
        return {part.name: int(text) if part.integer else text for part, text in found}

    def _matched(self, text: str) -> list[tuple[Part, str]] | None:
        texts = text.split("/")
        spare = len(self.parts) - len(texts)
        optional = [part for part in self.parts if part.optional]
        if not 0 <= spare <= len(optional):
            return None
        parts = [part for part in self.parts if part not in optional[:spare]]
        matched = [(part, part.canonical(one)) for part, one in zip(parts, texts, strict=True)]
        return None if any(one is None for _, one in matched) else [(part, one or "") for part, one in matched]


def _shape(part: Part) -> str:
    if part.integer:
        return "a whole number of at most 64 bits"
    if part.pattern is ANY_ID:
        return "letters, digits and - _ . : = @ (at most 128)"
    return f"a text that matches {part.pattern.pattern}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """How an API that answers in pages is asked for the next one, and where it says how many items there are."""

    total: Path
    size: int
    offset: str | None = None
    """The parameter that counts items to skip."""
    number: str | None = None
    """The parameter that counts pages from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """How many tasks one request may ask for. ``join``: in one text, with this between the ids.

    ``shared`` are the parts of the task id that all tasks of a request must have in common, such as a cluster.
    """

    most: int
    join: str | None = None
    shared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One look: everything that a request depends on, and nothing else.

    ``page`` counts the pages that came before this one, ``skip`` their items.
    """

    task_id: str
    region: str | None
    account: Account
    clock: Clock
    page: int = 0
    skip: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One status API, as its entry in the catalogue says. ``words`` maps status words, case-folded, to our states."""

    name: str
    title: str
    style: Literal["tc3", "v2", "rpc", "roa"]
    service: str
    """The service's name on the wire: the first label of its host, and part of its signature."""
    action: str
    version: str | None
    method: str
    path: str
    signature: Literal["acs3", "hmac-sha1"] = "acs3"
    """At Alibaba Cloud, where two are in use; a style of Tencent Cloud has its own."""
    host: str | None
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Hosts of the regions for which ``host`` is not the rule."""
    task_id: TaskId
    region: Literal["required", "optional"]
    regions: frozenset[str]
    send: Mapping[str, Any]
    words: Mapping[str, State]
    spelled: Mapping[str, State]
    """The same words as they are written."""
    passing: frozenset[str] = frozenset()
    at: Path | None = None
    where: Mapping[str, tuple[Path, str]] = field(default_factory=dict)
    status: Path
    type: Path | None = None
    failed_if: Path | None = None
    partial_if: Path | None = None
    message: Path | None = None
    reason: Path | None = None
    error_code: Path | None = None
    progress: tuple[Path, Path] | None = None
    """Two expressions: what is done, and of how much."""
    resource: Path | None = None
    resources: Path | None = None
    result: Path | None = None
    started_at: Path | None = None
    finished_at: Path | None = None
    paging: Paging | None = None
    batch: Batch | None = None
    errors: Table = field(default_factory=dict)
    rate_limit: str | None = None
    hint: str | None = None
    note: str | None = None
    source: str
    code: str | None = None
    """The module of this package that says what data cannot."""
    origin: str = "built in"

    @property
    def cloud(self) -> str:
        return self.name.split(".")[0]

    @property
    def account_service(self) -> str:
        """What an account's ``endpoints`` calls the service."""
        return self.name.split(".")[1]

    def state(self, word: str | None) -> State | None:
        """The state that a word of this API means, None for a word that is not in its table."""
        return self.words.get(word.casefold()) if word is not None else None

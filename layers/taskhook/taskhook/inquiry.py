"""Asking the provider for a task, and for those that share its request: every failure is an outcome."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from taskhook import http
from taskhook.accounts import Account
from taskhook.credentials import unusable
from taskhook.errors import AddressRefused, CatalogueError, CertificateRefused, ConfigError, TransportError
from taskhook.pacing import Turn
from taskhook.providers import asking
from taskhook.providers.model import Outcome, Provider, Question, Refusal, Trouble
from taskhook.task import Problem, Task
from taskhook.watcher import Watcher

if TYPE_CHECKING:
    from requests import Request

LOOK_SECONDS = 15.0
"""The total time for one request to a provider."""

SPOILT = frozenset({Trouble.NOT_FOUND, Trouble.FINAL, Trouble.DOUBTFUL})
"""Refusals of a request for many that one of the task ids may be the reason of."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking for a task, and for those that were taken along."""

    outcome: Outcome
    others: Sequence[tuple[Task, Outcome]] = ()


def find(watcher: Watcher, task: Task) -> Provider | Refusal:
    """The entry of the catalogue; a refusal where there is none, or one that cannot be used."""
    try:
        provider = watcher.find(task.provider)
    except CatalogueError as error:
        return _unknown_provider("ProviderNotUsable", str(error))
    if provider is None:
        return _unknown_provider("UnknownProvider", f"this installation of taskhook does not know {task.provider}")
    return provider


def ask(watcher: Watcher, provider: Provider | Refusal, task: Task, turn: Turn) -> Asked:
    """Ask the provider, once; a refused account is read anew and tried once more, and signed anew of course.

    Raises PutOff where it is not this task's turn.
    """
    if isinstance(provider, Refusal):
        return Asked(provider)
    known = watcher.pauses.recent(task)
    if known is not None:
        return Asked(known)
    asked = _ask_once(watcher, provider, task, turn, fresh=watcher.pauses.knows(task))
    if _refused(asked.outcome):
        return _ask_once(watcher, provider, task, turn, fresh=True)
    return asked


def _refused(outcome: Outcome) -> bool:
    return isinstance(outcome, Refusal) and outcome.trouble is Trouble.CREDENTIALS and outcome.asked


def _ask_once(watcher: Watcher, provider: Provider, task: Task, turn: Turn, *, fresh: bool) -> Asked:
    try:
        account = _account(watcher, task, fresh=fresh)
        if isinstance(account, Refusal):
            return Asked(account)
        unchanged = watcher.pauses.unchanged(task, account.version)
        if unchanged is not None:
            return Asked(unchanged)
        asked = _ask_with(watcher, provider, account, task, turn)
    except (AddressRefused, CertificateRefused) as error:
        hint = "Check the account's endpoint: the server there cannot prove that it is the provider."
        return Asked(Refusal(trouble=Trouble.DOUBTFUL, problem=_unreachable(error, hint)))
    except TransportError as error:
        return Asked(Refusal(trouble=Trouble.TRANSIENT, problem=_unreachable(error, None)))
    except ConfigError as error:
        return Asked(_impossible(error))
    outcome = asked.outcome
    if isinstance(outcome, Refusal):
        return replace(asked, outcome=replace(outcome, credential=account.version))
    return asked


def _ask_with(watcher: Watcher, provider: Provider, account: Account, task: Task, turn: Turn) -> Asked:
    """Ask for the task and for those that are due as well; for it alone where one of them spoils the request."""

    def question(one: Task) -> Question:
        return Question(task_id=one.task_id, region=one.region, account=account, clock=watcher.clock)

    limit = watcher.pace.limit(provider, task.account, asking.base_url(provider, question(task)))

    def send(request: "Request") -> http.Answer:
        turn.approach(limit)
        return watcher.send(request, seconds=LOOK_SECONDS, ready=turn.go)

    others = watcher.sharing.with_(task, provider)
    outcome, *rest = asking.look_together(provider, [question(one) for one in (task, *others)], send)
    if others and isinstance(outcome, Refusal) and outcome.trouble in SPOILT and outcome is rest[0]:
        watcher.sharing.spoiled(task, provider)
        return Asked(asking.look(provider, question(task), send))
    return Asked(outcome, list(zip(others, rest, strict=True)))


def _account(watcher: Watcher, task: Task, *, fresh: bool) -> Account | Refusal:
    try:
        return watcher.account(task.account, fresh=fresh)
    except ConfigError as error:
        return _unusable(error)


def _impossible(error: ConfigError) -> Refusal:
    """What cannot be sent is this task's affair, not its account's."""
    hint = "Check the account's endpoint for this service, the task's region, and the provider's entry."
    return Refusal(trouble=Trouble.FINAL, problem=Problem(code="RequestNotPossible", message=str(error), hint=hint))


def _unusable(error: ConfigError) -> Refusal:
    """An account that is missing or broken is one that works again when somebody stores it well."""
    hint = "Store the account as docs/accounts.md describes."
    problem = Problem(code="AccountNotUsable", message=str(error), hint=hint)
    return Refusal(trouble=Trouble.CREDENTIALS, problem=problem, credential=unusable(error))


def _unknown_provider(code: str, message: str) -> Refusal:
    """An operator's entry may come back, and a version that was rolled back too: no reason to give tasks up at once."""
    hint = "Repair the entry of this provider; docs/add-a-provider.md describes the format."
    return Refusal(trouble=Trouble.TRANSIENT, problem=Problem(code=code, message=message, hint=hint))


def _unreachable(error: TransportError, hint: str | None) -> Problem:
    return Problem(code=type(error).__name__, message=str(error), hint=hint)

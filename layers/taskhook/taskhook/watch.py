"""One look at one task after another: ask the provider, write down what that means, and wait where it is cheaper."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

from taskhook import http
from taskhook.accounts import Account
from taskhook.credentials import unusable
from taskhook.decide import decide, progress_of
from taskhook.durations import Durations
from taskhook.errors import (
    AddressRefused,
    CatalogueError,
    CertificateRefused,
    ConfigError,
    StoreConflict,
    TransportError,
)
from taskhook.pacing import EARLY, Pace, PutOff, Turn
from taskhook.pauses import Pauses
from taskhook.providers import asking
from taskhook.providers.model import Observation, Outcome, Provider, Question, Refusal, Trouble
from taskhook.queues import Queues
from taskhook.states import ANSWERED, State
from taskhook.store import Store
from taskhook.task import Problem, Task
from taskhook.times import rfc3339_millis

if TYPE_CHECKING:
    from requests import Request

logger = logging.getLogger(__name__)

LOOK_SECONDS = 15.0
"""The total time for one request to a provider."""

WAKES = 1000
"""Times that a task is woken before one execution hands the watch over to a new one. Step Functions ends an execution
with 25,000 events in its history, and each time makes about ten."""

type AccountOf = Callable[..., Account | Refusal]
type Find = Callable[[str], Provider | None]
type Send = Callable[..., http.Answer]
type Left = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """What a look needs of the outside."""

    store: Store
    account: AccountOf
    find: Find
    durations: Durations
    pauses: Pauses
    queues: Queues
    pace: Pace
    patience: float
    clock: Callable[[], float]
    rng: Random
    send: Send = http.send


def look(watcher: Watcher, id: str, watch: int, left: Left) -> dict[str, Any]:
    """Look, and return the state machine's next payload (see ``payload``).

    Where the next look is so near that leaving would cost more than waiting, the function sleeps and looks again, for
    as long as it has seconds ``left``. A task that is stopped, superseded by a newer watch or gone ends without a word;
    one that has ended already is not asked about again, but whoever has not been told is.
    """
    while True:
        task = _looked(watcher, id, watch)
        if task is None:
            return _over(id, watch)
        if task.state.terminal:
            return payload(task)
        if task.wakes % WAKES == 0:
            return _handed_over(watcher, task)
        then = task.next_poll_at or 0.0
        if not watcher.pace.stays(then, left()):
            return payload(task, watcher.pace.lead)
        watcher.pace.sleep_until(then - EARLY)


def _looked(watcher: Watcher, id: str, watch: int) -> Task | None:
    """The task after one look, as it is stored; None where this watch has no business with it any more."""
    task = watcher.store.get(id)
    if task is None or task.watch != watch or not task.open:
        return None
    if task.state.terminal:
        return task
    turn = Turn(watcher.pace, task)
    try:
        outcome = ask(watcher, task, turn)
    except PutOff as later:
        return _saved(watcher, turn.put_off(task, later))
    after = _decided(watcher, task, outcome, turn)
    saved = _saved(watcher, after)
    if saved is None:
        return None
    if isinstance(outcome, Observation):
        watcher.pauses.answered(task)
    _remember(watcher, saved)
    _log(saved)
    return saved


def _decided(watcher: Watcher, task: Task, outcome: Outcome, turn: Turn) -> Task:
    trouble = outcome.trouble if isinstance(outcome, Refusal) else None
    tells = isinstance(outcome, Refusal) and trouble is Trouble.CREDENTIALS and watcher.pauses.refused(task, outcome)
    if trouble is Trouble.THROTTLED:
        turn.throttled()
    after = decide(
        task,
        outcome,
        history=watcher.durations.of(task),
        now=watcher.clock(),
        rng=watcher.rng,
        patience=watcher.patience,
        tells=tells,
        price=turn.price,
    )
    return turn.reserved(after)


def _saved(watcher: Watcher, task: Task) -> Task | None:
    try:
        return watcher.store.save_look(task)
    except StoreConflict:
        logger.info("look superseded", extra={"task": task.id, "watch": task.watch})
        return None


def _remember(watcher: Watcher, task: Task) -> None:
    """How long it took, for the tasks of its kind that come after it."""
    now = task.observed_at or task.submitted_at
    if task.state in ANSWERED:
        lo = (task.looked_at or task.submitted_at) - task.submitted_at
        end = task.finished_at - task.submitted_at if task.finished_at is not None else None
        watcher.durations.ended(task, lo=lo, hi=now - task.submitted_at, end=end, progress=progress_of(task))
    elif task.state is State.TIMED_OUT:
        watcher.durations.given_up(task, now - task.submitted_at)


def _handed_over(watcher: Watcher, task: Task) -> dict[str, Any]:
    """A new watch goes on, under the next number; the task itself does not notice."""
    try:
        watcher.queues.start_watch(watcher.store.restart(task, now=watcher.clock(), restarts=0))
    except StoreConflict:
        logger.info("stopped while it was handed over", extra={"task": task.id, "watch": task.watch})
    return _over(task.id, task.watch)


def payload(task: Task, lead: float = 0.0) -> dict[str, Any]:
    """What the state machine carries: ``done``, when to wake (``lead`` seconds before the look), and whom to tell."""
    return {
        "id": task.id,
        "watch": task.watch,
        "done": task.state.terminal,
        "wait_until": rfc3339_millis((task.next_poll_at or lead) - lead),
        "notify": [{"id": task.id, "watch": task.watch, "destination": name, "done": False} for name in task.pending]
        if task.state.terminal
        else [],
    }


def _over(id: str, watch: int) -> dict[str, Any]:
    return {"id": id, "watch": watch, "done": True, "wait_until": rfc3339_millis(0.0), "notify": []}


def ask(watcher: Watcher, task: Task, turn: Turn) -> Outcome:
    """Ask the provider, once; a refused account is read anew and tried once more, and signed anew of course.

    Raises PutOff where it is not this task's turn.
    """
    try:
        provider = watcher.find(task.provider)
    except CatalogueError as error:
        return _unknown_provider("ProviderNotUsable", str(error))
    if provider is None:
        return _unknown_provider("UnknownProvider", f"this installation of taskhook does not know {task.provider}")
    known = watcher.pauses.recent(task)
    if known is not None:
        return known
    outcome = _ask_once(watcher, provider, task, turn, fresh=watcher.pauses.knows(task))
    if isinstance(outcome, Refusal) and outcome.trouble is Trouble.CREDENTIALS and outcome.asked:
        return _ask_once(watcher, provider, task, turn, fresh=True)
    return outcome


def _ask_once(watcher: Watcher, provider: Provider, task: Task, turn: Turn, *, fresh: bool) -> Outcome:
    try:
        account = _account(watcher, task, fresh=fresh)
        if isinstance(account, Refusal):
            return account
        unchanged = watcher.pauses.unchanged(task, account.version)
        if unchanged is not None:
            return unchanged
        question = Question(task_id=task.task_id, region=task.region, account=account, clock=watcher.clock)
        limit = watcher.pace.limit(provider, task.account, asking.base_url(provider, question))

        def send(request: "Request") -> http.Answer:
            turn.wait(limit)
            return watcher.send(request, seconds=LOOK_SECONDS)

        outcome = asking.look(provider, question, send)
    except (AddressRefused, CertificateRefused) as error:
        hint = "Check the account's endpoint: the server there cannot prove that it is the provider."
        return Refusal(trouble=Trouble.DOUBTFUL, problem=_unreachable(error, hint))
    except TransportError as error:
        return Refusal(trouble=Trouble.TRANSIENT, problem=_unreachable(error, None))
    except ConfigError as error:
        return _impossible(error)
    return replace(outcome, credential=account.version) if isinstance(outcome, Refusal) else outcome


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


def _log(task: Task) -> None:
    logger.info(
        "looked",
        extra={
            "task": task.id,
            "provider": task.provider,
            "state": task.state.value,
            "provider_state": task.provider_state,
            "polls": task.polls,
            "troubles": task.troubles,
            "code": task.error.code if task.error else None,
            "provider_request_id": task.request_id,
        },
    )

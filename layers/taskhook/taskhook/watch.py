"""One look at one task: ask the provider, decide what that means, write it down, say when to look again."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from taskhook import backoff, http, schedule
from taskhook.accounts import Account
from taskhook.credentials import unusable
from taskhook.durations import Durations
from taskhook.errors import (
    AddressRefused,
    CatalogueError,
    CertificateRefused,
    ConfigError,
    StoreConflict,
    TransportError,
)
from taskhook.pauses import Pauses
from taskhook.providers import asking
from taskhook.providers.model import Observation, Outcome, Provider, Question, Refusal, Trouble
from taskhook.queues import Queues
from taskhook.schedule import History, Progress, Urgency
from taskhook.states import ANSWERED, State
from taskhook.store import Store
from taskhook.task import Estimate, Problem, Task
from taskhook.times import duration, rfc3339_millis

logger = logging.getLogger(__name__)

LOOK_SECONDS = 15.0
"""The total time for one request to a provider."""
NOT_FOUND_GRACE = 60.0
"""Seconds after submission in which "no such task" only means "not yet"."""
DOUBTS = 5
"""Looks in a row that may end in doubt before the task counts as lost."""
FORGOTTEN = 3
"""Looks in a row that may say "no such task" of one that the provider has known: an index may lag behind."""

WAKES = 1000
"""Times that one execution wakes before it hands the watch over to a new one. Step Functions ends an execution with
25,000 events in its history, and each time makes about ten."""

NO_HISTORY = History()

type AccountOf = Callable[..., Account | Refusal]
type Find = Callable[[str], Provider | None]
type Send = Callable[..., http.Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """What a look needs of the outside."""

    store: Store
    account: AccountOf
    find: Find
    durations: Durations
    pauses: Pauses
    queues: Queues
    patience: float
    clock: Callable[[], float]
    rng: Random
    send: Send = http.send


def look(watcher: Watcher, id: str, watch: int) -> dict[str, Any]:
    """Look once, and return the state machine's next payload (see ``payload``).

    A task that is stopped, superseded by a newer watch or gone ends without a word; one that has ended already is not
    asked about again, but whoever has not been told is.
    """
    task = watcher.store.get(id)
    if task is None or task.watch != watch or not task.open:
        return _over(id, watch)
    if task.state.terminal:
        return payload(task)
    outcome = ask(watcher, task)
    refused = isinstance(outcome, Refusal) and outcome.trouble is Trouble.CREDENTIALS
    tells = isinstance(outcome, Refusal) and refused and watcher.pauses.refused(task, outcome)
    after = decide(
        task,
        outcome,
        history=watcher.durations.of(task),
        now=watcher.clock(),
        rng=watcher.rng,
        patience=watcher.patience,
        tells=tells,
    )
    try:
        saved = watcher.store.save_look(after)
    except StoreConflict:
        logger.info("look superseded", extra={"task": id, "watch": watch})
        return _over(id, watch)
    if isinstance(outcome, Observation):
        watcher.pauses.answered(task)
    _remember(watcher, saved)
    _log(saved)
    return _handed_over(watcher, saved) if saved.wakes % WAKES == 0 and not saved.state.terminal else payload(saved)


def _remember(watcher: Watcher, task: Task) -> None:
    """How long it took, for the tasks of its kind that come after it."""
    now = task.observed_at or task.submitted_at
    if task.state in ANSWERED:
        lo = (task.looked_at or task.submitted_at) - task.submitted_at
        end = task.finished_at - task.submitted_at if task.finished_at is not None else None
        watcher.durations.ended(task, lo=lo, hi=now - task.submitted_at, end=end, progress=_progress(task))
    elif task.state is State.TIMED_OUT:
        watcher.durations.given_up(task, now - task.submitted_at)


def _progress(task: Task) -> Progress:
    """What the task has reported so far, without marks that cannot be: a record may be broken."""
    marks = tuple((age, share) for age, share in task.marks if age > 0 and schedule.EARLIEST_SHARE <= share <= 1)
    return Progress(marks=marks, steady=task.steady)


def _handed_over(watcher: Watcher, task: Task) -> dict[str, Any]:
    """A new watch goes on, under the next number; the task itself does not notice."""
    try:
        watcher.queues.start_watch(watcher.store.restart(task, now=watcher.clock(), restarts=0))
    except StoreConflict:
        logger.info("stopped while it was handed over", extra={"task": task.id, "watch": task.watch})
    return _over(task.id, task.watch)


def payload(task: Task) -> dict[str, Any]:
    """What the state machine carries: ``done``, when to look again, and whom to tell."""
    return {
        "id": task.id,
        "watch": task.watch,
        "done": task.state.terminal,
        "wait_until": rfc3339_millis(task.next_poll_at or 0.0),
        "notify": [{"id": task.id, "watch": task.watch, "destination": name, "done": False} for name in task.pending]
        if task.state.terminal
        else [],
    }


def _over(id: str, watch: int) -> dict[str, Any]:
    return {"id": id, "watch": watch, "done": True, "wait_until": rfc3339_millis(0.0), "notify": []}


def ask(watcher: Watcher, task: Task) -> Outcome:
    """Ask the provider, once; a refused account is read anew and tried once more, and signed anew of course."""
    try:
        provider = watcher.find(task.provider)
    except CatalogueError as error:
        return _unknown_provider("ProviderNotUsable", str(error))
    if provider is None:
        return _unknown_provider("UnknownProvider", f"this installation of taskhook does not know {task.provider}")
    known = watcher.pauses.recent(task)
    if known is not None:
        return known
    outcome = _ask_once(watcher, provider, task, fresh=watcher.pauses.knows(task))
    if isinstance(outcome, Refusal) and outcome.trouble is Trouble.CREDENTIALS and outcome.asked:
        return _ask_once(watcher, provider, task, fresh=True)
    return outcome


def _ask_once(watcher: Watcher, provider: Provider, task: Task, *, fresh: bool) -> Outcome:
    try:
        account = _account(watcher, task, fresh=fresh)
        if isinstance(account, Refusal):
            return account
        unchanged = watcher.pauses.unchanged(task, account.version)
        if unchanged is not None:
            return unchanged
        question = Question(task_id=task.task_id, region=task.region, account=account, clock=watcher.clock)
        outcome = asking.look(provider, question, lambda request: watcher.send(request, seconds=LOOK_SECONDS))
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


def decide(
    task: Task,
    outcome: Outcome,
    *,
    now: float,
    rng: Random,
    patience: float,
    history: History = NO_HISTORY,
    tells: bool = False,
) -> Task:
    """The task after a look. Pure: what was seen, what is known of its kind, the time and the dice decide everything.

    ``tells``: the account is refused, and this is the task that tells somebody.
    """
    asked = isinstance(outcome, Observation) or outcome.asked
    looked = replace(task, polls=task.polls + asked, wakes=task.wakes + 1, restarts=0)
    if isinstance(outcome, Observation):
        after = _observed(looked, outcome, now)
    else:
        after = _refused(looked, outcome, now, patience, tells)
    if not after.state.terminal and now >= task.deadline:
        after = _ended(after, State.TIMED_OUT, _late(after, outcome), now)
    return after if after.state.terminal else _scheduled(after, outcome, history, now, rng)


def _observed(task: Task, seen: Observation, now: float) -> Task:
    if not seen.known and (seen.provider_state != task.provider_state or task.polls == 1):
        logger.warning(
            "unknown provider state", extra={"task": task.id, "provider": task.provider, "word": seen.provider_state}
        )
    # A word that this API passes through counts when it is still there at the next look.
    passing = seen.passing and (task.provider_state or "").casefold() != (seen.provider_state or "").casefold()
    if passing:
        seen = replace(seen, state=State.RUNNING, error=None, result=None, finished_at=None)
    progress = _progress(task) if seen.state.terminal else _progress(task).moved(now - task.submitted_at, seen.progress)
    return replace(
        task,
        state=seen.state,
        provider_state=seen.provider_state,
        progress=seen.progress if seen.state is not State.SUCCEEDED else 1.0,
        message=seen.message if seen.known else _unknown(seen),
        error=seen.error,
        resources=seen.resources,
        result=seen.result,
        request_id=seen.request_id or task.request_id,
        started_at=seen.started_at or task.started_at,
        finished_at=seen.finished_at,
        observed_at=now if seen.state.terminal else None,
        next_poll_at=None,
        # The look before the end stays: the task ended after it.
        looked_at=task.looked_at if seen.state.terminal else now,
        marks=progress.marks,
        steady=progress.steady,
        troubles=0,
        trouble_since=None,
        paused=None,
    )


def _unknown(seen: Observation) -> str:
    if seen.provider_state is None:
        return "The provider's answer holds no status; taskhook goes on looking."
    return f"The provider says '{seen.provider_state[:100]}', which taskhook does not know; it goes on looking."


def _refused(task: Task, refusal: Refusal, now: float, patience: float, tells: bool) -> Task:
    since = task.trouble_since if task.trouble_since is not None else now
    credentials = refusal.trouble is Trouble.CREDENTIALS
    troubled = replace(
        task,
        state=State.RUNNING,  # somebody has looked, and nobody says that it has ended
        troubles=task.troubles + 1,
        trouble_since=since,
        error=_waiting(refusal.problem) if credentials else refusal.problem,
        request_id=refusal.request_id or task.request_id,
        paused=(refusal.credential or "") if credentials else task.paused,
    )
    if tells or _hopeless(troubled, refusal, now, patience):
        return _ended(troubled, State.LOST, _reason(troubled, refusal), now)
    return troubled


def _waiting(problem: Problem) -> Problem:
    goes_on = "This task and the others of the account go on by themselves when the account works again."
    return replace(problem, hint=f"{problem.hint} {goes_on}" if problem.hint else goes_on)


def _hopeless(task: Task, refusal: Refusal, now: float, patience: float) -> bool:
    match refusal.trouble:
        case Trouble.FINAL:
            return True
        case Trouble.CREDENTIALS:
            return now >= task.deadline
        case Trouble.NOT_FOUND:
            if task.provider_state is not None:
                return task.troubles >= FORGOTTEN
            return now - task.submitted_at >= NOT_FOUND_GRACE
        case Trouble.DOUBTFUL:
            return task.troubles >= DOUBTS
        case Trouble.TRANSIENT | Trouble.THROTTLED:
            return task.trouble_since is not None and now - task.trouble_since >= patience


def _reason(task: Task, refusal: Refusal) -> Problem:
    problem = task.error or refusal.problem
    if problem.hint is None:
        hint = f"The provider gave no usable answer {task.troubles} times in a row. Post the task again to go on."
        return replace(problem, hint=hint)
    return problem


def _late(task: Task, outcome: Outcome) -> Problem:
    seconds = duration(task.deadline - task.submitted_at)
    said = f"the provider still said '{task.provider_state}'" if task.provider_state else "the provider said nothing"
    if isinstance(outcome, Refusal):
        said = f"the last look failed ({outcome.problem.code}: {outcome.problem.message})"
    return Problem(
        code="DeadlineExceeded",
        message=f"not finished after {seconds}: {said}",
        hint="The task may still be running. Post it again, with a larger timeout_seconds, to go on watching.",
    )


def _ended(task: Task, state: State, problem: Problem, now: float) -> Task:
    return replace(task, state=state, error=problem, observed_at=now, next_poll_at=None)


def _scheduled(task: Task, outcome: Outcome, history: History, now: float, rng: Random) -> Task:
    age, progress = now - task.submitted_at, _progress(task)
    wait = schedule.next_wait(history, age, rng=rng, progress=progress, urgency=_urgency(task))
    reason = schedule.reason(history, age, progress)
    if isinstance(outcome, Refusal):
        # Neither a throttled key nor a refused account gets better by being asked at once.
        throttled = outcome.trouble in (Trouble.THROTTLED, Trouble.CREDENTIALS)
        wait = backoff.trouble_wait(
            planned=wait, troubles=task.troubles, rng=rng, throttled=throttled, retry_after=outcome.retry_after
        )
        reason = f"the latest look brought no answer ({outcome.problem.code})"
    guess = schedule.estimate(history, age, progress)
    return replace(
        task,
        next_poll_at=min(now + wait, task.deadline),
        reason=reason,
        estimate=Estimate(at=now + guess.remaining, earliest=now + guess.low, latest=now + guess.high)
        if guess is not None
        else None,
    )


def _urgency(task: Task) -> Urgency:
    return Urgency(task.urgency) if task.urgency in list(Urgency) else Urgency.NORMAL


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

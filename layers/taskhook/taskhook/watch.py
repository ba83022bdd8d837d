"""One look at one task: ask the provider, decide what that means, write it down, say when to look again."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from taskhook import backoff, http
from taskhook.accounts import Account
from taskhook.errors import AddressRefused, CertificateRefused, ConfigError, StoreConflict, TransportError
from taskhook.providers import provider as find_provider
from taskhook.providers.model import Observation, Outcome, Provider, Question, Refusal, Trouble
from taskhook.states import State
from taskhook.store import Store
from taskhook.task import Problem, Task
from taskhook.times import duration, rfc3339_millis

logger = logging.getLogger(__name__)

LOOK_SECONDS = 15.0
"""The total time for one request to a provider."""
NOT_FOUND_GRACE = 60.0
"""Seconds after submission in which "no such task" only means "not yet"."""
DOUBTS = 5
"""Looks in a row that may end in doubt before the task counts as lost."""

type AccountOf = Callable[..., Account]
type Send = Callable[..., http.Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """What a look needs of the outside."""

    store: Store
    account: AccountOf
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
    after = decide(task, ask(watcher, task), now=watcher.clock(), rng=watcher.rng, patience=watcher.patience)
    try:
        saved = watcher.store.save_look(after)
    except StoreConflict:
        logger.info("look superseded", extra={"task": id, "watch": watch})
        return _over(id, watch)
    _log(saved)
    return payload(saved)


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
    """Ask the provider, once; refused credentials are read anew and tried once more, and signed anew of course."""
    provider = find_provider(task.provider)
    if provider is None:
        return _final("UnknownProvider", f"this version of taskhook does not know {task.provider}", None)
    outcome = _ask_once(watcher, provider, task, fresh=False)
    if isinstance(outcome, Refusal) and outcome.trouble is Trouble.CREDENTIALS:
        return _ask_once(watcher, provider, task, fresh=True)
    return outcome


def _ask_once(watcher: Watcher, provider: Provider, task: Task, *, fresh: bool) -> Outcome:
    try:
        account = watcher.account(task.account, fresh=fresh)
    except ConfigError as error:
        return _unusable(error)
    question = Question(task_id=task.task_id, region=task.region, account=account, clock=watcher.clock)
    try:
        answer = watcher.send(provider.ask(provider, question), seconds=LOOK_SECONDS)
    except (AddressRefused, CertificateRefused) as error:
        hint = "Check the account's endpoint: the server there cannot prove that it is the provider."
        return Refusal(trouble=Trouble.DOUBTFUL, problem=_unreachable(error, hint))
    except TransportError as error:
        return Refusal(trouble=Trouble.TRANSIENT, problem=_unreachable(error, None))
    except ConfigError as error:
        return _unusable(error)
    return provider.read(provider, answer)


def _unusable(error: ConfigError) -> Refusal:
    hint = "Store the account as docs/operations.md describes, then post the task again."
    return _final("AccountNotUsable", str(error), hint)


def _unreachable(error: TransportError, hint: str | None) -> Problem:
    return Problem(code=type(error).__name__, message=str(error), hint=hint)


def _final(code: str, message: str, hint: str | None) -> Refusal:
    return Refusal(trouble=Trouble.FINAL, problem=Problem(code=code, message=message, hint=hint))


def decide(task: Task, outcome: Outcome, *, now: float, rng: Random, patience: float) -> Task:
    """The task after a look. Pure: what was seen, the time and the dice decide everything."""
    looked = replace(task, polls=task.polls + 1, restarts=0)
    if isinstance(outcome, Observation):
        after = _observed(looked, outcome, now)
    else:
        after = _refused(looked, outcome, now, patience)
    if not after.state.terminal and now >= task.deadline:
        after = _ended(after, State.TIMED_OUT, _late(after, outcome), now)
    return after if after.state.terminal else _scheduled(after, outcome, now, rng)


def _observed(task: Task, seen: Observation, now: float) -> Task:
    if not seen.known and (seen.provider_state != task.provider_state or task.polls == 1):
        logger.warning(
            "unknown provider state", extra={"task": task.id, "provider": task.provider, "word": seen.provider_state}
        )
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
        troubles=0,
        trouble_since=None,
    )


def _unknown(seen: Observation) -> str:
    if seen.provider_state is None:
        return "The provider's answer holds no status; taskhook goes on looking."
    return f"The provider says '{seen.provider_state[:100]}', which taskhook does not know; it goes on looking."


def _refused(task: Task, refusal: Refusal, now: float, patience: float) -> Task:
    since = task.trouble_since if task.trouble_since is not None else now
    troubled = replace(
        task,
        state=State.RUNNING,  # somebody has looked, and nobody says that it has ended
        troubles=task.troubles + 1,
        trouble_since=since,
        error=refusal.problem,
        request_id=refusal.request_id or task.request_id,
    )
    if not _hopeless(troubled, refusal, now, patience):
        return troubled
    return _ended(troubled, State.LOST, _reason(troubled, refusal), now)


def _hopeless(task: Task, refusal: Refusal, now: float, patience: float) -> bool:
    match refusal.trouble:
        case Trouble.FINAL | Trouble.CREDENTIALS:
            return True
        case Trouble.NOT_FOUND:
            # Once the provider has known the task, "not found" means that it has forgotten it.
            return task.provider_state is not None or now - task.submitted_at >= NOT_FOUND_GRACE
        case Trouble.DOUBTFUL:
            return task.troubles >= DOUBTS
        case Trouble.TRANSIENT | Trouble.THROTTLED:
            return task.trouble_since is not None and now - task.trouble_since >= patience


def _reason(task: Task, refusal: Refusal) -> Problem:
    problem = refusal.problem
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


def _scheduled(task: Task, outcome: Outcome, now: float, rng: Random) -> Task:
    throttled = isinstance(outcome, Refusal) and outcome.trouble is Trouble.THROTTLED
    wait = backoff.next_wait(
        elapsed=now - task.submitted_at,
        polls=task.polls,
        troubles=task.troubles,
        rng=rng,
        throttled=throttled,
        retry_after=outcome.retry_after if isinstance(outcome, Refusal) else None,
        progress=task.progress,
    )
    return replace(task, next_poll_at=min(now + wait, task.deadline))


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

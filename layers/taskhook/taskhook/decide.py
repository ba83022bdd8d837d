"""What a look makes of a task. Pure: what was seen, what is known of its kind, the time and the dice decide it all."""

import logging
from dataclasses import replace
from random import Random

from taskhook import backoff, schedule
from taskhook.looks import Look, noted
from taskhook.providers.model import Observation, Outcome, Refusal, Trouble
from taskhook.schedule import History, Progress, Urgency
from taskhook.states import State
from taskhook.task import Estimate, Problem, Task
from taskhook.times import duration

logger = logging.getLogger(__name__)

NOT_FOUND_GRACE = 60.0
"""Seconds after the first "no such task" in which that only means "not yet"."""
DOUBTS = 5
"""Looks in a row that may end in doubt before the task counts as lost."""
FORGOTTEN = 3
"""Looks in a row that may say "no such task" of one that the provider has known: an index may lag behind."""

STEP = 0.05
"""Progress that is worth a message to those who want to see how a task goes on."""

NO_HISTORY = History()


def decide(
    task: Task,
    outcome: Outcome,
    *,
    now: float,
    rng: Random,
    patience: float,
    history: History = NO_HISTORY,
    tells: bool = False,
    price: float = 1.0,
) -> Task:
    """The task after a look, its next one due at ``next_poll_at``.

    ``tells``: the account is refused, and this is the task that tells somebody. ``price`` is that of a look where more
    are due than the provider allows.
    """
    asked = isinstance(outcome, Observation) or outcome.asked
    looked = replace(task, polls=task.polls + asked, wakes=task.wakes + 1, restarts=0)
    if isinstance(outcome, Observation):
        after = _observed(looked, outcome, now)
    else:
        after = _refused(looked, outcome, now, patience, tells)
    if not after.state.terminal and now >= task.deadline:
        after = _ended(after, State.TIMED_OUT, _late(after, outcome), now)
    if asked or _another_trouble(task, outcome):
        after = replace(after, looks=noted(task.looks, _look(after, outcome, now)))
    after = replace(after, typical=schedule.typical(history) or task.typical)
    return after if after.state.terminal else _scheduled(after, outcome, history, now, rng, price)


def _another_trouble(task: Task, outcome: Outcome) -> bool:
    """Whether what kept a look from asking is news itself."""
    latest = task.looks[-1].trouble if task.looks else None
    return isinstance(outcome, Refusal) and outcome.problem.code != latest


def _look(after: Task, outcome: Outcome, now: float) -> Look:
    if isinstance(outcome, Refusal):
        return Look(at=now, state=after.state.value, trouble=outcome.problem.code)
    return Look(at=now, state=outcome.state.value, said=outcome.provider_state, progress=after.progress)


def _observed(task: Task, seen: Observation, now: float) -> Task:
    if not seen.known and (seen.provider_state != task.provider_state or task.polls == 1):
        logger.warning(
            "unknown provider state", extra={"task": task.id, "provider": task.provider, "word": seen.provider_state}
        )
    # A word that this API passes through counts when it is still there at the next look.
    passing = seen.passing and (task.provider_state or "").casefold() != (seen.provider_state or "").casefold()
    if passing:
        seen = replace(seen, state=State.RUNNING, error=None, result=None, finished_at=None)
    progress = (
        progress_of(task) if seen.state.terminal else progress_of(task).moved(now - task.submitted_at, seen.progress)
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
        type=seen.type or task.type,
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
            return task.trouble_since is not None and now - task.trouble_since >= NOT_FOUND_GRACE
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


def _scheduled(task: Task, outcome: Outcome, history: History, now: float, rng: Random, price: float) -> Task:
    age, progress = now - task.submitted_at, progress_of(task)
    wait = schedule.next_wait(history, age, rng=rng, progress=progress, urgency=_urgency(task), price=price)
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


def progress_of(task: Task) -> Progress:
    """What the task has reported so far, without marks that cannot be: a record may be broken."""
    marks = tuple((age, share) for age, share in task.marks if age > 0 and schedule.EARLIEST_SHARE <= share <= 1)
    return Progress(marks=marks, steady=task.steady)


def shown(before: Task, after: Task) -> list[str]:
    """The destinations that should see what a look has changed; its end is told by deliveries of their own."""
    if after.state.terminal:
        return []
    moved = abs((after.progress or 0.0) - (before.progress or 0.0)) >= STEP
    changed = before.state is not after.state or before.provider_state != after.provider_state or moved
    return [name for name, one in after.deliveries.items() if one.live] if changed else []

"""What a look decides: pure, so every case is a line."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskhook import decide as deciding
from taskhook.providers.model import Observation, Outcome, Refusal, Trouble
from taskhook.schedule import LONGEST_WAIT, SHORTEST_WAIT, History, learned
from taskhook.states import ANSWERED, State
from taskhook.task import Problem, Resource, Task
from tests.conftest import NOW, MakeTask
from tests.strategies import problems, resources, tasks, texts

PATIENCE = 3600.0

watched = st.builds(replace, tasks, state=st.sampled_from([State.QUEUED, State.RUNNING]))
observations = st.builds(
    Observation,
    state=st.sampled_from([State.RUNNING, *ANSWERED]),
    provider_state=st.none() | texts,
    known=st.booleans(),
    progress=st.none() | st.floats(0, 1),
    message=st.none() | texts,
    error=st.none() | problems,
    resources=resources,
)
refusals = st.builds(
    Refusal,
    trouble=st.sampled_from(Trouble),
    problem=problems,
    retry_after=st.none() | st.floats(0, 1e9),
    request_id=st.none() | texts,
)


def refusal(trouble: Trouble, **more: Any) -> Refusal:
    return Refusal(trouble=trouble, problem=Problem(code="Code", message="words", hint=more.pop("hint", None)), **more)


def running(**more: Any) -> Observation:
    return Observation(**{"state": State.RUNNING, "provider_state": "2", **more})


def decide(task: Task, outcome: Outcome, *, now: float = NOW + 30, seed: int = 1, **more: Any) -> Task:
    return deciding.decide(task, outcome, now=now, rng=Random(seed), patience=PATIENCE, **more)  # noqa: S311


@given(watched, observations | refusals, st.floats(0, 2e9))
@settings(max_examples=50)
def test_a_look_ends_the_task_or_plans_the_next_look(task: Task, outcome: Outcome, now: float) -> None:
    after = decide(task, outcome, now=now)
    assert after.polls == task.polls + 1
    if after.state.terminal:
        assert after.next_poll_at is None
        assert after.observed_at == now
    else:
        assert after.next_poll_at is not None
        assert after.next_poll_at <= task.deadline
        assert after.next_poll_at >= min(now + SHORTEST_WAIT, task.deadline)


@given(watched, observations | refusals)
@settings(max_examples=30)
def test_no_look_after_the_deadline_leaves_a_task_open(task: Task, outcome: Outcome) -> None:
    assert decide(task, outcome, now=task.deadline).state.terminal


@given(refusals)
@settings(max_examples=40)
def test_a_refusal_is_never_an_end_that_the_provider_spoke(outcome: Refusal) -> None:
    task = Task(id="a" * 26, provider="p", account="a", region=None, task_id="t", submitted_at=NOW, deadline=NOW + 9)
    for now in (NOW + 1, NOW + 9, NOW + 1e6):
        assert decide(task, outcome, now=now).state in (State.RUNNING, State.TIMED_OUT, State.LOST)


def test_a_first_look_makes_a_queued_task_a_running_one(make_task: MakeTask) -> None:
    after = decide(make_task(troubles=2, trouble_since=NOW, error=Problem(code="x", message="y")), running())
    assert (after.state, after.provider_state, after.observed_at) == (State.RUNNING, "2", None)
    assert (after.error, after.troubles, after.trouble_since) == (None, 0, None)


def test_an_unknown_word_stays_running_and_is_said(make_task: MakeTask) -> None:
    after = decide(make_task(), running(provider_state="PAUSED", known=False, message="m"))
    assert after.state is State.RUNNING
    assert after.message is not None
    assert "'PAUSED'" in after.message
    silent = decide(make_task(), running(provider_state=None, known=False))
    assert silent.message is not None
    assert "no status" in silent.message


@pytest.mark.parametrize("state", sorted(ANSWERED))
def test_the_providers_last_word_ends_the_watch(make_task: MakeTask, state: State) -> None:
    machines = (Resource(id="cpm-1", state=State.FAILED),)
    seen = Observation(state=state, provider_state="x", resources=machines, progress=0.5, finished_at=NOW + 20)
    after = decide(make_task(), seen)
    assert (after.state, after.observed_at, after.finished_at) == (state, NOW + 30, NOW + 20)
    assert after.resources == machines
    assert after.progress == (1.0 if state is State.SUCCEEDED else 0.5)


def test_the_last_word_at_the_deadline_counts(make_task: MakeTask) -> None:
    assert decide(make_task(), Observation(state=State.FAILED, provider_state="1"), now=NOW + 1e6).state is State.FAILED


def test_a_deadline_is_timed_out_and_says_what_was_last_seen(make_task: MakeTask) -> None:
    after = decide(make_task(deadline=NOW + 60), running(), now=NOW + 60)
    assert (after.state, after.observed_at) == (State.TIMED_OUT, NOW + 60)
    assert after.error is not None
    assert after.error.code == "DeadlineExceeded"
    assert "1 min" in after.error.message
    assert "still said '2'" in after.error.message
    assert after.error.hint


def test_a_deadline_during_an_outage_names_the_outage(make_task: MakeTask) -> None:
    after = decide(make_task(deadline=NOW + 60), refusal(Trouble.TRANSIENT), now=NOW + 61)
    assert after.state is State.TIMED_OUT
    assert after.error is not None
    assert "Code: words" in after.error.message


def test_what_cannot_get_better_is_lost_at_once_with_a_reason(make_task: MakeTask) -> None:
    after = decide(make_task(), refusal(Trouble.FINAL, hint="do this", request_id="r"))
    assert (after.state, after.error) == (State.LOST, Problem(code="Code", message="words", hint="do this"))
    assert after.request_id == "r"


def test_a_lost_task_always_says_what_to_do(make_task: MakeTask) -> None:
    lost = decide(make_task(), refusal(Trouble.FINAL))
    assert lost.error is not None
    assert lost.error.hint


def test_a_task_that_is_not_found_is_given_a_minute_to_appear(make_task: MakeTask) -> None:
    """From the first look that did not find it: the clock that submitted it may be another one."""
    first = decide(make_task(), refusal(Trouble.NOT_FOUND), now=NOW + 5)
    minute = NOW + 5 + deciding.NOT_FOUND_GRACE
    assert first.state is State.RUNNING
    assert decide(first, refusal(Trouble.NOT_FOUND), now=minute - 1).state is State.RUNNING
    assert decide(first, refusal(Trouble.NOT_FOUND), now=minute).state is State.LOST
    assert decide(make_task(), refusal(Trouble.NOT_FOUND), now=NOW + 500).state is State.RUNNING


def test_a_task_that_was_known_is_forgotten_when_it_is_not_found_a_few_times(make_task: MakeTask) -> None:
    task = make_task(provider_state="2")
    for look in range(1, deciding.FORGOTTEN + 1):
        task = decide(task, refusal(Trouble.NOT_FOUND), now=NOW + look)
        assert task.state is (State.LOST if look == deciding.FORGOTTEN else State.RUNNING)


def test_a_refused_account_makes_one_task_tell_and_the_others_wait(make_task: MakeTask) -> None:
    outcome = refusal(Trouble.CREDENTIALS, hint="store another key.", credential="7")
    for tells, state in ((True, State.LOST), (False, State.RUNNING)):
        after = decide(make_task(), outcome, tells=tells)
        assert (after.state, after.paused) == (state, "7")
        assert after.error is not None
        assert after.error.hint is not None
        assert after.error.hint.startswith("store another key. This task and the others of the account go on")


def test_a_paused_task_is_not_lost_before_its_deadline_and_not_later(make_task: MakeTask) -> None:
    task = make_task(deadline=NOW + 10 * PATIENCE)
    for hours in range(10):
        task = decide(task, refusal(Trouble.CREDENTIALS), now=NOW + hours * PATIENCE)
        assert task.state is State.RUNNING
    assert decide(task, refusal(Trouble.CREDENTIALS), now=task.deadline).state is State.LOST


def test_a_wait_without_asking_is_no_look(make_task: MakeTask) -> None:
    assert decide(make_task(), refusal(Trouble.CREDENTIALS, asked=False)).polls == 0


def test_an_answer_ends_the_pause(make_task: MakeTask) -> None:
    assert decide(make_task(paused="7"), running()).paused is None
    assert decide(make_task(paused="7"), refusal(Trouble.TRANSIENT)).paused == "7"


def test_a_word_that_may_pass_counts_when_it_is_seen_twice(make_task: MakeTask) -> None:
    seen = Observation(state=State.FAILED, provider_state="CREATE_FAILED", passing=True)
    first = decide(make_task(provider_state="CREATE_IN_PROGRESS"), seen)
    assert (first.state, first.provider_state, first.error) == (State.RUNNING, "CREATE_FAILED", None)
    assert decide(first, seen).state is State.FAILED
    rolled = decide(first, running(provider_state="ROLLBACK_IN_PROGRESS"))
    assert decide(rolled, seen).state is State.RUNNING


def test_doubts_end_a_watch_after_a_few_looks_in_a_row(make_task: MakeTask) -> None:
    task = make_task()
    for look in range(1, deciding.DOUBTS + 1):
        task = decide(task, refusal(Trouble.DOUBTFUL), now=NOW + look)
        assert task.state is (State.LOST if look == deciding.DOUBTS else State.RUNNING)


def test_one_good_look_ends_a_row_of_doubts(make_task: MakeTask) -> None:
    task = make_task()
    outcomes: list[Outcome] = [refusal(Trouble.DOUBTFUL), refusal(Trouble.DOUBTFUL), running()]
    for outcome in outcomes * 5:
        task = decide(task, outcome)
    assert task.state is State.RUNNING


@pytest.mark.parametrize("trouble", [Trouble.TRANSIENT, Trouble.THROTTLED])
def test_an_outage_is_borne_as_long_as_the_patience_lasts(make_task: MakeTask, trouble: Trouble) -> None:
    task = decide(make_task(), refusal(trouble), now=NOW)
    for seconds in range(1, 200):
        task = decide(task, refusal(trouble), now=NOW + seconds)
    assert task.state is State.RUNNING
    assert decide(task, refusal(trouble), now=NOW + PATIENCE).state is State.LOST


def test_a_refusal_keeps_what_was_seen_before(make_task: MakeTask) -> None:
    after = decide(make_task(state=State.RUNNING, provider_state="2", progress=0.4), refusal(Trouble.TRANSIENT))
    assert (after.state, after.provider_state, after.progress) == (State.RUNNING, "2", 0.4)


def test_throttling_slows_the_looks_down(make_task: MakeTask) -> None:
    waits: dict[Trouble, list[float]] = {Trouble.TRANSIENT: [], Trouble.THROTTLED: []}
    for trouble, found in waits.items():
        task = make_task()
        for _ in range(5):
            task = decide(task, refusal(trouble), now=NOW + 1)
            found.append((task.next_poll_at or 0) - NOW - 1)
        assert found == sorted(found)
    assert all(slow > 3 * quick for quick, slow in zip(*waits.values(), strict=True))


def test_what_the_provider_asks_for_is_obeyed(make_task: MakeTask) -> None:
    after = decide(make_task(), refusal(Trouble.THROTTLED, retry_after=1234.0))
    assert after.next_poll_at == NOW + 30 + 1234.0


def test_the_last_look_is_at_the_deadline_and_not_after_it(make_task: MakeTask) -> None:
    after = decide(make_task(deadline=NOW + 31), refusal(Trouble.THROTTLED, retry_after=1234.0))
    assert after.next_poll_at == NOW + 31


def test_a_young_task_is_looked_at_often_and_an_old_one_rarely(make_task: MakeTask) -> None:
    young = decide(make_task(), running(), now=NOW + 2)
    old = decide(make_task(), running(), now=NOW + 80_000)
    assert (young.next_poll_at or 0) - NOW - 2 < 2.5
    assert 200 < (old.next_poll_at or 0) - NOW - 80_000 <= LONGEST_WAIT


def known(*durations: float) -> History:
    """What is remembered after tasks that took so long."""
    history = History()
    for seconds in durations:
        item = history.to_item()
        for name, weight in learned(history, seconds * 0.99, seconds).items():
            item[name] = item.get(name, 0) + weight
        history = History.from_item(item)
    return history


def test_the_next_look_comes_when_tasks_of_the_kind_use_to_end(make_task: MakeTask) -> None:
    cold = decide(make_task(), running(), now=NOW + 60)
    learnt = decide(make_task(), running(), now=NOW + 60, history=known(*[1200.0] * 50))
    assert (cold.next_poll_at or 0) - NOW < 120
    assert 130 < (learnt.next_poll_at or 0) - NOW < 1300
    assert cold.reason is not None
    assert "no earlier tasks" in cold.reason
    assert learnt.reason is not None
    assert "from 50 earlier tasks" in learnt.reason
    assert cold.estimate is None
    assert learnt.estimate is not None
    assert NOW + 900 < learnt.estimate.earliest <= learnt.estimate.at <= learnt.estimate.latest < NOW + 1500


def test_more_urgency_never_means_a_later_look(make_task: MakeTask) -> None:
    waits = [
        decide(make_task(urgency=urgency), running(), now=NOW + 500).next_poll_at or 0
        for urgency in ("high", "normal", "low")
    ]
    assert waits == sorted(waits)
    assert waits[0] < waits[2]


def test_progress_is_kept_and_beats_the_history(make_task: MakeTask) -> None:
    task = decide(make_task(), running(progress=0.1), now=NOW + 60)
    task = decide(task, running(progress=0.9), now=NOW + 540)
    assert task.marks == ((60, 0.1), (540, 0.9))
    assert task.reason is not None
    assert task.reason.startswith("90 % done")
    assert (task.next_poll_at or 0) - NOW - 540 < 90


def test_a_look_without_an_answer_says_so_and_is_not_the_look_before_the_end(make_task: MakeTask) -> None:
    task = decide(make_task(), running(), now=NOW + 10)
    troubled = decide(task, refusal(Trouble.TRANSIENT), now=NOW + 20)
    assert troubled.reason == "the latest look brought no answer (Code)"
    ended = decide(troubled, Observation(state=State.SUCCEEDED, provider_state="0"), now=NOW + 30)
    assert (ended.looked_at, ended.took, ended.seen_within) == (NOW + 10, 30.0, 20.0)


def test_the_providers_own_time_says_how_late_the_end_was_seen(make_task: MakeTask) -> None:
    task = decide(make_task(), running(), now=NOW + 10)
    seen = Observation(state=State.FAILED, provider_state="1", finished_at=NOW + 25)
    ended = decide(task, seen, now=NOW + 30)
    assert (ended.took, ended.seen_within) == (25.0, 5.0)
    assert ended.news()["took_seconds"] == 25.0


def test_a_look_that_succeeds_forgives_the_watches_that_died(make_task: MakeTask) -> None:
    assert decide(make_task(restarts=4), running()).restarts == 0

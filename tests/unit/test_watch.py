"""What a look decides, and how the machine goes on."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskhook import watch
from taskhook.accounts import Account
from taskhook.config import Settings
from taskhook.errors import (
    AddressRefused,
    CertificateRefused,
    ConfigError,
    ConnectionFailed,
    DeadlineExceeded,
)
from taskhook.http import Answer
from taskhook.pauses import PROBE_SECONDS, RECHECK_SECONDS, Pauses
from taskhook.providers.catalogue import Catalogue
from taskhook.providers.model import Observation, Outcome, Refusal, Trouble
from taskhook.schedule import LONGEST_WAIT, SHORTEST_WAIT, History, learned
from taskhook.states import ANSWERED, State
from taskhook.task import Delivery, DeliveryState, Problem, Resource, Task
from tests.conftest import NOW, Clock, MakeAccount, MakeAnswer, MakeTask
from tests.fakes import Line, MemoryDurations, MemoryQueues, MemoryStore
from tests.strategies import problems, resources, tasks, texts

PATIENCE = 3600.0
NO_SETTINGS = Settings(
    table="", open_index="", parameters="", tasks_queue="tasks", undelivered_queue="", state_machine="", key="",
    allow_private=False, allow_insecure=False, patience=0, delivery_attempts=0, more_regions=frozenset(), retention=0,
)  # fmt: skip

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
    return watch.decide(task, outcome, now=now, rng=Random(seed), patience=PATIENCE, **more)  # noqa: S311


# --- decisions -------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("age", "seen", "state"),
    [
        (watch.NOT_FOUND_GRACE - 1, None, State.RUNNING),
        (watch.NOT_FOUND_GRACE, None, State.LOST),
    ],
)
def test_a_task_that_is_not_found_is_given_a_minute_to_appear(
    make_task: MakeTask, age: float, seen: str | None, state: State
) -> None:
    after = decide(make_task(provider_state=seen), refusal(Trouble.NOT_FOUND), now=NOW + age)
    assert after.state is state


def test_a_task_that_was_known_is_forgotten_when_it_is_not_found_a_few_times(make_task: MakeTask) -> None:
    task = make_task(provider_state="2")
    for look in range(1, watch.FORGOTTEN + 1):
        task = decide(task, refusal(Trouble.NOT_FOUND), now=NOW + look)
        assert task.state is (State.LOST if look == watch.FORGOTTEN else State.RUNNING)


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
    for look in range(1, watch.DOUBTS + 1):
        task = decide(task, refusal(Trouble.DOUBTFUL), now=NOW + look)
        assert task.state is (State.LOST if look == watch.DOUBTS else State.RUNNING)


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


# --- looks -----------------------------------------------------------------------------------------------------------

type Look = Callable[..., dict[str, Any]]


class Scene:
    """Tasks in memory, a provider that answers as told, and how often the account was read."""

    def __init__(self, task: Task, account: Account, *answers: Answer | Exception) -> None:
        self.store = MemoryStore(task)
        self.line = Line(list(answers))
        self.reads: list[bool] = []
        self.account: Account | Refusal | Exception = account
        self.clock = Clock(NOW + 30)
        self.id = task.id
        self.queues = MemoryQueues(NO_SETTINGS)
        self.durations = MemoryDurations()
        self.pauses = Pauses(store=self.store, queues=self.queues, clock=self.clock)

    def read_account(self, name: str, *, fresh: bool) -> Account | Refusal:
        self.reads.append(fresh)
        if isinstance(self.account, Exception):
            raise self.account
        return self.account

    def look(self, number: int = 1, id: str | None = None) -> dict[str, Any]:
        watcher = watch.Watcher(
            store=self.store,
            account=self.read_account,
            find=Catalogue().find,
            durations=self.durations,
            pauses=self.pauses,
            queues=self.queues,
            patience=PATIENCE,
            clock=self.clock,
            rng=Random(1),  # noqa: S311
            send=self.line,
        )
        return watch.look(watcher, id or self.id, number)

    @property
    def task(self) -> Task:
        return self.store.tasks[self.id]


@pytest.fixture
def scene(make_task: MakeTask, make_account: MakeAccount) -> Callable[..., Scene]:
    def make(*answers: Answer | Exception, **changes: Any) -> Scene:
        return Scene(make_task(**changes), make_account(version="1"), *answers)

    return make


type MakeScene = Callable[..., Scene]


@pytest.fixture
def clb(make_answer: MakeAnswer) -> Callable[..., Answer]:
    def answer(status: Any = 2, **members: Any) -> Answer:
        return make_answer({"Response": {"Status": status, "RequestId": "r-1", **members}})

    return answer


@pytest.fixture
def denied(clb: Callable[..., Answer]) -> Answer:
    return clb(None, Error={"Code": "AuthFailure.SecretIdNotFound", "Message": "no such key"})


def test_a_running_task_waits_for_the_next_look(scene: MakeScene, clb: Callable[..., Answer]) -> None:
    stage = scene(clb(2))
    payload = stage.look()
    assert payload["done"] is False
    assert payload["notify"] == []
    assert payload["wait_until"].startswith("2026-09-21T14:13:5")
    assert stage.task.state is State.RUNNING
    assert stage.task.request_id == "r-1"


def test_an_ended_task_names_everybody_who_has_to_be_told(scene: MakeScene, clb: Callable[..., Answer]) -> None:
    payload = scene(clb(0), notify=("ops", "slack")).look()
    assert payload["done"] is True
    assert [one["destination"] for one in payload["notify"]] == ["ops", "slack"]
    assert all(one["watch"] == 1 and one["done"] is False for one in payload["notify"])


@pytest.mark.parametrize("state", [one for one in State if one.terminal and one is not State.STOPPED])
def test_a_terminal_state_never_polls_again_but_the_untold_are_told(scene: MakeScene, state: State) -> None:
    told = {"ops": Delivery(state=DeliveryState.DELIVERED), "slack": Delivery()}
    stage = scene(AssertionError("asked again"), state=state, deliveries=told)
    payload = stage.look()
    assert payload["done"] is True
    assert [one["destination"] for one in payload["notify"]] == ["slack"]
    assert (stage.line.requests, stage.store.writes) == ([], 0)


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"watch": 2}, 1),
        ({"watch": 1}, 2),
        ({"state": State.STOPPED}, 1),
        ({"state": State.SUCCEEDED, "notify": ()}, 1),
        ({"state": State.LOST, "deliveries": {"ops": Delivery(state=DeliveryState.FAILED)}}, 1),
    ],
)
def test_a_watch_that_has_no_business_any_more_ends_without_a_word(
    scene: MakeScene, changes: dict[str, Any], number: int
) -> None:
    stage = scene(AssertionError("asked"), **changes)
    payload = stage.look(number)
    assert (payload["done"], payload["notify"]) == (True, [])
    assert (stage.line.requests, stage.store.writes) == ([], 0)


def test_a_task_that_is_gone_ends_the_watch(scene: MakeScene) -> None:
    stage = scene(AssertionError("asked"))
    stage.store.tasks.clear()
    assert stage.look()["done"] is True


@pytest.mark.parametrize("changed", [{"watch": 2}, {"state": State.STOPPED}])
def test_a_watch_superseded_during_its_look_ends_without_a_word(
    scene: MakeScene, clb: Callable[..., Answer], changed: dict[str, Any]
) -> None:
    stage = scene(clb(0))
    stage.store.meanwhile = lambda: stage.store.tasks.update({stage.id: replace(stage.task, **changed)})
    payload = stage.look()
    assert (payload["done"], payload["notify"]) == (True, [])
    assert stage.task.state is not State.SUCCEEDED


def test_a_destination_added_during_the_look_is_told(scene: MakeScene, clb: Callable[..., Answer]) -> None:
    stage = scene(clb(0))
    added = replace(stage.task, deliveries={**stage.task.deliveries, "late": Delivery()})
    stage.store.meanwhile = lambda: stage.store.tasks.update({stage.id: added})
    assert [one["destination"] for one in stage.look()["notify"]] == ["ops", "late"]


def test_refused_credentials_are_read_anew_once_and_signed_again(
    scene: MakeScene, denied: Answer, clb: Callable[..., Answer]
) -> None:
    stage = scene(denied, clb(2))
    stage.look()
    assert stage.reads == [False, True]
    assert len(stage.line.requests) == 2
    assert stage.task.state is State.RUNNING


def test_the_first_task_of_a_refused_account_is_lost_and_tells_why(scene: MakeScene, denied: Answer) -> None:
    stage = scene(denied)
    assert stage.look()["done"] is True
    assert stage.reads == [False, True]
    assert (stage.task.state, stage.task.paused) == (State.LOST, "1")
    assert stage.task.error is not None
    assert stage.task.error.code == "AuthFailure.SecretIdNotFound"
    assert stage.task.error.hint


def test_the_other_tasks_of_a_refused_account_wait_and_ask_nobody(
    scene: MakeScene, make_task: MakeTask, denied: Answer
) -> None:
    stage = scene(denied)
    stage.look()
    asked = len(stage.line.requests)
    for number in range(20):
        other = make_task(task_id=f"other-{number}")
        stage.store.tasks[other.id] = other
        assert stage.look(id=other.id)["done"] is False
        waiting = stage.store.tasks[other.id]
        assert (waiting.state, waiting.paused, waiting.polls) == (State.RUNNING, "1", 0)
        assert waiting.error is not None
        assert waiting.error.code == "AuthFailure.SecretIdNotFound"
    assert len(stage.line.requests) == asked


def test_a_refused_credential_is_read_again_soon_and_tried_again_later(
    scene: MakeScene, make_task: MakeTask, denied: Answer
) -> None:
    stage = scene(denied)
    other = make_task(task_id="other")
    stage.store.tasks[other.id] = other
    stage.look()
    asked, read = len(stage.line.requests), len(stage.reads)
    stage.clock.now += RECHECK_SECONDS
    stage.look(id=other.id)
    assert (len(stage.line.requests), stage.reads[read:]) == (asked, [True])
    stage.clock.now += PROBE_SECONDS
    stage.look(id=other.id)
    assert len(stage.line.requests) > asked


def test_all_tasks_go_on_when_the_credential_has_changed(
    scene: MakeScene, make_task: MakeTask, make_account: MakeAccount, denied: Answer, clb: Callable[..., Answer]
) -> None:
    stage = scene(denied, notify=("ops",))
    other = make_task(task_id="other")
    stage.store.tasks[other.id] = other
    stage.look()
    stage.look(id=other.id)
    stage.account, stage.line.answers = make_account(version="2"), [clb(0)]
    stage.clock.now += RECHECK_SECONDS
    assert stage.look(id=other.id)["done"] is True
    assert stage.store.tasks[other.id].state is State.SUCCEEDED
    # The task that told of it is watched again, and tells the end of it too.
    assert (stage.task.state, stage.task.watch, stage.task.pending) == (State.RUNNING, 2, ["ops"])
    assert [body for _, body in stage.queues.sent] == [{"id": stage.id, "watch": 2}]
    assert stage.store.accounts == {}
    assert stage.look(2)["done"] is True
    assert (stage.task.state, stage.task.paused) == (State.SUCCEEDED, None)


def test_a_queue_that_is_out_of_order_keeps_nobody_from_going_on(
    scene: MakeScene, make_task: MakeTask, denied: Answer, clb: Callable[..., Answer]
) -> None:
    stage = scene(denied)
    others = [make_task(task_id=f"other-{number}") for number in range(2)]
    stage.store.tasks.update({one.id: one for one in others})
    stage.look()
    stage.store.accounts["tencent"][1].append(others[0].id)
    stage.store.tasks[others[0].id] = replace(others[0], state=State.LOST, paused="1")

    def broken(task: Task) -> None:
        raise ConnectionError("no queue")

    object.__setattr__(stage.pauses, "queues", type("Broken", (), {"start_watch": staticmethod(broken)})())
    stage.line.answers = [clb(2)]
    stage.clock.now += RECHECK_SECONDS + PROBE_SECONDS
    stage.look(id=others[1].id)
    assert {stage.task.state, stage.store.tasks[others[0].id].state} == {State.RUNNING}


def test_another_credential_that_is_refused_is_told_of_again(
    scene: MakeScene, make_task: MakeTask, make_account: MakeAccount, denied: Answer
) -> None:
    stage = scene(denied)
    other = make_task(task_id="other")
    stage.store.tasks[other.id] = other
    stage.look()
    stage.look(id=other.id)
    stage.account = make_account(version="2")
    stage.clock.now += RECHECK_SECONDS
    assert stage.look(id=other.id)["done"] is True
    assert stage.store.tasks[other.id].state is State.LOST


def test_a_look_that_broke_after_the_refusal_was_noted_still_tells(scene: MakeScene, denied: Answer) -> None:
    stage = scene(denied)
    stage.store.refuse_account("tencent", "1", task=stage.id, now=NOW)
    stage.look()
    assert stage.task.state is State.LOST


def test_a_service_that_refuses_the_key_does_not_stop_the_others(
    scene: MakeScene, make_task: MakeTask, denied: Answer, clb: Callable[..., Answer]
) -> None:
    stage = scene(denied)
    stage.look()
    other = make_task(provider="tencent.vpc.DescribeVpcTaskResult", task_id="other")
    stage.store.tasks[other.id] = other
    stage.line.answers = [clb("RUNNING")]
    for _ in range(3):
        assert stage.look(id=other.id)["done"] is False
    healthy = stage.store.tasks[other.id]
    assert (healthy.polls, healthy.error, healthy.paused) == (3, None, None)
    # What the others can do is no reason to tell of the refusal again.
    assert (stage.task.state, stage.task.watch) == (State.LOST, 1)
    assert list(stage.store.accounts) == ["tencent"]


def test_what_one_process_remembers_does_not_undo_what_another_has_restored(
    scene: MakeScene, make_task: MakeTask, denied: Answer
) -> None:
    stage = scene(denied)
    other = make_task(task_id="other")
    stage.store.tasks[other.id] = other
    stage.look()
    assert stage.store.restore_account("tencent") == [stage.id]
    assert stage.look(id=other.id)["done"] is False
    assert stage.store.accounts == {}


def test_a_task_that_somebody_stopped_is_not_resumed(scene: MakeScene, denied: Answer) -> None:
    stage = scene(denied)
    stage.look()
    stage.store.tasks[stage.id] = replace(stage.task, state=State.STOPPED)
    assert stage.pauses.resume(stage.id) is False
    assert stage.queues.sent == []


def test_other_refusals_do_not_read_the_account_again(scene: MakeScene, clb: Callable[..., Answer]) -> None:
    stage = scene(clb(None, Error={"Code": "UnauthorizedOperation"}))
    stage.look()
    assert stage.reads == [False]


def test_an_account_that_is_gone_is_told_like_a_refused_one(scene: MakeScene) -> None:
    stage = scene(AssertionError("asked"))
    stage.account = ConfigError("no account 'tencent' is configured")
    stage.look()
    assert stage.task.state is State.LOST
    assert stage.task.error is not None
    assert stage.task.error.code == "AccountNotUsable"


def test_a_request_that_cannot_be_sent_loses_the_task_and_says_so(scene: MakeScene) -> None:
    stage = scene(ConfigError("the request cannot be sent: the URL is not complete or not valid"))
    stage.look()
    assert stage.task.error is not None
    assert (stage.task.state, stage.task.error.code) == (State.LOST, "RequestNotPossible")
    assert (stage.task.paused, stage.store.accounts) == (None, {})


@pytest.mark.parametrize("error", [ConnectionFailed, DeadlineExceeded])
def test_no_answer_is_looked_for_again(scene: MakeScene, error: type[ConnectionFailed]) -> None:
    stage = scene(error("clb.tencentcloudapi.com", "the name cannot be resolved"))
    assert stage.look()["done"] is False
    assert stage.task.error is not None
    assert (stage.task.state, stage.task.troubles) == (State.RUNNING, 1)
    assert stage.task.error.code == error.__name__


@pytest.mark.parametrize("error", [CertificateRefused, AddressRefused])
def test_a_server_that_is_not_the_provider_is_tried_a_few_times(
    scene: MakeScene, error: type[CertificateRefused]
) -> None:
    stage = scene(error("clb.tencentcloudapi.com", "self-signed certificate"))
    for _ in range(watch.DOUBTS):
        assert not stage.task.state.terminal
        stage.look()
    assert stage.task.state is State.LOST


def test_a_provider_that_is_not_known_here_is_waited_for(scene: MakeScene) -> None:
    stage = scene(AssertionError("asked"), provider="tencent.old.DescribeNothing")
    stage.look()
    assert stage.task.error is not None
    assert (stage.task.state, stage.task.error.code) == (State.RUNNING, "UnknownProvider")
    stage.clock.now += PATIENCE
    stage.look()
    assert stage.task.state is State.LOST


def test_how_long_a_task_took_is_remembered_once(scene: MakeScene, clb: Callable[..., Answer]) -> None:
    stage = scene(clb(2), clb(0))
    stage.look()
    stage.clock.now += 10
    stage.look()
    stage.look()
    assert stage.durations.taught == [("succeeded", 30.0, 40.0, None)]


def test_a_task_that_did_not_end_in_time_is_remembered_as_such(scene: MakeScene, clb: Callable[..., Answer]) -> None:
    stage = scene(clb(2), deadline=NOW + 30)
    stage.look()
    assert stage.durations.taught == [("timed_out", 30.0, 30.0, None)]


def test_what_was_lost_or_refused_teaches_nothing(scene: MakeScene, clb: Callable[..., Answer]) -> None:
    stage = scene(clb(None, Error={"Code": "UnauthorizedOperation"}))
    stage.look()
    assert stage.task.state is State.LOST
    assert stage.durations.taught == []


def test_a_long_watch_goes_on_in_a_new_execution_and_keeps_its_identity(
    scene: MakeScene, clb: Callable[..., Answer]
) -> None:
    stage = scene(clb(2), clb(2), clb(0), wakes=watch.WAKES - 2)
    assert stage.look()["done"] is False
    payload = stage.look()
    assert (payload["done"], payload["notify"]) == (True, [])
    assert [body for _, body in stage.queues.sent] == [{"id": stage.id, "watch": 2}]
    assert (stage.task.id, stage.task.watch, stage.task.state) == (stage.id, 2, State.RUNNING)
    assert stage.look(1)["notify"] == []
    assert stage.look(2)["notify"] != []
    assert stage.task.state is State.SUCCEEDED


def test_a_long_watch_that_is_stopped_while_it_is_handed_over_stays_stopped(
    scene: MakeScene, clb: Callable[..., Answer]
) -> None:
    stage = scene(clb(2), wakes=watch.WAKES - 1)
    taken = stage.store.restart

    def stopped(task: Task, **more: Any) -> Task:
        stage.store.tasks[task.id] = replace(task, state=State.STOPPED, watch=task.watch + 1)
        return taken(task, **more)

    stage.store.restart = stopped  # type: ignore[method-assign]
    assert stage.look()["done"] is True
    assert (stage.task.state, stage.queues.sent) == (State.STOPPED, [])


def test_a_look_has_a_total_time_and_asks_for_the_task(scene: MakeScene, clb: Callable[..., Answer]) -> None:
    stage = scene(clb(2))
    stage.look()
    assert stage.line.options == [{"seconds": watch.LOOK_SECONDS}]
    assert stage.line.requests[0].json == {"TaskId": "55c85074-3e7f-4c6d-864f-673660d4f8de"}

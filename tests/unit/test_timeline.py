"""A task's story: in the order of time, with the reason of any failure in words."""

from dataclasses import replace

from hypothesis import given

from taskhook.looks import Look
from taskhook.states import State
from taskhook.task import Attempt, Delivery, DeliveryState, Problem, Task
from taskhook.timeline import ATTEMPT, ENDED, GAP, KINDS, LOOK, SUBMITTED, timeline
from tests.conftest import NOW, MakeTask
from tests.strategies import tasks

REFUSED = Attempt(at=NOW + 21, verdict="dead", status=410, seconds=0.1, detail="HTTP 410: gone", event="task.failed")


def story(task: Task) -> list[str]:
    return [f"{one.kind}: {one.text}" for one in timeline(task)]


def test_a_task_that_failed_tells_from_the_post_to_the_attempt(make_task: MakeTask) -> None:
    task = make_task(
        state=State.FAILED,
        submitted_at=NOW,
        deadline=NOW + 3600,
        observed_at=NOW + 20,
        error=Problem(code="Quota", message="no more", hint="Ask for more."),
        looks=(
            Look(at=NOW + 1, state="running", said="2", progress=0.5),
            Look(at=NOW + 9, state="running", trouble="RequestLimitExceeded"),
            Look(at=NOW + 20, state="failed", said="1"),
        ),
        deliveries={"ops": Delivery(state=DeliveryState.HELD, attempts=1, log=(REFUSED,), reason="HTTP 410: gone")},
    )
    assert story(task) == [
        "submitted: Submitted; watched for at most 1 h",
        "look: The provider says '2': running, 50 % done",
        "look: No answer that helps: RequestLimitExceeded",
        "look: The provider says '1': failed",
        "ended: Ended: failed. Quota: no more. Ask for more",
        "attempt: ops: told of 'failed', dead. HTTP 410: gone",
        "attempt: ops: held",
    ]
    assert [one.good for one in timeline(task)] == [None, None, False, None, False, False, False]


def test_what_comes_next_is_at_the_end_and_said_to_be_planned(make_task: MakeTask) -> None:
    task = make_task(state=State.RUNNING, next_poll_at=NOW + 5, reason="typical duration 6 s from 312 earlier tasks")
    last = timeline(task)[-1]
    assert (last.kind, last.planned) == (LOOK, True)
    assert last.text == "Next look: typical duration 6 s from 312 earlier tasks"


def test_the_next_attempt_is_planned_where_there_is_one(make_task: MakeTask) -> None:
    waits = Delivery(attempts=1, next_attempt_at=NOW + 60, reason="waits for its turn")
    task = make_task(state=State.SUCCEEDED, observed_at=NOW, deliveries={"ops": waits})
    last = timeline(task)[-1]
    assert (last.kind, last.destination, last.planned) == (ATTEMPT, "ops", True)
    assert "waits for its turn" in last.text
    assert not [one for one in timeline(replace(task, state=State.STOPPED)) if one.planned]


def test_looks_that_are_gone_are_counted(make_task: MakeTask) -> None:
    task = make_task(looks=(Look(at=NOW + 1, state="running"), Look(at=NOW + 99, state="running", skipped=40)))
    gap = next(one for one in timeline(task) if one.kind == GAP)
    assert gap.text == "40 looks before this one are no longer kept"


def test_success_is_good_and_a_stop_is_neither(make_task: MakeTask) -> None:
    ended = make_task(state=State.SUCCEEDED, observed_at=NOW)
    assert [one.good for one in timeline(ended) if one.kind == ENDED] == [True]
    assert [one.good for one in timeline(make_task(state=State.STOPPED)) if one.kind == ENDED] == []


@given(tasks)
def test_every_task_has_a_story_that_begins_with_its_submission(task: Task) -> None:
    events = timeline(task)
    assert {one.kind for one in events} <= set(KINDS)
    assert [one.kind for one in events].count(SUBMITTED) == 1
    done = [one.at for one in events if not one.planned]
    assert done == sorted(done)
    assert all(one.text and one.view()["at"] for one in events)

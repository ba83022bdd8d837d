"""Named destinations, as their owner manages them: no secret comes out, and every refusal says what to do."""

import json
from typing import Any, cast

import pytest

from taskhook import registry
from taskhook.api.document import JsonObject, parse_object
from taskhook.api.problem import ProblemError
from taskhook.errors import ConnectionFailed
from taskhook.http import Answer
from taskhook.registry import LONGEST_RECORD, Registry
from taskhook.secret import Parameters
from taskhook.task import Delivery, DeliveryState
from tests.conftest import NOW, MakeAnswer, MakeTask
from tests.deliveries import HOOK, Stage, hook

SECRET = "whsec_czNjcjN0LWtleS1vZi0yNC1ieXRlcyEh"
FULL = {
    "type": "webhook",
    "url": "https://hooks.example.com/s3cr3t-path?key=s3cr3t-query",
    "secret": SECRET,
    "headers": {"X-Token": "s3cr3t-header"},
    "language": "zh",
    "rate": "5/s",
    "progress": True,
    "filter": {"states": ["failed"], "metadata": {"team": "dba"}},
    "escalate": {"to": "boss", "after_seconds": 120},
}


@pytest.fixture
def stage(make_ended: MakeTask, make_answer: MakeAnswer) -> Stage:
    found = Stage(make_ended(), answers=[make_answer(b"ok")], record=json.dumps(FULL))
    found.records["boss"] = hook()
    return found


def here(stage: Stage) -> Registry:
    return Registry(parameters=cast(Parameters, stage), ledger=stage.ledger, allow_private=False)


def hold(stage: Stage, version: str = "1") -> None:
    held = Delivery(state=DeliveryState.HELD, attempts=1, reason="gone")
    stage.store.tasks[stage.id] = stage.task.with_delivery("ops", held)
    stage.ledger.hold("ops", stage.id, version=version, now=NOW)


def parsed(body: bytes | str) -> JsonObject:
    """As the door gives it to the registry; nothing is an object without members."""
    raw = body.encode() if isinstance(body, str) else body
    return parse_object(raw) if raw.strip() else JsonObject()


def problem(call: Any, *args: Any) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        call(*args)
    return caught.value


# --- seen ------------------------------------------------------------------------------------------------------------


def test_a_destination_is_shown_without_its_secrets(stage: Stage) -> None:
    shown = here(stage).one("ops")
    assert shown.items() >= {
        "name": "ops", "type": "webhook", "host": "hooks.example.com", "language": "zh", "rate": "5/s",
        "progress": True, "state": "ok", "reason": None, "held": 0, "escalate": {"to": "boss", "after_seconds": 120},
    }.items()  # fmt: skip
    assert shown["filter"] == {"providers": [], "accounts": [], "states": ["failed"], "metadata": {"team": "dba"}}
    assert isinstance(shown["escalate"]["after_seconds"], int)
    assert not any(canary in json.dumps(shown) for canary in ("s3cr3t", SECRET, SECRET.removeprefix("whsec_")))


@pytest.mark.parametrize(
    "record", ["s3cr3t", '{"type": "s3cr3t"}', '{"type": "webhook", "url": "http://x.example.com/s3cr3t"}']
)
def test_a_record_that_cannot_work_is_shown_as_broken_and_the_others_as_ever(stage: Stage, record: str) -> None:
    stage.records["bad"] = record
    bad, _, ops = here(stage).all()["destinations"]
    assert (bad["name"], bad["state"], ops["state"]) == ("bad", "broken", "ok")
    assert bad["reason"]
    assert "s3cr3t" not in json.dumps([bad, ops])


def test_a_dead_destination_says_why_since_when_and_what_it_has_not_heard(stage: Stage) -> None:
    stage.ledger.died("ops", "1", reason="HTTP 410: gone", code="HTTP 410", now=NOW)
    hold(stage)
    shown = here(stage).one("ops")
    assert (shown["state"], shown["reason"], shown["code"], shown["since"], shown["held"]) == (
        "dead", "HTTP 410: gone", "HTTP 410", "2026-09-21T14:13:20Z", 1,
    )  # fmt: skip


def test_a_destination_that_was_stored_anew_is_not_dead_any_more(stage: Stage) -> None:
    stage.ledger.died("ops", "1", reason="HTTP 410", code=None, now=NOW)
    assert here(stage).store("ops", parsed(json.dumps(FULL)))["state"] == "ok"


def test_a_paused_destination_says_so(stage: Stage) -> None:
    stage.records["ops"] = hook(paused=True)
    assert here(stage).one("ops")["state"] == "paused"


# --- stored and removed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["new", "nobody"])
def test_nobody_escalates_to_himself_nor_to_somebody_who_is_not_there(stage: Stage, to: str) -> None:
    record = {**FULL, "escalate": {"to": to, "after_seconds": 5}}
    refused = problem(here(stage).store, "new", parsed(json.dumps(record)))
    assert [one.field for one in refused.errors] == ["escalate.to"]
    assert "new" not in stage.records


def test_a_member_that_stands_twice_is_refused(stage: Stage) -> None:
    text = '{"type": "slack", "type": "webhook", "url": "https://hooks.example.com/x"}'
    assert "type" in [one.field for one in problem(here(stage).store, "new", parsed(text)).errors]


def test_what_is_held_for_a_paused_destination_is_not_let_go_to_be_held_again(stage: Stage) -> None:
    stage.records["ops"] = hook(paused=True)
    hold(stage)
    assert problem(registry.let_go, stage.sender, "ops", parsed(b"{}")).status == 409
    assert registry.let_go(stage.sender, "ops", parsed(b'{"dry_run": true}'))["count"] == 1


def test_a_record_is_stored_as_it_came(stage: Stage) -> None:
    shown = here(stage).store("new", parsed(json.dumps(FULL)))
    assert shown["name"] == "new"
    assert json.loads(str(stage.records["new"])) == FULL
    assert "s3cr3t" not in json.dumps(shown)


def test_every_fault_comes_at_once_with_its_field_and_what_there_is(stage: Stage) -> None:
    wrong = {**FULL, "url": "https://10.0.0.1/s3cr3t", "colour": "red", "rate": "often", "filter": {"states": ["x"]}}
    error = problem(here(stage).store, "ops", parsed(json.dumps(wrong)))
    assert error.status == 422
    said = {one.field: one.message for one in error.errors}
    assert set(said) == {"url", "colour", "rate", "filter.states"}
    assert "1/s or 20/min" in said["rate"]
    assert "failed" in said["filter.states"]
    assert "s3cr3t" not in json.dumps(error.body())
    assert json.loads(str(stage.records["ops"])) == FULL


def test_a_member_that_is_not_known_is_told_the_nearest_or_all(stage: Stage) -> None:
    (fault,) = problem(here(stage).store, "ops", parsed(json.dumps({**FULL, "secrets": "s3cr3t"}))).errors
    assert fault.field == "secrets"
    assert "secret" in fault.message
    assert "s3cr3t" not in fault.message


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a.b", "x" * 65, "任务", "../x"])
def test_a_name_is_fit_for_a_parameter(stage: Stage, name: str) -> None:
    error = problem(here(stage).store, name, parsed(HOOK))
    assert (error.status, [one.field for one in error.errors]) == (422, ["name"])


@pytest.mark.parametrize(("body", "status"), [(b"", 400), (b"[]", 400), (b"{", 400), (b"{}", 422)])
def test_what_is_no_record_is_refused(stage: Stage, body: bytes, status: int) -> None:
    assert problem(lambda: here(stage).store("ops", parse_object(body))).status == status


def test_a_record_that_no_parameter_holds_is_refused_before_it_is_stored(stage: Stage) -> None:
    wide = {**FULL, "filter": {"metadata": {"x": "y" * LONGEST_RECORD}}}
    error = problem(here(stage).store, "ops", parsed(json.dumps(wide)))
    assert error.status == 422
    assert str(LONGEST_RECORD) in error.errors[0].message


def test_a_destination_is_removed_once(stage: Stage) -> None:
    here(stage).remove("ops")
    assert problem(here(stage).remove, "ops").status == 404
    assert problem(here(stage).one, "ops").status == 404


@pytest.mark.parametrize("name", ["nobody", "x" * 5000, "a b"])
def test_an_unknown_name_is_a_404_that_says_where_the_known_ones_are(stage: Stage, name: str) -> None:
    for call in (here(stage).one, here(stage).remove):
        error = problem(call, name)
        assert error.status == 404
        assert "GET /destinations" in error.detail
        assert len(error.detail) < 200


# --- tested ----------------------------------------------------------------------------------------------------------


def test_a_test_message_that_is_taken_lets_everything_go(stage: Stage) -> None:
    stage.records["ops"] = HOOK
    stage.ledger.died("ops", "1", reason="HTTP 410", code=None, now=NOW)
    hold(stage)
    answer = registry.test(stage.sender, "ops")
    assert answer.items() >= {"destination": "ops", "verdict": "delivered", "status": 200, "released": 1}.items()
    assert stage.started == [(stage.id, 2)]
    assert stage.ledger.standing("ops").dead is None
    (request,) = stage.line.requests
    assert json.loads(cast(Any, request.data))["type"] == "taskhook.test"


@pytest.mark.parametrize("answer", [410, 500, None])
def test_a_test_message_that_is_not_taken_says_why_and_changes_nothing(
    stage: Stage, make_answer: MakeAnswer, answer: int | None
) -> None:
    refusal: Answer | Exception = ConnectionFailed("hooks.example.com", "refused")
    stage.line.answers = [make_answer(b"no s3cr3t-query", status=answer) if answer else refusal]
    stage.ledger.died("ops", "1", reason="HTTP 410", code=None, now=NOW)
    hold(stage)
    said = registry.test(stage.sender, "ops")
    assert (said["status"], said["released"]) == (answer, 0)
    assert said["detail"]
    assert "s3cr3t" not in json.dumps(said)
    assert stage.kept == [stage.id]
    assert stage.ledger.standing("ops").dead == "1"


def test_a_paused_destination_takes_a_test_message_and_stays_paused(stage: Stage) -> None:
    stage.records["ops"] = hook(paused=True)
    hold(stage)
    assert registry.test(stage.sender, "ops")["released"] == 0
    assert (len(stage.line.requests), stage.kept) == (1, [stage.id])


def test_no_test_message_goes_where_none_can_go(stage: Stage) -> None:
    stage.records["bad"] = '{"type": "webhook", "url": 7}'
    assert problem(registry.test, stage.sender, "nobody").status == 404
    error = problem(registry.test, stage.sender, "bad")
    assert error.status == 409
    assert '"url"' in error.detail
    assert stage.line.requests == []


def test_a_test_message_is_of_no_task_that_anybody_could_find(stage: Stage) -> None:
    registry.test(stage.sender, "ops")
    assert set(stage.store.tasks) == {stage.id}


# --- let go on request -----------------------------------------------------------------------------------------------


def test_a_dry_run_says_what_would_go_out_and_changes_nothing(stage: Stage) -> None:
    hold(stage)
    before = stage.task
    assert registry.let_go(stage.sender, "ops", parsed(b'{"dry_run": true}')) == {
        "destination": "ops", "dry_run": True, "tasks": [stage.id], "count": 1,
    }  # fmt: skip
    assert (stage.task, stage.started, stage.kept) == (before, [], [stage.id])


@pytest.mark.parametrize("body", [b"", b" ", b"{}", b'{"since": null}', b'{"since": "2026-09-21T14:00:00Z"}'])
def test_what_is_kept_goes_out_on_request(stage: Stage, body: bytes) -> None:
    hold(stage)
    assert registry.let_go(stage.sender, "ops", parsed(body))["tasks"] == [stage.id]
    assert stage.started == [(stage.id, 2)]


def test_what_is_older_than_the_time_stays(stage: Stage) -> None:
    hold(stage)
    answer = registry.let_go(stage.sender, "ops", parsed(b'{"since": "2026-09-22T00:00:00+08:00"}'))
    assert (answer["count"], stage.kept) == (0, [stage.id])


def test_an_answer_shows_a_hundred_tasks_and_counts_them_all(stage: Stage) -> None:
    for number in range(120):
        stage.ledger.hold("ops", f"t{number}", version="1", now=NOW + number)
    answer = registry.let_go(stage.sender, "ops", parsed(b'{"dry_run": true}'))
    assert (len(answer["tasks"]), answer["count"]) == (100, 120)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-09-21T14:00:00"}, "since"),
        ({"since": 7}, "since"),
        ({"dry_run": "yes"}, "dry_run"),
        ({"dry_run": 1}, "dry_run"),
        ({"until": "2026-09-21T14:00:00Z"}, "until"),
    ],
)
def test_a_request_that_is_not_understood_lets_nothing_go(stage: Stage, body: Any, field: str) -> None:
    hold(stage)
    error = problem(registry.let_go, stage.sender, "ops", parsed(json.dumps(body)))
    assert (error.status, [one.field for one in error.errors]) == (422, [field])
    assert stage.kept == [stage.id]

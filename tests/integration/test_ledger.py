"""What is known of destinations over all tasks, in the table and in the tests' memory alike."""

from dataclasses import replace
from typing import Any

import pytest

from taskhook.ledger import LAG, Kept, Ledger, Standing
from tests.conftest import NOW
from tests.fakes import MemoryLedger
from tests.integration.conftest import Cloud

DEAD: Any = {"reason": "HTTP 410: gone", "code": "HTTP 410"}


@pytest.fixture(params=["table", "memory"])
def ledger(cloud: Cloud, request: pytest.FixtureRequest) -> Ledger:
    return cloud.ledger if request.param == "table" else MemoryLedger()


def test_of_a_destination_that_nobody_has_complained_of_nothing_is_known(ledger: Ledger) -> None:
    assert ledger.standing("ops") == Standing()
    assert (list(ledger.listed()), ledger.held("ops"), ledger.waiting("ops")) == ([], [], [])


def test_a_dead_destination_is_listed_until_it_works_and_holds_nothing(ledger: Ledger) -> None:
    assert ledger.died("ops", "3", **DEAD, now=NOW) is True
    assert ledger.standing("ops") == Standing(dead="3", since=NOW, **DEAD)
    assert list(ledger.listed()) == ["ops"]
    ledger.works("ops")
    ledger.emptied("ops", now=NOW)
    assert ledger.standing("ops") == Standing()
    assert list(ledger.listed()) == []


def test_that_a_record_is_dead_is_news_once_for_each_version(ledger: Ledger) -> None:
    told = [ledger.died("ops", version, **DEAD, now=NOW) for version in ("3", "3", "4", "4")]
    assert told == [True, False, True, False]


@pytest.mark.parametrize("version", ["1", ""])
def test_held_news_is_found_the_oldest_first_and_let_go(ledger: Ledger, version: str) -> None:
    for number, task in enumerate(("c", "a", "b")):
        ledger.hold("ops", task, version=version, now=NOW + number)
    ledger.hold("other", "d", version=version, now=NOW)
    assert ledger.held("ops") == [Kept(task=one, since=NOW + n) for n, one in enumerate(("c", "a", "b"))]
    assert ledger.standing("ops").holding == version
    assert sorted(ledger.listed()) == ["ops", "other"]
    ledger.let_go("ops", "a")
    ledger.let_go("ops", "never held")
    assert [one.task for one in ledger.held("ops")] == ["c", "b"]


def test_what_was_held_last_says_for_which_version(ledger: Ledger) -> None:
    for number, version in enumerate(("1", "2", "2")):
        ledger.hold("ops", "a", version=version, now=NOW + number)
    assert ledger.standing("ops").holding == "2"


def test_that_news_is_held_is_not_forgotten_before_the_index_shows_it_for_certain(ledger: Ledger) -> None:
    ledger.hold("ops", "a", version="1", now=NOW)
    ledger.emptied("ops", now=NOW + LAG - 1)
    assert ledger.standing("ops").holding == "1"
    ledger.hold("ops", "b", version="1", now=NOW + LAG)
    ledger.emptied("ops", now=NOW + LAG + 1)
    assert ledger.standing("ops").holding == "1"
    ledger.emptied("ops", now=NOW + 2 * LAG + 1)
    assert ledger.standing("ops").holding is None
    assert list(ledger.listed()) == []


def test_a_dead_destination_stays_listed_though_nothing_is_held(ledger: Ledger) -> None:
    ledger.hold("ops", "a", version="1", now=NOW)
    ledger.died("ops", "1", **DEAD, now=NOW)
    ledger.emptied("ops", now=NOW + 2 * LAG)
    assert list(ledger.listed()) == ["ops"]
    assert ledger.standing("ops").holding == "1"


def test_a_pause_is_the_longest_that_was_asked_for_until_it_works(ledger: Ledger) -> None:
    for until in (NOW + 60, NOW + 30, NOW + 90):
        ledger.quiet("ops", until)
    assert ledger.standing("ops").until == NOW + 90
    assert list(ledger.listed()) == []
    ledger.works("ops")
    assert ledger.standing("ops").until == 0.0


def test_who_speaks_next_is_decided_once(ledger: Ledger) -> None:
    assert ledger.plan("ops", NOW + 10, now=NOW) == NOW + 10
    assert ledger.plan("ops", NOW + 12, now=NOW + 1) == NOW + 10
    assert ledger.plan("ops", NOW + 10, now=NOW + 1) == NOW + 10
    assert ledger.standing("ops").next_at == NOW + 10
    assert ledger.plan("ops", NOW + 14, now=NOW + 10) == NOW + 14


def test_one_speaks_at_a_time_until_he_is_silent_or_too_late(ledger: Ledger) -> None:
    assert ledger.speak("ops", "a", now=NOW, until=NOW + 45)
    assert ledger.speak("ops", "a", now=NOW + 1, until=NOW + 46)
    assert not ledger.speak("ops", "b", now=NOW + 2, until=NOW + 47)
    ledger.silent("ops", "b")
    assert not ledger.speak("ops", "b", now=NOW + 3, until=NOW + 48)
    ledger.silent("ops", "a")
    assert ledger.speak("ops", "b", now=NOW + 4, until=NOW + 49)
    assert ledger.speak("ops", "c", now=NOW + 49, until=NOW + 90)
    assert ledger.speak("other", "a", now=NOW, until=NOW + 45)


def test_those_who_wait_are_found_until_they_are_heard_and_some_behind_the_others(ledger: Ledger) -> None:
    for number, (task, last) in enumerate((("good", True), ("bad", False), ("fine", True), ("worse", False))):
        ledger.wait("ops", task, now=NOW + number, last=last)
    assert [one.task for one in ledger.waiting("ops")] == ["bad", "worse", "good", "fine"]
    ledger.heard("ops", "bad")
    assert [one.task for one in ledger.waiting("ops")] == ["worse", "good", "fine"]
    assert (ledger.held("ops"), list(ledger.listed())) == ([], [])


def test_one_thing_does_not_disturb_another(ledger: Ledger) -> None:
    ledger.plan("ops", NOW + 10, now=NOW)
    ledger.quiet("ops", NOW + 5)
    ledger.hold("ops", "a", version="1", now=NOW)
    ledger.wait("ops", "a", now=NOW)
    ledger.died("ops", "1", **DEAD, now=NOW)
    full = Standing(dead="1", since=NOW, holding="1", until=NOW + 5, next_at=NOW + 10, **DEAD)
    assert ledger.standing("ops") == full
    ledger.works("ops")
    assert ledger.standing("ops") == replace(full, dead=None, reason=None, code=None, since=None, until=0.0)


@pytest.mark.parametrize("name", ["ops", "a_b-c", "webhook-hooks.example.com-0a1b2c3d"])
def test_a_destination_may_have_any_name(ledger: Ledger, name: str) -> None:
    ledger.hold(name, "a" * 26, version="1", now=NOW)
    assert list(ledger.listed()) == [name]
    assert [one.task for one in ledger.held(name)] == ["a" * 26]


def test_marks_are_no_tasks_and_are_forgotten_in_the_end(cloud: Cloud) -> None:
    cloud.ledger.hold("ops", "a" * 26, version="1", now=NOW)
    cloud.ledger.wait("ops", "a" * 26, now=NOW)
    assert list(cloud.store.open_watches()) == []
    items = cloud.client("dynamodb").scan(TableName=cloud.made["Tasks"])["Items"]
    marks = [one for one in items if not one["id"]["S"].startswith("destination#")]
    assert len(marks) == 2
    assert all(int(one["expires_at"]["N"]) > NOW for one in marks)

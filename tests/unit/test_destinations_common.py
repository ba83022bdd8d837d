"""The members that a record of any type may have, and every way to get them wrong."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskhook import destinations
from taskhook.destinations import common
from taskhook.destinations.model import Escalation, Filter, Language
from taskhook.states import WATCHED, State
from tests.strategies import json_objects, json_values

FULL = {
    "language": "zh",
    "rate": "20/min",
    "progress": True,
    "paused": True,
    "filter": {"providers": ["tencent"], "accounts": ["prod"], "states": ["failed", "lost"], "metadata": {"team": 7}},
    "escalate": {"to": "boss", "after_seconds": 120},
}


def fields(record: dict[str, Any]) -> list[str]:
    return [fault.field for fault in common.faults(record)]


def test_a_full_record_is_read() -> None:
    assert fields(FULL) == []
    assert common.read(FULL) == {
        "language": Language.CHINESE,
        "rate": "20/min",
        "progress": True,
        "paused": True,
        "filter": Filter(providers=("tencent",), accounts=("prod",), states=("failed", "lost"), metadata={"team": 7}),
        "escalation": Escalation(to="boss", after=120.0),
    }


@pytest.mark.parametrize("record", [{}, dict.fromkeys(common.FIELDS)])
def test_every_member_may_be_left_out(record: dict[str, Any]) -> None:
    assert fields(record) == []
    read = common.read(record)
    assert read["language"] is Language.ENGLISH
    assert (read["rate"], read["progress"], read["paused"], read["escalation"]) == (None, False, False, None)
    assert read["filter"] == Filter()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("language", "de"),
        ("language", "EN"),
        ("language", ["en"]),
        ("rate", "20"),
        ("rate", "0/s"),
        ("rate", "1.5/s"),
        ("rate", "1/h"),
        ("rate", "100000/s"),
        ("rate", "1/s\n"),
        ("rate", 20),
        ("progress", "true"),
        ("paused", 1),
        ("filter", ["failed"]),
        ("filter.providers", "tencent"),
        ("filter.accounts", [""]),
        ("filter.accounts", [7]),
        ("filter.accounts", ["x"] * 51),
        ("filter.states", ["running"]),
        ("filter.states", ["stopped"]),
        ("filter.states", ["failure"]),
        ("filter.metadata", ["team"]),
        ("filter.stats", ["failed"]),
        ("escalate", "boss"),
        ("escalate", {"to": "boss", "after": 120}),
        ("escalate.to", {"to": "the boss", "after_seconds": 120}),
        ("escalate.to", {"to": None, "after_seconds": 120}),
        ("escalate.after_seconds", {"to": "boss", "after_seconds": 0}),
        ("escalate.after_seconds", {"to": "boss", "after_seconds": True}),
        ("escalate.after_seconds", {"to": "boss", "after_seconds": 1.5}),
        ("escalate.after_seconds", {"to": "boss", "after_seconds": 86_401}),
        ("escalate.after_seconds", {"to": "boss"}),
    ],
)
def test_what_is_wrong_is_named(field: str, value: Any) -> None:
    head, _, tail = field.partition(".")
    record = {head: {tail: value} if head == "filter" and tail else value}
    assert fields(record) == [field]


def test_all_faults_come_at_once() -> None:
    record = {"language": "de", "rate": "x", "paused": 0, "filter": {"states": ["x"], "y": 1}, "escalate": {"to": ""}}
    assert fields(record) == [
        "language", "rate", "paused", "filter.states", "filter.y", "escalate.to", "escalate.after_seconds",
    ]  # fmt: skip


@pytest.mark.parametrize("state", State)
def test_a_filter_can_name_every_end_that_is_told_of(state: State) -> None:
    told = state not in WATCHED and state is not State.STOPPED
    assert (fields({"filter": {"states": [state.value]}}) == []) is told


@given(st.dictionaries(st.sampled_from(common.FIELDS), json_values | json_objects))
@settings(max_examples=40)
def test_no_record_is_too_strange_to_be_checked_and_what_passes_is_read(record: dict[str, Any]) -> None:
    if not common.faults(record):
        common.read(record)


@pytest.mark.parametrize("type", destinations.TYPES)
def test_no_type_has_a_member_of_its_own_by_a_common_name(type: str) -> None:
    assert not set(destinations._channel(type).fields) & {*common.FIELDS, "type", "url"}

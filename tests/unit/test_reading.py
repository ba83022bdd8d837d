"""Careless answers, read carefully."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskhook.nesting import DEEPEST, too_deep
from taskhook.providers import reading
from taskhook.providers.model import Trouble
from taskhook.times import rfc3339
from tests.conftest import MakeAnswer
from tests.strategies import json_values


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (1, "1"),
        ("1", "1"),
        (" 1 ", "1"),
        (1.0, "1"),
        (0, "0"),
        (-0.0, "0"),
        (1.5, "1.5"),
        (True, None),
        (False, None),
        (None, None),
        ("", None),
        ("  ", None),
        ([1], None),
        ({"a": 1}, None),
        ("x" * 5000, "x" * reading.LONGEST_WORD),
        (10**400, "1" + "0" * (reading.LONGEST_WORD - 1)),
        ("\ud800", "?"),
    ],
)
def test_a_status_is_text_and_a_boolean_is_none(value: Any, word: str | None) -> None:
    assert reading.word(value) == word


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (" too many requests. ", "too many requests."),
        ("empty", None),
        (" Empty", None),
        ("", None),
        (None, None),
        (7, None),
        (["a"], None),
        ("half \ud800 a character", "half ? a character"),
        ("x" * 1001, "x" * 999 + "…"),
    ],
)
def test_a_message_that_says_nothing_is_none(value: Any, shown: str | None) -> None:
    assert reading.text(value) == shown


def test_a_message_is_cleaned_before_it_is_cut() -> None:
    quoted = "x" * 995 + "s3cr3t-and-more"
    assert reading.text(quoted, lambda text: text.replace("s3cr3t-and-more", "***")) == "x" * 995 + "***"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1633017600, 1633017600.0),
        ("1633017600", 1633017600.0),
        (0, None),
        (-1, None),
        (None, None),
        ("soon", None),
        (1633017600000, 1633017600.0),
        (10**17, None),
        (float("inf"), None),
        ("2021-09-30T16:00:00Z", 1633017600.0),
        ("2021-10-01T00:00:00+08:00", 1633017600.0),
        ("2021-09-30T16:00Z", 1633017600.0),
        ("1970-01-01T08:00:00Z", None),
        ("9999-12-31T23:59:59-01:00", None),
        ("2021-10-01 00:00:00", None),
        ("2021-10-01", None),
    ],
)
def test_an_instant_is_unix_seconds_of_a_year_that_calendars_have(value: Any, seconds: float | None) -> None:
    assert reading.instant(value) == seconds


@given(json_values | st.integers() | st.floats())
def test_whatever_is_read_can_be_stored_and_shown(value: Any) -> None:
    for read in (reading.word(value), reading.text(value)):
        assert read is None or (read.encode() and len(read) <= reading.LONGEST_TEXT)
    rfc3339(reading.instant(value))


@given(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_break_the_parser(body: bytes) -> None:
    reading.loads(body)


@pytest.mark.parametrize("levels", [DEEPEST + 1, 500, 5000, 100_000])
def test_an_absurdly_nested_answer_is_none_at_all(levels: int, make_answer: MakeAnswer) -> None:
    assert reading.json_object(make_answer(b'{"a":' * levels + b"0" + b"}" * levels)) is None


def test_nesting_is_counted_in_levels() -> None:
    assert too_deep([[0]], levels=1)
    assert not too_deep([[0]], levels=2)
    assert not too_deep("text", levels=0)


def test_nan_is_no_status() -> None:
    assert reading.loads('{"Status": NaN}') == {"Status": None}


def test_a_number_beyond_all_others_is_null_and_not_infinity() -> None:
    read = reading.loads('{"Size": 1e999, "Rate": -1e999, "Most": 1e308}')
    assert read == {"Size": None, "Rate": None, "Most": 1e308}


def test_names_are_found_with_blanks_around_them_and_in_any_case(make_answer: MakeAnswer) -> None:
    body = reading.json_object(make_answer({"data ": [{" Status": 1}]}, headers={"Content-Type": "text/html"}))
    assert body == {"data": [{"Status": 1}]}
    assert reading.get(body, "DATA") == [{"Status": 1}]
    assert reading.get(body, "other") is None
    assert reading.get(None, "data") is None


def test_the_exact_name_wins_over_its_likes() -> None:
    assert reading.get({"STATUS": 1, "Status": 2}, "Status") == 2


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"7", b"<html>", b'{"a": '])
def test_what_is_no_object_is_none(body: bytes, make_answer: MakeAnswer) -> None:
    assert reading.json_object(make_answer(body)) is None


def test_half_an_answer_is_none(make_answer: MakeAnswer) -> None:
    assert reading.json_object(make_answer({"Status": 0}, truncated=True)) is None


def test_a_large_result_says_how_large_it_was() -> None:
    assert reading.bounded({"a": 1}) == {"a": 1}
    shown = reading.bounded("x" * 40_000)
    assert "40002 bytes" in shown["omitted"]


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        (200, Trouble.TRANSIENT),
        (301, Trouble.DOUBTFUL),
        (302, Trouble.DOUBTFUL),
        (403, Trouble.DOUBTFUL),
        (404, Trouble.DOUBTFUL),
        (429, Trouble.THROTTLED),
        (500, Trouble.TRANSIENT),
        (503, Trouble.TRANSIENT),
    ],
)
def test_an_answer_that_is_no_json_is_judged_by_its_status(
    status: int, trouble: Trouble, make_answer: MakeAnswer
) -> None:
    refusal = reading.not_an_answer(make_answer(b"<html>", status=status, headers={"Retry-After": "7"}))
    assert refusal.trouble is trouble
    assert refusal.problem.code == f"HTTP{status}"
    assert refusal.retry_after == (7.0 if status not in (301, 302) else None)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "30"}, 30.0),
        ({"Retry-After": "0"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"x-acs-retry-after": "1500"}, 1.5),
        ({"x-acs-retry-after": "0", "Retry-After": "9"}, 9.0),
        ({"x-acs-retry-after": "2000", "Retry-After": "9"}, 2.0),
    ],
)
def test_what_the_provider_asks_for_is_understood(
    headers: dict[str, str], seconds: float | None, make_answer: MakeAnswer
) -> None:
    assert reading.retry_after(make_answer(headers=headers)) == seconds

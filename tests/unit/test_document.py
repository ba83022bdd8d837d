"""A body as JSON: what is taken, what is not, and that nothing but a problem ever comes of it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskhook.api.document import LONGEST_BODY, JsonObject, parse_object, repeated
from taskhook.api.problem import ProblemError, invalid
from taskhook.nesting import DEEPEST
from tests.strategies import json_objects


def refused(body: bytes) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        parse_object(body)
    return caught.value


def nested(levels: int, before: str = "[", after: str = "]") -> bytes:
    return b'{"metadata":' + (before * levels + "0" + after * levels).encode() + b"}"


@given(json_objects)
def test_an_object_is_read_as_it_was_written(value: dict[str, Any]) -> None:
    assert parse_object(json.dumps(value).encode()) == value
    assert parse_object(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=100))
def test_bytes_are_an_object_or_a_problem(body: bytes) -> None:
    try:
        found: JsonObject | ProblemError = parse_object(body)
    except ProblemError as error:
        found = error
    assert isinstance(found, JsonObject) or found.status == 400


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"{", "line 1, column 2"),
        (b'{"a": 1,}', "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b"provider=tencent.clb", "not JSON"),
        (b'{"a": NaN}', "NaN is not a JSON value"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON value"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a number in it is too long"),
        (b"\xff\xfe", "not valid Unicode"),
        (b'{"a": "\\ud800"}', "not valid Unicode"),
        (b'{"\\udfff": 1}', "not valid Unicode"),
        (b"[]", "it is an array"),
        (b'"text"', "it is a text"),
        (b"7", "it is a number"),
        (b"true", "it is a boolean"),
        (b"null", "it is null"),
    ],
)
def test_what_is_no_json_object_is_a_400_that_says_what_it_is(body: bytes, said: str) -> None:
    error = refused(body)
    assert error.status == 400
    assert said in error.detail


@pytest.mark.parametrize("levels", [DEEPEST, 400, 1500, 5000, 30_000])
@pytest.mark.parametrize(("before", "after"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_a_400(levels: int, before: str, after: str) -> None:
    body = nested(levels, before, after)
    if len(body) <= LONGEST_BODY:
        assert "nested too deeply" in refused(body).detail


def test_sensible_nesting_is_taken() -> None:
    assert "metadata" in parse_object(nested(DEEPEST - 1))


@pytest.mark.parametrize("extra", [1, 1000, 10_000_000])
def test_a_body_over_the_limit_is_a_413_whatever_is_in_it(extra: int) -> None:
    error = refused(b"x" * (LONGEST_BODY + extra))
    assert (error.status, error.body()["title"]) == (413, "Content Too Large")


def test_a_body_at_the_limit_is_read() -> None:
    body = b'{"title":"' + b"x" * (LONGEST_BODY - 12) + b'"}'
    assert len(body) == LONGEST_BODY
    assert parse_object(body)


def test_a_byte_order_mark_is_no_fault() -> None:
    assert parse_object(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_names_given_twice_are_found_at_any_depth() -> None:
    document = parse_object(b'{"a":1,"a":2,"notify":[{"url":1,"b":{"c":1,"c":1}},{"url":1,"url":1}],"ok":1}')
    assert [error.field for error in repeated(document)] == ["a", "notify[0].b.c", "notify[1].url"]


@pytest.mark.timeout(5)
def test_ten_thousand_repeated_names_take_no_time() -> None:
    names = ",".join(f'"{number:x}":0' for number in [*range(3000), *range(3000)])
    assert len(list(repeated(parse_object(f"{{{names}}}".encode())))) == 3000


def test_problems_are_rfc_9457() -> None:
    assert refused(b"[]").body() == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "The body must be a JSON object, as in {...}; it is an array.",
    }
    assert invalid([]).status == 422

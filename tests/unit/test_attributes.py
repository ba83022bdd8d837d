"""Our way to write DynamoDB's attributes says the same as boto3's, which reads whatever we write."""

from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer
from hypothesis import given
from hypothesis import strategies as st

from taskhook.attributes import from_attribute, to_attribute

numbers = st.integers(-(10**15), 10**15) | st.floats(-1e12, 1e12).map(lambda value: round(value, 6))
scalars = st.none() | st.booleans() | st.text() | numbers
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


@given(values)
def test_what_was_written_is_read_again(value: Any) -> None:
    assert from_attribute(to_attribute(value)) == value


@given(values)
def test_boto3_reads_the_same(value: Any) -> None:
    deserialize: Any = TypeDeserializer().deserialize
    assert _floats(deserialize(to_attribute(value))) == value


def test_a_whole_number_stays_one() -> None:
    assert repr(from_attribute({"N": "1700000000"})) == "1700000000"


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object()])
def test_what_json_does_not_know_has_no_place(value: Any) -> None:
    with pytest.raises(TypeError):
        to_attribute(value)


def _floats(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {name: _floats(item) for name, item in value.items()}
    return [_floats(item) for item in value] if isinstance(value, list) else value

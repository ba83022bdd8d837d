"""What an API key may do: what its record says, and nothing where the record cannot be read."""

import json
from typing import Any

import pytest

from taskhook.api.keys import UNLIMITED, parse_key
from taskhook.errors import ConfigError


def test_a_key_without_limits_may_do_everything() -> None:
    key = parse_key("k1", '{"name": "ci"}')
    assert key.may_use("prod")
    assert key.may_tell("ops")
    assert key.own_destinations
    assert UNLIMITED.may_use("prod")


def test_a_limited_key_may_do_what_is_named_and_no_more() -> None:
    key = parse_key("k1", json.dumps({"accounts": ["a"], "destinations": ["a-ops"]}))
    assert (key.may_use("a"), key.may_use("b")) == (True, False)
    assert (key.may_tell("a-ops"), key.may_tell("ops")) == (True, False)
    assert (key.usable, key.tellable) == ("a", "a-ops")


def test_a_key_that_may_tell_few_may_not_bring_its_own_along_unless_that_is_said() -> None:
    assert not parse_key("k1", '{"destinations": ["a"]}').own_destinations
    assert parse_key("k1", '{"destinations": ["a"], "own_destinations": true}').own_destinations
    assert not parse_key("k1", '{"own_destinations": false}').own_destinations


def test_an_empty_list_allows_nothing() -> None:
    key = parse_key("k1", '{"accounts": []}')
    assert not key.may_use("a")
    assert key.usable == "none"


@pytest.mark.parametrize(
    "record",
    ["", "{", "[]", '{"account": ["a"]}', '{"accounts": "a"}', '{"accounts": [1]}', '{"own_destinations": 1}',
     '{"name": 1}'],
)  # fmt: skip
def test_a_record_that_is_wrong_is_no_record(record: str) -> None:
    with pytest.raises(ConfigError, match="k1"):
        parse_key("k1", record)


def test_all_faults_of_a_record_are_said_at_once() -> None:
    wrong: dict[str, Any] = {"account": [], "accounts": 1, "destinations": 1, "own_destinations": 1, "name": 1}
    with pytest.raises(ConfigError) as refused:
        parse_key("k1", json.dumps(wrong))
    assert all(f'"{name}"' in str(refused.value) for name in wrong)

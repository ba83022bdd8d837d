"""Accounts as operators write them down: what is taken, what is refused, and that nothing is given away."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskhook.accounts import Account, parse_account
from taskhook.errors import ConfigError
from tests.strategies import json_values

TENCENT = {"cloud": "tencent", "secret_id": "AKIDEXAMPLE", "secret_key": "s3cr3t-of-tencent"}
ALIBABA = {"cloud": "alibaba", "access_key_id": "LTAIEXAMPLE", "access_key_secret": "s3cr3t-of-alibaba"}


def parse(record: Any, **options: Any) -> Account:
    return parse_account("cloud", json.dumps(record), **options)


def test_a_tencent_account_is_read() -> None:
    account = parse({**TENCENT, "token": "t", "site": "intl", "endpoints": {"clb": "https://clb.example.com/"}})
    assert (account.cloud, account.key_id, account.key_secret) == ("tencent", "AKIDEXAMPLE", "s3cr3t-of-tencent")
    assert (account.token, account.site, account.endpoints) == ("t", "intl", {"clb": "https://clb.example.com"})


def test_an_alibaba_account_is_read() -> None:
    account = parse({**ALIBABA, "security_token": "t"})
    assert (account.cloud, account.key_id, account.key_secret) == ("alibaba", "LTAIEXAMPLE", "s3cr3t-of-alibaba")
    assert (account.token, account.site, account.endpoints) == ("t", "cn", {})


@pytest.mark.parametrize("absent", [None, ""])
def test_an_empty_token_is_none(absent: Any) -> None:
    assert parse({**TENCENT, "token": absent}).token is None


@pytest.mark.parametrize(
    ("record", "named"),
    [
        ([], "JSON object"),
        ({}, '"cloud"'),
        ({**TENCENT, "cloud": "azure"}, '"cloud"'),
        ({**TENCENT, "cloud": ["tencent"]}, '"cloud"'),
        ({**TENCENT, "secret_id": ""}, '"secret_id"'),
        ({**TENCENT, "secret_id": " "}, '"secret_id"'),
        ({**TENCENT, "secret_key": None}, '"secret_key"'),
        ({**TENCENT, "secret_key": 7}, '"secret_key"'),
        ({**TENCENT, "secret_key": "line\nbreak"}, '"secret_key"'),
        ({**TENCENT, "secret_key": "schlüssel"}, '"secret_key"'),
        ({**TENCENT, "token": ["x"]}, '"token"'),
        ({**TENCENT, "site": "us"}, '"site"'),
        ({**TENCENT, "endpoints": ["https://example.com"]}, '"endpoints"'),
        ({**TENCENT, "endpoints": {"clb": 7}}, '"clb"'),
        ({**TENCENT, "endpoints": {"clb": "clb.example.com"}}, '"clb"'),
        ({**TENCENT, "endpoints": {"clb": "https://user:word@example.com"}}, '"clb"'),
        ({**TENCENT, "endpoints": {"clb": "https://example.com?x=1"}}, '"clb"'),
        ({**TENCENT, "endpoints": {"clb": "https://example.com#x"}}, '"clb"'),
        ({**TENCENT, "endpoints": {"clb": "https://example.com:0"}}, '"clb"'),
        ({**TENCENT, "endpoints": {"clb": "https://exa mple.com"}}, '"clb"'),
        ({**TENCENT, "endpoints": {"clb": "https://[::1"}}, '"clb"'),
        ({**TENCENT, "endpoints": {"clb": "http://example.com"}}, '"clb"'),
        ({**TENCENT, "endpoints": {"clb": "file:///etc/passwd"}}, '"clb"'),
        ({"cloud": "alibaba", "secret_id": "x", "secret_key": "y"}, '"access_key_id"'),
    ],
)
def test_an_account_that_cannot_work_is_refused_by_the_key_at_fault(record: Any, named: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(record)
    assert named in str(refused.value)
    assert "'cloud'" in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


def test_text_that_is_no_json_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigError, match=r"^account 'cloud' is not JSON$"):
        parse_account("cloud", "s3cr3t-of-tencent")


@given(json_values, st.sampled_from([*TENCENT, "token", "site", "endpoints"]))
def test_no_record_breaks_the_reader(value: Any, key: str) -> None:
    for record in (value, {**TENCENT, key: value}):
        with suppress(ConfigError):
            parse(record)


def test_plain_http_is_taken_where_the_installation_allows_it() -> None:
    endpoints = {"clb": "http://127.0.0.1:8080"}
    assert parse({**TENCENT, "endpoints": endpoints}, allow_insecure=True).endpoints == endpoints


def test_an_account_shows_no_secret() -> None:
    shown = repr(parse({**TENCENT, "token": "s3cr3t-token"}))
    assert "s3cr3t" not in shown
    assert "AKID" not in shown

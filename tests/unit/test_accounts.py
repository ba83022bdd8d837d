"""Accounts as operators write them down: what is taken, what is refused, and that nothing is given away."""

import json
import re
import string
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskhook.accounts import Account, Role, parse_account
from taskhook.errors import ConfigError
from taskhook.providers import catalogue
from tests.conftest import ROOT
from tests.strategies import json_values

TENCENT_ROLE = "qcs::cam::uin/100000000001:roleName/taskhook"
ALIBABA_ROLE = "acs:ram::1234567890123456:role/taskhook"

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
        ({**TENCENT, "endpoints": {"clb": "https://a\\b.example.com"}}, '"clb"'),
        ({**TENCENT, "endpoints": {"CLB": "https://example.com"}}, '"CLB"'),
        ({**TENCENT, "endpoints": {"clb.x": "https://example.com"}}, '"clb.x"'),
        ({**TENCENT, "endpoints": {"": "https://example.com"}}, "lower case"),
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


KEYS = [*TENCENT, "token", "site", "endpoints", "expires_at", "role_arn", "role_session_name", "external_id",
        "duration_seconds", "source_account"]  # fmt: skip


@given(json_values, st.sampled_from(KEYS))
def test_no_record_breaks_the_reader(value: Any, key: str) -> None:
    for record in (value, {**TENCENT, key: value}, {**TENCENT, "token": "t", "role_arn": TENCENT_ROLE, key: value}):
        with suppress(ConfigError):
            parse(record)


@given(st.text("ab1-._A/", max_size=6) | st.integers(60, 66).map(lambda length: "x" * length))
def test_an_endpoint_is_named_as_a_service_of_the_catalogue_may_be(name: str) -> None:
    taken = True
    try:
        parse({**TENCENT, "endpoints": {name: "https://example.com"}})
    except ConfigError:
        taken = False
    assert taken == catalogue.is_service(f"tencent.{name}")
    assert not taken or re.fullmatch(r"(?!-)[a-z0-9-]{1,63}(?<!-)", name)


def test_plain_http_is_taken_where_the_installation_allows_it() -> None:
    endpoints = {"clb": "http://127.0.0.1:8080"}
    assert parse({**TENCENT, "endpoints": endpoints}, allow_insecure=True).endpoints == endpoints


def test_an_account_shows_no_secret() -> None:
    shown = repr(parse({**TENCENT, "token": "s3cr3t-token"}))
    assert "s3cr3t" not in shown
    assert "AKID" not in shown


def test_an_account_that_was_made_by_hand_has_no_version_and_one_that_was_stored_has_its_own() -> None:
    assert parse(TENCENT).version == ""
    assert parse(TENCENT, version="7").version == "7"


# --- keys that are not known -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "unknown", "meant"),
    [
        ({**TENCENT, "secretkey": "s3cr3t"}, "secretkey", "secret_key"),
        ({**TENCENT, "SecretKey": "s3cr3t"}, "SecretKey", "secret_key"),
        ({**TENCENT, "endpoint": {}}, "endpoint", "endpoints"),
        ({**TENCENT, "access_key_secret": "s3cr3t"}, "access_key_secret", "secret_key"),
        ({**TENCENT, "security_token": "s3cr3t"}, "security_token", "token"),
        ({**TENCENT, "rolearn": TENCENT_ROLE}, "rolearn", "role_arn"),
        ({**ALIBABA, "secret_id": "s3cr3t"}, "secret_id", "access_key_id"),
        ({**ALIBABA, "token": "s3cr3t"}, "token", "security_token"),
        ({**ALIBABA, "SecurityToken": None}, "SecurityToken", "security_token"),
    ],
)
def test_an_unknown_key_is_refused_with_the_one_that_was_meant(record: Any, unknown: str, meant: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(record)
    assert f'"{unknown}" is not a key' in str(refused.value)
    assert str(refused.value).endswith(f'did you mean "{meant}"?')
    assert "s3cr3t" not in str(refused.value)


def test_an_unknown_key_that_is_like_no_other_is_refused_with_all_of_them() -> None:
    with pytest.raises(ConfigError, match=r'"zzz" is not a key of a tencent account, which has secret_id, .*role_arn'):
        parse({**TENCENT, "zzz": 1})


def test_an_unknown_key_is_shown_in_one_short_line() -> None:
    with pytest.raises(ConfigError) as refused:
        parse({**TENCENT, "x\n" + "y" * 500: 1})
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


@given(st.text(max_size=30))
def test_no_key_is_ever_ignored(key: str) -> None:
    if key not in KEYS:
        with pytest.raises(ConfigError, match="is not a key"):
            parse({**TENCENT, key: None})


def test_a_site_may_stand_in_an_alibaba_account_too() -> None:
    assert parse({**ALIBABA, "site": "intl"}).site == "intl"


# --- tokens that expire ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    ["2026-11-22T10:00:00Z", "2026-11-22t10:00:00z", "2026-11-22 18:00:00+08:00", "2026-11-22T10:00:00.000Z",
     1_795_341_600, 1_795_341_600.0, "1795341600"],
)  # fmt: skip
def test_an_expiry_is_rfc_3339_or_unix_seconds(written: Any) -> None:
    assert parse({**TENCENT, "token": "t", "expires_at": written}).expires_at == 1_795_341_600
    assert parse({**ALIBABA, "security_token": "t", "expires_at": written}).expires_at == 1_795_341_600


@pytest.mark.parametrize("absent", [None, ""])
def test_a_token_without_expiry_is_fine(absent: Any) -> None:
    assert parse({**TENCENT, "token": "t"}).expires_at is None
    assert parse({**TENCENT, "token": "t", "expires_at": absent}).expires_at is None


@pytest.mark.parametrize(
    "written",
    ["tomorrow", "2026-11-22T10:00:00", "2026-11-22", "2026-13-22T10:00:00Z", "2026-11-22T10:00:00+99:00", -1, 0, True,
     float("nan"), float("inf"), 1_795_341_600_000, "-5", "٢٠٢٦-11-22T10:00:00Z", {}, [1], 10**400],
)  # fmt: skip
def test_an_expiry_that_is_not_a_moment_is_refused(written: Any) -> None:
    with pytest.raises(ConfigError, match=r'"expires_at" must be a time with its offset'):
        parse({**TENCENT, "token": "t", "expires_at": written})


def test_an_expiry_without_token_is_refused_because_the_token_was_forgotten() -> None:
    with pytest.raises(ConfigError, match=r'"expires_at" is that of "token", which is missing'):
        parse({**TENCENT, "expires_at": 1_795_341_600})


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2999, 1, 1)), st.integers(-14, 14))  # noqa: DTZ001
def test_an_expiry_is_the_same_moment_however_it_is_written(moment: datetime, hours: int) -> None:
    moment = moment.replace(microsecond=0, tzinfo=timezone(timedelta(hours=hours)))
    for written in (moment.isoformat(), moment.astimezone(UTC).isoformat().replace("+00:00", "Z"), moment.timestamp()):
        assert parse({**TENCENT, "token": "t", "expires_at": written}).expires_at == moment.timestamp()


# --- roles -----------------------------------------------------------------------------------------------------------


def test_a_role_may_be_assumed_with_the_key_of_another_account() -> None:
    account = parse({"cloud": "tencent", "role_arn": TENCENT_ROLE, "source_account": "base"})
    assert account.role == Role(arn=TENCENT_ROLE, session_name="taskhook", seconds=3600, source="base")
    assert (account.key_id, account.key_secret, account.token) == ("", "", None)


def test_a_role_may_be_assumed_with_the_accounts_own_key() -> None:
    account = parse({**ALIBABA, "role_arn": ALIBABA_ROLE, "security_token": "t", "expires_at": 1_795_341_600})
    assert account.role == Role(arn=ALIBABA_ROLE)
    assert (account.key_id, account.token, account.expires_at) == ("LTAIEXAMPLE", "t", 1_795_341_600)


def test_a_role_has_its_session_name_external_id_and_duration() -> None:
    more = {"role_session_name": "ops@night", "external_id": "a1:/x", "duration_seconds": 900}
    assert parse({**TENCENT, "role_arn": TENCENT_ROLE, **more}).role == Role(
        arn=TENCENT_ROLE, session_name="ops@night", external_id="a1:/x", seconds=900
    )


@pytest.mark.parametrize("absent", [None, ""])
def test_what_is_left_empty_is_left_out(absent: Any) -> None:
    record = dict.fromkeys(KEYS, absent) | TENCENT | {"endpoints": {}, "site": "cn"}
    assert parse(record) == parse(TENCENT)
    record |= {"secret_id": absent, "secret_key": absent, "role_arn": TENCENT_ROLE, "source_account": "base"}
    assert parse(record) == parse({"cloud": "tencent", "role_arn": TENCENT_ROLE, "source_account": "base"})


@pytest.mark.parametrize(
    "arn",
    [
        TENCENT_ROLE,
        "qcs::cam::uin/12345678:role/4611686018427397919",
        "qcs::cam::uin/12345678:roleId/4611686018427397919",
        "qcs::cam::uin/12345678:role/tencentcloudServiceRole/4611686018427397920",
        "qcs::cam::uin/12345678:role/tencentcloudServiceRoleName/testServiceRoleName",
    ],
)
def test_every_documented_form_of_a_tencent_role_is_taken(arn: str) -> None:
    role = parse({**TENCENT, "role_arn": arn}).role
    assert role is not None
    assert role.arn == arn


@pytest.mark.parametrize("wrong", ["taskhook", "arn:aws:iam::123456789012:role/x", "s3cr3t", 7, ["x"], "x" * 5000])
def test_a_role_of_the_wrong_form_is_refused_with_the_right_one(wrong: Any) -> None:
    with pytest.raises(ConfigError, match=r'"role_arn" must be like qcs::cam::uin/100000000001:roleName/taskhook$'):
        parse({**TENCENT, "role_arn": wrong})
    with pytest.raises(ConfigError, match=r'"role_arn" must be like acs:ram::1234567890123456:role/taskhook$'):
        parse({**ALIBABA, "role_arn": wrong})


def test_the_role_of_one_cloud_is_none_of_the_other() -> None:
    with pytest.raises(ConfigError, match=r"must be like qcs::cam"):
        parse({**TENCENT, "role_arn": ALIBABA_ROLE})
    with pytest.raises(ConfigError, match=r"must be like acs:ram"):
        parse({**ALIBABA, "role_arn": TENCENT_ROLE})


@pytest.mark.parametrize(
    ("record", "named"),
    [
        ({**TENCENT, "source_account": "base"}, '"source_account" goes with "role_arn"'),
        ({**TENCENT, "external_id": "s3cr3t"}, '"external_id" goes with "role_arn"'),
        ({**TENCENT, "duration_seconds": 900}, '"duration_seconds" goes with "role_arn"'),
        ({**TENCENT, "role_session_name": "x1"}, '"role_session_name" goes with "role_arn"'),
        ({"cloud": "tencent", "role_arn": TENCENT_ROLE}, '"source_account" whose key could assume the role'),
        ({**TENCENT, "role_arn": TENCENT_ROLE, "source_account": "base"}, '"secret_id" and "source_account" exclude'),
        (
            {"cloud": "tencent", "token": "s3cr3t", "role_arn": TENCENT_ROLE, "source_account": "base"},
            '"token" and "source_account" exclude',
        ),
        (
            {"cloud": "tencent", "expires_at": 9, "role_arn": TENCENT_ROLE, "source_account": "base"},
            '"expires_at" is that of "token"',
        ),
        ({"cloud": "tencent", "role_arn": TENCENT_ROLE, "source_account": "cloud"}, "another account"),
        ({"cloud": "tencent", "role_arn": TENCENT_ROLE, "source_account": "../x"}, '"source_account" must be'),
        ({**TENCENT, "role_arn": TENCENT_ROLE, "role_session_name": "a b"}, '"role_session_name" must be 2 to 128'),
        ({**ALIBABA, "role_arn": ALIBABA_ROLE, "role_session_name": "a=b"}, '"role_session_name" must be 2 to 64'),
        ({**TENCENT, "role_arn": TENCENT_ROLE, "external_id": "s3cr3t!"}, '"external_id" must be 2 to 128'),
        ({**TENCENT, "role_arn": TENCENT_ROLE, "duration_seconds": 899}, "from 900 to 43200"),
        ({**TENCENT, "role_arn": TENCENT_ROLE, "duration_seconds": 43_201}, "from 900 to 43200"),
        ({**TENCENT, "role_arn": TENCENT_ROLE, "duration_seconds": 900.5}, "from 900 to 43200"),
        ({**TENCENT, "role_arn": TENCENT_ROLE, "duration_seconds": True}, "from 900 to 43200"),
        ({**TENCENT, "role_arn": TENCENT_ROLE, "duration_seconds": "1h"}, "from 900 to 43200"),
    ],
)
def test_a_role_that_cannot_work_is_refused_by_the_key_at_fault(record: Any, named: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(record)
    assert named in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


def test_a_role_shows_no_secret() -> None:
    shown = repr(parse({**TENCENT, "role_arn": TENCENT_ROLE, "external_id": "s3cr3t-id"}))
    assert "s3cr3t" not in shown
    assert TENCENT_ROLE in shown


# --- endpoints of many regions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["https://ecs-vpc.{region}.aliyuncs.com", "https://{region}.example.com:8443/base", "https://{region}"]
)
def test_the_region_may_stand_in_the_host_of_an_endpoint(url: str) -> None:
    assert parse({**ALIBABA, "endpoints": {"ecs": url}}).endpoints == {"ecs": url}


@pytest.mark.parametrize(
    "url",
    ["https://example.com/{region}", "https://{Region}.example.com", "https://{zone}.example.com", "https://{}.a.com",
     "https://{region.example.com", "https://a}.example.com", "https://{region}.example.com/{x}", "https://{{region}}.c",
     "https://example.com:{region}", "{region}://example.com", "https://{region}@example.com"],
)  # fmt: skip
def test_any_other_brace_in_an_endpoint_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r'endpoint "ecs"'):
        parse({**ALIBABA, "endpoints": {"ecs": url}})


def test_a_role_is_assumed_without_a_region() -> None:
    with pytest.raises(ConfigError, match=r'"sts" cannot hold \{region\}'):
        parse({**ALIBABA, "endpoints": {"sts": "https://sts.{region}.aliyuncs.com"}})


@given(st.text(max_size=40))
def test_an_endpoint_that_is_taken_has_one_placeholder_at_most_and_never_outside_its_host(text: str) -> None:
    with suppress(ConfigError):
        url = parse({**ALIBABA, "endpoints": {"ecs": f"https://{text}"}}).endpoints["ecs"]
        host = urlsplit(url.replace("{region}", "cn-hangzhou")).hostname
        assert host
        assert "{" not in url.replace("{region}", "")
        assert "{" not in urlsplit(url).path


# --- texts from outside ----------------------------------------------------------------------------------------------


@given(st.text(max_size=40), st.text(string.ascii_letters + string.digits + "+/=:", min_size=8, max_size=30))
def test_a_text_without_secrets_has_none(text: str, secret: str) -> None:
    account = parse({**TENCENT, "token": secret})
    for written in (secret, quote(secret, safe="")):
        blotted = account.without_secrets(f"{text}{written}{text}")
        assert written not in blotted or written in text


# --- the page for operators ------------------------------------------------------------------------------------------

PAGE = (ROOT / "docs/accounts.md").read_text("utf-8")
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


@pytest.mark.parametrize("record", [one for one in EXAMPLES if "cloud" in one], ids=str)
def test_every_account_of_the_page_for_operators_is_one(record: Any) -> None:
    assert parse(record).cloud == record["cloud"]


def test_the_page_for_operators_names_every_key() -> None:
    keys = {key for cloud in (TENCENT, ALIBABA) for key in cloud} | {*KEYS, "security_token"}
    table = PAGE.split("## Keys")[1].split("##")[0]
    assert set(re.findall(r"`([a-z_]+)`", table)) - {"tencent", "alibaba", "cn", "intl", "taskhook"} == keys

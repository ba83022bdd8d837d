"""Which credentials a look gets: stored ones, or those of a role, remembered as long as they are good."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskhook import memory
from taskhook.accounts import Account, Role
from taskhook.credentials import Accounts, unusable
from taskhook.errors import ConfigError, ConnectionFailed
from taskhook.http import Answer
from taskhook.providers.model import Refusal, Trouble
from taskhook.secret import Parameters
from tests.conftest import NOW, Clock, MakeAccount, MakeAnswer
from tests.fakes import Line

ARN = "acs:ram::1234567890123456:role/taskhook"


@dataclass
class Stored:
    """Stands for Parameters: what is stored, and how it was asked for."""

    accounts: dict[str, Account]
    asked: list[tuple[str, bool]] = field(default_factory=list)

    def account(self, name: str, *, fresh: bool = False) -> Account:
        self.asked.append((name, fresh))
        if name not in self.accounts:
            raise ConfigError(f"no account '{name}' is configured")
        return self.accounts[name]


def sts(make_answer: MakeAnswer, number: int, expires: float) -> Answer:
    given = {"AccessKeyId": f"STS.{number}", "AccessKeySecret": "s3cr3t-key", "SecurityToken": "s3cr3t-token"}
    return make_answer(
        {"Credentials": {**given, "Expiration": f"{datetime.fromtimestamp(expires, UTC):%Y-%m-%dT%H:%M:%SZ}"}}
    )


@dataclass
class Here:
    """An installation with a role account ``prod`` whose role the key of ``base`` assumes."""

    stored: Stored
    line: Line
    clock: Clock
    accounts: Accounts

    def store(self, account: Account) -> None:
        self.stored.accounts[account.name] = account

    def key(self, name: str = "prod", *, fresh: bool = False) -> str:
        account = self.accounts.account(name, fresh=fresh)
        assert isinstance(account, Account)
        return account.key_id

    def refusal(self, name: str = "prod", *, fresh: bool = False) -> Refusal:
        refusal = self.accounts.account(name, fresh=fresh)
        assert isinstance(refusal, Refusal)
        return refusal


def prod(**changes: Any) -> Account:
    values: dict[str, Any] = {"name": "prod", "cloud": "alibaba", "key_id": "", "key_secret": "", "version": "3"}
    return Account(**{**values, "role": Role(arn=ARN, source="base"), **changes})


@pytest.fixture
def here(make_account: MakeAccount, make_answer: MakeAnswer, clock: Clock) -> Here:
    base = make_account("alibaba", name="base", version="7", key_secret="s3cr3t-of-source")
    stored = Stored({"base": base, "prod": prod()})
    line = Line([sts(make_answer, number, NOW + 3600 * number) for number in range(1, 6)])
    return Here(stored, line, clock, Accounts(cast(Parameters, stored), clock=clock, send=line))


# --- plain accounts --------------------------------------------------------------------------------------------------


def test_a_plain_account_is_returned_as_it_is_and_nobody_is_asked(here: Here) -> None:
    assert here.accounts.account("base") is here.stored.accounts["base"]
    assert here.accounts.account("base", fresh=True) is here.stored.accounts["base"]
    assert here.stored.asked == [("base", False), ("base", True)]
    assert here.line.requests == []


def test_a_token_without_expiry_is_used_for_as_long_as_it_is_stored(here: Here, make_account: MakeAccount) -> None:
    here.store(make_account("tencent", name="sts", token="t"))
    here.clock.now += 10 * 86_400
    assert here.key("sts")


def test_a_token_is_used_until_it_expires_and_not_a_moment_longer(here: Here, make_account: MakeAccount) -> None:
    here.store(make_account("tencent", name="sts", token="s3cr3t", expires_at=NOW + 60, version="5"))
    here.clock.now = NOW + 59.9
    assert here.key("sts")
    here.clock.now = NOW + 60
    refusal = here.refusal("sts")
    assert refusal.trouble is Trouble.CREDENTIALS
    assert refusal.problem.code == "CredentialsExpired"
    assert refusal.problem.message == "the temporary credentials of account 'sts' expired at 2026-09-21T14:14:20Z"
    assert "'sts'" in (refusal.problem.hint or "")
    assert refusal.credential == "5"
    assert here.line.requests == []
    assert "s3cr3t" not in repr(refusal)


def test_an_account_that_is_missing_is_an_error_of_the_installation(here: Here) -> None:
    with pytest.raises(ConfigError, match="no account 'nobody'"):
        here.accounts.account("nobody")


# --- roles -----------------------------------------------------------------------------------------------------------


def test_a_role_is_assumed_with_the_key_of_its_source(here: Here) -> None:
    account = here.accounts.account("prod")
    assert isinstance(account, Account)
    assert (account.name, account.key_id, account.token) == ("prod", "STS.1", "s3cr3t-token")
    assert account.version == "3+7"
    assert account.role is None
    assert here.line.requests[0].auth.access_key_secret == "s3cr3t-of-source"


def test_a_role_may_be_assumed_with_the_accounts_own_key(here: Here) -> None:
    here.store(prod(key_id="LTAIOWN", key_secret="s3cr3t-own", role=Role(arn=ARN)))
    account = here.accounts.account("prod")
    assert isinstance(account, Account)
    assert (account.key_id, account.version) == ("STS.1", "3")
    assert here.line.requests[0].auth.access_key_id == "LTAIOWN"
    assert here.stored.asked == [("prod", False)]


def test_credentials_of_a_role_are_remembered_until_five_minutes_before_they_expire(here: Here) -> None:
    assert here.key() == "STS.1"
    here.clock.now = NOW + 3299.9
    assert here.key() == "STS.1"
    assert len(here.line.requests) == 1
    here.clock.now = NOW + 3300
    assert here.key() == "STS.2"
    assert len(here.line.requests) == 2


@given(st.lists(st.floats(0, 4000), max_size=12))
def test_no_credentials_are_handed_out_that_expire_within_five_minutes(waits: list[float]) -> None:
    clock = Clock()

    def send(request: Any, **options: Any) -> Answer:
        return sts(_answer, 1, clock() + 3600)

    stored = Stored({"prod": prod(key_id="k", key_secret="s", role=Role(arn=ARN))})
    accounts = Accounts(cast(Parameters, stored), clock=clock, send=send)
    for wait in waits:
        clock.now += wait
        account = accounts.account("prod")
        assert isinstance(account, Account)
        assert account.expires_at is not None
        assert account.expires_at - clock.now >= 299  # STS tells whole seconds


def _answer(body: Any) -> Answer:
    return Answer(status=200, headers={}, body=json.dumps(body).encode(), truncated=False, elapsed=0.1)


def test_fresh_reads_both_records_and_assumes_anew(here: Here) -> None:
    assert here.key() == "STS.1"
    assert here.key(fresh=True) == "STS.2"
    assert here.key() == "STS.2"
    assert here.stored.asked[2:4] == [("prod", True), ("base", True)]


@pytest.mark.parametrize("name", ["prod", "base"])
def test_a_new_version_of_either_record_throws_the_credentials_away(here: Here, name: str) -> None:
    assert here.key() == "STS.1"
    here.store(replace(here.stored.accounts[name], version="8"))
    assert here.key() == "STS.2"
    account = here.accounts.account("prod")
    assert isinstance(account, Account)
    assert account.version == {"prod": "8+7", "base": "3+8"}[name]


def test_the_credentials_of_two_roles_are_two(here: Here) -> None:
    here.store(prod(name="test"))
    assert (here.key("prod"), here.key("test"), here.key("prod")) == ("STS.1", "STS.2", "STS.1")


def test_credentials_that_expire_at_once_are_used_and_not_remembered(here: Here, make_answer: MakeAnswer) -> None:
    here.line.answers = [sts(make_answer, 1, NOW + 10), sts(make_answer, 2, NOW + 3600)]
    assert (here.key(), here.key(), here.key()) == ("STS.1", "STS.2", "STS.2")


def test_an_expired_source_is_not_shown_to_sts(here: Here, make_account: MakeAccount) -> None:
    here.store(make_account("alibaba", name="base", token="t", expires_at=NOW, version="7"))
    refusal = here.refusal()
    assert (refusal.problem.code, refusal.credential) == ("CredentialsExpired", "3+7")
    assert "account 'base'" in refusal.problem.message
    assert here.line.requests == []


def test_no_more_roles_are_remembered_than_a_process_can_hold(
    here: Here, make_answer: MakeAnswer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MOST_REMEMBERED", 3)
    for number in range(10):
        here.store(prod(name=f"p{number}"))
        here.key(f"p{number}")
    assert list(here.accounts._assumed) == ["p7", "p8", "p9"]


# --- sources that cannot work ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"role": Role(arn=ARN)}, "must have a key of its own and no role"),
        ({"role": Role(arn=ARN, source="prod")}, "must have a key of its own and no role"),
        ({"cloud": "tencent"}, "must be of alibaba, but it is of tencent"),
        ({"site": "intl"}, 'must be of the same "site" (cn), but it is of intl'),
    ],
)
def test_a_source_that_cannot_assume_the_role_is_an_error_of_the_installation(
    here: Here, changes: Any, said: str
) -> None:
    here.store(replace(here.stored.accounts["base"], **changes))
    with pytest.raises(ConfigError) as refused:
        here.accounts.account("prod")
    assert str(refused.value).startswith(f"account 'prod': source_account 'base' {said}")
    assert here.line.requests == []


def test_a_source_that_is_missing_is_an_error_that_names_both(here: Here) -> None:
    del here.stored.accounts["base"]
    with pytest.raises(
        ConfigError, match=r"^account 'prod' has a source_account that does not work: no account 'base'"
    ):
        here.accounts.account("prod")


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.fixture
def deny(here: Here, make_answer: MakeAnswer) -> Callable[..., None]:
    def make(code: str = "NoPermission", status: int = 403) -> None:
        here.line.answers = [make_answer({"Code": code, "Message": "no"}, status=status)]

    return make


def test_a_refused_role_is_one_of_credentials_and_names_what_is_stored(here: Here, deny: Callable[..., None]) -> None:
    deny()
    refusal = here.refusal()
    assert (refusal.trouble, refusal.credential, refusal.problem.code) == (Trouble.CREDENTIALS, "3+7", "NoPermission")


def test_a_refused_role_is_not_tried_again_for_a_minute_not_even_for_fresh(
    here: Here, deny: Callable[..., None]
) -> None:
    deny()
    first = here.refusal()
    assert here.refusal(fresh=True) == here.refusal() == first
    assert len(here.line.requests) == 1
    here.clock.now += 60
    here.refusal()
    assert len(here.line.requests) == 2


def test_a_refused_role_is_tried_at_once_when_a_record_changes(
    here: Here, deny: Callable[..., None], make_answer: MakeAnswer
) -> None:
    deny()
    here.refusal()
    here.store(prod(version="4"))
    here.line.answers = [sts(make_answer, 9, NOW + 3600)]
    assert here.key() == "STS.9"


@pytest.mark.parametrize(("code", "status"), [("Throttling.User", 400), ("ServiceUnavailable", 503), ("Odd", 400)])
def test_a_refusal_that_may_pass_is_not_remembered(
    here: Here, deny: Callable[..., None], make_answer: MakeAnswer, code: str, status: int
) -> None:
    deny(code, status)
    assert here.refusal().trouble is not Trouble.CREDENTIALS
    here.line.answers = [sts(make_answer, 9, NOW + 3600)]
    assert here.key() == "STS.9"


def test_a_failed_renewal_leaves_nothing_behind(here: Here, deny: Callable[..., None]) -> None:
    here.key()
    deny("ServiceUnavailable", 503)
    here.refusal(fresh=True)
    assert here.refusal().trouble is Trouble.TRANSIENT


def test_a_broken_way_to_sts_is_the_callers_to_judge(here: Here) -> None:
    here.line.answers = [ConnectionFailed("sts.aliyuncs.com", "gone")]
    with pytest.raises(ConnectionFailed):
        here.accounts.account("prod")


# --- which credential is stored --------------------------------------------------------------------------------------


def test_the_credential_of_an_account_is_its_version_read_anew_and_nobody_is_asked(here: Here) -> None:
    assert (here.accounts.credential("base"), here.accounts.credential("prod")) == ("7", "3+7")
    assert here.stored.asked == [("base", True), ("prod", True), ("base", True)]
    assert here.line.requests == []


def test_the_credential_is_the_version_that_looks_and_refusals_carry(here: Here, deny: Callable[..., None]) -> None:
    account = here.accounts.account("prod")
    assert isinstance(account, Account)
    assert account.version == here.accounts.credential("prod")
    deny()
    assert here.refusal(fresh=True).credential == here.accounts.credential("prod")


def test_an_account_that_cannot_work_has_its_fault_for_a_credential(here: Here) -> None:
    with pytest.raises(ConfigError) as refused:
        here.accounts.account("nobody")
    assert (
        here.accounts.credential("nobody") == unusable(refused.value) == "unusable: no account 'nobody' is configured"
    )


def test_nothing_that_is_remembered_shows_a_secret(here: Here) -> None:
    here.key()
    assert "s3cr3t" not in repr(here.accounts._assumed)

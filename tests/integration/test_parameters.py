"""SSM itself (moto): versions, pages and absences are as Parameters takes them to be."""

from typing import Any

import pytest

from taskhook import config
from taskhook.accounts import Account
from taskhook.credentials import Accounts
from taskhook.errors import ConfigError
from taskhook.secret import Parameters
from tests.integration.conftest import TENCENT, Server


@pytest.fixture
def parameters(cloud: Any) -> Parameters:
    cloud.function("PollFunction")
    return Parameters(config.settings())


def test_the_version_of_an_account_grows_when_it_is_stored_again(cloud: Any, parameters: Parameters) -> None:
    before = parameters.account("tencent")
    cloud.put("accounts/tencent", {**TENCENT, "secret_key": "s3cr3t-new"})
    after = parameters.account("tencent", fresh=True)
    assert (before.version, after.version) == ("1", "2")
    assert after.key_secret == "s3cr3t-new"


def test_an_account_with_a_role_has_the_versions_of_both_records(cloud: Any, parameters: Parameters) -> None:
    role = {"cloud": "tencent", "role_arn": "qcs::cam::uin/100000000001:roleName/taskhook", "source_account": "tencent"}
    cloud.put("accounts/production", role)
    cloud.put("accounts/tencent", TENCENT)
    assert Accounts(parameters, clock=lambda: 0.0).credential("production") == "1+2"


def test_a_role_is_assumed_over_http_with_the_key_of_its_source(cloud: Any, server: Server) -> None:
    credentials = {"AccessKeyId": "STS.temporary", "AccessKeySecret": "s3cr3t-key", "SecurityToken": "s3cr3t-token"}
    server.says({"Credentials": {**credentials, "Expiration": "2026-09-21T15:13:20Z"}, "RequestId": "r"})
    role = {"cloud": "alibaba", "role_arn": "acs:ram::1234567890123456:role/taskhook", "source_account": "alibaba"}
    cloud.put("accounts/production", {**role, "endpoints": {"sts": server.url}})
    cloud.overrides["ALLOW_INSECURE_ENDPOINTS"] = "true"
    cloud.function("PollFunction")
    account = Accounts(Parameters(config.settings()), clock=lambda: 1_790_000_000.0).account("production")
    assert isinstance(account, Account)
    assert (account.key_id, account.token, account.version) == ("STS.temporary", "s3cr3t-token", "1+1")
    assert "Credential=LTAIEXAMPLE," in server.got[0]["headers"]["Authorization"]
    assert "RoleSessionName=taskhook" in server.got[0]["path"]


def test_what_is_not_there_is_absent(parameters: Parameters) -> None:
    with pytest.raises(ConfigError, match="no account 'nobody'"):
        parameters.account("nobody")
    assert parameters.provider("tencent.nothing") is None
    assert parameters.providers() == {}


def test_all_entries_come_from_every_page(cloud: Any, parameters: Parameters) -> None:
    stored = {f"tencent.s{number}": f"title = 'number {number}'" for number in range(23)}
    for service, text in stored.items():
        cloud.client("ssm").put_parameter(Name=f"/{cloud.stack}/providers/{service}", Value=text, Type="SecureString")
    assert parameters.providers() == stored
    assert parameters.provider("tencent.s7") == stored["tencent.s7"]

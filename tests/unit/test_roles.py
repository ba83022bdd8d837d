"""Roles: the request to STS, by the official SDKs' own code; what its answers mean; and that no secret gets out."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from alibabacloud_tea_openapi import client as tea_client
from alibabacloud_tea_openapi.utils import Utils
from alibabacloud_tea_openapi.utils_models import Config, OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions
from hypothesis import given
from hypothesis import strategies as st
from tencentcloud.common import abstract_client
from tencentcloud.common.credential import Credential
from tencentcloud.common.http.request import RequestInternal
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

from taskhook import roles
from taskhook.accounts import Account, Role
from taskhook.errors import ConnectionFailed
from taskhook.http import Answer
from taskhook.providers.model import Refusal, Trouble
from tests.conftest import NOW, Clock, MakeAccount, MakeAnswer
from tests.fakes import Line

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utc:DeprecationWarning")

ARN = {
    "tencent": "qcs::cam::uin/100000000001:roleName/taskhook",
    "alibaba": "acs:ram::1234567890123456:role/taskhook",
}
TENCENT_ANSWER = {
    "Response": {
        "Credentials": {"Token": "s3cr3t-token", "TmpSecretId": "AKIDtemporary", "TmpSecretKey": "s3cr3t-key"},
        "ExpiredTime": int(NOW) + 3600,
        "Expiration": "2026-09-21T15:13:20Z",
        "RequestId": "r-1",
    }
}
ALIBABA_ANSWER = {
    "RequestId": "r-1",
    "AssumedRoleUser": {"Arn": "acs:ram::1234567890123456:role/taskhook/taskhook", "AssumedRoleId": "3:taskhook"},
    "Credentials": {
        "AccessKeyId": "STS.temporary",
        "AccessKeySecret": "s3cr3t-key",
        "SecurityToken": "s3cr3t-token",
        "Expiration": f"{datetime.fromtimestamp(NOW + 3600, UTC):%Y-%m-%dT%H:%M:%SZ}",
    },
}
ANSWERS = {"tencent": TENCENT_ANSWER, "alibaba": ALIBABA_ANSWER}
both_clouds = pytest.mark.parametrize("cloud", ["tencent", "alibaba"])


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDKs look for proxies while they build a request."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def source(make_account: MakeAccount) -> Any:
    def make(cloud: str, **changes: Any) -> Account:
        return make_account(cloud, **{"name": "base", "key_secret": "s3cr3t-of-source", **changes})

    return make


def target(cloud: str, *, role: Role | None = None, **changes: Any) -> Account:
    role = role or Role(arn=ARN[cloud], source="base")
    values: dict[str, Any] = {"name": "prod", "cloud": cloud, "key_id": "", "key_secret": "", "version": "3+7"}
    return Account(**{**values, "role": role, **changes})


def prepared(line: Line) -> requests.PreparedRequest:
    with requests.Session() as session:
        session.headers.clear()
        return session.prepare_request(line.requests[-1])


def refused(cloud: str, code: str, message: str, make_answer: MakeAnswer, status: int | None = None) -> Any:
    if cloud == "tencent":
        return make_answer({"Response": {"Error": {"Code": code, "Message": message}, "RequestId": "r-9"}})
    body = {"Code": code, "Message": message, "RequestId": "r-9", "Recommend": "https://api.alibabacloud.com"}
    return make_answer(body, status=status or 403)


# --- the request -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("external", [None, "a1:/b=c"])
@pytest.mark.parametrize("token", [None, "tok/en+="])
def test_the_request_to_tencent_is_the_official_sdks(
    source: Any, make_answer: MakeAnswer, clock: Clock, external: str | None, token: str | None
) -> None:
    role = Role(arn=ARN["tencent"], session_name="ops", external_id=external, seconds=7200)
    line = Line([make_answer(TENCENT_ANSWER)])
    roles.assume(source("tencent", token=token), target("tencent", role=role), send=line, clock=clock)
    ours = prepared(line)

    body = {"RoleArn": role.arn, "RoleSessionName": "ops", "DurationSeconds": 7200}
    body |= {"ExternalId": external} if external else {}
    host = "sts.tencentcloudapi.com"
    client = abstract_client.AbstractClient(
        Credential("AKIDEXAMPLE", "s3cr3t-of-source", token),
        "ap-guangzhou",
        ClientProfile(httpProfile=HttpProfile(endpoint=host)),
    )
    client._service, client._apiVersion = "sts", "2018-08-13"
    theirs = RequestInternal(host, "POST", "/")
    theirs.data = ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(abstract_client.time, "time", lambda: NOW)
        client._build_req_with_tc3_signature("AssumeRole", body, theirs)

    assert ours.url == f"https://{host}/"
    assert json.loads(ours.body or b"") == json.loads(theirs.data)
    for name in ("X-TC-Action", "X-TC-Version", "X-TC-Region", "X-TC-Timestamp", "Content-Type", "Host"):
        assert ours.headers[name] == theirs.header[name], name
    assert ours.headers.get("X-TC-Token") == theirs.header.get("X-TC-Token")
    assert line.options == [{"seconds": roles.STS_SECONDS}]
    # The order of a body's members is our own, so signatures agree over the same bytes only.
    theirs_again = RequestInternal(host, "POST", "/")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(abstract_client.time, "time", lambda: NOW)
        client._build_req_with_tc3_signature("AssumeRole", json.loads(ours.body or b""), theirs_again)
    assert theirs_again.data.encode() == ours.body
    assert ours.headers["Authorization"] == theirs_again.header["Authorization"]


class Captured(BaseException):
    """Thrown where the Alibaba SDK would open a connection, past its own retries."""

    def __init__(self, request: Any) -> None:
        super().__init__("captured")
        self.request = request


def alibaba_sdk_request(query: dict[str, str], token: str | None, nonce: str) -> Any:
    """The parameters are those of ``alibabacloud_sts20150401`` 1.2.0, ``assume_role_with_options``."""
    params = Params(
        action="AssumeRole",
        version="2015-04-01",
        protocol="HTTPS",
        pathname="/",
        method="POST",
        auth_type="AK",
        style="RPC",
        req_body_type="formData",
        body_type="json",
    )
    config = Config(
        access_key_id="AKIDEXAMPLE",
        access_key_secret="s3cr3t-of-source",
        security_token=token,
        endpoint="sts.aliyuncs.com",
    )

    def capture(request: Any, runtime: Any) -> None:
        raise Captured(request)

    with pytest.MonkeyPatch.context() as patch:
        stamp = f"{datetime.fromtimestamp(NOW, UTC):%Y-%m-%dT%H:%M:%SZ}"
        patch.setattr(Utils, "get_timestamp", staticmethod(lambda: stamp))
        patch.setattr(Utils, "get_nonce", staticmethod(lambda: nonce))
        patch.setattr(tea_client.DaraCore, "do_action", staticmethod(capture))
        with pytest.raises(Captured) as caught:
            tea_client.Client(config).call_api(params, OpenApiRequest(query=Utils.query(query)), RuntimeOptions())
    return caught.value.request


@pytest.mark.parametrize("external", [None, "a1:/b=c"])
@pytest.mark.parametrize("token", [None, "tok/en+="])
def test_the_request_to_alibaba_is_the_official_sdks(
    source: Any, make_answer: MakeAnswer, clock: Clock, external: str | None, token: str | None
) -> None:
    role = Role(arn=ARN["alibaba"], session_name="ops", external_id=external, seconds=7200)
    line = Line([make_answer(ALIBABA_ANSWER)])
    roles.assume(source("alibaba", token=token), target("alibaba", role=role), send=line, clock=clock)
    ours = prepared(line)

    query = {"RoleArn": role.arn, "RoleSessionName": "ops", "DurationSeconds": "7200"}
    query |= {"ExternalId": external} if external else {}
    theirs = alibaba_sdk_request(query, token, ours.headers["x-acs-signature-nonce"])

    url = urlsplit(str(ours.url))
    assert (ours.method, url.scheme, url.netloc, url.path) == ("POST", "https", "sts.aliyuncs.com", "/")
    assert dict(parse_qsl(url.query)) == dict(theirs.query)
    assert not ours.body
    assert theirs.body is None
    extra = {"user-agent", "x-acs-credentials-provider", "authorization"}
    assert {n.lower(): v for n, v in ours.headers.items() if n.lower() not in {*extra, "content-length"}} == {
        n.lower(): v for n, v in theirs.headers.items() if n.lower() not in extra
    }
    assert Utils.get_authorization(theirs_without(theirs, extra), "ACS3-HMAC-SHA256", theirs_hash(theirs),
                                   "AKIDEXAMPLE", "s3cr3t-of-source") == ours.headers["Authorization"]  # fmt: skip


def theirs_without(request: Any, names: set[str]) -> Any:
    """The SDK signs every header, we only those that must be."""
    request.headers = {n: v for n, v in request.headers.items() if n.lower() not in {*names, "accept"}}
    return request


def theirs_hash(request: Any) -> str:
    return str(request.headers["x-acs-content-sha256"])


@pytest.mark.parametrize(
    ("site", "endpoints", "region", "host"),
    [
        ("cn", {}, "ap-guangzhou", "sts.tencentcloudapi.com"),
        ("intl", {}, "ap-guangzhou", "sts.intl.tencentcloudapi.com"),
        (
            "cn",
            {"sts": "https://sts.ap-shanghai-fsi.tencentcloudapi.com"},
            "ap-shanghai-fsi",
            "sts.ap-shanghai-fsi.tencentcloudapi.com",
        ),
        (
            "cn",
            {"sts": "https://sts.internal.tencentcloudapi.com"},
            "ap-guangzhou",
            "sts.internal.tencentcloudapi.com",
        ),
    ],
)
def test_tencents_sts_is_called_by_site_or_where_the_endpoint_says(
    source: Any, make_answer: MakeAnswer, clock: Clock, site: str, endpoints: Any, region: str, host: str
) -> None:
    line = Line([make_answer(TENCENT_ANSWER)])
    roles.assume(source("tencent", site=site, endpoints=endpoints), target("tencent"), send=line, clock=clock)
    assert urlsplit(str(prepared(line).url)).netloc == host
    assert line.requests[0].headers["X-TC-Region"] == region


@both_clouds
def test_the_targets_own_endpoint_wins_over_the_sources(
    cloud: str, source: Any, make_answer: MakeAnswer, clock: Clock
) -> None:
    line = Line([make_answer(ANSWERS[cloud])])
    base = source(cloud, endpoints={"sts": "https://source.example.com"})
    roles.assume(base, target(cloud, endpoints={"sts": "https://target.example.com/x"}), send=line, clock=clock)
    assert str(prepared(line).url).startswith("https://target.example.com/x/")
    roles.assume(base, target(cloud), send=line, clock=clock)
    assert str(prepared(line).url).startswith("https://source.example.com/")


# --- the credentials -------------------------------------------------------------------------------------------------


@both_clouds
def test_the_account_that_comes_back_is_the_targets_with_temporary_credentials(
    cloud: str, source: Any, make_answer: MakeAnswer, clock: Clock
) -> None:
    wanted = target(cloud, endpoints={"clb": "https://clb.example.com"}, site="intl")
    account = roles.assume(source(cloud), wanted, send=Line([make_answer(ANSWERS[cloud])]), clock=clock)
    assert isinstance(account, Account)
    assert (account.name, account.cloud, account.site, account.version) == ("prod", cloud, "intl", "3+7")
    assert account.key_id == {"tencent": "AKIDtemporary", "alibaba": "STS.temporary"}[cloud]
    assert (account.key_secret, account.token) == ("s3cr3t-key", "s3cr3t-token")
    assert account.expires_at == NOW + 3600
    assert account.endpoints == {"clb": "https://clb.example.com"}
    assert account.role is None
    assert "s3cr3t" not in repr(account)


@both_clouds
@pytest.mark.parametrize("expiry", [None, "soon", 0, -5, {}])
def test_credentials_without_a_readable_expiry_last_as_long_as_the_shortest_session(
    cloud: str, expiry: Any, source: Any, make_answer: MakeAnswer, clock: Clock
) -> None:
    body = json.loads(json.dumps(ANSWERS[cloud]))
    if cloud == "tencent":
        body["Response"]["ExpiredTime"] = expiry
    else:
        body["Credentials"]["Expiration"] = expiry
    account = roles.assume(source(cloud), target(cloud), send=Line([make_answer(body)]), clock=clock)
    assert isinstance(account, Account)
    assert account.expires_at == NOW + 900


def broken(body: Any) -> Iterator[Any]:
    """The answer with each of its credentials missing, empty, or unfit for a header."""
    for value in (None, "", 7, "line\nbreak", "schlüssel"):
        for name in ("TmpSecretId", "TmpSecretKey", "Token", "AccessKeyId", "AccessKeySecret", "SecurityToken"):
            copied = json.loads(json.dumps(body))
            given = copied.get("Response", copied)["Credentials"]
            if name in given:
                given[name] = value
                yield copied


@both_clouds
def test_half_an_answer_gives_no_credentials_and_no_secret(
    cloud: str, source: Any, make_answer: MakeAnswer, clock: Clock
) -> None:
    for body in [*broken(ANSWERS[cloud]), {"Response": {"RequestId": "r"}}, {"Response": []}, {}, [], b"", b"<html>"]:
        outcome = roles.assume(source(cloud), target(cloud), send=Line([make_answer(body)]), clock=clock)
        assert isinstance(outcome, Refusal), body
        assert outcome.trouble in (Trouble.DOUBTFUL, Trouble.TRANSIENT)
        assert "s3cr3t" not in repr(outcome)


@both_clouds
def test_credentials_come_with_status_200_only(cloud: str, source: Any, make_answer: MakeAnswer, clock: Clock) -> None:
    for status in (302, 404, 500):
        answer = make_answer(ANSWERS[cloud], status=status)
        assert isinstance(roles.assume(source(cloud), target(cloud), send=Line([answer]), clock=clock), Refusal)


# --- refusals --------------------------------------------------------------------------------------------------------

TRUST, FORM, KEY = "trust policy", "duration_seconds", "the key of account 'base'"


@pytest.mark.parametrize(
    ("cloud", "code", "said"),
    [
        ("tencent", "UnauthorizedOperation", TRUST),
        ("tencent", "AuthFailure.UnauthorizedOperation", TRUST),
        ("tencent", "InternalError.GetRoleError", TRUST),
        ("tencent", "InternalError.IllegalRole", TRUST),
        ("tencent", "ResourceNotFound.RoleNotFound", TRUST),
        ("tencent", "OperationDenied", TRUST),
        ("tencent", "InvalidParameter.ParamError", FORM),
        ("tencent", "InvalidParameter.OverTimeError", FORM),
        ("tencent", "InvalidParameterValue", FORM),
        ("tencent", "InvalidParameter.AccessKeyNotSupport", "permanent key"),
        ("tencent", "FailedOperation.TempKeyNotAllowed", "permanent key"),
        ("tencent", "AuthFailure.SecretIdNotFound", KEY),
        ("tencent", "AuthFailure.TokenFailure", KEY),
        ("tencent", "AuthFailure.SignatureFailure", KEY),
        ("tencent", "NoSuchProduct", '"sts" endpoint'),
        ("alibaba", "NoPermission", TRUST),
        ("alibaba", "Forbidden.RAM", TRUST),
        ("alibaba", "EntityNotExist.Role", TRUST),
        ("alibaba", "InvalidParameter.RoleArn", FORM),
        ("alibaba", "InvalidParameter.DurationSeconds", FORM),
        ("alibaba", "InvalidAccessKeyId.NotFound", KEY),
        ("alibaba", "InvalidAccessKeyId.Inactive", KEY),
        ("alibaba", "InvalidSecurityToken.Expired", KEY),
        ("alibaba", "MissingSecurityToken", KEY),
        ("alibaba", "SignatureDoesNotMatch", KEY),
        ("alibaba", "InvalidApi.NotFound", '"sts" endpoint'),
    ],
)
def test_a_refusal_that_a_person_must_repair_is_one_of_credentials_and_says_what_to_repair(
    cloud: str, code: str, said: str, source: Any, make_answer: MakeAnswer, clock: Clock
) -> None:
    answer = refused(cloud, code, "no", make_answer)
    outcome = roles.assume(source(cloud), target(cloud), send=Line([answer]), clock=clock)
    assert isinstance(outcome, Refusal)
    assert outcome.trouble is Trouble.CREDENTIALS
    assert (outcome.problem.code, outcome.request_id) == (code, "r-9")
    assert outcome.problem.message == f"role {ARN[cloud]} cannot be assumed: no"
    assert said in (outcome.problem.hint or "")
    assert "{" not in (outcome.problem.hint or "")


def test_the_hint_about_a_role_names_role_and_source(source: Any, make_answer: MakeAnswer, clock: Clock) -> None:
    answer = refused("alibaba", "NoPermission", "You are not authorized to do this action.", make_answer)
    outcome = roles.assume(source("alibaba"), target("alibaba"), send=Line([answer]), clock=clock)
    assert isinstance(outcome, Refusal)
    for named in (ARN["alibaba"], "'base'", "sts:AssumeRole"):
        assert named in (outcome.problem.hint or "")


def test_the_key_of_an_alibaba_account_itself_assumes_no_role_and_the_hint_says_so(
    source: Any, make_answer: MakeAnswer, clock: Clock
) -> None:
    answer = refused("alibaba", "NoPermission", "Roles may not be assumed by root accounts.", make_answer)
    outcome = roles.assume(source("alibaba"), target("alibaba"), send=Line([answer]), clock=clock)
    assert isinstance(outcome, Refusal)
    assert outcome.problem.hint == (
        "Give account 'base' the key of a RAM user: that of the Alibaba Cloud account itself assumes no role."
    )


@pytest.mark.parametrize(
    ("cloud", "code", "trouble"),
    [
        ("tencent", "RequestLimitExceeded", Trouble.THROTTLED),
        ("tencent", "InvalidParameter.OverLimit", Trouble.THROTTLED),
        ("tencent", "InternalError.DbError", Trouble.TRANSIENT),
        ("tencent", "FailedOperation", Trouble.DOUBTFUL),
        ("tencent", "NeverHeardOf", Trouble.DOUBTFUL),
        ("alibaba", "Throttling.User", Trouble.THROTTLED),
        ("alibaba", "ServiceUnavailable", Trouble.TRANSIENT),
        ("alibaba", "SignatureNonceUsed", Trouble.TRANSIENT),
        ("alibaba", "NeverHeardOf", Trouble.DOUBTFUL),
    ],
)
def test_a_refusal_that_may_pass_is_none_of_credentials(
    cloud: str, code: str, trouble: Trouble, source: Any, make_answer: MakeAnswer, clock: Clock
) -> None:
    answer = refused(cloud, code, "no", make_answer)
    outcome = roles.assume(source(cloud), target(cloud), send=Line([answer]), clock=clock)
    assert isinstance(outcome, Refusal)
    assert outcome.trouble is trouble


codes = st.lists(st.sampled_from(["AuthFailure", "InvalidParameter", "NotFound", "EntityNotExist", "NoPermission",
                                  "ResourceNotFound", "UnsupportedOperation", "LimitExceeded", "X"]),
                 min_size=1, max_size=3).map(".".join)  # fmt: skip


@given(cloud=st.sampled_from(["tencent", "alibaba"]), code=codes, message=st.text(max_size=60))
def test_no_answer_of_sts_is_ever_final(cloud: str, code: str, message: str) -> None:
    error = {"Code": code, "Message": message}
    body = json.dumps({"Response": {"Error": error}} if cloud == "tencent" else error).encode()
    answer = Answer(status=400, headers={}, body=body, truncated=False, elapsed=0.1)
    base = Account(name="base", cloud=cloud, key_id="AKIDEXAMPLE", key_secret="s3cr3t-of-source")
    outcome = roles.assume(base, target(cloud), send=Line([answer]), clock=Clock())
    assert isinstance(outcome, Refusal)
    assert outcome.trouble not in (Trouble.FINAL, Trouble.NOT_FOUND)


@both_clouds
def test_a_refusal_that_quotes_what_was_sent_shows_no_secret(
    cloud: str, source: Any, make_answer: MakeAnswer, clock: Clock
) -> None:
    role = Role(arn=ARN[cloud], external_id="s3cr3t:external/id", source="base")
    quoted = (
        "x" * 950 + " x-acs-security-token:s3cr3t+tok/en= ExternalId=s3cr3t%3Aexternal%2Fid AKIDEXAMPLE "
        "s3cr3t-of-source s3cr3t:external/id s3cr3t%2Btok%2Fen%3D"
    )
    answer = refused(cloud, "SignatureDoesNotMatch", quoted, make_answer)
    base = source(cloud, token="s3cr3t+tok/en=")
    outcome = roles.assume(base, target(cloud, role=role), send=Line([answer]), clock=clock)
    assert isinstance(outcome, Refusal)
    assert "***" in outcome.problem.message
    for shown in (repr(outcome), str(outcome)):
        assert "s3cr3t" not in shown
        assert "AKID" not in shown


@both_clouds
def test_a_secret_is_found_in_a_refusal_however_json_writes_it(
    cloud: str, source: Any, make_answer: MakeAnswer, clock: Clock
) -> None:
    answer = refused(cloud, "SignatureDoesNotMatch", "token s3cr3t/token=", make_answer)
    written = answer.body.replace(b"/token=", rb"\/token\u003d")
    assert written != answer.body
    outcome = roles.assume(
        source(cloud, token="s3cr3t/token="), target(cloud), send=Line([replace(answer, body=written)]), clock=clock
    )
    assert isinstance(outcome, Refusal)
    assert outcome.problem.message == f"role {ARN[cloud]} cannot be assumed: token ***"


@both_clouds
@pytest.mark.parametrize("external", ["s3", "ey", "ro", "Token", "Invalid", "Error", "Code"])
def test_an_external_id_that_is_a_common_word_changes_nothing_of_what_an_answer_means(
    cloud: str, external: str, source: Any, make_answer: MakeAnswer, clock: Clock
) -> None:
    role = Role(arn=ARN[cloud], external_id=external, source="base")
    account = roles.assume(
        source(cloud), target(cloud, role=role), send=Line([make_answer(ANSWERS[cloud])]), clock=clock
    )
    assert isinstance(account, Account)
    assert (account.key_secret, account.token) == ("s3cr3t-key", "s3cr3t-token")
    answer = refused(cloud, "InvalidParameter.X", "no", make_answer)
    outcome = roles.assume(source(cloud), target(cloud, role=role), send=Line([answer]), clock=clock)
    assert isinstance(outcome, Refusal)
    assert (outcome.trouble, outcome.problem.code) == (Trouble.CREDENTIALS, "InvalidParameter.X")


@both_clouds
def test_a_broken_way_to_sts_is_the_callers_to_judge(cloud: str, source: Any, clock: Clock) -> None:
    with pytest.raises(ConnectionFailed):
        roles.assume(source(cloud), target(cloud), send=Line([ConnectionFailed("sts", "gone")]), clock=clock)


def test_an_account_without_a_role_assumes_none(source: Any, clock: Clock) -> None:
    with pytest.raises(ValueError, match="with a role"):
        roles.assume(source("tencent"), source("tencent"), send=Line([]), clock=clock)

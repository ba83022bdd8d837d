"""The official SDKs, run as they are with time and nonce frozen, must agree with our signers about any request.

They are oracles: nothing of them is used outside of the tests.
"""

import random
import string
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
import requests
from alibabacloud_bdrc20230808.client import Client as BdrcClient
from alibabacloud_tea_openapi import client as tea_client
from alibabacloud_tea_openapi.utils import Utils
from alibabacloud_tea_openapi.utils_models import Config
from hypothesis import given, settings
from hypothesis import strategies as st
from QcloudApi.common.request import RequestInternal as OldRequest
from QcloudApi.modules import base as old_base
from tencentcloud.common import abstract_client
from tencentcloud.common.credential import Credential
from tencentcloud.common.http.request import RequestInternal
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

from taskhook.signing import ACS3Auth, TC3Auth, TencentV2Auth

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utc:DeprecationWarning")

SIGNATURE = ("Signature", "SignatureMethod", "RequestClient")

keys = st.text(string.ascii_letters + string.digits + "/+=", min_size=1, max_size=40)
tokens = st.none() | st.text(string.ascii_letters + string.digits + "/+=~*_-.", min_size=1, max_size=60)
times = st.integers(0, 4102444799)
nonces = st.integers(1, sys.maxsize)
hosts = st.from_regex(
    r"[a-z][a-z0-9-]{0,8}[a-z0-9]\.(tencentcloudapi|api\.qcloud|aliyuncs)\.com(:[1-9][0-9]{3})?", fullmatch=True
)
names = st.text(string.ascii_letters + string.digits + "._~任é", min_size=1, max_size=8).filter(
    # The old SDK lets a caller replace these; ours refuses.
    lambda name: name not in ("Action", "Region", "Version", "Token", "SecretId", "Nonce", "Timestamp", *SIGNATURE)
)
values = st.text(max_size=20) | st.sampled_from(["@file", "a b+c/d=é~*任务", "%2F", "&=?#", "😀"])
params = st.dictionaries(names, values, max_size=5)
regions = st.sampled_from(["", "bj", "ap-guangzhou"])


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDKs look for proxies while they build a request."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


def prepare(request: requests.Request) -> requests.PreparedRequest:
    with requests.Session() as session:
        session.headers.clear()
        return session.prepare_request(request)


def frozen(monkeypatch: pytest.MonkeyPatch, module: Any, now: int, nonce: int) -> None:
    """Time and dice of one SDK module; those of everybody else go on."""
    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: now + 0.5))
    if hasattr(module, "random"):
        monkeypatch.setattr(module, "random", SimpleNamespace(randint=lambda low, high: nonce))


@given(
    method=st.sampled_from(["GET", "POST"]),
    algorithm=st.sampled_from(["HmacSHA1", "HmacSHA256"]),
    host=hosts,
    key=keys,
    token=tokens,
    now=times,
    nonce=nonces,
    region=regions,
    own=params,
)
def test_api_2_agrees_with_qcloudapi(
    method: str,
    algorithm: Any,
    host: str,
    key: str,
    token: str | None,
    now: int,
    nonce: int,
    region: str,
    own: dict[str, str],
) -> None:
    sdk_request = OldRequest(host, method, "/v2/index.php")
    config = {
        "secretId": "id",
        "secretKey": key,
        "Region": region,
        "method": method,
        "SignatureMethod": algorithm,
        "endpoint": host,
        "Token": token or "",
    }
    with pytest.MonkeyPatch.context() as patch:
        frozen(patch, old_base, now, nonce)
        patch.setattr(
            old_base, "ApiRequest", lambda host: SimpleNamespace(is_keep_alive=lambda: False)
        )  # its transport
        old_base.Base(config)._build_req_inter("DescriptionOperationResult", own, sdk_request)
    expected = dict(parse_qsl(sdk_request.data, keep_blank_values=True))

    ours = own | {"Action": "DescriptionOperationResult", "RequestClient": old_base.Base.version}
    ours |= {"Region": region} if region else {}
    auth = TencentV2Auth("id", key, token=token, method=algorithm, clock=lambda: now + 0.5, nonce=lambda: nonce)
    where = {"params": ours} if method == "GET" else {"data": ours}
    prepared = prepare(requests.Request(method, f"https://{host}/v2/index.php", auth=auth, **where))
    sent = prepared.body if method == "POST" else urlsplit(str(prepared.url)).query
    assert dict(parse_qsl(sent.decode() if isinstance(sent, bytes) else str(sent), keep_blank_values=True)) == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | values, lambda v: st.lists(v, max_size=3), max_leaves=5
)


@given(
    data=st.data(),
    method=st.sampled_from(["GET", "POST"]),
    host=hosts,
    key=keys,
    token=tokens,
    now=times,
    region=regions,
)
def test_api_3_agrees_with_tencentcloud(
    data: st.DataObject, method: str, host: str, key: str, token: str | None, now: int, region: str
) -> None:
    own = data.draw(params if method == "GET" else st.dictionaries(names, json_values, max_size=4))
    profile = ClientProfile(httpProfile=HttpProfile(endpoint=host, reqMethod=method), language="zh-CN")
    client = abstract_client.AbstractClient(Credential("id", key, token), region, profile)
    client._service, client._apiVersion = "clb", "2018-03-17"
    sdk_request = RequestInternal(host, method, "/")
    with pytest.MonkeyPatch.context() as patch:
        frozen(patch, abstract_client, now, 0)
        client._build_req_with_tc3_signature("DescribeTaskStatus", own, sdk_request)

    unsigned = {name: value for name, value in sdk_request.header.items() if name in SDK_TC3_HEADERS}
    auth = TC3Auth("id", key, service="clb", token=token, clock=lambda: now + 0.5)
    where: dict[str, Any] = {"params": own} if method == "GET" else {"data": sdk_request.data}
    prepared = prepare(requests.Request(method, f"https://{host}/", auth=auth, headers=unsigned, **where))
    assert {k: v for k, v in prepared.headers.items() if k != "Content-Length"} == sdk_request.header
    sent = urlsplit(str(prepared.url)).query if method == "GET" else (prepared.body or b"")
    assert sent == (sdk_request.data if method == "GET" else sdk_request.data.encode())


SDK_TC3_HEADERS = ("X-TC-Action", "X-TC-RequestClient", "X-TC-Version", "X-TC-Region", "X-TC-Language")


def test_a_json_body_is_written_as_the_tencent_sdk_writes_it() -> None:
    body = {"TaskId": "任务-é-😀", "Filters": [{"Name": "a", "Values": ["b", 1, True, None]}]}
    profile = ClientProfile(httpProfile=HttpProfile(endpoint="clb.tencentcloudapi.com"))
    client = abstract_client.AbstractClient(Credential("id", "key"), "", profile)
    sdk_request = RequestInternal("clb.tencentcloudapi.com", "POST", "/")
    client._build_req_with_tc3_signature("DescribeTaskStatus", body, sdk_request)
    assert (
        prepare(requests.Request("POST", "https://clb.tencentcloudapi.com/", json=body)).body
        == sdk_request.data.encode()
    )


class Captured(BaseException):
    """Thrown where the Alibaba SDK would open a connection, past its own retries."""

    def __init__(self, request: Any) -> None:
        super().__init__("captured")
        self.request = request


def alibaba_request(config: Config, call: str, *args: Any, now: int, nonce: str) -> Any:
    def capture(request: Any, runtime: Any) -> None:
        raise Captured(request)

    stamp = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%SZ}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Utils, "get_timestamp", staticmethod(lambda: stamp))
        patch.setattr(Utils, "get_nonce", staticmethod(lambda: nonce))
        patch.setattr(tea_client.DaraCore, "do_action", staticmethod(capture))
        with pytest.raises(Captured) as caught:
            getattr(BdrcClient(config), call)(*args)
    return caught.value.request


SDK_ACS3_HEADERS = ("accept", "user-agent", "x-acs-action", "x-acs-version", "x-acs-credentials-provider")


@settings(deadline=None)
@given(
    task=st.text(min_size=1, max_size=20).filter(lambda task: task not in (".", "..")),
    host=hosts.filter(lambda host: ":" not in host),
    key=keys,
    token=tokens,
    now=times,
    nonce=st.text(string.hexdigits, min_size=1, max_size=32),
)
def test_describe_task_agrees_with_the_bdrc_client(
    task: str, host: str, key: str, token: str | None, now: int, nonce: str
) -> None:
    config = Config(access_key_id="id", access_key_secret=key, security_token=token, endpoint=host)
    sdk_request = alibaba_request(config, "describe_task", task, now=now, nonce=nonce)

    auth = ACS3Auth(
        "id",
        key,
        security_token=token,
        clock=lambda: now + 0.5,
        nonce=lambda: nonce,
        also_sign=("accept", "user-agent"),
    )
    unsigned = {name: value for name, value in sdk_request.headers.items() if name in SDK_ACS3_HEADERS}
    url = f"https://{host}/api/v1/tasks/{quote(task, safe='~')}"
    prepared = prepare(requests.Request("GET", url, auth=auth, headers=unsigned))
    assert urlsplit(str(prepared.url)).path == sdk_request.pathname
    assert dict(lowered(prepared.headers)) == dict(lowered(sdk_request.headers))


def lowered(headers: Any) -> Iterator[tuple[str, str]]:
    return ((name.lower(), value) for name, value in headers.items())


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    host=hosts,
    segments=st.lists(st.text(min_size=1, max_size=8).filter(lambda s: s.strip(".")), max_size=3),
    query=st.dictionaries(
        st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=8), values, max_size=5
    ),
    body=st.none() | st.binary(min_size=1, max_size=50),
    key=keys,
    token=tokens,
    now=times,
)
def test_acs3_agrees_with_the_sdks_own_function(
    method: str,
    host: str,
    segments: list[str],
    query: dict[str, str],
    body: bytes | None,
    key: str,
    token: str | None,
    now: int,
) -> None:
    path = "/" + "/".join(quote(segment, safe="~") for segment in segments)
    auth = ACS3Auth("id", key, security_token=token, clock=lambda: now, nonce=lambda: "nonce")
    headers = {"x-acs-action": "DescribeTask", "X-Acs-Version": "2023-08-08", "Accept": "application/json"}
    if body:
        headers["content-type"] = "application/octet-stream"
    request = requests.Request(method, f"https://{host}{path}", params=query, data=body, headers=headers, auth=auth)
    prepared = prepare(request)

    signed = {k: v for k, v in lowered(prepared.headers) if k in ("host", "content-type") or k.startswith("x-acs-")}
    sdk_request = SimpleNamespace(method=method, pathname=path, query=query, headers=signed)
    expected = Utils.get_authorization(sdk_request, "ACS3-HMAC-SHA256", signed["x-acs-content-sha256"], "id", key)
    assert prepared.headers["Authorization"] == expected
    assert signed["host"] == host
    assert signed["x-acs-content-sha256"] == Utils.hex_encode(Utils.hash(body or b"", "ACS3-HMAC-SHA256"))


def test_the_oracles_leave_time_and_dice_of_everybody_else_alone() -> None:
    with pytest.MonkeyPatch.context() as patch:
        frozen(patch, old_base, 0, 0)
        assert random.randint(1, 2) in (1, 2)  # noqa: S311
    assert old_base.random is random

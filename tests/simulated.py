"""What the simulator's tests share: requests as the official SDKs sign them, and taskhook's way to the simulator."""

import json
import time
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from alibabacloud_bdrc20230808.client import Client as BdrcClient
from alibabacloud_tea_openapi.utils import Utils
from alibabacloud_tea_openapi.utils_models import Config as AlibabaConfig
from darabonba.request import DaraRequest
from QcloudApi.common.sign import Sign
from tencentcloud.clb.v20180317 import clb_client
from tencentcloud.clb.v20180317 import models as clb_models
from tencentcloud.common.abstract_client import AbstractClient
from tencentcloud.common.credential import Credential as TencentCredential
from tencentcloud.common.http.request import RequestInternal
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.dts.v20180330 import dts_client
from tencentcloud.dts.v20180330 import models as dts_models

from local.simulator import ALIBABA, LIVES, TENCENT, Credential, Simulator
from local.simulator.lives import MACHINES
from local.simulator.loopback import Reply, Request
from taskhook import http as http_door
from taskhook.accounts import Account, parse_account
from taskhook.providers import asking, catalogue, filling, reading
from taskhook.providers.model import Outcome, Provider, Question, Refusal
from taskhook.states import State
from tests.conftest import Clock

# The oracles' own code warns: both SDKs make naive UTC dates.
ORACLES = [
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcfromtimestamp:DeprecationWarning:tencentcloud"),
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning:alibabacloud_tea_openapi"),
]
HOST = "127.0.0.1:8600"
NOW = 1_700_000_000
MACHINE_COUNT = len(MACHINES)


def signed_bm(credential: Credential = TENCENT, *, at: int = NOW, **changes: str | None) -> Request:
    params = {
        "Action": "DescriptionOperationResult",
        "Timestamp": str(at),
        "Nonce": "48476",
        "SecretId": credential.key_id,
        "SignatureMethod": "HmacSHA256",
        "taskId": "3300001",
    }
    if credential.token:
        params["Token"] = credential.token
    params = {name: value for name, value in (params | changes).items() if value is not None}
    method = params.get("SignatureMethod", "HmacSHA1")
    signature = Sign(credential.key_id, credential.secret).make(HOST, "/v2/index.php", params, "GET", method)
    query = urlencode(params | {"Signature": signature})
    return Request(method="GET", target=f"/v2/index.php?{query}", headers={"host": HOST}, body=b"")


def signed_tc3(
    credential: Credential = TENCENT,
    *,
    at: int = NOW,
    service: str = "clb",
    body: Mapping[str, Any] | None = None,
    **changes: str,
) -> Request:
    body_bytes = json.dumps({"TaskId": "instant-1"} if body is None else body).encode()
    headers = {
        "Host": HOST,
        "Content-Type": "application/json",
        "X-TC-Action": "DescribeTaskStatus",
        "X-TC-Version": "2018-03-17",
        "X-TC-Region": "ap-guangzhou",
        "X-TC-Timestamp": str(at),
    }
    if credential.token:
        headers["X-TC-Token"] = credential.token
    headers |= {f"X-TC-{name.title()}": value for name, value in changes.items()}
    date = time.strftime("%Y-%m-%d", time.gmtime(at))
    request = RequestInternal(HOST, "POST", "/", headers, body_bytes)
    signature = AbstractClient._get_tc3_signature(None, None, request, date, service, credential.secret)
    headers["Authorization"] = (
        f"TC3-HMAC-SHA256 Credential={credential.key_id}/{date}/{service}/tc3_request, "
        f"SignedHeaders=content-type;host, Signature={signature}"
    )
    present = {name.lower(): value for name, value in headers.items() if value}
    return Request(method="POST", target="/", headers=present, body=body_bytes)


def signed_acs3(
    credential: Credential = ALIBABA,
    *,
    at: int = NOW,
    task: str = "instant-1",
    path: str | None = None,
    query: Mapping[str, str] | None = None,
    **changes: str,
) -> Request:
    """A GET of BDRC's task, or a POST with a query for any other path."""
    headers = {
        "host": HOST,
        "x-acs-action": "DescribeTask",
        "x-acs-version": "2023-08-08",
        "x-acs-date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)),
        "x-acs-signature-nonce": "nonce-1",
        "x-acs-content-sha256": Utils.hash(b"", "ACS3-HMAC-SHA256").hex(),
    }
    if credential.token:
        headers |= {"x-acs-security-token": credential.token, "x-acs-accesskey-id": credential.key_id}
    headers |= {f"x-acs-{name.replace('_', '-')}": value for name, value in changes.items()}
    request = DaraRequest()
    request.method, request.pathname = ("POST", path) if path else ("GET", f"/api/v1/tasks/{task}")
    request.query, request.headers = dict(query or {}), headers
    payload = headers["x-acs-content-sha256"]
    authorization = Utils.get_authorization(request, "ACS3-HMAC-SHA256", payload, credential.key_id, credential.secret)
    target = request.pathname + (f"?{urlencode(query)}" if query else "")
    return Request(method=request.method, target=target, headers=headers | {"authorization": authorization}, body=b"")


def signed_listing(service: str, query: Mapping[str, str], nonce: str = "nonce-1") -> Request:
    path = f"/alibaba/{service}/"
    return signed_acs3(path=path, query=query, action="ListTargets", version="2020-01-01", signature_nonce=nonce)


def code_of(reply: Reply) -> Any:
    """The error code in any of the three shapes; None for an answer."""
    payload: dict[str, Any] = json.loads(reply.body)
    if "Response" in payload:
        error = payload["Response"].get("Error")
        return error["Code"] if error else None
    if "code" in payload:
        return payload["code"] or None
    return payload.get("Code")


def tencent_client(
    make: Callable[..., Any], sim: Simulator, credential: Credential = TENCENT, method: str = "POST"
) -> Any:
    profile = ClientProfile(
        httpProfile=HttpProfile(protocol="http", endpoint=f"127.0.0.1:{sim.port}", reqMethod=method, reqTimeout=5)
    )
    return make(TencentCredential(credential.key_id, credential.secret, credential.token), "ap-guangzhou", profile)


def ask_clb(sim: Simulator, task_id: str, credential: Credential = TENCENT, method: str = "POST") -> Any:
    request = clb_models.DescribeTaskStatusRequest()
    request.TaskId = task_id
    return tencent_client(clb_client.ClbClient, sim, credential, method).DescribeTaskStatus(request)


def ask_dts(sim: Simulator, task_id: str, credential: Credential = TENCENT, method: str = "POST") -> Any:
    request = dts_models.DescribeAsyncRequestInfoRequest()
    request.AsyncRequestId = task_id
    return tencent_client(dts_client.DtsClient, sim, credential, method).DescribeAsyncRequestInfo(request)


def ask_bdrc(sim: Simulator, task_id: str, credential: Credential = ALIBABA) -> Any:
    config = AlibabaConfig(
        access_key_id=credential.key_id,
        access_key_secret=credential.secret,
        security_token=credential.token,
        endpoint=f"127.0.0.1:{sim.port}",
        protocol="http",
    )
    return BdrcClient(config).describe_task(task_id).body


def flipped(text: str, position: int) -> str:
    """The text with one changed byte."""
    position %= len(text)
    other = "0" if text[position] != "0" else "1"
    return text[:position] + other + text[position + 1 :]


OWN = {
    "tencent.twin": """
        title = "By offset"
        version = "2020-01-01"
        sdk = "none"
        [DescribeTargets]
        task_id = "{Zone?}/{JobId:int}"
        found = "nowhere"
        send = { Zone = "{Zone}", JobId = "{JobId}", Limit = 2 }
        pages = { size = 2, offset = "Offset", total = "Total" }
        at = "Targets"
        resource = "Name"
        status = "Status"
        states = { running = [0], succeeded = [1], failed = [2] }
    """,
    "alibaba.twin-a": """
        title = "By number"
        version = "2020-01-01"
        sdk = "none"
        rate = "2/min"
        [ListTargets]
        task_id = "{JobId}"
        found = "nowhere"
        send = { JobId = "{JobId}", PageSize = 2, Deep = { Since = "{days_ago_7}" } }
        pages = { size = 2, number = "Page", total = "Total" }
        at = "Data.Targets"
        where = { Job = "{JobId}" }
        resource = "Name"
        status = "Status"
        states = { running = ["on"], succeeded = ["done"], failed = ["bad"] }
    """,
    "alibaba.twin-b": """
        title = "The same action elsewhere"
        version = "2020-01-01"
        sdk = "none"
        [ListTargets]
        task_id = "{JobId}"
        found = "nowhere"
        status = "State"
        states = { running = ["on"], succeeded = ["done"], failed = ["bad"] }
    """,
}


class World:
    """A simulator, its clock, and taskhook's accounts at it. ``own``: the entries that the simulator was given."""

    def __init__(self, sim: Simulator, clock: Clock, own: Mapping[str, str]) -> None:
        self.sim = sim
        self.clock = clock
        self.own = own
        self.accounts: dict[str, Account] = {one.cloud: self.account(one) for one in (TENCENT, ALIBABA)}
        self.bodies: list[Any] = []

    def account(self, credential: Credential, **changes: Any) -> Account:
        configured = credential.account(self.sim.url, self.own) | changes
        return parse_account(credential.cloud, json.dumps(configured), allow_insecure=True)

    def find(self, name: str) -> Provider:
        found = catalogue.Catalogue(self.own.get).find(name)
        assert found is not None
        return found

    def look(self, provider: Provider, task_id: str, account: Account | None = None) -> Outcome:
        return asking.look(provider, self.question(provider, task_id, account), self.send)

    def question(self, provider: Provider, task_id: str, account: Account | None = None) -> Question:
        return Question(
            task_id=task_id,
            region={"tc3": "ap-guangzhou", "v2": None}.get(provider.style, "cn-hangzhou"),
            account=account or self.accounts[provider.cloud],
            clock=self.clock,
        )

    def send(self, request: requests.Request, *, seconds: float = 5) -> http_door.Answer:
        answer = http_door.send(request, seconds=seconds, allow=is_loopback)
        self.bodies.append(reading.json_object(answer))
        return answer

    def refused(self, provider: Provider, task_id: str) -> str:
        seen = self.look(provider, task_id)
        assert isinstance(seen, Refusal), seen
        return seen.problem.code


def is_loopback(address: IPv4Address | IPv6Address) -> bool:
    return address.is_loopback


def id_of(provider: Provider, life: str) -> str:
    """A task id that asks for a life. A part that is not sent must be the same as the first one that is."""
    sent = {*filling.names(dict(provider.send)), *filling.names(provider.path)}
    parts = [part for part in provider.task_id.parts if not part.optional]
    unsent = [part for part in parts if part.name not in sent]
    named = [parts[-1], *unsent, *[part for part in parts if part.name in sent][: 1 if unsent else 0]]
    written = []
    for part in parts:
        texts = (f"{life}-1", f"{LIVES[life].digits}0001") if part in named else ("part-1", "part1", "4711")
        written.append(next(text for text in texts if part.canonical(text) == text))
    return "/".join(written)


def can_fail(provider: Provider) -> bool:
    return State.FAILED in provider.words.values() or bool(provider.failed_if or provider.code)

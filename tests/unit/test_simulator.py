"""The simulator against the official SDKs: their clients are served, and one changed byte is refused."""

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from email.utils import formatdate
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from urllib.parse import urlencode

import jmespath
import pytest
import requests
from alibabacloud_bdrc20230808.client import Client as BdrcClient
from alibabacloud_tea_openapi.exceptions import ClientException, ThrottlingException
from alibabacloud_tea_openapi.utils import Utils
from alibabacloud_tea_openapi.utils_models import Config as AlibabaConfig
from darabonba.request import DaraRequest
from QcloudApi.common.sign import Sign
from tencentcloud.clb.v20180317 import clb_client
from tencentcloud.clb.v20180317 import models as clb_models
from tencentcloud.common.abstract_client import AbstractClient
from tencentcloud.common.credential import Credential as TencentCredential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.http.request import RequestInternal
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.dts.v20180330 import dts_client
from tencentcloud.dts.v20180330 import models as dts_models

from local.simulator import (
    ALIBABA,
    ALIBABA_EXPIRED,
    ALIBABA_FORBIDDEN,
    ALIBABA_INACTIVE,
    ALIBABA_STS,
    LIVES,
    TENCENT,
    TENCENT_EXPIRED,
    TENCENT_FORBIDDEN,
    TENCENT_STS,
    Answer,
    Credential,
    Life,
    Simulator,
    life_of,
    placing,
    rows,
)
from local.simulator.clouds import Clouds
from local.simulator.lives import MACHINES, REASON, Course, Dialect
from local.simulator.loopback import Reply, Request
from local.simulator.rows import UNHEARD_OF
from taskhook import http as http_door
from taskhook import roles
from taskhook.accounts import Account, Role, parse_account
from taskhook.providers import asking, catalogue, filling, reading
from taskhook.providers.model import Observation, Outcome, Provider, Question, Refusal, Trouble
from taskhook.signing import ROA1Auth
from taskhook.states import State
from tests.conftest import Clock

# The oracles' own code warns: both SDKs make naive UTC dates.
pytestmark = [
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcfromtimestamp:DeprecationWarning:tencentcloud"),
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning:alibabacloud_tea_openapi"),
]

HOST = "127.0.0.1:8600"
NOW = 1_700_000_000


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with Simulator(hang_seconds=0.2) as simulator:
        yield simulator


@pytest.fixture
def clouds() -> Clouds:
    return Clouds(clock=lambda: NOW)


# --- requests as the SDKs sign them, at a frozen time ---------------------------------------------------------------


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


def code_of(reply: Reply) -> Any:
    """The error code in any of the three shapes; None for an answer."""
    payload: dict[str, Any] = json.loads(reply.body)
    if "Response" in payload:
        error = payload["Response"].get("Error")
        return error["Code"] if error else None
    if "code" in payload:
        return payload["code"] or None
    return payload.get("Code")


# --- the SDKs' own clients ------------------------------------------------------------------------------------------


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


def ask_bm(sim: Simulator, task_id: int, credential: Credential = TENCENT, **config: str) -> Any:
    # Imported late: this module switches all warnings off for the whole process when it is imported.
    from QcloudApi.modules.base import Base

    class PlainConnection(http.client.HTTPConnection):
        request_length = 0

    keys = {"secretId": credential.key_id, "secretKey": credential.secret, "Token": credential.token or ""}
    client = Base({**keys, "endpoint": f"127.0.0.1:{sim.port}", **config})
    client.apiRequest.conn = PlainConnection(f"127.0.0.1:{sim.port}")  # the SDK itself speaks https only
    return json.loads(client.call("DescriptionOperationResult", {"taskId": task_id}))


@pytest.mark.parametrize("credential", [TENCENT, TENCENT_STS], ids=["permanent", "temporary"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_tencent_sdk_clients_are_served(sim: Simulator, credential: Credential, method: str) -> None:
    assert ask_clb(sim, "instant-1", credential, method).Status == 0
    assert ask_dts(sim, "instant-1", credential, method).Status == "success"


@pytest.mark.parametrize("credential", [TENCENT, TENCENT_STS], ids=["permanent", "temporary"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("algorithm", ["HmacSHA1", "HmacSHA256"])
def test_qcloud_sdk_client_is_served(sim: Simulator, credential: Credential, method: str, algorithm: str) -> None:
    answer = ask_bm(sim, 3_300_001, credential, method=method, SignatureMethod=algorithm)
    assert answer["code"] == 0
    assert answer["data"]["status"] == 1
    assert answer["data"]["instanceIds"][0] == {"instanceId": "cpm-3dw234", "status": 1}


@pytest.mark.parametrize("credential", [ALIBABA, ALIBABA_STS], ids=["permanent", "temporary"])
@pytest.mark.parametrize("task_id", ["instant-1", "instant-任务 %"])
def test_alibaba_sdk_client_is_served(sim: Simulator, credential: Credential, task_id: str) -> None:
    answer = ask_bdrc(sim, task_id, credential).data
    assert (answer.task_status, answer.progress) == ("COMPLETE", 10_000)
    assert sim.log.of(task_id, "alibaba.bdrc")


def test_sdk_clients_see_refusals_as_their_own_errors(sim: Simulator) -> None:
    wrong = replace(TENCENT, secret=TENCENT.secret[:-1] + "1")
    with pytest.raises(TencentCloudSDKException) as tencent:
        ask_clb(sim, "instant-1", wrong)
    assert tencent.value.code == "AuthFailure.SignatureFailure"
    with pytest.raises(ClientException) as alibaba:
        ask_bdrc(sim, "instant-1", replace(ALIBABA, secret=ALIBABA.secret[:-1] + "1"))
    assert (alibaba.value.code, alibaba.value.status_code) == ("SignatureDoesNotMatch", 400)
    assert ask_bm(sim, 3_300_001, wrong) == {
        "code": 4100,
        "message": "The signature does not match",
        "codeDesc": "AuthFailure",
    }


def test_alibaba_sdk_knows_our_throttling(sim: Simulator) -> None:
    with pytest.raises(ThrottlingException) as throttled:
        ask_bdrc(sim, "throttled-sdk")
    assert (throttled.value.code, throttled.value.retry_after) == ("Throttling.User", 1000)


# --- one changed byte -----------------------------------------------------------------------------------------------


def flipped(text: str, position: int) -> str:
    position %= len(text)
    other = "0" if text[position] != "0" else "1"
    return text[:position] + other + text[position + 1 :]


def test_bm_signature_breaks_with_any_changed_byte(clouds: Clouds) -> None:
    request = signed_bm()
    assert code_of(clouds.respond(request)) is None
    for name in ("taskId=33", "Nonce=48", "SignatureMethod=HmacSHA2", "SecretId=AKIDsim"):
        position = request.target.index(name) + len(name)
        changed = replace(request, target=flipped(request.target, position))
        assert code_of(clouds.respond(changed)) == 4100, name
    assert code_of(clouds.respond(replace(request, headers={"host": flipped(HOST, 0)}))) == 4100
    assert code_of(clouds.respond(replace(request, method="POST", headers={"host": HOST}))) == 4000


def test_tc3_signature_breaks_with_any_changed_byte(clouds: Clouds) -> None:
    request = signed_tc3()
    assert code_of(clouds.respond(request)) is None
    failure = "AuthFailure.SignatureFailure"
    for position in range(2, len(request.body) - 2):
        body = flipped(request.body.decode(), position).encode()
        assert code_of(clouds.respond(replace(request, body=body))) == failure
    for name, value in (("host", flipped(HOST, 0)), ("content-type", "application/json; charset=utf-8"),
                        ("x-tc-timestamp", str(NOW + 1)),
                        ("authorization", request.headers["authorization"].replace("/clb/", "/dts/")),
                        ("authorization", flipped(request.headers["authorization"], -1))):  # fmt: skip
        changed = replace(request, headers={**request.headers, name: value})
        assert code_of(clouds.respond(changed)) == failure, name


def test_acs3_signature_breaks_with_any_changed_byte(clouds: Clouds) -> None:
    request = signed_acs3(ALIBABA_STS)
    failure = "SignatureDoesNotMatch"
    for name in request.headers:
        if name in ("authorization", "x-acs-date"):
            continue
        changed = replace(request, headers={**request.headers, name: flipped(request.headers[name], 1)})
        assert code_of(clouds.respond(changed)) == failure, name
    assert code_of(clouds.respond(replace(request, target=request.target + "2"))) == failure
    assert code_of(clouds.respond(replace(request, target=request.target + "?a=b"))) == failure
    assert code_of(clouds.respond(replace(request, body=b"{}"))) == failure
    unsigned = replace(request, headers={**request.headers, "x-acs-extra": "1"})
    assert code_of(clouds.respond(unsigned)) == "IncompleteSignature"
    assert code_of(clouds.respond(request)) is None


def test_tc3_signature_may_cover_the_action(clouds: Clouds) -> None:
    """The form that the current documentation signs and that no SDK here makes."""
    from local.simulator.tc3 import _AUTHORIZATION, _signature_with_more_headers

    request = signed_tc3()
    header = request.headers["authorization"].replace("content-type;host", "content-type;host;x-tc-action")
    claim = _AUTHORIZATION.fullmatch(header)
    assert claim is not None
    signature = _signature_with_more_headers(request, claim, str(NOW), TENCENT)
    signed = replace(
        request, headers={**request.headers, "authorization": header.replace(claim["signature"], signature)}
    )
    assert code_of(clouds.respond(signed)) is None
    other = replace(signed, headers={**signed.headers, "x-tc-action": "DescribeTaskStatuses"})
    assert code_of(clouds.respond(other)) == "AuthFailure.SignatureFailure"


# --- every other way to be refused ----------------------------------------------------------------------------------

STRANGER = Credential("tencent", "AKIDnobody", "x")
REFUSALS: list[tuple[str, Request, str | int]] = [
    ("bm: unknown key", signed_bm(STRANGER), 4100),
    ("bm: no key", signed_bm(SecretId=None), 4100),
    ("bm: no timestamp", signed_bm(Timestamp=None), 4000),
    ("bm: stale", signed_bm(at=NOW - 301), 4500),
    ("bm: wrong token", signed_bm(replace(TENCENT_STS, token="other")), 4100),
    ("bm: no token", signed_bm(replace(TENCENT_STS, token=None)), 4100),
    ("bm: expired token", signed_bm(TENCENT_EXPIRED), 4200),
    ("bm: forbidden", signed_bm(TENCENT_FORBIDDEN), 4300),
    ("bm: wrong action", signed_bm(Action="DescribeOperationResult"), 6100),
    ("bm: no task id", signed_bm(taskId=None), 4000),
    ("bm: ill-typed task id", signed_bm(taskId="quick-1"), 10001),
    ("tc3: no authorization", Request(method="POST", target="/", headers={"host": HOST}, body=b"{}"),
     "AuthFailure.InvalidAuthorization"),
    ("tc3: unknown key", signed_tc3(STRANGER), "AuthFailure.SecretIdNotFound"),
    ("tc3: stale", signed_tc3(at=NOW - 301), "AuthFailure.SignatureExpire"),
    ("tc3: from the future", signed_tc3(at=NOW + 301), "AuthFailure.SignatureExpire"),
    ("tc3: wrong token", signed_tc3(TENCENT_STS, token="other"), "AuthFailure.TokenFailure"),
    ("tc3: no token", signed_tc3(replace(TENCENT_STS, token=None)), "AuthFailure.TokenFailure"),
    ("tc3: expired token", signed_tc3(TENCENT_EXPIRED), "AuthFailure.TokenFailure"),
    ("tc3: forbidden", signed_tc3(TENCENT_FORBIDDEN), "UnauthorizedOperation"),
    ("tc3: no version", signed_tc3(version=""), "MissingParameter"),
    ("tc3: wrong version", signed_tc3(version="2018-03-18"), "NoSuchVersion"),
    ("tc3: wrong action", signed_tc3(action="DescribeTask"), "InvalidAction"),
    ("dts: a version without the action", signed_tc3(service="dts", action="DescribeAsyncRequestInfo",
                                                      version="2021-12-06"), "InvalidAction"),
    ("tc3: no region", signed_tc3(region=""), "MissingParameter"),
    ("tc3: strange region", signed_tc3(region="Guangzhou"), "UnsupportedRegion"),
    ("clb: no task id", signed_tc3(body={}), "MissingParameter"),
    ("clb: ill-typed task id", signed_tc3(body={"TaskId": 12}), "InvalidParameter"),
    ("clb: unknown parameter", signed_tc3(body={"TaskID": "x"}), "UnknownParameter"),
    ("acs3: no authorization", Request(method="GET", target="/api/v1/tasks/x", headers={"host": HOST}, body=b""),
     "IncompleteSignature"),
    ("acs3: unknown key", signed_acs3(replace(ALIBABA, key_id="LTAInobody")), "InvalidAccessKeyId.NotFound"),
    ("acs3: disabled key", signed_acs3(ALIBABA_INACTIVE), "InvalidAccessKeyId.Inactive"),
    ("acs3: stale", signed_acs3(at=NOW - 901), "InvalidTimeStamp.Expired"),
    ("acs3: ill-formed date", signed_acs3(date="2023-11-14 22:13:20"), "InvalidTimeStamp.Format"),
    ("acs3: no nonce", signed_acs3(signature_nonce=""), "MissingParameter"),
    ("acs3: no token", signed_acs3(replace(ALIBABA_STS, token=None)), "MissingSecurityToken"),
    ("acs3: wrong token", signed_acs3(replace(ALIBABA_STS, token="other")),
     "InvalidSecurityToken.MismatchWithAccessKey"),
    ("acs3: expired token", signed_acs3(ALIBABA_EXPIRED), "InvalidSecurityToken.Expired"),
    ("acs3: forbidden", signed_acs3(ALIBABA_FORBIDDEN), "Forbidden.RAM"),
    ("acs3: wrong version", signed_acs3(version="2023-08-09"), "NoSuchVersion"),
    ("acs3: wrong action", signed_acs3(action="DescribeTasks"), "InvalidAction.NotFound"),
    ("acs3: no task id", signed_acs3(task=""), "InvalidParameter"),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "code"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_refusals_carry_the_providers_codes(clouds: Clouds, request_: Request, code: str | int) -> None:
    reply = clouds.respond(request_)
    assert code_of(reply) == code
    assert (reply.status == 200) == (not request_.target.startswith("/api/"))
    assert clouds.log.verdicts() == [f"refused {code}"]


def test_replayed_nonces_are_refused_and_tc3_has_none(clouds: Clouds) -> None:
    for request, again in ((signed_bm(), 4500), (signed_acs3(), "SignatureNonceUsed"), (signed_tc3(), None)):
        assert code_of(clouds.respond(request)) is None
        assert code_of(clouds.respond(request)) == again


def test_documented_rate_limits_are_enforced_when_asked() -> None:
    now = float(NOW)
    clouds = Clouds(rate_limits=True, clock=lambda: now)
    codes = [code_of(clouds.respond(signed_tc3())) for _ in range(21)]
    assert codes == [None] * 20 + ["RequestLimitExceeded"]
    now += 1
    assert code_of(clouds.respond(signed_tc3())) is None
    codes = [code_of(clouds.respond(signed_bm(Nonce=str(n + 1)))) for n in range(101)]
    assert codes == [None] * 100 + [4400]


# --- lives ----------------------------------------------------------------------------------------------------------


def lived(life: Life, seconds: int = 25) -> list[str]:
    """What is said at one poll per second, repeats left out."""
    course = Course(life=life, born=0.0)
    said = [str(says.outcome if isinstance(says, Answer) else says)
            for says, _ in (course.advance(float(second)) for second in range(seconds + 1))]  # fmt: skip
    return [word for n, word in enumerate(said) if n == 0 or said[n - 1] != word]


SEQUENCES = {
    "default": "running succeeded",
    "quick": "running succeeded",
    "slow": "running succeeded",
    "failing": "running failed",
    "partial": "running partial",
    "flaky": "internal running unavailable running reset malformed running succeeded",
    "throttled": "throttled running succeeded",
    "canceled": "running canceled",
    "expired": "created expired",
    "lost": "running not-found",
    "missing": "not-found",
    "forever": "running",
    "unknown-word": "unknown succeeded",
    "html": "running html running succeeded",
    "hung": "running hang running succeeded",
    "progress": "created running succeeded",
    "refused": "running refused",
    "truncated": "running truncated running succeeded",
    "reset": "running reset running succeeded",
    "redirect": "running redirect running succeeded",
    "charset": "running throttled-charset running succeeded",
    "outage": "running internal running succeeded",
    "down": "internal",
    "instant": "succeeded",
    "odd": "running succeeded",
    "malformed": "running malformed running succeeded",
    "empty": "running empty running succeeded",
    "unavailable": "running unavailable running succeeded",
}


@pytest.mark.parametrize("name", LIVES)
def test_each_life_goes_as_it_says(name: str) -> None:
    assert " ".join(lived(LIVES[name])) == SEQUENCES[name]


def test_time_counts_from_the_first_poll_however_seldom_one_looks() -> None:
    course = Course(life=LIVES["slow"], born=100.0)
    assert [course.advance(now)[0] for now in (100.0, 119.9)] == [LIVES["slow"].steps[n].says for n in (0, 2)]
    assert course.advance(120.0)[0] == LIVES["slow"].steps[-1].says


@pytest.mark.parametrize(
    ("task_id", "name"),
    [("quick-1", "quick"), ("quick", "quick"), ("unknown-word-7", "unknown-word"), ("11001", "quick"),
     ("1400800001", "partial"), ("1000800001", "default"), ("11", "default"), ("quicker-1", "default"),
     ("55c85074-3e7f-4c6d-864f-673660d4f8de", "default")],
)  # fmt: skip
def test_task_ids_name_their_lives(task_id: str, name: str) -> None:
    assert life_of(task_id) is LIVES[name]


def test_every_life_but_the_default_has_its_own_digits() -> None:
    digits = [life.digits for life in LIVES.values() if life.name != "default"]
    assert None not in digits
    assert len(set(digits)) == len(digits)


def test_scripted_life_begins_anew(sim: Simulator) -> None:
    assert ask_clb(sim, "instant-scripted").Status == 0
    sim.script("instant-scripted", "failing")
    assert ask_clb(sim, "instant-scripted").Status == 2


# --- how each API says it -------------------------------------------------------------------------------------------


def bm_data(clouds: Clouds, task_id: str, polls: int = 1) -> list[Any]:
    replies = [clouds.respond(signed_bm(taskId=task_id, Nonce=str(n + 1))) for n in range(polls)]
    return [json.loads(reply.body)["data"] for reply in replies]


def test_bm_status_follows_its_machines() -> None:
    now = float(NOW)
    clouds = Clouds(clock=lambda: now)
    assert bm_data(clouds, "1400001")[0]["status"] == 4
    now += 1
    [data] = [json.loads(clouds.respond(signed_bm(taskId="1400001", Nonce="7")).body)["data"]]
    assert (data["status"], [one["status"] for one in data["instanceIds"]]) == (7, [1, 2, 4])
    now += 2
    [data] = [json.loads(clouds.respond(signed_bm(taskId="1400001", Nonce="8")).body)["data"]]
    assert (data["status"], [one["status"] for one in data["instanceIds"]]) == (3, [1, 2, 1])


def test_bm_speaks_every_documented_dialect(clouds: Clouds) -> None:
    plain, resource_ids, single, keyed, strings, blanks, nulls, _, over = bm_data(clouds, "3400001", 9)
    assert plain["status"] == 5
    assert resource_ids["resourceIds"] == plain["instanceIds"]
    assert single["resourceIds"] == plain["instanceIds"][0]
    assert keyed["resourceIds"]["cpm-3dw234"] == plain["instanceIds"][0]
    assert strings["status"] == "5"
    assert blanks["status "] == 5
    assert nulls == {"status": 5, "instanceIds": None, "resourceIds": None}
    assert over["status "] == 1


def test_bm_keeps_integers_above_2_to_the_53(clouds: Clouds) -> None:
    assert bm_data(clouds, "3300000000000000000001")[0]["status"] == 1
    assert clouds.log.of("3300000000000000000001")


@pytest.mark.parametrize(
    ("task_id", "clb", "dts", "bdrc"),
    [("instant-w", 0, "success", "COMPLETE"), ("forever-w", 2, "running", "RUNNING"),
     ("unknown-word-w", 987, UNHEARD_OF, UNHEARD_OF), ("expired-w", 2, "running", "CREATED")],
)  # fmt: skip
def test_words_are_those_of_the_api(sim: Simulator, task_id: str, clb: int, dts: str, bdrc: str) -> None:
    assert ask_clb(sim, task_id).Status == clb
    assert ask_dts(sim, task_id).Status == dts
    assert ask_bdrc(sim, task_id).data.task_status == bdrc


def test_answers_are_as_misleading_as_the_documentation(sim: Simulator) -> None:
    data = ask_bdrc(sim, "forever-misleading").data
    assert data.task_status == "RUNNING"
    assert data.error_message == "too many requests."
    assert data.complete_time > data.start_time
    assert data.task_result.strip() == "empty"


def test_bdrc_times_stand_still_once_it_is_over() -> None:
    now = float(NOW)
    clouds = Clouds(clock=lambda: now)
    seen = []
    for second in (0, 5, 60):
        now = float(NOW + second)
        reply = clouds.respond(signed_acs3(task="failing-1", signature_nonce=f"n{second}"))
        data = json.loads(reply.body)["Data"]
        seen.append((data["TaskStatus"], data["StartTime"], data["CompleteTime"]))
    assert seen == [("RUNNING", NOW, NOW + 1), ("FAILED", NOW, NOW + 2), ("FAILED", NOW, NOW + 2)]


def test_bdrc_progress_moves() -> None:
    now = float(NOW)
    clouds = Clouds(clock=lambda: now)
    seen = []
    for second in range(11):
        now = float(NOW + second)
        reply = clouds.respond(signed_acs3(task="progress-1", signature_nonce=f"n{second}"))
        seen.append(json.loads(reply.body)["Data"]["Progress"])
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0, 10_000)
    assert len(set(seen)) > 6


# --- every entry of the catalogue, through taskhook's own eyes -------------------------------------------------------

NAMES = catalogue.names()
MACHINE_COUNT = len(MACHINES)
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
    """A simulator, its clock, and taskhook's accounts at it."""

    def __init__(self, sim: Simulator, clock: Clock) -> None:
        self.sim = sim
        self.clock = clock
        self.accounts: dict[str, Account] = {one.cloud: self.account(one) for one in (TENCENT, ALIBABA)}
        self.bodies: list[Any] = []

    def account(self, credential: Credential, **changes: Any) -> Account:
        configured = credential.account(self.sim.url, OWN) | changes
        return parse_account(credential.cloud, json.dumps(configured), allow_insecure=True)

    def find(self, name: str) -> Provider:
        found = catalogue.Catalogue(OWN.get).find(name)
        assert found is not None
        return found

    def look(self, provider: Provider, task_id: str, account: Account | None = None) -> Outcome:
        question = Question(
            task_id=task_id,
            region={"tc3": "ap-guangzhou", "v2": None}.get(provider.style, "cn-hangzhou"),
            account=account or self.accounts[provider.cloud],
            clock=self.clock,
        )
        return asking.look(provider, question, self.send)

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


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    clock = Clock()
    with Simulator(own=OWN, clock=clock) as simulator:
        yield World(simulator, clock)


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


@pytest.mark.parametrize("name", NAMES)
def test_taskhook_reads_every_entry_as_it_is_played(world: World, name: str) -> None:
    provider = world.find(name)
    running, succeeded = (world.look(provider, id_of(provider, life)) for life in ("forever", "instant"))
    assert isinstance(running, Observation)
    assert isinstance(succeeded, Observation)
    assert (running.state, running.known, running.error) == (State.RUNNING, True, None)
    assert (succeeded.state, succeeded.known, succeeded.error) == (State.SUCCEEDED, True, None)
    if provider.progress is not None:
        assert (running.progress, succeeded.progress) == (0.0, 1.0)
    if provider.resource is not None or provider.resources is not None:
        assert [one.state for one in running.resources] == [State.RUNNING] * MACHINE_COUNT
        assert [one.state for one in succeeded.resources] == [State.SUCCEEDED] * MACHINE_COUNT
    if provider.result is not None:
        assert succeeded.result
    [entry] = world.sim.log.of(id_of(provider, "instant"), log_name(provider))
    assert entry.verdict == "answered succeeded"


def log_name(provider: Provider) -> str:
    file = catalogue.built_in(provider.name.rpartition(".")[0])
    assert file is not None
    return file.service if provider.name.endswith(f".{file.usual}") else provider.name


@pytest.mark.parametrize("name", NAMES)
def test_taskhook_reads_every_failure_as_it_is_played(world: World, name: str) -> None:
    provider = world.find(name)
    assert isinstance(first := world.look(provider, id_of(provider, "failing")), Observation)
    assert first.state is State.RUNNING
    world.clock.now += 3
    assert isinstance(failed := world.look(provider, id_of(provider, "failing")), Observation)
    assert failed.state is (State.FAILED if can_fail(provider) else State.RUNNING)
    if can_fail(provider) and (provider.message or provider.reason):
        assert failed.error is not None
        assert REASON in failed.error.message


@pytest.mark.parametrize("name", NAMES)
def test_taskhook_reads_every_other_ending_as_it_is_played(world: World, name: str) -> None:
    provider = world.find(name)
    failed = State.FAILED if can_fail(provider) else State.RUNNING
    parted = State.PARTIAL in provider.words.values() or provider.partial_if or provider.resource or provider.code
    canceled = State.CANCELED if State.CANCELED in provider.words.values() else failed
    expected = {"partial": State.PARTIAL if parted else failed, "canceled": canceled, "expired": failed}
    for life in expected:
        world.look(provider, id_of(provider, life))
    world.clock.now += 4
    seen = {life: world.look(provider, id_of(provider, life)) for life in expected}
    assert {life: getattr(one, "state", one) for life, one in seen.items()} == expected


@pytest.mark.parametrize("name", NAMES)
def test_taskhook_reads_every_refusal_as_it_is_played(world: World, name: str) -> None:
    provider = world.find(name)
    for life, trouble in (("missing", Trouble.NOT_FOUND), ("throttled", Trouble.THROTTLED)):
        seen = world.look(provider, id_of(provider, life))
        assert isinstance(seen, Refusal)
        assert seen.trouble is trouble, seen
    strange = world.look(provider, id_of(provider, "unknown-word"))
    assert isinstance(strange, Observation)
    assert (strange.state, strange.known) == (State.RUNNING, False)


@pytest.mark.parametrize("name", NAMES)
def test_taskhook_reads_every_entry_in_every_dialect(world: World, name: str) -> None:
    provider = world.find(name)
    states = []
    for _ in range(len(Dialect) + 1):
        seen = world.look(provider, id_of(provider, "odd"))
        assert isinstance(seen, Observation), seen
        assert seen.known
        states.append(seen.state)
    assert states == [State.RUNNING] * len(Dialect) + [State.SUCCEEDED]


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_held_to_its_entry(world: World, name: str) -> None:
    provider = world.find(name)
    task_id = id_of(provider, "instant")
    unknown, missing, invalid = {
        "tc3": ("UnknownParameter", "MissingParameter", "InvalidParameter"),
        "v2": ("4000", "4000", "10001"),
    }.get(provider.style, ("InvalidParameter", "MissingParameter", "InvalidParameter"))
    assert world.refused(replace(provider, send={**provider.send, "Surplus": "x"}), task_id) == unknown
    optional = {part.name for part in provider.task_id.parts if part.optional}
    for parameter in provider.send:
        if optional & set(filling.names(provider.send[parameter])):
            continue
        others = {one: value for one, value in provider.send.items() if one != parameter}
        assert world.refused(replace(provider, send=others), task_id) == missing
        wrong = {**provider.send, parameter: " "}
        assert world.refused(replace(provider, send=wrong), task_id) == invalid
    for part in provider.task_id.parts:
        if part.integer and not part.optional and provider.style == "tc3":
            texts = tuple(replace(one, integer=False) for one in provider.task_id.parts)
            as_text = replace(provider, task_id=replace(provider.task_id, parts=texts))
            assert world.refused(as_text, task_id) == invalid


@pytest.mark.parametrize("name", NAMES)
def test_the_first_item_is_of_another_task(world: World, name: str) -> None:
    provider = world.find(name)
    if not provider.where:
        return
    task_id = id_of(provider, "instant")
    world.look(provider, task_id)
    body = world.bodies[-1]
    listed = provider.at.search(body["Response"] if provider.style == "tc3" else body) if provider.at else None
    assert isinstance(listed, list)
    known = provider.task_id.values(task_id)
    matches = [
        all(reading.word(path.search(item)) == filling.text(text, known, 0.0) for path, text in provider.where.values())
        for item in listed
    ]
    assert matches[0] is False
    assert any(matches)
    assert provider.state(reading.word(provider.status.search(listed[0]))) is State.RUNNING


PATHS = (
    "Status",
    "Data.TaskStatus",
    "Set[0].Status",
    "Set[-1]",
    "Steps[].Reason | [0]",
    "Steps[*].Errors[].Reason | [0]",
    "Steps[?Code].Code | [0]",
    "detail.*.message | [0]",
    '"odd name".value',
    "Message || Messages[0].Text",
    "to_number(Percent)",
    "avg(Jobs[].Percent)",
)


@pytest.mark.parametrize("path", PATHS)
def test_what_is_put_by_a_path_is_found_by_it(path: str) -> None:
    assert jmespath.search(path, placing.put({"kept": 1}, path, 42)) == 42
    assert placing.put({"kept": 1}, path, 42)["kept"] == 1


CONDITIONS = (
    "Progress == `-1`",
    "Code != '0'",
    "`0` < Failed",
    "State == 'Finished' && to_number(Failed) > `0` && Succeeded == `0`",
    "contains(Message, 'failed') || Failed >= `1`",
    "!Fine",
)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditions_hold_or_do_not_as_they_are_told(condition: str) -> None:
    holding = placing.holding({"Fine": True, "Message": ""}, condition)
    assert jmespath.search(condition, holding) is True
    assert jmespath.search(condition, placing.holding(holding, condition, truth=False)) is False


def test_nothing_is_put_where_there_is_no_path() -> None:
    assert placing.put({}, "`1`", 42) == {}


# --- what the catalogue does not hold, and what one entry alone cannot show ------------------------------------------


@pytest.mark.parametrize(
    ("name", "task_id", "sizes"), [("tencent.twin", "1700001", [2, 1]), ("alibaba.twin-a", "canceled-1", [2, 2])]
)
def test_pages_are_answered_one_by_one(world: World, name: str, task_id: str, sizes: list[int]) -> None:
    assert isinstance(world.look(world.find(name), task_id), Observation)
    world.clock.now += 3
    del world.bodies[:]
    seen = world.look(world.find(name), task_id)
    assert isinstance(seen, Observation)
    assert (seen.state, len(seen.resources)) == (State.FAILED, MACHINE_COUNT)
    places = (body.get("Response") or body["Data"] for body in world.bodies)
    assert [len(place["Targets"]) for place in places] == sizes
    assert [entry.poll for entry in world.sim.log.of(task_id, name)] == [1, 2, 2]


@pytest.mark.parametrize("changes", [{"Offset": -2}, {"Offset": "0"}, {"Offset": 0.5}, {"Limit": 3}])
def test_pages_are_of_the_size_that_was_asked_for(changes: dict[str, Any]) -> None:
    clouds = Clouds(own=OWN, clock=lambda: NOW)
    for more, code in (({}, None), (changes, "InvalidParameter")):
        body = {"JobId": 3300001, "Limit": 2, "Offset": 0, **more}
        asked = signed_tc3(body=body, service="twin", action="DescribeTargets", version="2020-01-01")
        assert code_of(clouds.respond(asked)) == code


def test_a_part_that_may_be_left_out_belongs_to_the_id_when_it_is_sent(world: World) -> None:
    for task_id in ("3300002", "zone-1/3300002"):
        assert isinstance(world.look(world.find("tencent.twin"), task_id), Observation)
        assert world.sim.log.of(task_id, "tencent.twin")


def test_the_path_says_which_service_is_meant(world: World) -> None:
    assert isinstance(seen := world.look(world.find("alibaba.twin-b"), "instant-b"), Observation)
    assert seen.provider_state == "done"
    plain = world.account(ALIBABA, endpoints={"twin-b": world.sim.url, "bdrc": world.sim.url})
    assert isinstance(seen := world.look(world.find("alibaba.bdrc"), "instant-plain", plain), Observation)
    assert isinstance(seen := world.look(world.find("alibaba.twin-b"), "instant-b", plain), Refusal)
    assert seen.problem.code == "InvalidProduct.NotFound"
    assert "twin-a, twin-b" in seen.problem.message
    elsewhere = world.account(ALIBABA, endpoints={"twin-b": f"{world.sim.url}/alibaba/rds"})
    assert isinstance(seen := world.look(world.find("alibaba.twin-b"), "instant-b", elsewhere), Refusal)
    assert seen.problem.code == "NoSuchVersion"


def test_the_path_is_signed() -> None:
    clouds = Clouds(own=OWN, clock=lambda: NOW)
    request = signed_listing("twin-b", {"JobId": "instant-1"})
    elsewhere = replace(request, target=request.target.replace("twin-b", "twin-a"))
    assert code_of(clouds.respond(elsewhere)) == "SignatureDoesNotMatch"
    assert code_of(clouds.respond(request)) is None


def signed_listing(service: str, query: Mapping[str, str], nonce: str = "nonce-1") -> Request:
    path = f"/alibaba/{service}/"
    return signed_acs3(path=path, query=query, action="ListTargets", version="2020-01-01", signature_nonce=nonce)


def test_a_product_takes_its_own_kind_of_signature_only(world: World) -> None:
    older, usual = world.find("alibaba.pds"), world.find("alibaba.bdrc")
    assert world.refused(replace(older, signature="acs3"), id_of(older, "instant")) == "IncompleteSignature"
    assert world.refused(replace(usual, signature="hmac-sha1"), "instant-1") == "IncompleteSignature"


def test_the_older_signature_breaks_with_any_changed_byte() -> None:
    clouds = Clouds(clock=lambda: NOW)
    auth = ROA1Auth(ALIBABA.key_id, ALIBABA.secret, clock=lambda: NOW, nonce=lambda: "nonce-1")
    named = {"x-acs-action": "GetAsyncTask", "x-acs-version": "2022-03-01", "Accept": "application/json"}
    url = f"http://{HOST}/alibaba/pds/v2/async_task/get"
    made = requests.Request("POST", url, headers=named, json={"async_task_id": "instant-1"}, auth=auth).prepare()
    headers = {name.lower(): str(value) for name, value in made.headers.items()}
    assert isinstance(made.body, bytes)
    request = Request(method="POST", target=made.path_url, headers=headers, body=made.body)
    for name in ("accept", "content-type", "x-acs-action", "x-acs-version", "x-acs-signature-nonce", "authorization"):
        changed = replace(request, headers={**headers, name: flipped(headers[name], -2)})
        assert code_of(clouds.respond(changed)) == "SignatureDoesNotMatch", name
    stale = formatdate(NOW - 901, usegmt=True)
    assert code_of(clouds.respond(replace(request, headers={**headers, "date": stale}))) == "InvalidTimeStamp.Expired"
    assert code_of(clouds.respond(replace(request, headers={**headers, "date": "soon"}))) == "InvalidTimeStamp.Format"
    assert code_of(clouds.respond(request)) is None
    assert code_of(clouds.respond(request)) == "SignatureNonceUsed"


@pytest.mark.parametrize("since", ["{days_ago_9}", "{now}", "{JobId}", "{now} "])
def test_times_are_those_that_the_entry_says(world: World, since: str) -> None:
    provider = world.find("alibaba.twin-a")
    assert isinstance(world.look(provider, "instant-time"), Observation)
    send = {**provider.send, "Deep": {"Since": since}}
    assert world.refused(replace(provider, send=send), "instant-time") == "InvalidParameter"


def test_a_part_that_no_request_carries_is_told_by_script(world: World) -> None:
    provider = world.find("tencent.cvm")
    world.sim.script("ins-1/request-2", "instant")
    assert isinstance(world.look(provider, "ins-1/request-2"), Observation)
    assert world.refused(provider, "ins-1/request-1") == "TaskNotFound"
    assert len(world.sim.log.of("ins-1/request-2", "tencent.cvm")) == 2


def test_every_entry_has_its_own_rate_limit() -> None:
    clouds = Clouds(own=OWN, rate_limits=True, clock=lambda: NOW)
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - 7 * 86_400))
    paged = {"JobId": "instant-1", "PageSize": "2", "Page": "1", "Deep.Since": since}

    def ask(service: str, query: dict[str, str]) -> list[Any]:
        signed = (signed_listing(service, query, nonce=f"{service}-{number}") for number in range(3))
        return [code_of(clouds.respond(request)) for request in signed]

    assert ask("twin-a", paged) == [None, None, "Throttling.User"]
    assert ask("twin-b", {"JobId": "instant-1"}) == [None, None, None]


def test_an_operators_entries_change_nothing_that_is_built_in() -> None:
    changed = OWN["alibaba.twin-b"].replace("2020-01-01", "2023-08-08").replace("ListTargets", "DescribeTask")
    for text in (changed, changed.replace("DescribeTask", "DescribeMore")):
        clouds = Clouds(own={"alibaba.bdrc": text}, clock=lambda: NOW)
        assert json.loads(clouds.respond(signed_acs3()).body)["Data"]["TaskStatus"] == "COMPLETE"
        assert clouds.log.of("instant-1", "alibaba.bdrc")


# --- credentials that come and go ------------------------------------------------------------------------------------

ROLES = {
    "tencent": "qcs::cam::uin/100000000001:roleName/taskhook",
    "alibaba": "acs:ram::1234567890123456:role/taskhook",
}
USUAL = {"tencent": "tencent.clb", "alibaba": "alibaba.bdrc"}


def assume(world: World, credential: Credential, role: str) -> Account | Refusal:
    source = world.account(credential)
    target = replace(source, role=Role(arn=role, seconds=900))
    return roles.assume(source, target, send=world.send, clock=world.clock)


@pytest.mark.parametrize("credential", [TENCENT, ALIBABA], ids=["tencent", "alibaba"])
def test_an_assumed_role_is_let_in_until_it_expires(world: World, credential: Credential) -> None:
    provider = world.find(USUAL[credential.cloud])
    account = assume(world, credential, ROLES[credential.cloud])
    again = assume(world, credential, ROLES[credential.cloud])
    assert isinstance(account, Account)
    assert isinstance(again, Account)
    assert account.key_id != again.key_id
    assert account.expires_at == int(world.clock.now) + 900
    assert isinstance(world.look(provider, "instant-role", account), Observation)
    assert isinstance(world.look(provider, "instant-role", replace(account, token=None)), Refusal)
    world.clock.now += 901
    assert isinstance(seen := world.look(provider, "instant-role", account), Refusal)
    assert seen.problem.code in ("AuthFailure.TokenFailure", "InvalidSecurityToken.Expired")
    issued = [entry for entry in world.sim.log if entry.api == f"{credential.cloud}.sts.AssumeRole"]
    assert [entry.verdict for entry in issued][:2] == ["answered issued"] * 2
    assert {entry.key_id for entry in issued} >= {credential.key_id}


@pytest.mark.parametrize("credential", [TENCENT, ALIBABA], ids=["tencent", "alibaba"])
def test_a_forbidden_role_is_refused(world: World, credential: Credential) -> None:
    refused = assume(world, credential, ROLES[credential.cloud] + "-forbidden")
    assert isinstance(refused, Refusal)
    assert refused.problem.code in ("UnauthorizedOperation", "NoPermission")


STS_REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"RoleArn": None}, "MissingParameter"),
    ({"RoleSessionName": None}, "MissingParameter"),
    ({"RoleArn": "taskhook"}, "InvalidParameter"),
    ({"RoleSessionName": "x"}, "InvalidParameter"),
    ({"DurationSeconds": 43_201}, "InvalidParameter"),
]


@pytest.mark.parametrize(("changes", "code"), STS_REFUSALS)
def test_sts_holds_requests_to_its_parameters(clouds: Clouds, changes: dict[str, Any], code: str) -> None:
    for sign, cloud in ((signed_tencent_sts, "tencent"), (signed_alibaba_sts, "alibaba")):
        body = {"RoleArn": ROLES[cloud], "RoleSessionName": "taskhook", "DurationSeconds": 900}
        assert code_of(clouds.respond(sign(body, "first"))) is None
        changed = {name: value for name, value in (body | changes).items() if value is not None}
        assert code_of(clouds.respond(sign(changed, "second"))) == code


def signed_tencent_sts(body: Mapping[str, Any], _: str) -> Request:
    return signed_tc3(service="sts", body=body, action="AssumeRole", version="2018-08-13")


def signed_alibaba_sts(body: Mapping[str, Any], nonce: str) -> Request:
    query = {name: str(value) for name, value in body.items()}
    return signed_acs3(
        path="/alibaba/sts/", query=query, action="AssumeRole", version="2015-04-01", signature_nonce=nonce
    )


def test_sts_wants_whole_numbers_in_json(clouds: Clouds) -> None:
    body = {"RoleArn": ROLES["tencent"], "RoleSessionName": "taskhook", "DurationSeconds": "900"}
    assert code_of(clouds.respond(signed_tencent_sts(body, ""))) == "InvalidParameter"


@pytest.mark.parametrize("name", ["tencent.clb", "tencent.bm", "alibaba.bdrc"])
def test_a_credential_can_be_revoked_and_admitted_again(world: World, name: str) -> None:
    provider = world.find(name)
    credential = TENCENT if provider.cloud == "tencent" else ALIBABA
    task_id = id_of(provider, "forever")
    world.sim.revoke(credential)
    assert isinstance(seen := world.look(provider, task_id), Refusal)
    assert seen.trouble is Trouble.CREDENTIALS
    world.sim.admit(credential)
    assert isinstance(world.look(provider, task_id), Observation)


# --- what a network does --------------------------------------------------------------------------------------------


def post_clb(sim: Simulator, task_id: str) -> requests.Response:
    """One poll without the SDK in between: the wire as it is."""
    request = RequestInternal("", "POST", "/", {}, "")
    client = tencent_client(clb_client.ClbClient, sim)
    client._build_req_inter("DescribeTaskStatus", {"TaskId": task_id}, request)
    return requests.post(f"{sim.url}/", data=request.data, headers=request.header, timeout=3, allow_redirects=False)


@pytest.mark.parametrize("task_id", ["reset-net", "truncated-net", "hung-net"])
def test_broken_connections_are_broken(sim: Simulator, task_id: str) -> None:
    assert post_clb(sim, task_id).json()["Response"]["Status"] == 2
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        post_clb(sim, task_id)


def test_answers_that_are_not_answers(sim: Simulator) -> None:
    for task_id, status, content_type in [
        ("html-net", 200, "text/html; charset=utf-8"),
        ("malformed-net", 200, "application/json"),
        ("empty-net", 200, "application/json"),
        ("unavailable-net", 503, "text/plain; charset=utf-8"),
    ]:
        post_clb(sim, task_id)
        response = post_clb(sim, task_id)
        assert (response.status_code, response.headers["Content-Type"]) == (status, content_type), task_id
        with pytest.raises(requests.JSONDecodeError):
            response.json()


def test_error_with_a_charset_is_an_answer_to_the_sdk(sim: Simulator) -> None:
    """Why taskhook reads every body itself: the SDK takes this error for a task without a status."""
    ask_clb(sim, "charset-net")
    assert ask_clb(sim, "charset-net").Status is None


def test_redirect_points_to_a_trap_that_tells_who_followed(sim: Simulator) -> None:
    post_clb(sim, "redirect-net")
    location = post_clb(sim, "redirect-net").headers["Location"]
    before = sum(entry.api == "trap" for entry in sim.log)
    requests.get(location, timeout=3)
    assert sum(entry.api == "trap" for entry in sim.log) == before + 1


# --- the log, the pages for people, and speed -----------------------------------------------------------------------


def test_log_tells_each_poll_of_a_task(sim: Simulator) -> None:
    for _ in range(3):
        post_clb(sim, "throttled-log")
    entries = sim.log.of("throttled-log", api="tencent.clb")
    assert [entry.verdict for entry in entries] == ["fault throttled"] * 2 + ["answered running"]
    assert [entry.poll for entry in entries] == [1, 2, 3]
    assert {(entry.region, entry.key_id, entry.status) for entry in entries} == {("ap-guangzhou", TENCENT.key_id, 200)}
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    counted = requests.get(f"{sim.url}/_log", timeout=3).json()["tasks"]
    [task] = [one for one in counted if one["task_id"] == "throttled-log"]
    assert task["verdicts"] == {"fault throttled": 2, "answered running": 1}
    assert len(requests.get(f"{sim.url}/_log?task_id=throttled-log", timeout=3).json()) == 3


def test_lives_are_listed_for_people(sim: Simulator) -> None:
    listed = requests.get(f"{sim.url}/_lives", timeout=3).text
    assert all(life.about in listed for life in LIVES.values())
    assert requests.get(f"{sim.url}/elsewhere", timeout=3).status_code == 404


def test_accounts_are_as_taskhook_reads_them() -> None:
    assert TENCENT_STS.account("http://x") == {
        "cloud": "tencent",
        "secret_id": TENCENT_STS.key_id,
        "secret_key": TENCENT_STS.secret,
        "token": TENCENT_STS.token,
        "endpoints": dict.fromkeys((*rows.services("tencent"), "sts"), "http://x"),
    }
    alibaba = ALIBABA.account("http://x", own=["alibaba.ours", "tencent.theirs"])
    assert set(alibaba) == {"cloud", "access_key_id", "access_key_secret", "endpoints"}
    named = (*rows.services("alibaba"), "ours", "sts")
    assert alibaba["endpoints"] == {service: f"http://x/alibaba/{service}" for service in named}


def test_close_is_prompt_and_may_be_repeated() -> None:
    simulator = Simulator(hang_seconds=30)
    with requests.Session() as session:  # a connection kept alive must not hold it up
        session.get(f"{simulator.url}/_lives", timeout=3)
        began = time.monotonic()
        simulator.close()
        simulator.close()
        assert time.monotonic() - began < 2

"""The simulator against the official SDKs: their clients are served, and one changed byte is refused."""

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

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
)
from local.simulator import rows
from local.simulator.clouds import Clouds
from local.simulator.lives import Course
from local.simulator.loopback import Reply, Request

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
     ("unknown-word-w", 987, "taskhook-never-heard-of", "taskhook-never-heard-of"), ("expired-w", 2, "running", "CREATED")],
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

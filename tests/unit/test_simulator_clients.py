"""The official SDKs' own clients are served by the simulator, and see its refusals as their own errors."""

import http.client
import json
from dataclasses import replace
from typing import Any

import pytest
from alibabacloud_tea_openapi.exceptions import ClientException, ThrottlingException
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from local.simulator import ALIBABA, ALIBABA_STS, TENCENT, TENCENT_STS, Credential, Simulator
from local.simulator.rows import UNHEARD_OF
from tests.simulated import ORACLES, ask_bdrc, ask_clb, ask_dts

pytestmark = ORACLES


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


def test_scripted_life_begins_anew(sim: Simulator) -> None:
    assert ask_clb(sim, "instant-scripted").Status == 0
    sim.script("instant-scripted", "failing")
    assert ask_clb(sim, "instant-scripted").Status == 2


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

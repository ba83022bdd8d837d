"""Every other way to be refused by the simulated clouds, in the provider's own codes."""

from dataclasses import replace

import pytest

from local.simulator import (
    ALIBABA,
    ALIBABA_EXPIRED,
    ALIBABA_FORBIDDEN,
    ALIBABA_INACTIVE,
    ALIBABA_STS,
    TENCENT_EXPIRED,
    TENCENT_FORBIDDEN,
    TENCENT_STS,
    Credential,
)
from local.simulator.clouds import Clouds
from local.simulator.loopback import Request
from tests.simulated import HOST, NOW, ORACLES, code_of, signed_acs3, signed_bm, signed_tc3

pytestmark = ORACLES


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

"""One changed byte of what is signed, and the simulator refuses the request."""

from dataclasses import replace
from email.utils import formatdate

import requests

from local.simulator import ALIBABA, ALIBABA_STS, TENCENT
from local.simulator.clouds import Clouds
from local.simulator.loopback import Request
from taskhook.signing import ROA1Auth
from tests.simulated import (
    HOST,
    NOW,
    ORACLES,
    OWN,
    World,
    code_of,
    flipped,
    id_of,
    signed_acs3,
    signed_bm,
    signed_listing,
    signed_tc3,
)

pytestmark = ORACLES


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


def test_the_path_is_signed() -> None:
    clouds = Clouds(own=OWN, clock=lambda: NOW)
    request = signed_listing("twin-b", {"JobId": "instant-1"})
    elsewhere = replace(request, target=request.target.replace("twin-b", "twin-a"))
    assert code_of(clouds.respond(elsewhere)) == "SignatureDoesNotMatch"
    assert code_of(clouds.respond(request)) is None


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

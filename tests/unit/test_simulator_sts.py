"""Credentials that come and go: assumed roles, revoked keys, and accounts as taskhook reads them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from local.simulator import ALIBABA, TENCENT, TENCENT_STS, Credential, rows
from local.simulator.clouds import Clouds
from local.simulator.loopback import Request
from taskhook import roles
from taskhook.accounts import Account, Role
from taskhook.providers.model import Observation, Refusal, Trouble
from tests.simulated import ORACLES, World, code_of, id_of, signed_acs3, signed_tc3

pytestmark = ORACLES


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

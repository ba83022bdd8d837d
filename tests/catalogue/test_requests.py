"""Every entry asks as the official SDK does: same method, host, path, parameters and headers, and a signature that it
would have made itself."""

import json
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from QcloudApi.common.sign import Sign
from QcloudApi.modules import base as old_base
from QcloudApi.modules import bm as old_bm

from taskhook.providers import regions
from taskhook.providers.model import Provider, Question
from tests.catalogue import sdk
from tests.catalogue.rows import account, each, known, parameters, prepared, question, rows, usual_region
from tests.catalogue.sdk import Sent
from tests.catalogue.shapes import misfits
from tests.conftest import NOW

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utc:DeprecationWarning")

TOKENS = pytest.mark.parametrize("token", [None, "a-token"], ids=["key", "token"])
NOT_COMPARED = frozenset({
    # Compared by themselves, or of no use in a comparison.
    "authorization", "host", "content-length", "x-acs-signature-nonce",
    # What the SDKs say of themselves.
    "user-agent", "x-tc-requestclient", "x-tc-traceid", "x-tc-language", "x-acs-credentials-provider",
})  # fmt: skip


def is_tc3(provider: Provider) -> bool:
    return provider.style == "tc3"


def is_alibaba(provider: Provider) -> bool:
    return provider.cloud == "alibaba"


def as_sent(request: requests.PreparedRequest) -> Sent:
    url = urlsplit(str(request.url))
    body = request.body or b""
    return Sent(
        method=str(request.method),
        host=url.netloc,
        path=url.path,
        query=dict(parse_qsl(url.query, keep_blank_values=True)),
        body=body.encode() if isinstance(body, str) else bytes(body),
        headers={name.lower(): str(value) for name, value in request.headers.items()},
    )


def ours(provider: Provider, asked: Question) -> Sent:
    return as_sent(prepared(provider, asked))


def compared(sent: Sent) -> dict[str, Any]:
    return {
        "method": sent.method,
        "host": sent.host,
        "path": sent.path,
        "query": {name: str(value) for name, value in sent.query.items()},
        "body": json.loads(sent.body) if sent.body else None,
        "headers": headers(sent.headers),
    }


def headers(found: Mapping[str, str]) -> dict[str, str]:
    """JSON is UTF-8; one SDK says so once more."""
    kept = {name: value for name, value in found.items() if name not in NOT_COMPARED}
    return {name: value.removesuffix("; charset=utf-8") for name, value in kept.items()}


@TOKENS
@each(choose=is_tc3)
def test_tencent_is_asked_as_its_sdk_asks(name: str, token: str | None) -> None:
    provider = rows()[name]
    asked = question(provider, account=account(provider, token=token))
    mine = ours(provider, asked)
    assert compared(mine) == compared(sdk.tencent_sent(provider, asked))
    assert mine.headers["authorization"] == sdk.tencent_signature(provider, asked, mine)
    assert mine.headers.get("x-tc-token") == token
    assert mine.headers["x-tc-timestamp"] == str(int(NOW))


@each(choose=is_tc3)
def test_the_international_site_has_the_hosts_of_its_sdk(name: str) -> None:
    provider = rows()[name]
    asked = question(provider, account=account(provider, site="intl"))
    assert compared(ours(provider, asked)) == compared(sdk.tencent_sent(provider, asked))


@each(choose=lambda provider: is_tc3(provider) and provider.host is None)
@pytest.mark.parametrize("region", ["ap-shanghai-fsi", "ap-shenzhen-fsi-2"])
def test_finance_regions_have_hosts_of_their_own(name: str, region: str) -> None:
    """The SDK leaves them to its callers; the rule is that of the documentation."""
    provider = rows()[name]
    expected = f"{provider.service}.{region.partition('-fsi')[0]}-fsi.tencentcloudapi.com"
    assert ours(provider, question(provider, region=region)).host == expected


@each(choose=lambda provider: is_tc3(provider) and provider.region == "optional")
def test_without_a_region_none_is_sent(name: str) -> None:
    provider = rows()[name]
    asked = question(provider, region=None)
    mine = ours(provider, asked)
    assert "x-tc-region" not in mine.headers
    assert compared(mine) == compared(sdk.tencent_sent(provider, asked))


@TOKENS
@each(choose=lambda provider: provider.style == "v2")
@pytest.mark.parametrize("region", [None, "bj", "ap-beijing"])
def test_api_2_is_asked_as_its_sdk_asks(name: str, region: str | None, token: str | None) -> None:
    provider = rows()[name]
    asked = question(provider, region=region, account=account(provider, token=token))
    mine = ours(provider, asked)
    form = dict(parse_qsl(mine.body.decode(), keep_blank_values=True))

    config = {
        "secretId": asked.account.key_id,
        "secretKey": asked.account.key_secret,
        "Region": region or "",
        "method": "POST",
        "SignatureMethod": "HmacSHA256",
        "Token": token or "",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(old_base, "time", SimpleNamespace(time=lambda: NOW + 0.5))
        patch.setattr(old_base, "random", SimpleNamespace(randint=lambda low, high: form["Nonce"]))
        transport = SimpleNamespace(is_keep_alive=lambda: False, send_request=sdk.capture)
        patch.setattr(old_base, "ApiRequest", lambda host: transport)
        with pytest.raises(sdk.Captured) as caught:
            old_bm.Bm(config).call(provider.action, parameters(provider, asked))
    request = caught.value.request
    theirs = dict(parse_qsl(request.data, keep_blank_values=True))

    signature = form.pop("Signature")
    assert {**form, "Signature": "", "RequestClient": ""} == {**theirs, "Signature": "", "RequestClient": ""}
    assert (mine.method, mine.host, mine.path) == (request.method, request.host, request.uri)
    sign = Sign(asked.account.key_id, asked.account.key_secret)
    assert signature == sign.make(mine.host, mine.path, form, mine.method, "HmacSHA256")


@TOKENS
@each(choose=is_alibaba)
def test_alibaba_is_asked_as_its_sdk_asks(name: str, token: str | None) -> None:
    provider = rows()[name]
    asked = question(provider, account=account(provider, token=token))
    mine = ours(provider, asked)
    theirs = sdk.alibaba_sent(provider, asked, host=mine.host)
    assert compared(mine) == compared(theirs)
    if provider.signature == "acs3":
        assert mine.headers["authorization"] == sdk.alibaba_signature(asked, mine)
    else:
        assert mine.headers["authorization"] == sdk.alibaba_older_signature(provider, asked, mine)
    assert mine.headers.get("x-acs-security-token") == token


@each(choose=is_alibaba)
def test_in_every_region_alibaba_is_where_its_sdk_goes(name: str) -> None:
    provider = rows()[name]
    asked = question(provider)
    expected = {region: sdk.alibaba_host(provider, asked, region) for region in sorted(regions.ALIBABA)}
    if not any(expected.values()):
        assert provider.host != f"{provider.account_service}.{{region}}.aliyuncs.com", "the SDK knows no host: name it"
        return
    found = {region: ours(provider, replace(asked, region=region)).host for region in expected}
    assert found == expected


@each(choose=lambda provider: provider.style != "v2")
def test_parameters_are_those_of_the_sdks_model(name: str) -> None:
    """RPC APIs take everything as text, and lists and objects by their names; the others take JSON, which has types."""
    provider = rows()[name]
    sent = parameters(provider, question(provider, region=usual_region(provider)))
    typed = provider.style == "tc3" or (provider.style, provider.method) == ("roa", "POST")
    if not typed:
        shape = sdk.request_shape(provider)
        sent = sdk.as_lists(sent, shape)
    assert [one for one in misfits(sent, sdk.request_shape(provider)) if typed or "not in the model" in one] == []


@each()
def test_every_part_of_a_task_id_is_sent_or_looked_for(name: str) -> None:
    provider = rows()[name]
    asked = question(provider)
    mine = ours(provider, asked)
    everything = json.dumps([mine.host, mine.path, dict(mine.query), mine.body.decode(),
                             [text for _, text in provider.where.values()]])  # fmt: skip
    for part, value in known(provider, asked).items():
        if part != "region":
            assert str(value) in everything or f"{{{part}}}" in everything

"""The signers against requests that the official SDKs signed, and the laws that any signature keeps."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import requests
from hypothesis import assume, given
from hypothesis import strategies as st
from requests.auth import AuthBase

from taskhook.signing import ACS3Auth, ROA1Auth, TC3Auth, TencentV2Auth
from taskhook.signing.tencent_v2 import string_to_sign

DATA = json.loads((Path(__file__).parents[1] / "data" / "signature-vectors.json").read_text(encoding="utf-8"))
DOCUMENTED = {vector["name"]: vector for vector in DATA["documentation_vectors"]}
SDK_SIGNS_MORE = ("accept", "user-agent")
NOW = 1700000000.9  # the fraction is cut off, never rounded up


def named(vectors: list[dict[str, Any]], start: str = "") -> list[Any]:
    return [pytest.param(v, id=v["name"]) for v in vectors if v["algorithm"].startswith(start)]


def prepare(request: requests.Request) -> requests.PreparedRequest:
    """As a session would send it, without the headers that requests adds of its own accord."""
    with requests.Session() as session:
        session.headers.clear()
        return session.prepare_request(request)


def header_map(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items() if name.lower() != "content-length"}


def url_parts(url: str | None) -> tuple[str, str, str, list[tuple[str, str]]]:
    parts = urlsplit(str(url))
    return parts.scheme, parts.netloc, parts.path, sorted(parse_qsl(parts.query, keep_blank_values=True))


def body_text(prepared: requests.PreparedRequest) -> str:
    return prepared.body.decode() if isinstance(prepared.body, bytes) else prepared.body or ""


# --- a vector's input as one of our requests -------------------------------------------------------------------------


def flattened(params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in params.items():
        if isinstance(value, list):
            yield from ((f"{name}.{index}", item) for index, item in enumerate(value))
        else:
            yield name, value


def tencent_v2(given: dict[str, Any], key: str) -> requests.Request:
    params = {
        **dict(flattened(given["params"])),
        "Action": given["action"],
        "RequestClient": given["request_client"],
        "Region": given["region"] or None,
        "Version": given.get("version"),
        "Language": given.get("language"),
    }
    auth = TencentV2Auth(
        given["credentials"]["secret_id"],
        key,
        token=given["credentials"].get("token"),
        method=given["signature_method"],
        clock=lambda: given["timestamp"] + 0.9,
        nonce=lambda: given["nonce"],
    )
    url = f"https://{given['host']}{given['path']}"
    where = {"params": params} if given["method"] == "GET" else {"data": params}
    return requests.Request(given["method"], url, auth=auth, **where)


def tc3(given: dict[str, Any], key: str) -> requests.Request:
    auth = TC3Auth(
        given["credentials"]["secret_id"],
        key,
        service=given["service"],
        token=given["credentials"].get("token"),
        clock=lambda: given["timestamp"] + 0.9,
    )
    headers = {
        "X-TC-Action": given["action"],
        "X-TC-Version": given["version"],
        "X-TC-Language": given["language"],
        "X-TC-RequestClient": given["request_client"],
        "X-TC-TraceId": "00000000-0000-4000-8000-000000000000",
        "X-TC-Region": given["region"] or None,
    }
    where = {"params": given["params"]} if given["method"] == "GET" else {"json": given["params"]}
    return requests.Request(given["method"], f"https://{given['host']}/", auth=auth, headers=headers, **where)


def acs3(given: dict[str, Any], key: str, sent: dict[str, str]) -> requests.Request:
    auth = ACS3Auth(
        given["credentials"]["access_key_id"],
        key,
        security_token=given["credentials"].get("security_token"),
        clock=lambda: (given["timestamp"] or 1700000000) + 0.9,
        nonce=lambda: given["nonce"],
        also_sign=SDK_SIGNS_MORE,
    )
    ours = ("user-agent", "accept", "x-acs-version", "x-acs-action", "x-acs-credentials-provider")
    headers = {name: value for name, value in sent.items() if name in ours}
    url = f"https://{given['host']}{given['path']}"
    body = {"data": given["params"]} if given["method"] == "POST" else {}
    return requests.Request(given["method"], url, auth=auth, headers=headers, params=given["query"], **body)


def roa1(given: dict[str, Any], key: str, sent: dict[str, str]) -> requests.Request:
    auth = ROA1Auth(
        given["credentials"]["access_key_id"],
        key,
        security_token=given["credentials"].get("security_token"),
        clock=lambda: given["timestamp"] + 0.9,
        nonce=lambda: given["nonce"],
    )
    ours = ("user-agent", "accept", "x-acs-version", "x-acs-action", "x-acs-credentials-provider", "x-acs-accesskey-id")
    headers = {name: value for name, value in sent.items() if name in ours}
    url = f"https://{given['host']}{given['path']}"
    body = {"data": given["params"]} if given["method"] == "POST" else {}
    return requests.Request(given["method"], url, auth=auth, headers=headers, params=given["query"], **body)


def request_of(vector: dict[str, Any], change_key: Callable[[str], str] = str) -> requests.Request:
    given = vector["input"]
    if vector["algorithm"].startswith("ACS3"):
        return acs3(given, change_key(given["credentials"]["access_key_secret"]), vector["output"]["headers"])
    if vector["algorithm"].startswith("acs-roa"):
        return roa1(given, change_key(given["credentials"]["access_key_secret"]), vector["output"]["headers"])
    key = change_key(given["credentials"]["secret_key"])
    return tc3(given, key) if vector["algorithm"].startswith("TC3") else tencent_v2(given, key)


def documented(name: str) -> requests.Request:
    """A published sample as one of our requests; what the sample does not say has no part in its signature."""
    vector = DOCUMENTED[name]
    if vector["algorithm"].startswith("TC3"):
        auth: AuthBase = TC3Auth(
            "id",
            vector["secret_key"],
            service=vector["service"],
            clock=lambda: vector["timestamp"],
            signed_headers=("content-type", "host", *vector["extra_signed"]),
        )
        headers = {"Content-Type": vector["content_type"], "X-TC-Action": "DescribeInstances"}
        return requests.Request("POST", f"https://{vector['host']}", auth=auth, headers=headers, data=vector["body"])
    sent = vector["headers"]
    auth = ACS3Auth(
        vector["access_key_id"],
        vector["access_key_secret"],
        clock=lambda: datetime.fromisoformat(sent["x-acs-date"]).timestamp(),
        nonce=lambda: sent["x-acs-signature-nonce"],
    )
    headers = {name: sent[name] for name in ("x-acs-action", "x-acs-version")}
    url = f"https://{sent['host']}{vector['path']}"
    return requests.Request(vector["method"], url, auth=auth, headers=headers, params=vector["query"])


# --- vectors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", named(DATA["vectors"]))
def test_the_whole_request_is_the_one_that_the_sdk_sends(vector: dict[str, Any]) -> None:
    prepared, output = prepare(request_of(vector)), vector["output"]
    assert prepared.method == vector["input"]["method"]
    assert url_parts(prepared.url) == url_parts(output["url"])
    if vector["algorithm"].startswith("tencent-"):
        # The old SDKs leave the host to the layer below, and API 3.0 v1 sends headers that no signature covers.
        assert header_map(prepared.headers).get("content-type") in (None, "application/x-www-form-urlencoded")
        assert prepared.headers["Host"] == vector["input"]["host"]
        assert sorted(parse_qsl(body_text(prepared))) == sorted(parse_qsl(output["body"]))
    else:
        assert header_map(prepared.headers) == header_map(output["headers"])
        assert body_text(prepared) == output["body"]


@pytest.mark.parametrize("vector", named(DATA["vectors"]))
@pytest.mark.parametrize("change", [lambda key: key[:-1] + "X", lambda key: key + " ", str.upper])
def test_another_secret_gives_another_signature(vector: dict[str, Any], change: Callable[[str], str]) -> None:
    assert signature(prepare(request_of(vector))) == vector["output"]["signature"]
    assert signature(prepare(request_of(vector, change))) != vector["output"]["signature"]


@pytest.mark.parametrize("name", [name for name in DOCUMENTED if not name.startswith("doc-api3v1")])
def test_the_samples_of_the_documentation_are_reproduced(name: str) -> None:
    assert signature(prepare(documented(name))) == DOCUMENTED[name]["signature"]


def test_the_sample_of_the_old_signature_sends_no_signature_method() -> None:
    vector = DOCUMENTED["doc-api3v1-cvm"]
    text = vector["string_to_sign"]
    params = dict(parse_qsl(text.partition("?")[2]))
    own = {name: params.pop(name) for name in ("SecretId", "Timestamp", "Nonce")}
    auth = TencentV2Auth(
        own["SecretId"],
        vector["secret_key"],
        method=None,
        clock=lambda: float(own["Timestamp"]),
        nonce=lambda: int(own["Nonce"]),
    )
    prepared = prepare(requests.Request("GET", "https://cvm.tencentcloudapi.com/", params=params, auth=auth))
    assert signature(prepared) == vector["signature"]
    assert string_to_sign("GET", "cvm.tencentcloudapi.com", "/", params | own) == text


def signature(prepared: requests.PreparedRequest) -> str:
    """Wherever the family puts it."""
    if authorization := prepared.headers.get("Authorization"):
        return re.split("Signature=|^acs [^:]*:", authorization)[-1]
    return parse_qs(body_text(prepared) or urlsplit(str(prepared.url)).query)["Signature"][0]


# --- what is signed --------------------------------------------------------------------------------------------------


def v2_auth(key: str = "key", **options: Any) -> TencentV2Auth:
    defaults: dict[str, Any] = {"clock": lambda: NOW, "nonce": lambda: 7}
    return TencentV2Auth("id", key, **(defaults | options))


def tc3_auth(key: str = "key", **options: Any) -> TC3Auth:
    defaults: dict[str, Any] = {"service": "clb", "clock": lambda: NOW}
    return TC3Auth("id", key, **(defaults | options))


def acs3_auth(key: str = "key", **options: Any) -> ACS3Auth:
    defaults: dict[str, Any] = {"clock": lambda: NOW, "nonce": lambda: "n"}
    return ACS3Auth("id", key, **(defaults | options))


FAMILIES: dict[str, Callable[..., AuthBase]] = {"v2": v2_auth, "tc3": tc3_auth, "acs3": acs3_auth}
each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


@each_family
@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://API.example.com/x", "api.example.com"),
        ("https://api.example.com:443/x", "api.example.com"),
        ("http://api.example.com:80/x", "api.example.com"),
        ("http://api.example.com:443/x", "api.example.com:443"),
        ("https://api.example.com:8443/x", "api.example.com:8443"),
        ("http://127.0.0.1:5000/x", "127.0.0.1:5000"),
        ("http://[::1]:5000/x", "[::1]:5000"),
        ("https://user:pass@api.example.com/x", "api.example.com"),
    ],
)
def test_the_host_that_is_called_is_the_host_that_is_signed(
    family: Callable[..., AuthBase], url: str, host: str
) -> None:
    prepared = prepare(requests.Request("GET", url, auth=family()))
    assert prepared.headers["Host"] == host
    forced = prepare(requests.Request("GET", url, auth=family(), headers={"Host": "elsewhere.example.com"}))
    assert forced.headers["Host"] == host
    assert signature(forced) == signature(prepared)


@each_family
def test_the_host_and_the_method_change_the_signature(family: Callable[..., AuthBase]) -> None:
    signatures = {
        signature(prepare(requests.Request(method, f"https://{host}/x", auth=family())))
        for method in ("GET", "POST")
        for host in ("a.example.com", "b.example.com", "a.example.com:8443")
    }
    assert len(signatures) == 6


@each_family
def test_no_secret_is_shown(family: Callable[..., AuthBase]) -> None:
    tokens = {"security_token": "hush"} if family is acs3_auth else {"token": "hush"}
    shown = repr(family("hidden", **tokens))
    assert "hidden" not in shown
    assert "hush" not in shown


@each_family
def test_one_auth_object_signs_every_request_anew(family: Callable[..., AuthBase]) -> None:
    times = iter([1700000000.0, 1700000001.0])
    auth = family(clock=lambda: next(times))
    request = requests.Request("GET", "https://a.example.com/x", auth=auth)
    assert signature(prepare(request)) != signature(prepare(request))


@pytest.mark.parametrize("name", ["tc3-clb-post", "tc3-clb-get"])
def test_a_tc3_token_is_sent_but_not_signed(name: str) -> None:
    vector = next(v for v in DATA["vectors"] if v["name"] == name)
    request = request_of(vector)
    assert isinstance(request.auth, TC3Auth)
    request.auth = TC3Auth(
        request.auth.secret_id, request.auth.secret_key, service="clb", token="sts", clock=request.auth.clock
    )
    prepared = prepare(request)
    assert prepared.headers["X-TC-Token"] == "sts"
    assert signature(prepared) == vector["output"]["signature"]


def test_an_acs3_token_is_sent_and_signed() -> None:
    prepared = prepare(requests.Request("GET", "https://a.example.com/", auth=acs3_auth(security_token="sts")))
    assert prepared.headers["x-acs-security-token"] == "sts"
    assert prepared.headers["x-acs-accesskey-id"] == "id"
    names = "host;x-acs-accesskey-id;x-acs-content-sha256;x-acs-date;x-acs-security-token;x-acs-signature-nonce"
    assert f"SignedHeaders={names}," in prepared.headers["Authorization"]


def test_the_older_roa_signature_covers_the_query_and_the_token() -> None:
    def signed(url: str, token: str | None = None) -> str:
        auth = ROA1Auth("id", "key", security_token=token, clock=lambda: NOW, nonce=lambda: "n")
        return signature(prepare(requests.Request("GET", url, auth=auth)))

    plain = signed("https://example.com/a")
    assert plain == signed("https://other.example.com/a")
    assert (
        len(
            {
                plain,
                signed("https://example.com/a?b=c"),
                signed("https://example.com/b"),
                signed("https://example.com/a", "t"),
            }
        )
        == 4
    )


def test_acs3_signs_nothing_that_a_proxy_may_change() -> None:
    request = requests.Request("POST", "https://a.example.com/", auth=acs3_auth(), json={})
    with requests.Session() as session:
        authorization = session.prepare_request(request).headers["Authorization"]
    assert isinstance(authorization, str)
    names = "content-type;host;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce"
    assert f"SignedHeaders={names}," in authorization


def test_the_content_type_that_tc3_signs_is_the_one_that_is_sent() -> None:
    kinds = ["application/json", "application/json; charset=utf-8", "text/plain"]
    signed = [
        prepare(
            requests.Request("POST", "https://a.example.com", auth=tc3_auth(), data="{}", headers={"Content-Type": k})
        )
        for k in kinds
    ]
    assert [p.headers["Content-Type"] for p in signed] == kinds
    assert len({signature(p) for p in signed}) == 3


def test_a_v2_content_length_is_that_of_the_signed_body() -> None:
    prepared = prepare(requests.Request("POST", "https://a.example.com/v2/index.php", data={"a": "任"}, auth=v2_auth()))
    assert prepared.headers["Content-Length"] == str(len(prepared.body or b""))


@pytest.mark.parametrize(
    "params", [[("a", "1"), ("a", "2")], {"Nonce": "1"}, {"SecretId": "other"}, {"Signature": "old"}], ids=str
)
def test_a_v2_parameter_has_one_value(params: Any) -> None:
    with pytest.raises(ValueError, match="comes once"):
        prepare(requests.Request("GET", "https://a.example.com/v2/index.php", params=params, auth=v2_auth()))


def test_a_v2_body_is_a_form() -> None:
    with pytest.raises(ValueError, match="bad query field"):
        prepare(requests.Request("POST", "https://a.example.com/v2/index.php", json={"a": 1}, auth=v2_auth()))


@each_family
def test_a_stream_cannot_be_signed(family: Callable[..., AuthBase]) -> None:
    with pytest.raises(TypeError, match="streamed"):
        prepare(requests.Request("POST", "https://a.example.com/", data=iter([b"x"]), auth=family()))


# --- laws ------------------------------------------------------------------------------------------------------------

names = st.text("abcXYZ019._~任é", min_size=1, max_size=8)
pairs = st.dictionaries(names, st.text(max_size=12), min_size=1, max_size=4)


@given(params=pairs, data=st.data())
def test_any_changed_byte_of_a_body_breaks_the_signature(params: dict[str, str], data: st.DataObject) -> None:
    body = json.dumps(params).encode()
    at = data.draw(st.integers(0, len(body) - 1))
    changed = body[:at] + bytes([body[at] ^ data.draw(st.integers(1, 255))]) + body[at + 1 :]
    for auth in (tc3_auth(), acs3_auth()):
        first, second = (
            signature(prepare(requests.Request("POST", "https://a.example.com/", data=b, auth=auth)))
            for b in (body, changed)
        )
        assert first != second


@given(one=pairs, other=pairs)
def test_other_parameters_have_another_signature(one: dict[str, str], other: dict[str, str]) -> None:
    assume(one != other)
    for auth in (tc3_auth(), acs3_auth()):
        first, second = (
            signature(prepare(requests.Request("GET", "https://a.example.com/", params=p, auth=auth)))
            for p in (one, other)
        )
        assert first != second


@given(params=pairs, name=names, value=st.text(max_size=12))
def test_a_changed_v2_value_breaks_the_signature(params: dict[str, str], name: str, value: str) -> None:
    name = name.replace("_", ".")
    params = {k.replace("_", "."): v for k, v in params.items()}
    assume(params.get(name) != value)
    first, second = (
        signature(prepare(requests.Request("GET", "https://a.example.com/v2/index.php", params=p, auth=v2_auth())))
        for p in ({**params, name: params.get(name, value + "x")}, {**params, name: value})
    )
    assert first != second


@given(params=pairs)
def test_v2_sends_every_parameter_as_it_was_given(params: dict[str, str]) -> None:
    own = {"SecretId": "id", "Timestamp": "1700000000", "Nonce": "7", "SignatureMethod": "HmacSHA256"}
    got = prepare(requests.Request("GET", "https://a.example.com/v2/index.php", params=params, auth=v2_auth()))
    posted = prepare(requests.Request("POST", "https://a.example.com/v2/index.php", data=params, auth=v2_auth()))
    for prepared, encoded in ((got, urlsplit(str(got.url)).query), (posted, body_text(posted))):
        assert dict(parse_qsl(encoded, keep_blank_values=True)) == {**params, **own, "Signature": signature(prepared)}

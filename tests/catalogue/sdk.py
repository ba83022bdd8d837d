"""The official SDKs as oracles: what they would send for the same question, and what they know of requests and answers.

Their clients run as they are, up to the point where they would open a connection. Only the modules of one service are
imported, and of Alibaba's models only the ones that are needed: all of them together are 170 MB of source.
"""

import importlib
import importlib.util
import inspect
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from taskhook.providers import filling
from taskhook.providers.model import Provider, Question
from tests.catalogue.rows import known, merged, parameters
from tests.catalogue.shapes import LEAF, Shape
from tests.conftest import NOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request as it goes over the wire; header names are in lower case."""

    method: str
    host: str
    path: str
    query: Mapping[str, str]
    body: bytes
    headers: Mapping[str, str]


class Captured(BaseException):
    """Thrown where an SDK would open a connection, past its own retries."""

    def __init__(self, request: Any) -> None:
        super().__init__("captured")
        self.request = request


def capture(request: Any, *others: Any) -> None:
    raise Captured(request)


def _imported(name: str) -> Any:
    """SDKs hold backslashes that newer Pythons warn of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


@contextmanager
def _patched(changes: list[tuple[Any, str, Any]]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
            patch.delenv(name, raising=False)
        for target, name, value in changes:
            patch.setattr(target, name, value)
        yield


def sent(provider: Provider, asked: Question) -> Sent:
    return tencent_sent(provider, asked) if provider.cloud == "tencent" else alibaba_sent(provider, asked)


def request_shape(provider: Provider) -> Shape:
    """What the SDK's request model takes. An API without one takes nothing but what is in its path."""
    if provider.cloud == "tencent":
        return _tencent_object(getattr(tencent_models(provider), f"{provider.action}Request"))
    model = alibaba_request_model(provider)
    return Shape(members=dict) if model is None else _alibaba_object(model)


def answer_shape(provider: Provider) -> Shape:
    """What all paths of an entry begin at."""
    if provider.cloud == "tencent":
        return _tencent_object(getattr(tencent_models(provider), f"{provider.action}Response"))
    answer = get_type_hints(_alibaba_method(provider), vars(alibaba_client(provider)))["return"]
    return _alibaba_shape(_hints(answer)["body"])


# Tencent Cloud


def tencent_package(provider: Provider) -> str:
    """``clb/v20180317``: of the service that ``sdk`` names, or of the entry's own."""
    named = str(merged(provider.name).get("sdk", "")).partition(", ")[2].partition("/")[0]
    return f"{named or provider.service}/v{(provider.version or '').replace('-', '')}"


def tencent_models(provider: Provider) -> Any:
    return _imported(f"tencentcloud.{tencent_package(provider).replace('/', '.')}.models")


def _tencent_client(provider: Provider) -> Any:
    package = tencent_package(provider)
    name = package.partition("/")[0]
    module = _imported(f"tencentcloud.{package.replace('/', '.')}.{name}_client")
    (client,) = (one for called, one in vars(module).items() if called.lower() == f"{name}client")
    return client


def tencent_sent(provider: Provider, asked: Question) -> Sent:
    """The SDK's client, with its own model filled from the parameters of the entry."""
    common = _imported("tencentcloud.common.abstract_client")
    profiles = _imported("tencentcloud.common.profile.client_profile")
    http = _imported("tencentcloud.common.profile.http_profile").HttpProfile()
    if asked.account.site == "intl":
        http.rootDomain = "intl.tencentcloudapi.com"
    credential = _imported("tencentcloud.common.credential").Credential(
        asked.account.key_id, asked.account.key_secret, asked.account.token
    )
    model = getattr(tencent_models(provider), f"{provider.action}Request")()
    model._deserialize(parameters(provider, asked))
    with _patched(
        [
            (common, "time", SimpleNamespace(time=lambda: NOW + 0.5)),
            (_imported("tencentcloud.common.http.request").ApiRequest, "send_request", lambda self, req: capture(req)),
        ]
    ):
        client = _tencent_client(provider)(credential, asked.region or "", profiles.ClientProfile(httpProfile=http))
        with pytest.raises(Captured) as caught:
            getattr(client, provider.action)(model)
    request = caught.value.request
    return Sent(
        method=request.method,
        host=request.host,
        path=request.uri,
        query={},
        body=request.data.encode(),
        headers={name.lower(): value for name, value in request.header.items()},
    )


def tencent_signature(provider: Provider, asked: Question, ours: Sent) -> str:
    """The Authorization that the SDK's own signing code makes for a request of ours."""
    client = _imported("tencentcloud.common.abstract_client").AbstractClient
    header = {"Content-Type": ours.headers["content-type"], "Host": ours.host, "X-TC-Timestamp": str(int(NOW))}
    request = SimpleNamespace(method=ours.method, uri=ours.path, data=ours.body, header=header)
    date = f"{filling.text('{now}', {}, NOW)[:10]}"
    signature = client._get_tc3_signature(None, {}, request, date, provider.service, asked.account.key_secret)
    scope = f"{asked.account.key_id}/{date}/{provider.service}/tc3_request"
    return f"TC3-HMAC-SHA256 Credential={scope}, SignedHeaders=content-type;host, Signature={signature}"


def _tencent_object(model: Any) -> Shape:
    return Shape(members=lambda: _tencent_members(model))


@cache
def _tencent_members(model: Any) -> dict[str, Shape]:
    models = sys.modules[model.__module__]
    documented = re.findall(r":type (\w+): (.+)", model.__init__.__doc__ or "")
    assert {name for name, _ in documented} == {name for name, one in vars(model).items() if isinstance(one, property)}
    return {name: _tencent_shape(models, text.strip()) for name, text in documented}


def _tencent_shape(models: Any, text: str) -> Shape:
    if text.startswith("list of "):
        return Shape(item=_tencent_shape(models, text.removeprefix("list of ")))
    name = text.strip(":`").rpartition(".")[2]
    model = getattr(models, name, None)
    return _tencent_object(model) if isinstance(model, type) else Shape(leaf=name)


# Alibaba Cloud


class _Lazily(ModuleType):
    """A package of models, each imported when it is asked for: there are thousands in it."""

    _where: Mapping[str, str]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self._where:
            raise AttributeError(name)
        return getattr(_imported(f"{self.__name__}.{self._where[name]}"), name)


def _make_lazy(package: str) -> None:
    name = f"{package}.models"
    spec = importlib.util.find_spec(name)
    if name in sys.modules or spec is None or spec.submodule_search_locations is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    module.__class__ = _Lazily
    source = str(spec.loader.get_source(name))  # type: ignore[attr-defined]
    vars(module)["_where"] = {model: file for file, model in re.findall(r"(?m)^from \.(\w+) import (\w+)", source)}
    sys.modules[name] = module


def alibaba_package(provider: Provider) -> str:
    """The package that ``sdk`` names, else the one that is named as all of them are."""
    named = merged(provider.name).get("sdk")
    if named:
        return str(named).split()[0].replace("-", "_")
    return f"alibabacloud_{provider.service.replace('-', '_')}{(provider.version or '').replace('-', '')}"


@cache
def _alibaba_client(package: str) -> Any:
    _imported(package)
    _make_lazy(package)
    return _imported(f"{package}.client")


def alibaba_client(provider: Provider) -> Any:
    return _alibaba_client(alibaba_package(provider))


def _alibaba_method(provider: Provider) -> Any:
    """``describe_scaling_activities_with_options``, however the generator has split the words of the action."""
    wanted = f"{provider.action.lower()}withoptions"
    client = alibaba_client(provider).Client
    found = [name for name in vars(client) if name.replace("_", "") == wanted]
    assert found, f"the SDK has no {provider.action}"
    return vars(client)[found[0]]


def alibaba_request_model(provider: Provider) -> Any:
    method = _alibaba_method(provider)
    hints = get_type_hints(method, vars(alibaba_client(provider)))
    return next((hints[name] for name in ("request", "tmp_req") if name in hints), None)


def _alibaba_config(asked: Question, region: str | None) -> Any:
    return _imported("alibabacloud_tea_openapi.utils_models").Config(
        access_key_id=asked.account.key_id,
        access_key_secret=asked.account.key_secret,
        security_token=asked.account.token,
        region_id=region,
    )


def alibaba_host(provider: Provider, asked: Question, region: str) -> str | None:
    """Where the SDK's client goes in a region, None where it has no rule and leaves that to its caller."""
    client = alibaba_client(provider).Client(_alibaba_config(asked, region))
    if not client._endpoint_rule and not client._endpoint_map:
        return None
    # One host in the SDK of Function Compute ends with a tab.
    return str(client._endpoint).strip()


def alibaba_sent(provider: Provider, asked: Question, host: str | None = None) -> Sent:
    """The SDK's client, with its own model filled from the parameters of the entry."""
    tea = _imported("alibabacloud_tea_openapi.client")
    utils = _imported("alibabacloud_tea_openapi.utils").Utils
    client = alibaba_client(provider).Client(_alibaba_config(asked, asked.region))
    client._endpoint = alibaba_host(provider, asked, asked.region or "") or host
    changes = [
        (utils, "get_timestamp", staticmethod(lambda: filling.text("{now}", {}, NOW))),
        (_older_utils(), "get_date_utcstring", staticmethod(lambda: formatdate(int(NOW), usegmt=True))),
        (tea.DaraCore, "do_action", staticmethod(capture)),
    ]
    with _patched(changes), pytest.raises(Captured) as caught:
        _alibaba_method(provider)(client, **_alibaba_arguments(provider, asked))
    request = caught.value.request
    body = request.body
    return Sent(
        method=request.method,
        host=request.headers["host"],
        path=request.pathname,
        query=request.query or {},
        body=body.encode() if isinstance(body, str) else bytes(body or b""),
        headers={name.lower(): value for name, value in request.headers.items()},
    )


def _alibaba_arguments(provider: Provider, asked: Question) -> dict[str, Any]:
    """The SDK takes what stands in a path as arguments, in its order, and everything else as a model."""
    values = known(provider, asked)
    in_path = [str(values[name]) for name in filling.names(provider.path)]
    names = [name for name in inspect.signature(_alibaba_method(provider)).parameters if name != "self"]
    given: dict[str, Any] = {}
    for name in names:
        match name:
            case "request" | "tmp_req":
                model = alibaba_request_model(provider)
                given[name] = model().from_map(as_lists(parameters(provider, asked), _alibaba_object(model)))
            case "headers":
                given[name] = {}
            case "runtime":
                given[name] = _imported("darabonba.runtime").RuntimeOptions()
            case _:
                assert in_path, f"the path lacks {name}"
                given[name] = in_path.pop(0)
    return given


def as_lists(values: dict[str, Any], shape: Shape) -> dict[str, Any]:
    """Some lists travel as a text: the SDK makes it, so it is given the list."""
    members = shape.members() if shape.members is not None else {}
    return {
        name: _listed(value) if isinstance(value, str) and name in members and members[name].item is not None else value
        for name, value in values.items()
    }


def _listed(text: str) -> list[str]:
    return re.findall(r'"([^"]*)"', text) if text.startswith("[") else text.split(",")


def alibaba_signature(asked: Question, ours: Sent) -> str:
    """The Authorization that the SDK's own signing code makes for a request of ours."""
    utils = _imported("alibabacloud_tea_openapi.utils").Utils
    signed = {k: v for k, v in ours.headers.items() if k in ("host", "content-type") or k.startswith("x-acs-")}
    signed["host"] = ours.host
    request = SimpleNamespace(method=ours.method, pathname=ours.path, query=ours.query, headers=signed)
    digest = utils.hex_encode(utils.hash(ours.body, "ACS3-HMAC-SHA256"))
    assert signed["x-acs-content-sha256"] == digest
    made: str = utils.get_authorization(
        request, "ACS3-HMAC-SHA256", digest, asked.account.key_id, asked.account.key_secret
    )
    return made


def _older_utils() -> Any:
    return _imported("alibabacloud_tea_util.client").Client


def alibaba_older_signature(provider: Provider, asked: Question, ours: Sent) -> str:
    """The same of a product that has signing code of its own."""
    signer = alibaba_client(provider).GatewayClientClient()
    account = asked.account
    made: str = signer.get_authorization(
        ours.path, ours.method, dict(ours.query), dict(ours.headers), account.key_id, account.key_secret
    )
    return made


def _alibaba_object(model: Any) -> Shape:
    return Shape(members=lambda: _alibaba_members(model))


@cache
def _alibaba_members(model: Any) -> dict[str, Shape]:
    """Names on the wire are in ``to_map``, types in ``__init__``."""
    hints = _hints(model)
    written = re.findall(r"(?s)if self\.(\w+) is not None:.*?result\['([^']+)'\]", inspect.getsource(model.to_map))
    return {wire: _alibaba_shape(hints[name]) for name, wire in written}


def _hints(model: Any) -> dict[str, Any]:
    return get_type_hints(model.__init__, vars(sys.modules[model.__module__]))


def _alibaba_shape(hint: Any) -> Shape:
    if get_origin(hint) is list:
        return Shape(item=_alibaba_shape(get_args(hint)[0]))
    if get_origin(hint) is dict:
        return Shape(value=_alibaba_shape(get_args(hint)[1]))
    if get_origin(hint) is None and hasattr(hint, "to_map"):
        return _alibaba_object(hint)
    return Shape(leaf=hint.__name__) if isinstance(hint, type) and get_origin(hint) is None else LEAF

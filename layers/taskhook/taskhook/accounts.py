"""The cloud accounts that taskhook may look with, as an operator wrote them down."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from taskhook.errors import ConfigError

CLOUDS = ("tencent", "alibaba")

_KEYS = {
    "tencent": {"key_id": "secret_id", "key_secret": "secret_key", "token": "token"},
    "alibaba": {"key_id": "access_key_id", "key_secret": "access_key_secret", "token": "security_token"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A key pair of one cloud. ``endpoints`` maps a service (``clb``) to a base URL and wins over the default host."""

    name: str
    cloud: str
    key_id: str = field(repr=False)
    key_secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    site: Literal["cn", "intl"] = "cn"
    endpoints: Mapping[str, str] = field(default_factory=dict)


def parse_account(name: str, text: str, *, allow_insecure: bool = False) -> Account:
    """The account in one SSM parameter.

    Raises ConfigError that names the key at fault and never shows a value: any of them may be a secret.
    """
    record = _record(name, text)
    cloud = record.get("cloud")
    if not isinstance(cloud, str) or cloud not in _KEYS:
        raise ConfigError(f"account '{name}': \"cloud\" must be one of {', '.join(CLOUDS)}")
    keys = _KEYS[cloud]
    return Account(
        name=name,
        cloud=cloud,
        key_id=_text(name, record, keys["key_id"]),
        key_secret=_text(name, record, keys["key_secret"]),
        token=_text(name, record, keys["token"]) if record.get(keys["token"]) else None,
        site=_site(name, record),
        endpoints=_endpoints(name, record.get("endpoints") or {}, allow_insecure=allow_insecure),
    )


def _record(name: str, text: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except ValueError:
        raise ConfigError(f"account '{name}' is not JSON") from None
    if not isinstance(record, dict):
        raise ConfigError(f"account '{name}' is not a JSON object")
    return record


def _text(name: str, record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"account '{name}': \"{key}\" is missing or not a text")
    if not value.isascii() or not value.isprintable():
        raise ConfigError(f"account '{name}': \"{key}\" holds characters that no key has")
    return value.strip()


def _site(name: str, record: Mapping[str, Any]) -> Literal["cn", "intl"]:
    match record.get("site"):
        case None | "cn":
            return "cn"
        case "intl":
            return "intl"
    raise ConfigError(f'account \'{name}\': "site" must be "cn" or "intl"')


def _endpoints(name: str, endpoints: Any, *, allow_insecure: bool) -> dict[str, str]:
    if not isinstance(endpoints, dict):
        raise ConfigError(f"account '{name}': \"endpoints\" must map services to base URLs")
    return {str(service): _endpoint(name, service, url, allow_insecure) for service, url in endpoints.items()}


def _endpoint(name: str, service: str, url: Any, allow_insecure: bool) -> str:
    where = f"account '{name}': endpoint \"{service}\""
    if not isinstance(url, str):
        raise ConfigError(f"{where} is not a text")
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and parts.port != 0 and not re.search(r"[^!-~]", url)
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment or "@" in parts.netloc:
        raise ConfigError(f"{where} must be a base URL such as https://clb.ap-shanghai-fsi.tencentcloudapi.com")
    if parts.scheme != "https" and not (allow_insecure and parts.scheme == "http"):
        raise ConfigError(f"{where} must begin with https:// (see the template's AllowInsecureEndpoints)")
    return url.rstrip("/")

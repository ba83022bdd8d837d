"""The cloud accounts that taskhook may look with, as an operator wrote them down."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from taskhook.errors import ConfigError
from taskhook.times import from_rfc3339

CLOUDS = ("tencent", "alibaba")
SERVICE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""The name of a service, such as ``clb``, as endpoints and the catalogue have it: a label of its host."""
SESSION_NAME = "taskhook"
SESSION_SECONDS = 3600
REGION = "{region}"
"""What stands for the task's region in the host of an endpoint."""
LATEST_EXPIRY = 32_503_680_000
"""The year 3000 in seconds. What is larger are milliseconds, or a slip of the pen."""

_KEYS = {
    "tencent": {"key_id": "secret_id", "key_secret": "secret_key", "token": "token"},
    "alibaba": {"key_id": "access_key_id", "key_secret": "access_key_secret", "token": "security_token"},
}
_ROLE_KEYS = ("role_arn", "role_session_name", "external_id", "duration_seconds", "source_account")
_COMMON_KEYS = ("cloud", "site", "endpoints", "expires_at", *_ROLE_KEYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """What a text must look like, and how to say so."""

    pattern: re.Pattern[str]
    words: str


_NAME = _Shape(pattern=re.compile(r"[A-Za-z0-9_-]{1,64}"), words="the name of another account")
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_ROLE_ARN = {
    # As the API reference of Tencent Cloud's AssumeRole shows them, roles of services included.
    "tencent": _Shape(
        pattern=re.compile(
            r"qcs::cam::uin/[0-9]+:(role|roleName|roleId)/"
            r"(tencentcloudServiceRole/|tencentcloudServiceRoleName/)?[A-Za-z0-9_.@+=,-]{1,128}"
        ),
        words="like qcs::cam::uin/100000000001:roleName/taskhook",
    ),
    "alibaba": _Shape(
        pattern=re.compile(r"acs:ram::[0-9]+:role/[A-Za-z0-9_.-]{1,64}"),
        words="like acs:ram::1234567890123456:role/taskhook",
    ),
}
_SESSION_NAME = {
    "tencent": _Shape(
        pattern=re.compile(r"[A-Za-z0-9_+=,.@-]{2,128}"), words="2 to 128 letters, digits and _ + = , . @ -"
    ),
    "alibaba": _Shape(pattern=re.compile(r"[A-Za-z0-9_.@-]{2,64}"), words="2 to 64 letters, digits and _ . @ -"),
}
_EXTERNAL_ID = {
    "tencent": _Shape(
        pattern=re.compile(r"[A-Za-z0-9_+=,.@:/-]{2,128}"), words="2 to 128 letters, digits and _ + = , . @ : / -"
    ),
    "alibaba": _Shape(
        pattern=re.compile(r"[A-Za-z0-9_+=,.@:/-]{2,1224}"), words="2 to 1224 letters, digits and _ + = , . @ : / -"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role to assume before looking. ``seconds`` is how long its credentials shall last.

    ``source`` names the account whose key assumes the role; None means that the account's own key does.
    """

    arn: str
    session_name: str = SESSION_NAME
    external_id: str | None = field(default=None, repr=False)
    seconds: int = SESSION_SECONDS
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A key pair of one cloud. ``endpoints`` maps a service (``clb``) to a base URL and wins over the default host.

    ``{region}`` may stand in an endpoint's host. With a ``role`` the key pair (empty where ``role.source`` has it) only
    assumes the role: nothing else is asked with it. ``version`` says which stored credential this is, and is no secret.
    ``expires_at`` is the token's, in seconds since the epoch, where it is known.
    """

    name: str
    cloud: str
    key_id: str = field(repr=False)
    key_secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    site: Literal["cn", "intl"] = "cn"
    endpoints: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    expires_at: float | None = None
    role: Role | None = None

    def without_secrets(self, text: str) -> str:
        """A text from outside with this account's secrets blotted out: some APIs quote what they were sent."""
        secrets = (self.key_id, self.key_secret, self.token, self.role.external_id if self.role else None)
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            for written in (secret, quote(secret, safe="-_.~")):
                text = text.replace(written, "***")
        return text


def parse_account(name: str, text: str, *, allow_insecure: bool = False, version: str = "") -> Account:
    """The account in one SSM parameter.

    Raises ConfigError that names the key at fault and never shows a value: any of them may be a secret.
    """
    record = _record(name, text)
    cloud = record.get("cloud")
    if not isinstance(cloud, str) or cloud not in _KEYS:
        raise ConfigError(f"account '{name}': \"cloud\" must be one of {', '.join(CLOUDS)}")
    _refuse_unknown(name, cloud, record)
    keys = _KEYS[cloud]
    role = _role(name, cloud, record)
    own = role is None or role.source is None
    if not own:
        _refuse_own_key(name, cloud, record)
    token = _text(name, record, keys["token"]) if own and record.get(keys["token"]) else None
    return Account(
        name=name,
        cloud=cloud,
        key_id=_text(name, record, keys["key_id"], role=role) if own else "",
        key_secret=_text(name, record, keys["key_secret"], role=role) if own else "",
        token=token,
        site=_site(name, record),
        endpoints=_endpoints(name, record.get("endpoints") or {}, allow_insecure=allow_insecure),
        version=version,
        expires_at=_expires_at(name, record, keys["token"], token),
        role=role,
    )


def _record(name: str, text: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError(f"account '{name}' is not JSON") from None
    if not isinstance(record, dict):
        raise ConfigError(f"account '{name}' is not a JSON object")
    return record


def _is_given(record: Mapping[str, Any], key: str) -> bool:
    """A key whose value is null or empty counts as left out: whoever fills in a form cannot leave a key away."""
    return record.get(key) not in (None, "")


def _refuse_unknown(name: str, cloud: str, record: Mapping[str, Any]) -> None:
    known = (*_KEYS[cloud].values(), *_COMMON_KEYS)
    for key in record:
        if key not in known:
            raise ConfigError(f"account '{name}': \"{_shown(key)}\" is not a key of {_nearest(cloud, key, known)}")


def _nearest(cloud: str, key: str, known: tuple[str, ...]) -> str:
    import difflib  # slow to load, and only for those who mistyped

    other = {
        theirs: _KEYS[cloud][part] for one, parts in _KEYS.items() if one != cloud for part, theirs in parts.items()
    }
    close = difflib.get_close_matches(key.casefold(), (*known, *other), n=1)
    an_account = f"{'an' if cloud == 'alibaba' else 'a'} {cloud} account"
    if not close:
        return f"{an_account}, which has {', '.join(known)}"
    return f'{an_account}; did you mean "{other.get(close[0], close[0])}"?'


def _shown(key: str) -> str:
    """A name as far as a message can hold it."""
    printable = "".join(one if one.isprintable() else "?" for one in key)
    return printable if len(printable) <= 40 else printable[:40] + "…"


def _text(name: str, record: Mapping[str, Any], key: str, *, role: Role | None = None) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value.strip():
        instead = ', and there is no "source_account" whose key could assume the role' if role else ""
        raise ConfigError(f"account '{name}': \"{key}\" is missing or not a text{instead}")
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


# --- roles and tokens ------------------------------------------------------------------------------------------------


def _role(name: str, cloud: str, record: Mapping[str, Any]) -> Role | None:
    if not _is_given(record, "role_arn"):
        for key in _ROLE_KEYS:
            if _is_given(record, key):
                raise ConfigError(f'account \'{name}\': "{key}" goes with "role_arn", which is missing')
        return None
    source = _shaped(name, record, "source_account", _NAME)
    if source == name:
        raise ConfigError(f"account '{name}': \"source_account\" must be another account")
    return Role(
        arn=_shaped(name, record, "role_arn", _ROLE_ARN[cloud]) or "",
        session_name=_shaped(name, record, "role_session_name", _SESSION_NAME[cloud]) or SESSION_NAME,
        external_id=_shaped(name, record, "external_id", _EXTERNAL_ID[cloud]),
        seconds=_seconds(name, record),
        source=source,
    )


def _shaped(name: str, record: Mapping[str, Any], key: str, shape: _Shape) -> str | None:
    if not _is_given(record, key):
        return None
    value = record[key]
    if not isinstance(value, str) or not shape.pattern.fullmatch(value):
        raise ConfigError(f"account '{name}': \"{key}\" must be {shape.words}")
    return value


def _seconds(name: str, record: Mapping[str, Any]) -> int:
    value = record.get("duration_seconds")
    if not _is_given(record, "duration_seconds"):
        return SESSION_SECONDS
    number = _number(value)
    if number is None or number != int(number) or not 900 <= number <= 43_200:
        raise ConfigError(f"account '{name}': \"duration_seconds\" must be a whole number from 900 to 43200")
    return int(number)


def _refuse_own_key(name: str, cloud: str, record: Mapping[str, Any]) -> None:
    for key in _KEYS[cloud].values():
        if _is_given(record, key):
            raise ConfigError(
                f'account \'{name}\': "{key}" and "source_account" exclude each other: one key assumes the role'
            )


def _expires_at(name: str, record: Mapping[str, Any], token_key: str, token: str | None) -> float | None:
    if not _is_given(record, "expires_at"):
        return None
    if token is None:
        raise ConfigError(f'account \'{name}\': "expires_at" is that of "{token_key}", which is missing')
    value = record["expires_at"]
    moment = _number(value)
    if moment is None and isinstance(value, str):
        moment = from_rfc3339(value)
    if moment is None or not 0 < moment < LATEST_EXPIRY:
        raise ConfigError(
            f"account '{name}': \"expires_at\" must be a time with its offset, as in 2026-11-22T10:00:00Z or "
            "2026-11-22T18:00:00+08:00, or Unix seconds"
        )
    return moment


def _number(value: Any) -> float | None:
    """A number, or a text of digits: some forms know texts only."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,15}", value):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < 10**15 else None


# --- endpoints -------------------------------------------------------------------------------------------------------


def _endpoints(name: str, endpoints: Any, *, allow_insecure: bool) -> dict[str, str]:
    if not isinstance(endpoints, dict):
        raise ConfigError(f"account '{name}': \"endpoints\" must map services to base URLs")
    return dict(_each_endpoint(name, endpoints, allow_insecure))


def _each_endpoint(name: str, endpoints: Mapping[str, Any], allow_insecure: bool) -> Iterator[tuple[str, str]]:
    for service, url in endpoints.items():
        where = f"account '{name}': endpoint \"{_shown(service)}\""
        if not SERVICE.fullmatch(service):
            raise ConfigError(f"{where} must be named like a service: lower case letters, digits, hyphens")
        yield service, _endpoint(where, url, allow_insecure)
        if service == "sts" and REGION in url:
            raise ConfigError(f"{where} cannot hold {REGION}: a role is assumed for all regions")


def _endpoint(where: str, url: Any, allow_insecure: bool) -> str:
    if not isinstance(url, str):
        raise ConfigError(f"{where} is not a text")
    try:
        parts = urlsplit(url)
        host = parts.netloc.replace(REGION, "region")
        valid = bool(parts.hostname) and parts.port != 0 and not re.search(r"[^!-~]", url)
    except ValueError:
        valid = False
    if valid and re.search(r"[{}]", parts._replace(netloc=host).geturl()):
        raise ConfigError(f"{where}: the only placeholder is {REGION}, and only in the host")
    if not valid or parts.query or parts.fragment or "@" in host or not _HOST.fullmatch(re.sub(r":\d*$", "", host)):
        raise ConfigError(f"{where} must be a base URL such as https://clb.ap-shanghai-fsi.tencentcloudapi.com")
    if parts.scheme != "https" and not (allow_insecure and parts.scheme == "http"):
        raise ConfigError(f"{where} must begin with https:// (see the template's AllowInsecureEndpoints)")
    return url.rstrip("/")

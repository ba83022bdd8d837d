"""Which service, and with which key: from options, the environment, a profile, or what runs beside us.

A key that was stored together with an address is sent to that address only.
"""

import json
import stat
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from taskhook_cli.environment import Environment
from taskhook_cli.errors import Unreachable, UsageFault
from taskhook_cli.secret import ApiKey

NEARBY = Path(".local/endpoint.json")
"""Where ``make run`` says how it is reached, as seen from the repository's folder."""

type Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """``url`` has no slash at its end."""

    url: str
    key: ApiKey

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the command line says."""

    url: str | None = None
    profile: str | None = None
    api_key_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """Address and key from one place; ``key`` is None where that place has none."""

    url: str
    key: str | None
    where: str


def find_target(given: Given, env: Environment, warn: Warn, here: Path | None = None) -> Target:
    """Raises UsageFault with what to do when there is nothing to call, or when it would not be safe; Unreachable where
    a service of this folder has ended."""
    key = _key_given(given, env, warn)
    found = _place(given, env, warn, nearby=(here or Path()) / NEARBY if key is None else None)
    if found is None and key is None and ((here or Path()) / NEARBY.parent).is_dir():
        raise Unreachable(_STOPPED)
    if found is None:
        raise UsageFault(_NOTHING.format(config=env.config_home / "config.toml"))
    text = key or found.key
    if text is None:
        raise UsageFault(f"there is no API key for {found.where}: set TASKHOOK_API_KEY or give --api-key-file")
    try:
        return Target(url=check_url(found.url, found.where), key=ApiKey(text))
    except ValueError as error:
        raise UsageFault(f"the API key for {found.where} cannot be one: {error}") from None


_STOPPED = "taskhook does not run in this folder: start it with make run, or set TASKHOOK_URL and TASKHOOK_API_KEY"
_NOTHING = (
    "which taskhook? Set TASKHOOK_URL and TASKHOOK_API_KEY, or write {config}:\n"
    '  default = "main"\n  [profiles.main]\n  url = "https://..."\n  api_key = "..."'
)


def _key_given(given: Given, env: Environment, warn: Warn) -> str | None:
    """A key that was given for this call, whatever the address."""
    return _key_from(given.api_key_file, warn) if given.api_key_file else _own_key(given, env)


def _own_key(given: Given, env: Environment) -> str | None:
    """A profile that was asked for by name brings its own key."""
    return None if given.profile and not given.url else env.api_key


def _place(given: Given, env: Environment, warn: Warn, nearby: Path | None) -> _Found | None:
    if given.url:
        return _Found(url=given.url, key=None, where="--url")
    if given.profile:
        return _profile(given.profile, env, warn)
    if env.url:
        return _Found(url=env.url, key=None, where="TASKHOOK_URL")
    if env.endpoint_file:
        return _endpoint(Path(env.endpoint_file), warn)
    profile = env.profile or _default_profile(env)
    if profile:
        return _profile(profile, env, warn)
    # A key from elsewhere must never go to an address that merely lies in the current folder.
    return _endpoint(nearby, warn) if nearby and nearby.is_file() else None


# --- files -----------------------------------------------------------------------------------------------------------


def _config(env: Environment) -> dict[str, Any]:
    path = env.config_home / "config.toml"
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise UsageFault(f"{path} is not valid TOML: {_place_only(error)}") from None
    except (OSError, UnicodeError) as error:
        raise UsageFault(f"{path} cannot be read: {_reason(error)}") from None


def _place_only(error: tomllib.TOMLDecodeError) -> str:
    """TOML's own message may quote a line, and a line may hold a key."""
    text = str(error)
    return text[text.rfind("(at ") + 1 : -1] if text.endswith(")") and "(at " in text else "it cannot be read"


def _default_profile(env: Environment) -> str | None:
    """The one named by ``default``; a single profile needs no naming."""
    config = _config(env)
    profiles = config.get("profiles", {})
    if isinstance(default := config.get("default"), str):
        return default
    return next(iter(profiles)) if isinstance(profiles, dict) and len(profiles) == 1 else None


def _profile(name: str, env: Environment, warn: Warn) -> _Found:
    path = env.config_home / "config.toml"
    profiles = _config(env).get("profiles", {})
    record = profiles.get(name) if isinstance(profiles, dict) else None
    if not isinstance(record, dict):
        known = ", ".join(sorted(profiles)) if isinstance(profiles, dict) and profiles else "none"
        raise UsageFault(f"there is no profile '{name}' in {path}; there is: {known}")
    where = f"the profile '{name}' in {path}"
    url, key, key_file = (_text(record, member, where) for member in ("url", "api_key", "api_key_file"))
    if url is None:
        raise UsageFault(f"{where} has no url")
    if key is not None:
        _warn_of_readers(path, warn)
    elif key_file is not None:
        key = _key_from(path.parent / Path(key_file).expanduser(), warn)
    return _Found(url=url, key=key, where=where)


def _endpoint(path: Path, warn: Warn) -> _Found:
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeError) as error:
        raise UsageFault(f"{path} cannot be read: {_reason(error)}; is taskhook running?") from None
    except (ValueError, RecursionError):
        raise UsageFault(f"{path} is not JSON") from None
    if not isinstance(record, dict):
        raise UsageFault(f'{path} is not {{"url", "api_key"}}')
    url = _text(record, "url", str(path))
    if url is None:
        raise UsageFault(f"{path} has no url")
    _warn_of_readers(path, warn)
    return _Found(url=url, key=_text(record, "api_key", str(path)), where=str(path))


def _text(record: dict[str, Any], member: str, where: str) -> str | None:
    value = record.get(member)
    if value is not None and (not isinstance(value, str) or not value):
        raise UsageFault(f"{member} of {where} must be a text that is not empty")
    return value


def _key_from(path: Path, warn: Warn) -> str:
    try:
        text = path.read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise UsageFault(f"the API key's file {path} cannot be read: {_reason(error)}") from None
    if not text:
        raise UsageFault(f"the API key's file {path} is empty")
    _warn_of_readers(path, warn)
    return text


def _warn_of_readers(path: Path, warn: Warn) -> None:
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if stat.S_ISREG(mode) and mode & (stat.S_IRGRP | stat.S_IROTH):
        warn(f"{path} holds an API key and can be read by other users: chmod 600 {path}")


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or "it is not UTF-8 text"


# --- the address -----------------------------------------------------------------------------------------------------


def check_url(url: str, where: str) -> str:
    """Without slashes at its end. Raises UsageFault where a key must not be sent."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise UsageFault(f"the address from {where} is not a URL") from None
    if parts.scheme not in ("http", "https") or not host or any(one <= " " or one in "\\\x7f" for one in url):
        raise UsageFault(f"the address from {where} must be a URL such as https://host/path")
    if "" in host.removesuffix(".").split("."):
        raise UsageFault(f"the address from {where} has a host with an empty part")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageFault(f"the address from {where} must have no user, password, question mark or #")
    if parts.scheme == "http" and not is_loopback(host):
        raise UsageFault(
            f"the address from {where} is plain http, and the API key would be readable on its way to {host}: use https"
        )
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False

"""What `make run` can be told: three environment variables and one file with accounts, destinations and keys."""

import json
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
STACK_NAME = "taskhook"
REGION = "us-east-1"
DEFAULT_PORT = 4566

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

_TABLES = ("accounts", "destinations", "keys")

type Config = Mapping[str, Mapping[str, Mapping[str, Any]]]


class RunError(Exception):
    """Something the person at the terminal can act on; the message is all they see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    home: Path
    port: int = DEFAULT_PORT
    """0 takes any free port."""
    config: Path | None = None
    workers_per_function: int = 3

    @property
    def config_path(self) -> Path:
        return self.config or self.home / "config.toml"

    @property
    def endpoint_path(self) -> Path:
        return self.home / "endpoint.json"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        config = environ.get("TASKHOOK_CONFIG")
        return cls(
            home=_absolute(environ.get("TASKHOOK_HOME") or ".local"),
            port=_number(environ, "TASKHOOK_PORT", DEFAULT_PORT, 0, 65535),
            config=_absolute(config) if config else None,
            workers_per_function=_number(environ, "TASKHOOK_WORKERS_PER_FUNCTION", 3, 1, 64),
        )


def _absolute(path: str) -> Path:
    return Path(path).expanduser().resolve()


def _number(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    value = environ.get(name) or str(default)
    if not value.isdecimal() or not low <= int(value) <= high:
        raise RunError(f"{name} must be a number from {low} to {high}, not {value!r}.")
    return int(value)


def read_config(path: Path) -> Config:
    """The file's accounts and destinations; a commented example is written where there is no file yet.

    Raises RunError that names the file, the table and the key of everything that is wrong."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # it will hold secrets
        path.write_text(EXAMPLE, encoding="utf-8")
    try:
        parsed = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: this is not valid TOML: {error}") from error
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    faults = list(config_faults(parsed))
    if faults:
        raise RunError("\n".join(f"{path}: {fault}" for fault in faults))
    return {kind: parsed.get(kind, {}) for kind in _TABLES}


def config_faults(parsed: Mapping[str, Any]) -> Iterator[str]:
    """Each fault as "[table] what is wrong". Unknown keys of a destination are its type's business."""
    for kind in parsed.keys() - set(_TABLES):
        yield f"[{kind}]: only {', '.join(f'[{one}.<name>]' for one in _TABLES)} are known here"
    checks = (_account_faults, _destination_faults, _key_faults)
    for kind, check in zip(_TABLES, checks, strict=True):
        tables = parsed.get(kind, {})
        if not isinstance(tables, Mapping):
            yield f"{kind}: must be tables, as in [{kind}.<name>]"
            continue
        for name, table in tables.items():
            where = f"[{kind}.{name}]"
            if not _NAME.fullmatch(name):
                yield f"{where}: a name is 1 to 64 letters, digits, '-' or '_'"
            if not isinstance(table, Mapping):
                yield f"{where}: must be a table"
                continue
            yield from (f"{where} {fault}" for fault in check(name, table))
            yield from (f"{where} {fault}" for fault in _json_faults(table))


def read_providers(home: Path) -> dict[str, str]:
    """The operator's own entries of the catalogue: the texts of ``providers/<cloud>.<service>.toml`` by service."""
    files = [path for path in sorted((home / "providers").glob("*.toml")) if path.is_file()]
    # What is no text becomes a fault of its own file later, and no other's.
    return {path.stem: path.read_text(encoding="utf-8", errors="replace") for path in files}


def config_warnings(config: Config, providers: Mapping[str, str] = MappingProxyType({})) -> Iterator[str]:
    """What the product will say of destinations and entries when a task names them: better known at the start."""
    if not config["accounts"]:
        yield "No account is configured yet, so no task can be watched: fill in the file, and start again."
    _find_the_layer()
    from taskhook import destinations
    from taskhook.errors import ConfigError
    from taskhook.providers.listing import listing

    for name, table in config["destinations"].items():
        try:
            destinations.parse(name, json.dumps(table), allow_private=True)
        except ConfigError as error:
            yield str(error)
    if providers:
        yield from (f"{one['entry']}.toml, line {one['line']}: {one['reason']}" for one in listing(providers)["broken"])


def _account_faults(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    """What the product itself says of it."""
    _find_the_layer()
    from taskhook.accounts import parse_account
    from taskhook.errors import ConfigError

    try:
        parse_account(name, json.dumps(table, default=str), allow_insecure=True)
    except ConfigError as error:
        yield str(error).removeprefix(f"account '{name}': ")


def _destination_faults(_: str, table: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(table.get("type"), str) or not table["type"]:
        yield "type: is missing"


def _key_faults(_: str, table: Mapping[str, Any]) -> Iterator[str]:
    _find_the_layer()
    from local import keys
    from taskhook.api.keys import faults

    yield from keys.plan_faults(table)
    yield from faults(keys.rights(table))


def _json_faults(value: object, key: str = "") -> Iterator[str]:
    """TOML has dates; the SSM values are JSON, which has none."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _json_faults(item, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        for item in value:
            yield from _json_faults(item, key)
    elif not isinstance(value, str | int | float | bool):
        yield f"{key}: a date or time must be written as text, in quotes"


def _find_the_layer() -> None:
    layer = str(REPOSITORY / "layers" / "taskhook")
    if layer not in sys.path:
        sys.path.append(layer)


EXAMPLE = """\
# taskhook on this machine: the accounts it may ask, and the people it tells.
# Read when `make run` starts. This file holds secrets: keep it to yourself (it is created with mode 0600).
#
# Remove the leading "# " of what you need. A name is up to 64 letters, digits, "-" or "_".


# --- Accounts: [accounts.<name>] ------------------------------------------------------------------------------------
# A task without "account" uses the account that is named like its cloud: "tencent" or "alibaba".

# [accounts.tencent]
# cloud = "tencent"
# secret_id = "AKID..."             # a CAM user's API key that may only describe: see docs/accounts.md
# secret_key = "..."
# token = "..."                     # only with temporary credentials
# site = "cn"                       # "cn" or "intl": which of Tencent's two sites the account belongs to
# [accounts.tencent.endpoints]      # only for a finance region, a VPC endpoint or a simulator: service = base URL
# clb = "https://clb.ap-shanghai-fsi.tencentcloudapi.com"

# [accounts.production]             # no key of its own: a role, which the key of another account assumes
# cloud = "tencent"
# role_arn = "qcs::cam::uin/100000000001:roleName/taskhook"
# source_account = "tencent"

# [accounts.alibaba]
# cloud = "alibaba"
# access_key_id = "LTAI..."
# access_key_secret = "..."
# security_token = "..."            # only with temporary credentials
# [accounts.alibaba.endpoints]
# bdrc = "https://bdrc.cn-hangzhou.aliyuncs.com"


# --- Destinations: [destinations.<name>] ----------------------------------------------------------------------------
# A task without "notify" tells the destination named "default". "type" says what the address is.

# [destinations.default]
# type = "slack"
# url = "https://hooks.slack.com/services/..."

# language = "en"                   # of messages for people: "en" or "zh"
# [destinations.default.filter]     # which tasks it hears of; all of them without
# states = ["failed", "partial", "timed_out", "lost"]
# [destinations.default.escalate]   # who is told as well when it has not taken the news in time
# to = "oncall"
# after_seconds = 120

# [destinations.oncall]
# type = "slack_bot"                # one message per task, edited as the task goes on, and a reply when it ends
# token = "xoxb-..."                # of an app with the scope chat:write, invited to the channel
# channel = "C0123456789"

# [destinations.team]               # "discord", "teams", "feishu" and "wecom" have a url as well
# type = "dingtalk"
# url = "https://oapi.dingtalk.com/robot/send?access_token=..."
# secret = "SEC..."                 # where the robot has a signature (DingTalk, Feishu)
# keyword = "taskhook"              # where the robot wants one (DingTalk, Feishu)
# language = "zh"

# [destinations.ops]
# type = "webhook"                  # Standard Webhooks: signed with the secret
# url = "https://example.com/hook"
# secret = "whsec_..."              # "whsec_" and 24 to 64 random bytes in base64
# format = "cloudevents"            # structured mode; without it the body of Standard Webhooks
# progress = true                   # also told while a task runs
# auth = { type = "bearer", token = "..." }
# [destinations.ops.headers]        # sent along, for example to pass a gateway
# X-Team = "ops"


# --- More API keys: [keys.<name>] -----------------------------------------------------------------------------------
# The default key may do everything. These may do what they say; their values are in keys.json beside this file.

# [keys.team-a]
# accounts = ["tencent"]            # whose tasks it may post, see and stop; all of them without
# destinations = ["team"]           # whom it may tell and manage; all of them without
# own_destinations = false          # whether a task may bring along a destination of its own
# rate = 10                         # requests per second, burst and day
# burst = 20
# daily_quota = 10000
"""

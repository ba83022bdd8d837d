"""What every command is given: the options they share, and the service that these lead to."""

import functools
import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Concatenate

import click

from taskhook_cli.api import Api
from taskhook_cli.catalogue import Cache, names
from taskhook_cli.client import PATIENCE, Client
from taskhook_cli.config import Given, Target, find_target
from taskhook_cli.durations import parse_duration
from taskhook_cli.environment import Environment, environment
from taskhook_cli.errors import UsageFault
from taskhook_cli.out import Out
from taskhook_cli.picking import is_path

BURST_SECONDS = 0.5


@dataclass(slots=True, kw_only=True)
class Context:
    """The service is looked for only when it is needed: `--help` and `verify` need none."""

    out: Out
    given: Given
    env: Environment = field(default_factory=environment)
    patience: float = PATIENCE
    _target: Target | None = None

    @property
    def target(self) -> Target:
        if self._target is None:
            self._target = find_target(self.given, self.env, self.out.warn)
        return self._target

    @property
    def cache(self) -> Cache:
        return Cache(folder=self.env.cache_home, url=self.target.url)

    def api(self) -> Api:
        return Api(Client(target=self.target, trouble=Seldom(self.out.say), patience=self.patience))

    def clock(self) -> float:
        return time.time()


@dataclass(slots=True)
class Seldom:
    """Several threads meet the same trouble at once: it is said once."""

    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _quiet_until: float = 0.0

    def __call__(self, text: str) -> None:
        with self._lock:
            if self.clock() < self._quiet_until:
                return
            self._quiet_until = self.clock() + BURST_SECONDS
        self.say(text)


def new_key() -> str:
    """One for each invocation: tries after a lost answer have the same one."""
    return f"taskhook-cli-{uuid.uuid4()}"


_KEY = re.compile(r"[\x21-\x7e]{1,200}")


class Duration(click.ParamType):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        seconds = value if isinstance(value, int) else parse_duration(str(value))
        if seconds is None:
            self.fail(f"'{value}' is no length of time; write 90s, 20m, 2h, 3d or 1h30m", param, ctx)
        return seconds


class IdempotencyKey(click.ParamType):
    name = "key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        # 200, not the service's 255: a batch in several parts adds a few characters.
        if not _KEY.fullmatch(str(value)):
            self.fail("must be 1 to 200 visible ASCII characters without a blank", param, ctx)
        return str(value)


class JmesPath(click.ParamType):
    name = "jmespath"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not is_path(str(value)):
            self.fail(f"'{value}' is not a JMESPath expression, as in Data.TaskId or Tasks[].TaskId", param, ctx)
        return str(value)


class Template(click.ParamType):
    name = "template"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if str(value).count("{}") != 1:
            self.fail("must have {} once, where the id goes, as in ins-1a2b3c/{}", param, ctx)
        return str(value)


_OUTPUT = (
    click.option("--json", "as_json", is_flag=True, help="Results as JSON, one document a line."),
    click.option("--quiet", "-q", is_flag=True, help="Say nothing but results and errors."),
)
_SERVICE = (
    click.option("--url", metavar="URL", help="The service's address; else TASKHOOK_URL, else the profile's."),
    click.option("--profile", metavar="NAME", help="A profile of the configuration file; else TASKHOOK_PROFILE."),
    click.option(
        "--api-key-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A file with the API key; else TASKHOOK_API_KEY. There is no option for the key itself, as other users "
        "of a machine see the options of every process.",
    ),
)


def output_options[**P, R](command: Callable[Concatenate[Out, P], R]) -> Callable[..., R]:
    """For commands that need no service: gives them an Out."""

    @functools.wraps(command)
    def run(*args: Any, as_json: bool, quiet: bool, **options: Any) -> R:
        return command(Out(json=as_json, quiet=quiet), *args, **options)

    return _with(_OUTPUT, run)


def service_options[**P, R](command: Callable[Concatenate[Context, P], R]) -> Callable[..., R]:
    """Gives the command a Context."""

    @functools.wraps(command)
    def run(
        *args: Any, as_json: bool, quiet: bool, url: str | None, profile: str | None, api_key_file: Path | None,
        **options: Any,
    ) -> R:  # fmt: skip
        given = Given(url=url, profile=profile, api_key_file=api_key_file)
        return command(Context(out=Out(json=as_json, quiet=quiet), given=given), *args, **options)

    return _with((*_SERVICE, *_OUTPUT), run)


def _with[R](options: tuple[Callable[[Any], Any], ...], run: Callable[..., R]) -> Callable[..., R]:
    for option in reversed(options):
        run = option(run)
    return run


def complete_providers(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """From the cache alone: a key press must not wait for a network."""
    try:
        params = ctx.params
        given = Given(url=params.get("url"), profile=params.get("profile"), api_key_file=params.get("api_key_file"))
        target = find_target(given, env := environment(), lambda text: None)
        kept = Cache(folder=env.cache_home, url=target.url).read()
    except (UsageFault, OSError):
        return []
    return [name for name in names(kept.providers) if name.startswith(incomplete)] if kept else []

"""`taskhook listen`: news on a machine that nobody can send a webhook to."""

import math
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import click

from taskhook_cli.api import Api, Record
from taskhook_cli.context import Context, Duration, complete_providers, service_options
from taskhook_cli.errors import UsageFault
from taskhook_cli.exits import BY_STATE, Exit
from taskhook_cli.follow import Follower
from taskhook_cli.listening import Listener
from taskhook_cli.news import encoded, news
from taskhook_cli.out import Out
from taskhook_cli.story import ended, line
from taskhook_cli.times import clock_time

TOLD = tuple(state for state in BY_STATE if state != "stopped")
"""Whoever stops a task knows: there is no such news, here as with webhooks."""


@click.command(
    epilog="""\b
Examples:
  taskhook listen
  taskhook listen --state failed --state lost --provider tencent.clb
  taskhook listen --json | jq -r '.data.title'
  taskhook listen --exec 'python handle_news.py'

\b
COMMAND gets the JSON of a webhook on its standard input:
  {"type": "task.succeeded", "timestamp": "...", "data": {...}}
"""
)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--state", "states", multiple=True, type=click.Choice(TOLD), help="Only news of this end; repeatable.")
@click.option("--provider", shell_complete=complete_providers, help="Only tasks of this provider.")
@click.option("--account", help="Only tasks of this account.")
@click.option("--exec", "command", metavar="COMMAND", help="Run COMMAND for each piece of news (without a shell).")
@click.option("--exec-timeout", type=Duration(), default="5m", show_default=True, help="End COMMAND after so long.")
@click.option("--interval", type=Duration(), default="5s", show_default=True, help="Between two rounds without IDs.")
@service_options
def listen(
    context: Context,
    ids: tuple[str, ...],
    states: tuple[str, ...],
    provider: str | None,
    account: str | None,
    command: str | None,
    exec_timeout: int,
    interval: int,
) -> Exit:
    """Print a line for each task that ends, from now on; with --json the same body as a webhook.

    With IDs it follows these tasks by long poll and ends with the last of them. Without, it follows all tasks, or
    those that match, until Ctrl-C. It goes on through network failures and tells of what ended meanwhile.
    """
    named = {"provider": provider, "account": account}
    filters = {name: value for name, value in named.items() if value is not None}
    if ids and filters:
        raise UsageFault("give either IDs or --provider and --account")
    tell = _teller(context.out, command, exec_timeout)
    wanted = frozenset(states or TOLD)
    if ids:
        _tell_all((task for task in Follower(context.api(), ids, math.inf).changes() if ended(task)), wanted, tell)
        return Exit.OK
    context.patience = math.inf
    _tell_all(_rounds(context.api(), filters, context.out, interval), wanted, tell)
    return Exit.OK


def _rounds(
    api: Api, filters: Record, out: Out, interval: float, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Record]:
    listener = Listener(api, filters, dropped=lambda id: out.warn(f"{id} is not there any more"))
    listener.round()
    out.say("listening; Ctrl-C ends it")
    while True:
        yield from listener.round()
        sleep(max(1.0, interval))


def _tell_all(tasks: Iterator[Record], states: frozenset[str], tell: Callable[[Record], None]) -> None:
    for task in tasks:
        if task.get("state") in states:
            tell(task)


def _teller(out: Out, command: str | None, timeout: float) -> Callable[[Record], None]:
    words = _words(command)

    def tell(task: Record) -> None:
        now = time.time()
        body = news(task, now)
        if out.json:
            out.record(body)
        else:
            out.result(f"{clock_time(now, now)}  {line(task, now)}")
        if words:
            _run(words, body, out, timeout)

    return tell


def _words(command: str | None) -> list[str]:
    try:
        return shlex.split(command or "")
    except ValueError:
        raise UsageFault("--exec: a quotation mark is not closed") from None


def _run(words: list[str], body: dict[str, Any], out: Out, timeout: float) -> None:
    """What fails there is said, and the next news is told all the same."""
    try:
        # Standard output has our JSON only.
        done = subprocess.run(words, input=encoded(body), timeout=timeout, stdout=2 if out.json else None, check=False)  # noqa: S603 - the user's own command
    except subprocess.TimeoutExpired:
        out.warn(f"{words[0]} was ended after {timeout:.0f} s, at the news of {body['data'].get('id')}")
    except OSError as error:
        out.warn(f"{words[0]} cannot be started: {error.strerror}")
    else:
        if done.returncode:
            out.warn(f"{words[0]} ended with status {done.returncode}, at the news of {body['data'].get('id')}")

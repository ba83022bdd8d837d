"""`taskhook destinations`: the named destinations, and what is done to them. No secret comes out."""

import time
from collections.abc import Mapping
from typing import Any

import click

from taskhook_cli.api import Record
from taskhook_cli.config import Given
from taskhook_cli.context import Context, new_key, service_options
from taskhook_cli.documents import read_input, read_object
from taskhook_cli.durations import parse_duration
from taskhook_cli.errors import UsageFault
from taskhook_cli.exits import Exit
from taskhook_cli.out import Out
from taskhook_cli.times import rfc3339

GOOD = frozenset({"delivered", "accepted"})
"""Verdicts of a message that was taken."""


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  taskhook destinations
  taskhook destinations test ops
  taskhook destinations put ops < ops.json
  taskhook destinations release ops --since 2h --dry-run
""",
)
@click.pass_context
@service_options
def destinations(context: Context, ctx: click.Context) -> None:
    """List the named destinations: what they are, how they are, how much news is held."""
    if ctx.invoked_subcommand is None:
        _list(context)
    elif context.given != Given() or context.out != Out():
        raise UsageFault(f"options go behind the command: taskhook destinations {ctx.invoked_subcommand} ... OPTIONS")


def _list(context: Context) -> None:
    found = context.api().destinations()
    if context.out.json:
        for one in found:
            context.out.record(one)
        return
    heads = ("name", "type", "host", "state", "held", "reason")
    context.out.table(heads, ([_cell(one, head) for head in heads] for one in found))


def _cell(one: Record, head: str) -> object:
    value = one.get(head)
    return "" if value is None else value


def _print(context: Context, answer: Mapping[str, Any], text: str) -> None:
    if context.out.json:
        context.out.record(answer)
    else:
        context.out.result(text)


@destinations.command(epilog="\b\nExample:\n  taskhook destinations test ops")
@click.argument("name")
@service_options
def test(context: Context, name: str) -> Exit:
    """Send a test message now. Where it is taken, all news held for NAME goes out.

    Exit status: 0 when the message was taken, else 1.
    """
    done = context.api().test_destination(name, new_key())
    released = f"; {done['released']} held pieces of news go out" if done.get("released") else ""
    _print(context, done, f"{name}: {done.get('verdict')}: {done.get('detail') or done.get('status')}{released}")
    return Exit.OK if done.get("verdict") in GOOD else Exit.REFUSED


class _Since(click.ParamType):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """A length of time is that long ago; whether anything else is a time is for the service to say."""
        seconds = parse_duration(str(value))
        return str(value) if seconds is None else rfc3339(time.time() - seconds)


@destinations.command(epilog="\b\nExample:\n  taskhook destinations release ops --since 2026-11-22T10:00:00Z --dry-run")
@click.argument("name")
@click.option("--since", type=_Since(), help="Only news since then: 2026-11-22T10:00:00Z, or 2h for two hours ago.")
@click.option("--dry-run", is_flag=True, help="Only say which it would be.")
@service_options
def release(context: Context, name: str, since: str | None, dry_run: bool) -> None:
    """Let the news go that is held for NAME."""
    wish: Record = {"since": since} if since else {}
    done = context.api().release(name, {**wish, "dry_run": True} if dry_run else wish, new_key())
    if context.out.json:
        context.out.record(done)
        return
    tasks = done.get("tasks")
    for id in tasks if isinstance(tasks, list) else []:
        context.out.result(id)
    context.out.say(f"{done.get('count')} pieces of news {'would go' if dry_run else 'go'} out to {name}")


@destinations.command(
    epilog="""\b
Examples:
  taskhook destinations put ops ops.json
  pass show taskhook/ops | taskhook destinations put ops
"""
)
@click.argument("name")
@click.argument("file", default="-", type=click.Path(allow_dash=True, dir_okay=False))
@service_options
def put(context: Context, name: str, file: str) -> None:
    """Store a destination: its record is read as JSON from FILE or standard input.

    There is no option for it, as a record holds secrets and a shell keeps its history.
    """
    record = read_object(read_input(file, "the record of a destination"), "the record")
    stored = context.api().put_destination(name, record)
    _print(context, stored, f"{name}: {stored.get('type')}, {stored.get('state')}")


@destinations.command(epilog="\b\nExample:\n  taskhook destinations delete ops")
@click.argument("name")
@service_options
def delete(context: Context, name: str) -> None:
    """Forget a destination. News that is under way to it is held."""
    context.api().delete_destination(name)
    _print(context, {"destination": name, "deleted": True}, f"{name}: deleted")

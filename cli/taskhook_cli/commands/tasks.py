"""`taskhook list`, `show`, `stop` and `redeliver`."""

import time
from itertools import islice

import click

from taskhook_cli.api import MOST_IN_A_PAGE, Record
from taskhook_cli.context import Context, complete_providers, new_key, service_options
from taskhook_cli.errors import Refused
from taskhook_cli.exits import STATES, Exit
from taskhook_cli.out import console
from taskhook_cli.story import COLUMNS, event_line, facts, line, row


@click.command(
    "list",
    epilog="""\b
Examples:
  taskhook list --state failed --provider tencent.clb
  taskhook list --all --json | jq -r 'select(.title == null) | .id'
""",
)
@click.option("--state", type=click.Choice(STATES), help="Only tasks in this state.")
@click.option("--provider", shell_complete=complete_providers, help="Only tasks of this provider.")
@click.option("--account", help="Only tasks of this account.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many to show.")
@click.option("--all", "everything", is_flag=True, help="Show all of them, page by page.")
@service_options
def list_tasks(
    context: Context, state: str | None, provider: str | None, account: str | None, limit: int, everything: bool
) -> None:
    """List tasks, newest first.

    For anything but a terminal the columns are separated by tabs and cut nowhere.
    """
    named = {"state": state, "provider": provider, "account": account}
    filters = {name: value for name, value in named.items() if value is not None}
    size = MOST_IN_A_PAGE if everything else min(limit, MOST_IN_A_PAGE)
    found = islice(context.api().tasks(filters, size), None if everything else limit)
    if context.out.json:
        for task in found:
            context.out.record(task)
    else:
        context.out.table(COLUMNS, (row(task) for task in found), state_column=1)


@click.command(epilog="\b\nExample:\n  taskhook show nxhyjtxswf4b4ccqz55sghkxst")
@click.argument("id")
@service_options
def show(context: Context, id: str) -> None:
    """Show a task: its facts, and what has happened so far."""
    api, out = context.api(), context.out
    task, timeline = api.task(id), api.timeline(id)
    if out.json:
        out.record({"task": task, "timeline": timeline})
        return
    out.facts(facts(task, time.time()))
    click.echo()
    for event in timeline:
        _print_event(event)


def _print_event(event: Record) -> None:
    style = {True: "green", False: "red"}.get(bool(event["good"])) if event.get("good") is not None else None
    console().print(event_line(event), style="dim" if event.get("planned") else style, soft_wrap=True)


@click.command(epilog="\b\nExample:\n  taskhook stop nxhyjtxswf4b4ccqz55sghkxst")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@service_options
def stop(context: Context, ids: tuple[str, ...]) -> Exit:
    """Stop watching tasks. Nobody is told; what runs in the cloud goes on."""
    api, out, status = context.api(), context.out, Exit.OK
    for id in dict.fromkeys(ids):
        try:
            task = api.stop(id)
        except Refused as refused:
            refused.show()
            status = Exit.REFUSED
            continue
        if out.json:
            out.record(task)
        else:
            out.result(line(task, time.time()))
    return status


@click.command(
    epilog="""\b
Examples:
  taskhook redeliver nxhyjtxswf4b4ccqz55sghkxst ops
  taskhook redeliver nxhyjtxswf4b4ccqz55sghkxst
"""
)
@click.argument("id")
@click.argument("destination", required=False)
@service_options
def redeliver(context: Context, id: str, destination: str | None) -> Exit:
    """Tell DESTINATION once more how a task ended, or all of its destinations."""
    api, out, status = context.api(), context.out, Exit.OK
    for name in [destination] if destination else _destinations(api.task(id)):
        try:
            delivery = api.redeliver(id, name, new_key())
        except Refused as refused:
            refused.show()
            status = Exit.REFUSED
            continue
        if out.json:
            out.record(delivery)
        else:
            out.result(f"{name}: {delivery.get('state')}")
    return status


def _destinations(task: Record) -> list[str]:
    found = task.get("deliveries")
    return [str(one["destination"]) for one in found if one.get("destination")] if isinstance(found, list) else []

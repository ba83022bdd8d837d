"""`taskhook watch`: to the end of tasks, with an exit status that says what the end was."""

import click

from taskhook_cli.context import Context, Duration, service_options
from taskhook_cli.errors import UsageFault
from taskhook_cli.exits import Exit
from taskhook_cli.watching import watch_tasks

WATCH_PATIENCE = "10m"
"""For so long failures in a row are borne while watching: a service that is deployed anew is back by then."""
MOST_TASKS = 1000

EPILOG = """\b
Examples:
  taskhook watch nxhyjtxswf4b4ccqz55sghkxst
  taskhook watch --wait-timeout 1h --quiet ID && deploy-next-stage

\b
Exit status: 0 all succeeded, 10 failed, 11 partial, 12 canceled, 13 timed_out, 14 lost,
15 stopped (of several tasks the gravest), 1 refused, 2 bad usage, 3 service not reached,
4 --wait-timeout has passed, 130 Ctrl-C. The service goes on watching in any case.
"""


@click.command(epilog=EPILOG)
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--wait-timeout", type=Duration(), help="Give up waiting after so long (90s, 2h); the service goes on.")
@click.option(
    "--patience",
    type=Duration(),
    default=WATCH_PATIENCE,
    show_default=True,
    help="For how long to try again while the network or the service fails.",
)
@service_options
def watch(context: Context, ids: tuple[str, ...], wait_timeout: int | None, patience: int) -> Exit:
    """Follow tasks until they have ended."""
    if len(ids) > MOST_TASKS:
        raise UsageFault(f"at most {MOST_TASKS} tasks can be watched at once; `taskhook listen` follows any number")
    return watch_tasks(context.api(), ids, context.out, patience=patience, seconds=wait_timeout)

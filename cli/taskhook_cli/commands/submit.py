"""`taskhook submit`: posts tasks, from an id or from what a cloud's tool has just printed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click

from taskhook_cli import asked
from taskhook_cli.api import MOST_IN_A_BATCH, Api, Record
from taskhook_cli.catalogue import wanted
from taskhook_cli.client import problem
from taskhook_cli.cloud_output import read_output
from taskhook_cli.context import (
    Context,
    Duration,
    IdempotencyKey,
    JmesPath,
    Template,
    complete_providers,
    new_key,
    service_options,
)
from taskhook_cli.documents import read_input
from taskhook_cli.errors import CommandError, UsageFault
from taskhook_cli.exits import Exit
from taskhook_cli.out import Out
from taskhook_cli.safe import short
from taskhook_cli.story import name_of
from taskhook_cli.watching import watch_tasks
from taskhook_cli.wish import wish

WATCH_PATIENCE = 600.0

EPILOG = """\b
Examples:
  taskhook submit tencent.clb 55c85074-3e7f-4c6d-864f-673660d4f8de --region ap-guangzhou
  tccli clb CreateListener ... | taskhook submit tencent.clb --region ap-guangzhou --watch
  aliyun ecs CopyImage ... | taskhook submit alibaba.ecs --region cn-shanghai --notify ops
  tccli cvm RebootInstances ... | taskhook submit tencent.cvm --region ap-guangzhou --id-template 'ins-1/{}'
  cat ids.txt | taskhook submit tencent.vod --metadata ticket=OPS-17

\b
Prints the id of each task on standard output. Exit status as of `taskhook watch` with --watch;
else 0 when all were taken, and 1 when any was refused or the cloud's call had failed.
"""


@click.command(epilog=EPILOG)
@click.argument("provider", shell_complete=complete_providers)
@click.argument("task_id", required=False)
@click.option("--region", help="As in ap-guangzhou or cn-shanghai.")
@click.option("--account", help="A configured account; else the one named like the cloud.")
@click.option(
    "--notify",
    multiple=True,
    metavar="NAME|JSON|@FILE",
    help="Whom to tell: a destination's name, or its record. Several times for several.",
)
@click.option("--title", help="One line, for people.")
@click.option("--timeout", type=Duration(), help="Give the task up after so long: 90s, 2h, 3d. Else a day.")
@click.option("--urgency", type=click.Choice(["low", "normal", "high"]), help="How much an early answer is worth.")
@click.option("--metadata", multiple=True, metavar="KEY=VALUE|JSON", help="Given back with the task and its news.")
@click.option("--id-path", type=JmesPath(), help="Where the id is in the JSON on standard input, as JMESPath.")
@click.option("--id-template", type=Template(), help="What to make of the id: ins-1a2b3c/{} puts it after a slash.")
@click.option("--watch", is_flag=True, help="Follow the task until it has ended.")
@click.option("--wait-timeout", type=Duration(), help="With --watch: give up waiting after so long.")
@click.option("--idempotency-key", type=IdempotencyKey(), help="To repeat this very call safely; else a new one.")
@service_options
def submit(
    context: Context,
    /,
    provider: str,
    task_id: str | None,
    id_path: str | None,
    id_template: str | None,
    watch: bool,
    wait_timeout: int | None,
    idempotency_key: str | None,
    timeout: int | None,
    **options: Any,
) -> Exit:
    """Have the task TASK_ID of PROVIDER watched.

    Without TASK_ID, or with a dash, standard input is read: the JSON that tccli or aliyun printed, out of which the id
    is taken, or plain ids, one a line.
    """
    if wait_timeout is not None and not watch:
        raise UsageFault("--wait-timeout goes with --watch")
    body = wish(provider=provider, timeout_seconds=timeout, **options)
    found = _asked(context, provider, task_id, id_path, id_template)
    key = idempotency_key or new_key()
    posted = _post(context.api(), [{**body, "task_id": id} for id in found.ids], key, context.out)
    for failed in found.refused:
        context.out.warn(failed)
    complete = len(posted) == len(found.ids) and not found.refused
    if watch and posted:
        watched = [str(task["id"]) for task in posted]
        ended = watch_tasks(context.api(), watched, context.out, patience=WATCH_PATIENCE, seconds=wait_timeout)
        return ended if complete or ended else Exit.REFUSED
    return Exit.OK if complete else Exit.REFUSED


def _asked(context: Context, provider: str, task_id: str | None, path: str | None, template: str | None) -> asked.Asked:
    if task_id not in (None, "-"):
        if path:
            raise UsageFault("--id-path is for what comes on standard input, and here is a TASK_ID")
        return asked.Asked(ids=asked.templated([str(task_id)], template))
    output = read_output(read_input("-", "a TASK_ID, or what tccli or aliyun printed,"))
    if output.ids:
        return asked.Asked(ids=asked.templated(output.ids, template))
    known = wanted(provider, context.api(), context.cache, context.clock)
    found = asked.from_documents(output, known, path, context.out.say, compose=path is None and template is None)
    ids = asked.templated(found.ids, template)
    asked.check_parts(ids, known)
    return replace(found, ids=ids)


def _post(api: Api, bodies: Sequence[Record], key: str, out: Out) -> list[Record]:
    """The tasks that were taken. A single one that is refused ends the command."""
    if len(bodies) == 1:
        task = api.post_task(bodies[0], key)
        _tell(task, out)
        return [task]
    posted: list[Record] = []
    for start in range(0, len(bodies), MOST_IN_A_BATCH):
        chunk = list(bodies[start : start + MOST_IN_A_BATCH])
        results = api.post_batch(chunk, f"{key}-{start}" if start else key)
        for body, result in zip(chunk, results, strict=True):
            posted += _taken(body, result, out)
    return posted


def _taken(body: Record, result: Record, out: Out) -> list[Record]:
    task = result.get("task")
    if isinstance(task, dict) and task.get("id"):
        _tell(task, out)
        return [task]
    found, status = result.get("problem"), result.get("status")
    refused = problem(found if isinstance(found, dict) else {}, status if isinstance(status, int) else 500)
    CommandError(f"{short(body['task_id'], 100)}: {refused.message}").show()
    return []


def _tell(task: Record, out: Out) -> None:
    if not isinstance(task.get("id"), str):
        raise CommandError("the answer is not taskhook's: a task without an id. Is the address the right one?")
    if out.json:
        out.record(task)
    else:
        out.result(task["id"])
        out.say(f"{task.get('state')}: {name_of(task)}")

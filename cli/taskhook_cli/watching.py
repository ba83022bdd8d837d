"""The watch itself, for `watch` and for `submit --watch`: to the end, to --wait-timeout, or to Ctrl-C."""

import time
from collections.abc import Sequence
from typing import Any

from taskhook_cli.api import Api
from taskhook_cli.display import display
from taskhook_cli.errors import CommandError, Refused
from taskhook_cli.exits import Exit, exit_of
from taskhook_cli.follow import Follower
from taskhook_cli.out import Out
from taskhook_cli.story import line

MOST_NAMED = 5


class Interrupted(CommandError):
    exit_code = Exit.INTERRUPTED


def watch_tasks(api: Api, ids: Sequence[str], out: Out, *, patience: float, seconds: float | None) -> Exit:
    """The exit status that says how they ended."""
    ends: dict[str, dict[str, Any]] = {}
    try:
        with display(out, ids) as show:
            for task in Follower(api, ids, patience).changes(seconds):
                show(task)
                ends[str(task.get("id"))] = task
    except KeyboardInterrupt:
        raise Interrupted(_goes_on(ids)) from None
    except CommandError as error:
        # Of a task that there is none of, nobody goes on watching.
        if not (isinstance(error, Refused) and error.status == 404):
            error.message += f"\n{_goes_on(ids)}"
        raise
    if not out.json:
        for id in dict.fromkeys(ids):
            out.result(line(ends[id], time.time()))
    return exit_of(str(task.get("state")) for task in ends.values())


def _goes_on(ids: Sequence[str]) -> str:
    named = " ".join(ids[:MOST_NAMED]) + (" ..." if len(ids) > MOST_NAMED else "")
    what = "the task" if len(ids) == 1 else "the tasks"
    return f"the service goes on watching {what}; look again with: taskhook watch {named}"

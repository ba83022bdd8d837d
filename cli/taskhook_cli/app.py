"""The entrance: the commands, and the one way out for all that can go wrong."""

import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from taskhook_cli import __version__
from taskhook_cli.commands import completion, destinations, listen, providers, submit, tasks, verify, watch
from taskhook_cli.errors import CommandError
from taskhook_cli.exits import Exit


class App(click.Group):
    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, complete_var: str | None = None,
             standalone_mode: bool = True, windows_expand_args: bool = True, **extra: Any) -> Any:  # fmt: skip
        """As click's, but every end has the exit status that docs/cli.md gives it."""
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)  # its warnings are told by ourselves, in words
        try:
            result = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
            if sys.stdout is not None:  # closed by whoever started us
                sys.stdout.flush()
        except click.ClickException as error:
            error.show()
            sys.exit(int(error.exit_code))
        except (click.Abort, KeyboardInterrupt):
            click.echo("taskhook: interrupted", err=True)
            sys.exit(int(Exit.INTERRUPTED))
        except BrokenPipeError:
            _discard_output()  # whoever read it has read enough
            sys.exit(int(Exit.REFUSED))
        except OSError as error:
            _discard_output()
            CommandError(f"the output cannot be written: {error.strerror}").show()
            sys.exit(int(Exit.REFUSED))
        except Exception as error:
            CommandError(_defect(error)).show()
            sys.exit(int(Exit.DEFECT))
        sys.exit(result if isinstance(result, int) else 0)


def _discard_output() -> None:
    """Python would try to write what is left, and complain once more, while it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _defect(error: Exception) -> str:
    """Type and place, never the text: nobody knows what is in it."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" at {os.path.basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}" if place else ""
    return f"a defect of this program: {type(error).__name__}{where} (version {__version__})"


EPILOG = """\b
Examples:
  tccli clb CreateListener ... | taskhook submit tencent.clb --region ap-guangzhou --watch
  taskhook list --state failed
  taskhook show nxhyjtxswf4b4ccqz55sghkxst

The service: TASKHOOK_URL and TASKHOOK_API_KEY, or profiles in ~/.config/taskhook/config.toml.
Exit statuses and more: docs/cli.md.
"""


@click.group(cls=App, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="taskhook")
def cli() -> None:
    """Watch asynchronous cloud tasks with taskhook, and hear when they are done."""


for _command in (
    submit.submit,
    watch.watch,
    tasks.list_tasks,
    tasks.show,
    tasks.stop,
    tasks.redeliver,
    providers.providers,
    destinations.destinations,
    listen.listen,
    verify.verify,
    completion.completion,
):
    cli.add_command(_command)


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal of another encoding is no reason to end
    cli()

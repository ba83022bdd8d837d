"""`taskhook completion`: the script that a shell reads."""

import click
from click.shell_completion import ShellComplete, get_completion_class

from taskhook_cli.errors import UsageFault

SHELLS = ("bash", "zsh", "fish")


@click.command(
    epilog="""\b
Examples:
  taskhook completion bash > ~/.local/share/bash-completion/completions/taskhook
  taskhook completion zsh > ~/.zfunc/_taskhook
  taskhook completion fish > ~/.config/fish/completions/taskhook.fish
"""
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    Names of providers are completed from the list that `submit` and `providers` keep on disk.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise UsageFault(f"there is no completion for {shell}")
    script = kind(ctx.find_root().command, {}, "taskhook", "_TASKHOOK_COMPLETE")
    # ShellComplete's own: that of bash starts a bash to ask for its version first.
    click.echo(ShellComplete.source(script))

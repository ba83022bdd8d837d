"""`taskhook providers`: what can be watched, and what a task id is there."""

import click

from taskhook_cli.api import Record
from taskhook_cli.catalogue import find, id_facts, load, names, paths_of, search, suggestion
from taskhook_cli.context import Context, complete_providers, service_options
from taskhook_cli.errors import CommandError
from taskhook_cli.out import Out


@click.command(
    epilog="""\b
Examples:
  taskhook providers
  taskhook providers load balancer
  taskhook providers tencent.clb
"""
)
@click.argument("words", metavar="[WORD]...", nargs=-1, shell_complete=complete_providers)
@service_options
def providers(context: Context, words: tuple[str, ...]) -> None:
    """List the status APIs that can be watched; with WORD only those that it is about.

    For a single one all details are shown: where its task id is found, and what its words mean.
    """
    word = " ".join(words)
    known = load(context.api(), context.cache, context.clock)
    named = find(word, known)
    found = [named] if named else search(word, known)
    if not found:
        raise CommandError(f"no provider has to do with '{word}'{suggestion(word, known)}")
    _print(context.out, found)


def _print(out: Out, found: list[Record]) -> None:
    if out.json:
        for one in sorted(found, key=lambda one: str(one.get("name"))):
            out.record(one)
    elif len(found) == 1:
        out.facts(_facts(found[0]))
    else:
        by_name = {names([one])[0]: one for one in found}
        rows = [(name, one.get("title"), id_facts(one).get("found")) for name, one in sorted(by_name.items())]
        out.table(("provider", "title", "a task id is"), rows)


def _facts(one: Record) -> list[tuple[str, object]]:
    id, states = id_facts(one), one.get("states")
    words = states.items() if isinstance(states, dict) else ()
    return [
        ("name", one.get("name")),
        ("short", one.get("short")),
        ("title", one.get("title")),
        ("task id", id.get("form")),
        ("found", id.get("found")),
        ("paths", ", ".join(paths_of(one))),
        ("example", id.get("example")),
        ("region", one.get("region")),
        *((f"  {state}", ", ".join(str(word) for word in listed)) for state, listed in words),
        ("rate limit", one.get("rate_limit")),
        ("note", one.get("note")),
        ("origin", one.get("origin")),
        ("source", one.get("source")),
    ]

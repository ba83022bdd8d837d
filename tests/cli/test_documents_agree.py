"""docs/cli.md and the help against the code: what is written about it is so."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from taskhook_cli import __version__
from taskhook_cli.app import cli
from taskhook_cli.exits import BY_STATE, STATES, Exit
from tests.cli.conftest import Run
from tests.conftest import ROOT

PAGE = (ROOT / "docs/cli.md").read_text("utf-8")
SOURCES = sorted((ROOT / "cli/taskhook_cli").rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "cli/pyproject.toml").read_text("utf-8"))


def commands(group: click.Group = cli, *above: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield " ".join((*above, name)), command
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)


COMMANDS = dict(commands())
PINNED = dict(
    line.strip().lower().split("==")
    for name in ("local", "dev")
    for line in (ROOT / f"requirements/{name}.txt").read_text("utf-8").splitlines()
    if "==" in line
)


def test_the_table_of_exit_statuses_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+?) \|$", PAGE, re.MULTILINE)
    assert [int(number) for number, _ in rows] == sorted(one.value for one in Exit)
    words = {int(number): text for number, text in rows}
    for state, status in BY_STATE.items():
        assert f"`{state}`" in words[status] or status is Exit.OK


def test_every_command_has_an_example_on_the_page_and_no_other() -> None:
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
    shown = re.findall(r"(?:^|[|(]\s*|\$\()taskhook ((?:destinations )?[a-z]+)", blocks, re.MULTILINE)
    known = set(COMMANDS)
    assert known <= {one if one in known else one.split()[0] for one in shown} | set(shown)
    assert {one.split()[0] for one in shown} <= known


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(run: Run, name: str) -> None:
    text = run(*name.split(), "--help").stdout
    assert re.search(rf"Examples?:\n(?:.*\n)*.*taskhook {name}", text)
    assert COMMANDS[name].help


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name: str) -> None:
    for param in COMMANDS[name].params:
        assert not isinstance(param, click.Option) or param.help, param.name


def test_every_option_on_the_page_is_one() -> None:
    known = {option for command in COMMANDS.values() for param in command.params for option in param.opts}
    foreign = {"--no-deps", "--help", "--version"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", "\n".join(_ours()))) - foreign <= known


def _ours() -> Iterator[str]:
    """What is said of taskhook's own command line: tables, code in the text, and its part of a pipe."""
    for line in PAGE.splitlines():
        yield line.rpartition("| taskhook")[2] if "| taskhook" in line else "" if "tccli" in line else line


@pytest.mark.parametrize("name", COMMANDS)
def test_no_option_takes_a_key_or_a_secret(name: str) -> None:
    options = {option for param in COMMANDS[name].params for option in param.opts}
    assert not options & {"--api-key", "--key", "--secret", "--token", "--password"}


def test_states_are_those_of_the_service() -> None:
    from taskhook.states import State

    assert set(STATES) == {state.value for state in State}
    assert set(BY_STATE) == {state.value for state in State if state.terminal}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_command_line_imports_nothing_of_the_service(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    outside = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"taskhook_cli"}
    assert outside <= {re.split(r"[<>=]", one)[0] for one in PROJECT["project"]["dependencies"]}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_are_small_and_the_environment_is_read_in_one(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) < 300
    assert ("environ" not in re.sub(r"environment|Environment", "", text)) or path.name == "environment.py"


@pytest.mark.parametrize("wanted", PROJECT["project"]["dependencies"])
def test_the_versions_that_are_tested_are_within_what_the_package_allows(wanted: str) -> None:
    from packaging.requirements import Requirement

    requirement = Requirement(wanted)
    assert requirement.specifier.contains(PINNED[requirement.name.lower()])
    assert "<" in str(requirement.specifier)


def test_the_build_backend_is_pinned_as_it_is_tested() -> None:
    assert PROJECT["build-system"]["requires"] == [f"setuptools=={PINNED['setuptools']}"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)

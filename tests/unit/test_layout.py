"""The direction of imports, read from the source: a written rule without a test is how rules break."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from taskhook.providers.entry import CODE
from taskhook.providers.listing import built_in
from tests.conftest import ROOT

LAYER = ROOT / "layers/taskhook"
LIBRARY = sorted((LAYER / "taskhook").rglob("*.py"))
FUNCTIONS = sorted((ROOT / "functions").glob("*/app.py"))

CORE = {
    "accounts",
    "addresses",
    "backoff",
    "errors",
    "looks",
    "memory",
    "nesting",
    "schedule",
    "states",
    "task",
    "timeline",
    "times",
}
SPECIAL = {"bm", "media"}
"""What data cannot say of single APIs: modules of ``providers`` that entries of the catalogue name."""
IMPURE = {"asyncio", "os", "random", "secrets", "select", "socket", "ssl", "subprocess", "threading", "time", "uuid"}
NOW = {"now", "utcnow", "today", "time", "monotonic", "random", "urandom", "uuid4", "environ", "getenv", "open"}

THIRD_PARTY = {
    "aws_lambda_powertools": {"log", "api"},
    "boto3": set(),
    "botocore": {"aws", "durations", "ledger", "slots", "seats", "secret", "start", "store"},
    "jmespath": {"providers"},
    "pydantic": {"api"},
    "requests": {"http", "telling", "providers", "roles", "destinations", "signing"},
    "urllib3": {"http"},
}
"""Who may import what does not come with Python: modules and packages of the library."""


def module(path: Path) -> str:
    """``taskhook.providers.bm``, and ``taskhook.providers`` for its ``__init__``."""
    parts = path.relative_to(LAYER).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in LIBRARY}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only a type checker sees."""
    for child in ast.iter_child_nodes(node):
        if not only_for_types(child):
            yield child
            yield from statements(child)


@cache
def imports(path: Path) -> frozenset[str]:
    """Full names of the modules that a file imports, wherever in it."""
    found = set()
    for node in statements(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports are written in full here"
            base = str(node.module)
            found |= {full if (full := f"{base}.{alias.name}") in MODULES else base for alias in node.names}
    return frozenset(found)


def ours(path: Path) -> set[str]:
    return {name for name in imports(path) if name.split(".")[0] == "taskhook"}


def foreign(path: Path) -> set[str]:
    roots = {name.split(".")[0] for name in imports(path)}
    return roots - set(sys.stdlib_module_names) - {"taskhook"}


def place(name: str) -> str:
    """The module or package right under ``taskhook``."""
    return name.split(".")[1] if "." in name else ""


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parts_of(package: str) -> list[Path]:
    return [path for name, path in MODULES.items() if place(name) == package]


@pytest.mark.parametrize("core", sorted(CORE))
def test_core_values_import_the_standard_library_and_each_other_only(core: str) -> None:
    path = MODULES[f"taskhook.{core}"]
    assert not foreign(path)
    assert {place(name) for name in ours(path)} <= CORE


@pytest.mark.parametrize("core", sorted(CORE))
def test_core_values_never_read_the_clock_the_dice_or_the_environment(core: str) -> None:
    path = MODULES[f"taskhook.{core}"]
    modules = {name for name in imports(path) if name.split(".")[0] in IMPURE}
    assert modules <= {"random"}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module == "random":
            assert [alias.name for alias in node.names] == ["Random"]
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert not (node.attr in NOW and node.value.id in {"datetime", "date", "time", "os", "Random", "random"})
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"open", "print", "input", "Random"}


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_the_environment_is_read_in_one_file(path: Path) -> None:
    names = {node.attr for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)}
    names |= {alias.name for node in ast.walk(tree(path)) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert path.name == "config.py" or not names & {"environ", "getenv", "putenv"}


@pytest.mark.parametrize("path", FUNCTIONS, ids=name_of)
def test_functions_do_not_read_the_environment_themselves(path: Path) -> None:
    assert "os" not in imports(path)


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_what_does_not_come_with_python_is_imported_where_it_belongs(path: Path) -> None:
    allowed = {package for package, places in THIRD_PARTY.items() if place(module(path)) in places}
    assert foreign(path) <= allowed


@pytest.mark.parametrize("path", FUNCTIONS, ids=name_of)
def test_functions_import_powertools_and_the_library_only(path: Path) -> None:
    assert foreign(path) <= {"aws_lambda_powertools"}
    assert ours(path)


@pytest.mark.parametrize("path", [*LIBRARY, *FUNCTIONS], ids=name_of)
def test_nothing_deployed_imports_functions_tests_or_the_local_way(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & {"functions", "tests", "local", "benchmarks"}


@pytest.mark.parametrize("path", parts_of("providers"), ids=name_of)
def test_providers_import_nothing_special_nor_a_destination_nor_a_door_but_http(path: Path) -> None:
    used = ours(path)
    assert not {name.split(".")[2] for name in used if place(name) == "providers" and name.count(".") == 2} & SPECIAL
    assert {place(name) for name in used} <= CORE | {"http", "signing", "providers"}


@pytest.mark.parametrize("path", parts_of("destinations"), ids=name_of)
def test_a_destination_imports_neither_providers_nor_the_store(path: Path) -> None:
    assert {place(name) for name in ours(path)} <= CORE | {"", "http", "destinations"}


TELLING = {"deliver", "destinations", "escalation", "filters", "progress", "registry", "telling", "turns"}
"""What knows how news is sent. Whoever looks at tasks, or only takes them, starts without it."""


def loaded_by(path: Path) -> set[str]:
    """Every module of the library that comes along when a file is imported."""
    found: set[str] = set()
    ahead = ours(path)
    while ahead:
        found |= ahead
        ahead = {name for one in ahead & set(MODULES) for name in ours(MODULES[one])} - found
    return {place(name) for name in found}


@pytest.mark.parametrize("name", ["poll", "start", "reconcile"])
def test_functions_that_tell_nobody_load_nothing_for_it(name: str) -> None:
    assert not loaded_by(ROOT / f"functions/{name}/app.py") & TELLING


def test_functions_that_take_and_show_tasks_load_nothing_that_sends_messages() -> None:
    assert loaded_by(ROOT / "functions/submit/app.py") & (TELLING | {"http"}) == {"destinations"}
    assert not loaded_by(ROOT / "functions/show/app.py") & TELLING


@pytest.mark.parametrize("name", ["poll", "notify", "start", "reconcile"])
def test_only_the_functions_behind_the_api_load_what_it_is_made_with(name: str) -> None:
    assert "api" not in loaded_by(ROOT / f"functions/{name}/app.py")


@pytest.mark.parametrize("name", ["backoff", "filters", "task"])
def test_what_decides_over_news_has_no_door_to_the_outside(name: str) -> None:
    assert not loaded_by(MODULES[f"taskhook.{name}"]) & {"aws", "ledger", "store", "queues", "secret", "telling"}


@pytest.mark.parametrize("name", ["holding", "ledger", "store", "queues"])
def test_what_keeps_news_does_not_know_how_it_is_sent(name: str) -> None:
    assert not loaded_by(MODULES[f"taskhook.{name}"]) & TELLING


@pytest.mark.parametrize("name", ["turns", "escalation", "progress", "telling", "filters"])
def test_parts_of_a_delivery_do_not_know_the_whole(name: str) -> None:
    assert not loaded_by(MODULES[f"taskhook.{name}"]) & {"deliver", "registry", "submit", "reconcile"}


@pytest.mark.parametrize("path", parts_of("signing"), ids=name_of)
def test_signing_knows_nothing_of_the_rest(path: Path) -> None:
    assert {place(name) for name in ours(path)} <= {"errors", "signing"}


def test_the_door_out_knows_no_one_behind_it() -> None:
    assert {place(name) for name in ours(MODULES["taskhook.http"])} <= CORE | {""}


def test_imports_never_run_in_a_circle() -> None:
    graph = {name: ours(path) - {"taskhook"} for name, path in MODULES.items() if name != "taskhook"}
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("path", [path for path in LIBRARY if path.name != "log.py"], ids=name_of)
def test_the_library_logs_by_the_name_of_the_module_and_prints_nothing(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) != "print"
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "logger":
            assert ast.unparse(node.value) == "logging.getLogger(__name__)"


def test_what_an_entry_may_name_as_code_is_there_and_used() -> None:
    assert set(CODE) == SPECIAL
    assert {f"taskhook.providers.{name}" for name in CODE} <= set(MODULES)
    assert {one.code for one, _ in built_in() if one.code} == SPECIAL


TEXTS = {".py", ".md", ".toml", ".yaml", ".txt", ".json", ".html", ".sh"}


def test_no_text_has_marks_of_a_merge_that_was_not_finished() -> None:
    marks = ("<" * 7 + " ", ">" * 7 + " ")
    folders = [path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in TEXTS]
    files += [path for path in ROOT.iterdir() if path.is_file()]
    assert len(files) > 400
    for path in files:
        lines = path.read_text("utf-8", errors="replace").splitlines()
        assert not [line for line in lines if line.startswith(marks)], path

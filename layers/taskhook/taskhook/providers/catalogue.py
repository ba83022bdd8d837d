"""The catalogue: which status APIs there are, by name. A file of it holds the APIs of one service.

Nothing is read before it is needed, and then only the file of the service and the entry that was asked for. Files are
TOML; the built layer holds them as JSON (see ``compiled``), because Python's TOML parser takes longer to import than
everything else here takes to run.

An operator's own entries have the same form. They come as texts by service, from wherever ``own`` finds them, and may
add services and actions, but never change what is built in.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from taskhook.accounts import CLOUDS, SERVICE
from taskhook.errors import CatalogueError
from taskhook.providers import entry
from taskhook.providers.model import Provider

BUILT_IN = Path(__file__).parent.parent / "catalogue"

_ABSURD = re.compile(r"[\[{(]{40}")
"""Deeper than any entry needs, and not yet as deep as a parser can go."""

type Own = Callable[[str], str | None]
"""An operator's file for a service such as ``tencent.clb``, None where there is none."""


@dataclass(frozen=True, slots=True)
class File:
    """The entries of one service, each parsed when it is asked for. ``text`` is there to name lines in."""

    service: str
    where: str
    tables: Mapping[str, Any]
    text: str = ""
    origin: str = "built in"
    _parsed: dict[str, Provider] = field(default_factory=dict)

    @property
    def actions(self) -> list[str]:
        return [name for name in self.tables if name[:1].isupper()]

    @property
    def usual(self) -> str | None:
        """The action that the service's name alone stands for."""
        usual = self.tables.get("usual")
        return usual if isinstance(usual, str) else next(iter(self.actions), None)

    def action(self, name: str | None) -> str | None:
        """The action as it is spelled here, whatever its case; the usual one for None."""
        folded = (self.usual or "" if name is None else name).casefold()
        return next((one for one in self.actions if one.casefold() == folded), None)

    def provider(self, action: str) -> Provider:
        """Raises CatalogueError for an entry that is broken; the others of the file are unharmed."""
        if action not in self._parsed:
            cloud, service = self.service.split(".", 1)
            head = {key: value for key, value in self.tables.items() if not key[:1].isupper()}
            try:
                entry.check_head(cloud, head)
            except entry.Fault as fault:
                raise self._error(None, fault) from None
            context = entry.Context(cloud=cloud, service=service, head=head, origin=self.origin)
            try:
                self._parsed[action] = entry.parse(context, action, self.tables[action])
            except entry.Fault as fault:
                raise self._error(action, fault) from None
            except (RecursionError, OverflowError, ValueError, TypeError) as error:
                # Nested or large beyond all measure. Whatever it is, it must not harm the others.
                unreadable = entry.Fault(None, f"cannot be read ({type(error).__name__})")
                raise self._error(action, unreadable) from None
        return self._parsed[action]

    def _error(self, action: str | None, fault: entry.Fault) -> CatalogueError:
        subject = f"{self.service}.{action}" if action else self.service
        return CatalogueError(self.where, _line(self.text, action, fault.key), f"{subject}: {fault.reason}")


class Catalogue:
    """What is built in, and what an operator added."""

    def __init__(self, own: Own | None = None) -> None:
        self._own = own

    def find(self, name: str) -> Provider | None:
        """The provider of a full or short name, in any case. Raises CatalogueError where its entry is broken."""
        service, action = _split(name.casefold())
        if not is_service(service):
            return None
        for file in self._files(service):
            spelled = file.action(action)
            if spelled is not None:
                return file.provider(spelled)
        return None

    def _files(self, service: str) -> Iterator[File]:
        known = built_in(service)
        if known is not None:
            yield known
        text = self._own(service) if self._own is not None else None
        if text is not None:
            yield parsed(service, text, where=f"providers/{service}", origin="operator")


def is_service(name: str) -> bool:
    """Whether a file could be named so: ``tencent.clb``."""
    cloud, _, service = name.partition(".")
    return cloud in CLOUDS and SERVICE.fullmatch(service) is not None


def _split(name: str) -> tuple[str, str | None]:
    """``tencent.clb`` and the action, None where the service stands alone."""
    parts = name.split(".", 2)
    return ".".join(parts[:2]), parts[2] if len(parts) > 2 else None


def built_in_services() -> list[str]:
    """Every service of which something is built in, such as ``alibaba.ecs``."""
    files = (path for path in BUILT_IN.glob("*/*") if path.suffix in (".toml", ".json"))
    return sorted(f"{path.parent.name}.{path.stem}" for path in files)


@cache
def built_in(service: str) -> File | None:
    """The file of a service such as ``alibaba.ecs``, None where there is none."""
    base = BUILT_IN / service.replace(".", "/", 1)
    compiled = base.with_name(base.name + ".json")
    if compiled.is_file():
        return File(service, f"catalogue/{service}", json.loads(compiled.read_bytes()))
    source = base.with_name(base.name + ".toml")
    if not source.is_file():
        return None
    return parsed(service, source.read_text("utf-8"), where=f"catalogue/{service.replace('.', '/', 1)}.toml")


def parsed(service: str, text: str, *, where: str, origin: str = "built in") -> File:
    """A file from its text. Raises CatalogueError for what is no TOML."""
    if _ABSURD.search(text):
        raise CatalogueError(where, 1, "nests lists or tables beyond all measure")
    import tomllib  # only where TOML is read at all: never for what is built in, in Lambda

    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = int(found[1]) if found else len(text.splitlines())
        raise CatalogueError(where, line, str(error).partition(" (at ")[0]) from None
    except (RecursionError, ValueError) as error:
        raise CatalogueError(where, 1, f"cannot be read ({type(error).__name__})") from None
    return File(service, where, tables, text, origin)


def names() -> list[str]:
    """The full names of everything that is built in."""
    return [f"{service}.{action}" for service in built_in_services() for action in _required(service).actions]


def _required(service: str) -> File:
    file = built_in(service)
    if file is None:
        raise LookupError(service)
    return file


def nearest(name: str) -> list[str]:
    """Up to three names that a caller may have meant, best first."""
    by_fold = {one.casefold(): one for one in (*built_in_services(), *names())}
    close = difflib.get_close_matches(name.casefold()[:128], by_fold, n=3, cutoff=0.5)
    return [by_fold[one] for one in close]


def entries(file: File) -> Iterator[Provider | CatalogueError]:
    """Each entry of a file, or why it cannot be used."""
    known = built_in(file.service) if file.origin != "built in" else None
    for action in file.actions:
        try:
            provider = file.provider(action)
        except CatalogueError as error:
            yield error
            continue
        if known is not None and known.action(action) is not None:
            reason = f"{file.service}.{action} is built in; give yours another name"
            yield CatalogueError(file.where, _line(file.text, action, None), reason)
        else:
            yield provider


def faults(file: File) -> list[CatalogueError]:
    """What is wrong with the entries of a file, one fault for each entry, and with the file."""
    found = [one for one in entries(file) if isinstance(one, CatalogueError)]
    if not file.actions:
        found.append(CatalogueError(file.where, 1, "holds no entry: a table such as [DescribeTask]"))
    if "usual" in file.tables and file.tables["usual"] not in file.actions:
        found.append(CatalogueError(file.where, _line(file.text, None, "usual"), "'usual' names no entry of the file"))
    return found


def _line(text: str, action: str | None, key: str | None) -> int:
    """Where a key of an entry stands, else the entry; a key of the head may stand for all of them."""
    lines = text.splitlines()
    table = re.compile(r"\s*\[\s*(?:\"|')?" + re.escape(action or "") + r"(?:\"|')?\s*[\].]")
    start: int | None = next((number for number, line in enumerate(lines) if action and table.match(line)), None)
    if key is None:
        return 1 if start is None else start + 1
    wanted = re.compile(
        r"\s*(?:\"|')?" + re.escape(key) + r"(?:\"|')?\s*[=.]|\s*\[(?:[^\]]*\.)?" + re.escape(key) + r"\]"
    )
    within = _until_next_table(lines, start) if start is not None else range(len(lines))
    found = (number + 1 for number in [*within, *range(len(lines))] if wanted.match(lines[number]))
    return next(found, 1 if start is None else start + 1)


def _until_next_table(lines: list[str], start: int) -> range:
    header = re.compile(r"\s*\[[A-Z]")
    end = next((number for number in range(start + 1, len(lines)) if header.match(lines[number])), len(lines))
    return range(start, end)

"""The service's providers, kept on disk for a while: what a task id is, and where it stands in a cloud's answer."""

import difflib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskhook_cli.api import Api, records
from taskhook_cli.errors import CommandError

FRESH_SECONDS = 3600.0
"""For so long the list is taken as it is; then the service is asked whether it has changed."""

type Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    at: float
    etag: str | None
    providers: list[Record]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """One file for each service. A file that is missing, broken or not ours to write is no error."""

    folder: Path
    url: str

    @property
    def path(self) -> Path:
        return self.folder / f"providers-{hashlib.sha256(self.url.encode()).hexdigest()[:16]}.json"

    def read(self) -> Kept | None:
        try:
            found = json.loads(self.path.read_text("utf-8"))
            kept = Kept(at=float(found["at"]), etag=found["etag"], providers=records(found, "providers"))
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, CommandError):
            return None
        return kept if kept.etag is None or isinstance(kept.etag, str) else None

    def write(self, kept: Kept) -> None:
        text = json.dumps({"at": kept.at, "etag": kept.etag, "providers": kept.providers})
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(dir=self.folder, prefix=".providers-")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(name, self.path)
        except OSError:
            return


def load(api: Api, cache: Cache, clock: Callable[[], float], *, fresh: bool = False) -> list[Record]:
    """From disk while that is young; ``fresh`` asks the service in any case."""
    kept, now = cache.read(), clock()
    if kept is not None and not fresh and 0 <= now - kept.at < FRESH_SECONDS:
        return kept.providers
    answer = api.providers(kept.etag if kept else None)
    if answer.status == 304 and kept is not None:
        found, etag = kept.providers, kept.etag
    else:
        found, etag = records(answer.json(), "providers"), answer.etag
    cache.write(Kept(at=now, etag=etag, providers=found))
    return found


def find(name: str, providers: Iterable[Record]) -> Record | None:
    """By its full or its short name."""
    return next((one for one in providers if name in (one.get("name"), one.get("short"))), None)


def wanted(name: str, api: Api, cache: Cache, clock: Callable[[], float]) -> Record:
    """Raises CommandError with what is near when there is no such provider, also not in a list just fetched."""
    found = find(name, load(api, cache, clock)) or find(name, providers := load(api, cache, clock, fresh=True))
    if found is None:
        raise CommandError(f"PROVIDER: '{name}' is not a provider{suggestion(name, providers)}")
    return found


def names(providers: Iterable[Record]) -> list[str]:
    """Short where there is a short one."""
    return sorted(str(one.get("short") or one.get("name") or "") for one in providers)


def suggestion(name: str, providers: Iterable[Record]) -> str:
    near = difflib.get_close_matches(name, names(providers), n=3)
    return f"; did you mean {' or '.join(near)}?" if near else "; `taskhook providers` lists them"


def search(word: str, providers: Iterable[Record]) -> list[Record]:
    """Those in whose name, title or description of the id the word is; every word of several."""
    words = word.lower().split()
    return [one for one in providers if all(part in _text(one) for part in words)]


def _text(one: Record) -> str:
    parts = (one.get("name"), one.get("short"), one.get("title"), id_facts(one).get("found"))
    return " ".join(str(part) for part in parts if part).lower()


def id_facts(one: Record) -> Record:
    found = one.get("task_id")
    return found if isinstance(found, dict) else {}


def paths_of(one: Record) -> list[str]:
    """Where the id stands in an answer; a service that does not say it names the last part of the id at least."""
    listed = id_facts(one).get("paths")
    paths = [path for path in listed if isinstance(path, str)] if isinstance(listed, list) else []
    return paths or [part.strip("{}?").partition(":")[0] for part in parts_of(one)[-1:]]


def parts_of(one: Record) -> list[str]:
    """Those parts of an id that must be there: ``{InstanceId}``, ``{RequestId}``."""
    form = str(id_facts(one).get("form") or "")
    return [part for part in form.split("/") if part and not part.rstrip("}").endswith("?")]

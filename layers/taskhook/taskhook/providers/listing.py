"""The catalogue for people: what ``GET /providers`` answers and docs/providers.md is made from."""

from collections.abc import Iterator, Mapping
from typing import Any

from taskhook.errors import CatalogueError
from taskhook.providers import catalogue
from taskhook.providers.model import Provider


def listing(own: Mapping[str, str]) -> dict[str, Any]:
    """``{"providers": [...], "broken": [...]}``. ``own`` holds an operator's files by service.

    A broken file or entry is listed with its line and reason; the others are there all the same.
    """
    providers = [view(one, short) for one, short in built_in()]
    broken: list[CatalogueError] = []
    for service, text in sorted(own.items()):
        found, faults = _own(service, text)
        providers += [view(one, short) for one, short in found]
        broken += faults
    return {
        "providers": providers,
        "broken": [{"entry": one.where, "line": one.line, "reason": one.reason} for one in broken],
    }


def built_in() -> Iterator[tuple[Provider, bool]]:
    """Every built-in provider, and whether its service's name alone means it."""
    for service in catalogue.built_in_services():
        file = catalogue.built_in(service)
        if file is not None:
            yield from ((file.provider(action), action == file.usual) for action in file.actions)


def _own(service: str, text: str) -> tuple[list[tuple[Provider, bool]], list[CatalogueError]]:
    where = f"providers/{service}"
    if not catalogue.is_service(service):
        return [], [CatalogueError(where, 1, f"'{service}' is not <cloud>.<service>, as in tencent.clb")]
    try:
        file = catalogue.parsed(service, text, where=where, origin="operator")
    except CatalogueError as error:
        return [], [error]
    short = f"{service}.{file.usual}" if catalogue.built_in(service) is None else None
    usable = [(one, one.name == short) for one in catalogue.entries(file) if isinstance(one, Provider)]
    return usable, catalogue.faults(file)


def view(provider: Provider, short: bool) -> dict[str, Any]:
    """One provider as the API shows it."""
    states: dict[str, list[str]] = {}
    for word, state in provider.spelled.items():
        states.setdefault(state.value, []).append(word)
    return {
        "name": provider.name,
        "short": provider.name.rpartition(".")[0] if short else None,
        "title": provider.title,
        "cloud": provider.cloud,
        "version": provider.version,
        "task_id": {
            "form": provider.task_id.form,
            "shape": provider.task_id.shape,
            "found": provider.task_id.found,
            "paths": list(provider.task_id.paths),
            "example": provider.task_id.example,
        },
        "region": provider.region,
        "states": states,
        "rate_limit": provider.rate_limit,
        "batch": provider.batch.most if provider.batch is not None else None,
        "note": provider.note,
        "source": provider.source,
        "origin": provider.origin,
    }

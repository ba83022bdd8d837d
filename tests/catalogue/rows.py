"""The rows of the catalogue as test cases: one for each provider.

Those of a service are run by one worker, because its SDK is slow to import. pytest-xdist keeps groups together with
``--dist loadgroup``, and up to pytest 9.1 only (pytest-xdist issue 1386).
"""

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import pytest
import requests

from taskhook.accounts import Account
from taskhook.errors import CatalogueError
from taskhook.providers import asking, catalogue, filling
from taskhook.providers.catalogue import File
from taskhook.providers.model import Provider, Question
from tests.conftest import NOW

type Mark = Callable[[Callable[..., None]], Callable[..., None]]


@cache
def files() -> dict[str, File]:
    """Every file that is TOML at all. That the others are broken, and how, is said by test_format."""
    found: dict[str, File] = {}
    for service in catalogue.built_in_services():
        try:
            file = catalogue.built_in(service)
        except CatalogueError:
            continue
        if file is not None:
            found[service] = file
    return found


@cache
def rows() -> dict[str, Provider]:
    found: dict[str, Provider] = {}
    for service, file in files().items():
        for action in file.actions:
            try:
                found[f"{service}.{action}"] = file.provider(action)
            except CatalogueError:
                continue
    return found


def case(name: str, *more: Any, id: str | None = None) -> Any:
    """A test case of one provider, run by the worker that runs the others of its service."""
    return pytest.param(name, *more, id=id or name, marks=pytest.mark.xdist_group(name.rpartition(".")[0]))


def each(names: str = "name", choose: Callable[[Provider], object] = lambda provider: True) -> Mark:
    """Runs a test for every provider, or for those that ``choose`` says."""
    return cast(Mark, pytest.mark.parametrize(names, [case(name) for name, row in rows().items() if choose(row)]))


def merged(name: str) -> dict[str, Any]:
    """What an entry says together with the head of its file, as it is written."""
    service, _, action = name.rpartition(".")
    tables = files()[service].tables
    head = {key: value for key, value in tables.items() if not key[:1].isupper()}
    return {**head, **tables[action]}


def sample_id(provider: Provider, number: int = 0) -> str:
    """A task id that this API could have: its example, or one made of texts that most parts can be."""
    if provider.task_id.example is not None and not number:
        return provider.task_id.example
    made = [next((one for one in (f"a1b2c3d4-{number}", f"{100123 + number}") if part.canonical(one)), None)
            for part in provider.task_id.parts]  # fmt: skip
    if None not in made:
        return "/".join(one or "" for one in made)
    assert provider.task_id.example is not None, "an entry with such patterns needs an example"
    return provider.task_id.example


def usual_region(provider: Provider) -> str:
    return "ap-guangzhou" if provider.cloud == "tencent" else "cn-hangzhou"


def account(provider: Provider, **changes: Any) -> Account:
    values = {"name": "account", "cloud": provider.cloud, "key_id": "AKIDEXAMPLE", "key_secret": "not-a-real-secret"}
    return Account(**{**values, **changes})


def question(provider: Provider, **changes: Any) -> Question:
    values = {
        "task_id": sample_id(provider),
        "region": usual_region(provider),
        "account": account(provider),
        "clock": lambda: NOW,
    }
    return Question(**{**values, **changes})


def known(provider: Provider, asked: Question) -> dict[str, str | int]:
    return filling.values(provider.task_id, asked)


def parameters(provider: Provider, asked: Question) -> dict[str, Any]:
    """What the entry sends of its own, page numbers of its first page among it."""
    page: dict[str, Any] = {}
    if provider.paging is not None:
        page = {provider.paging.offset: 0} if provider.paging.offset else {str(provider.paging.number): 1}
    return {**filling.filled(provider.send, known(provider, asked), NOW), **page}


def prepared(provider: Provider, asked: Question) -> requests.PreparedRequest:
    with requests.Session() as session:
        session.headers.clear()
        return session.prepare_request(asking.request(provider, asked))

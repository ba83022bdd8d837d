"""Every entry of the catalogue, as the simulator plays it: built in, and given at run time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Any, Self

from local.simulator.limits import Limit
from local.simulator.lives import Outcome
from taskhook.providers import catalogue
from taskhook.providers.model import Provider

type Word = str | int

UNHEARD_OF, UNHEARD_OF_NUMBER = "taskhook-never-heard-of", 987
_STATES = MappingProxyType(
    {
        Outcome.CREATED: ("running",),
        Outcome.RUNNING: ("running",),
        Outcome.SUCCEEDED: ("succeeded",),
        Outcome.FAILED: ("failed",),
        Outcome.PARTIAL: ("partial", "failed"),
        Outcome.CANCELED: ("canceled", "failed"),
        Outcome.EXPIRED: ("failed",),
    }
)
"""The states of the catalogue, the nearest first, that can stand for each of our outcomes."""
_SECONDS = {"s": 1.0, "min": 60.0}
_SPOILERS = MappingProxyType(
    {
        # Of the codes that the Go SDK (tat/v20201028) documents for this action, the only one for an invocation's id.
        # For a single unknown id taskhook's entry expects an empty list: what is true then is documented nowhere.
        "tencent.tat.DescribeInvocations": "InvalidParameterValue.InvalidInvocationId",
    }
)
"""APIs that may refuse several ids because of one, though their entries name no error for a single unknown id.

Where an entry names one the same holds, as in Tencent's Auto Scaling: ``InvalidParameterValue.InvalidActivityId``,
which the Go SDK (as/v20180419) documents. All others leave an unknown id out. Alibaba's Auto Scaling ignores bad ids
without an error (a copy of its older page: developer.aliyun.com/ask/227960); MTS lists them apart (``NonExistJobIds``,
help.aliyun.com 29228); CDN and DCDN refuse malformed ids only (``InvalidTaskId.Malformed``, 448062 and 217613); of the
others no code for an id is known.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """``name``: as the log calls it. ``states``: the words of each state, with the types that JSON has for them."""

    name: str
    provider: Provider
    states: Mapping[str, list[Word]]
    not_found: str | None

    @property
    def limit(self) -> Limit | None:
        if self.provider.rate_limit is None:
            return None
        requests, _, unit = self.provider.rate_limit.partition("/")
        return Limit(requests=int(requests), seconds=_SECONDS[unit])

    @property
    def of_several(self) -> Self:
        """The row for a request with several ids: its ``not_found`` is the refusal of all for the sake of one."""
        return replace(self, not_found=self.not_found or _SPOILERS.get(self.provider.name))

    @property
    def lists(self) -> bool:
        """Whether the answer holds a list of items, as far as the entry lets one know."""
        provider = self.provider
        return provider.at is not None and bool(provider.where or provider.resource or provider.paging)

    def word(self, outcome: Outcome) -> Word | None:
        """The outcome's own name where that is a word here, else the first of its state; None where there is none."""
        if outcome is Outcome.UNKNOWN:
            numbers = all(isinstance(word, int) for words in self.states.values() for word in words)
            return UNHEARD_OF_NUMBER if numbers else UNHEARD_OF
        words = next((self.states[state] for state in _STATES[outcome] if state in self.states), [])
        same = (word for word in words if str(word).casefold() == outcome.value)
        return next(same, words[0] if words else None)


def every(own: Mapping[str, str]) -> list[Row]:
    """``own``: TOML texts by service, as in ``tencent.clb``. Raises CatalogueError for an entry that is broken."""
    added = (catalogue.parsed(service, text, where=service, origin="operator") for service, text in own.items())
    return [*_built_in(), *(row for file in added for row in _rows(file))]


def services(cloud: str, own: Iterable[str] = ()) -> list[str]:
    """The services of a cloud, as an account's ``endpoints`` call them."""
    named = (service.partition(".") for service in (*catalogue.built_in_services(), *own))
    return sorted({service for its_cloud, _, service in named if its_cloud == cloud})


@cache
def _built_in() -> tuple[Row, ...]:
    files = (catalogue.built_in(service) for service in catalogue.built_in_services())
    return tuple(row for file in files if file is not None for row in _rows(file))


def _rows(file: catalogue.File) -> tuple[Row, ...]:
    """An operator's file may add to a service, but changes neither its entries nor what its name alone means."""
    known = catalogue.built_in(file.service) if file.origin == "operator" else None
    taken = known.actions if known is not None else []
    usual = file.usual if known is None else None
    return tuple(_row(file, action, short=action == usual) for action in file.actions if action not in taken)


def _row(file: catalogue.File, action: str, *, short: bool) -> Row:
    table: dict[str, Any] = {**file.tables, **file.tables[action]}
    return Row(
        name=file.service if short else f"{file.service}.{action}",
        provider=file.provider(action),
        states=table["states"],
        not_found=next(iter(table.get("errors", {}).get("not_found", [])), None),
    )

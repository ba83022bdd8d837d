"""What an API key may do. The gateway knows the keys, their rates and quotas; this says whose accounts they may use."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from taskhook.errors import ConfigError
from taskhook.task import Task

_MEMBERS = ("name", "accounts", "destinations", "own_destinations")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Accounts and destinations by their names; None for all of them.

    ``own_destinations``: whether a task may bring along a destination of its own.
    """

    name: str
    accounts: tuple[str, ...] | None = None
    destinations: tuple[str, ...] | None = None
    own_destinations: bool = True

    def may_use(self, account: str) -> bool:
        return self.accounts is None or account in self.accounts

    def may_tell(self, destination: str) -> bool:
        return self.destinations is None or destination in self.destinations

    @property
    def usable(self) -> str:
        return ", ".join(self.accounts or ()) or "none"

    @property
    def tellable(self) -> str:
        return ", ".join(self.destinations or ()) or "none"


def forbidden_escalation(key: Key, record: Mapping[str, Any]) -> str | None:
    """What is wrong where a destination's record leads to one that the key may not tell. It says nothing of others."""
    escalate = record.get("escalate")
    to = escalate.get("to") if isinstance(escalate, Mapping) else None
    if not isinstance(to, str) or key.may_tell(to):
        return None
    return f"the API key may not tell '{to[:64]}'; it may tell {key.tellable}"


UNLIMITED = Key(name="default")


def seen_by(key: Key, task: Task) -> Task:
    """A task without the deliveries to destinations that a key has no business with. A task's own belong to it."""
    shown = {name: one for name, one in task.deliveries.items() if name in task.sealed or key.may_tell(name)}
    return task if len(shown) == len(task.deliveries) else replace(task, deliveries=shown)


def parse_key(id: str, text: str) -> Key:
    """The key of a record such as ``{"name": "team-a", "accounts": ["a"], "destinations": ["a-ops"]}``.

    Whoever leaves ``accounts`` or ``destinations`` out allows all of them. A key that may not tell every destination
    may not bring its own along either, unless ``own_destinations`` says so. Raises ConfigError.
    """
    try:
        record = json.loads(text)
    except ValueError:
        raise ConfigError(f"the record of API key {id} is not JSON") from None
    if not isinstance(record, Mapping):
        raise ConfigError(f"the record of API key {id} must be a JSON object")
    if found := list(faults(record)):
        raise ConfigError(f"the record of API key {id}: {'; '.join(found)}")
    destinations = _names(record.get("destinations"))
    return Key(
        name=str(record.get("name") or id),
        accounts=_names(record.get("accounts")),
        destinations=destinations,
        own_destinations=bool(record.get("own_destinations", destinations is None)),
    )


def faults(record: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a record; none of it is secret."""
    for name in sorted(set(record) - set(_MEMBERS)):
        yield f'"{name[:64]}" is none of {", ".join(_MEMBERS)}'
    for name in ("accounts", "destinations"):
        value = record.get(name)
        if value is not None and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
            yield f'"{name}" must be a list of names'
    if not isinstance(record.get("own_destinations", True), bool):
        yield '"own_destinations" must be true or false'
    if not isinstance(record.get("name", ""), str):
        yield '"name" must be a text'


def _names(value: Any) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)

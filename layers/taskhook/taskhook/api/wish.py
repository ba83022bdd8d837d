"""What a caller asks for, and what is configured here that a request can refer to."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from taskhook.accounts import Account
from taskhook.api.keys import UNLIMITED, Key
from taskhook.destinations.urls import DEFAULT_PORTS
from taskhook.providers.model import Provider
from taskhook.schedule import Urgency


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a caller asks for, checked. ``notify`` maps names to None and labels to the caller's own destinations."""

    provider: Provider
    task_id: str
    region: str | None
    account: str
    notify: Mapping[str, Mapping[str, Any] | None]
    live: frozenset[str]
    """Those of them that want to see how the task goes on."""
    timeout: int
    urgency: Urgency
    title: str | None
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What is configured here, as far as a body can refer to it."""

    account: Callable[[str], Account]
    find: Callable[[str], Provider | None]
    destination: Callable[[str], str]
    allow_private: bool
    ports: Collection[int] = DEFAULT_PORTS
    more_regions: frozenset[str] = frozenset()
    key: Key = UNLIMITED
    """Whose request it is."""
    names: Callable[[str], Collection[str]] = lambda kind: ()
    """What is configured: ``accounts`` or ``destinations``, by name."""

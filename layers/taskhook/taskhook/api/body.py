"""The body of ``POST /tasks``: every fault of it, at once, by field."""

import difflib
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from taskhook import destinations
from taskhook.accounts import Account
from taskhook.api.document import JsonObject, join, parse_object, repeated
from taskhook.api.problem import FieldError, invalid
from taskhook.destinations.model import Destination
from taskhook.destinations.urls import DEFAULT_PORTS
from taskhook.errors import CatalogueError, ConfigError
from taskhook.providers import REGION, catalogue
from taskhook.providers.model import Provider
from taskhook.schedule import Urgency
from taskhook.secret import LONGEST_SEALED

FIELDS = ("provider", "task_id", "region", "account", "notify", "timeout_seconds", "urgency", "title", "metadata")
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The name of an account or a destination: it becomes part of an SSM parameter's name."""

DEFAULT_TIMEOUT = 86_400
LONGEST_TIMEOUT = 30 * 86_400
LONGEST_TITLE = 200
LONGEST_METADATA = 8192
MOST_DESTINATIONS = 10


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


def parse_wish(body: bytes, here: Installation) -> Wish:
    """Raises ProblemError: 413, 400 for what is no JSON object, 422 with all faults of one that is."""
    document = parse_object(body)
    reader = _Reader(document, here)
    wish = reader.wish()
    if reader.errors:
        raise invalid(reader.errors)
    return wish


class _Reader:
    """Reads the fields one after the other and collects what is wrong with each."""

    def __init__(self, document: JsonObject, here: Installation) -> None:
        self._document = document
        self._here = here
        self.errors: list[FieldError] = [*repeated(document), *_unknown(document)]
        self._live: list[str] = []

    def wish(self) -> Wish:
        provider = self._provider()
        return Wish(
            provider=provider or _ANY,
            task_id=self._task_id(provider),
            region=self._region(provider),
            account=self._account(provider),
            notify=self._notify(),
            live=frozenset(self._live),
            timeout=self._timeout(),
            urgency=self._urgency(),
            title=self._title(),
            metadata=self._metadata(),
        )

    def _fault(self, field: str, message: str) -> None:
        self.errors.append(FieldError(field, message))

    def _text(self, field: str, *, required: bool = False) -> str | None:
        value = self._document.get(field)
        if value is None:
            if required:
                self._fault(field, "is required" if field not in self._document else "must be a text, not null")
            return None
        if not isinstance(value, str):
            self._fault(field, "must be a text")
            return None
        if not value.strip():
            self._fault(field, "is empty")
            return None
        return value.strip()

    def _provider(self) -> Provider | None:
        name = self._text("provider", required=True)
        if name is None:
            return None
        try:
            found = self._here.find(name)
        except CatalogueError as error:
            self._fault("provider", f"the entry of '{name[:100]}' cannot be used: {error}")
            return None
        if found is None:
            self._fault("provider", _no_such_provider(name))
        return found

    def _task_id(self, provider: Provider | None) -> str:
        value = self._document.get("task_id")
        if value is None:
            self._fault("task_id", "must not be null" if "task_id" in self._document else "is required")
        elif isinstance(value, bool) or not isinstance(value, str | int):
            self._fault("task_id", "must be a text or a whole number")
        elif value == "":
            self._fault("task_id", "is empty")
        elif provider is not None:
            return self._fitting(provider, value)
        return ""

    def _fitting(self, provider: Provider, value: str | int) -> str:
        fitting = provider.task_id.canonical(value)
        if fitting is None:
            rule = provider.task_id
            self._fault("task_id", f"must be {rule.shape}. Where to find it: {rule.found}")
        return fitting or ""

    def _region(self, provider: Provider | None) -> str | None:
        region = self._text("region")
        if region is None:
            if provider is not None and provider.region == "required" and self._document.get("region") is None:
                self._fault("region", f"is required by {provider.name}, as in {_EXAMPLE_REGION[provider.cloud]}")
            return None
        if not REGION.fullmatch(region.lower()):
            self._fault("region", "is no region: only letters, digits and inner hyphens, as in ap-guangzhou")
            return None
        if provider is not None and region.lower() not in provider.regions | self._here.more_regions:
            self._fault("region", _no_such_region(region.lower(), provider))
        return region.lower()

    def _account(self, provider: Provider | None) -> str:
        name = self._text("account")
        if name is None and (provider is None or self._document.get("account") is not None):
            return ""
        name = name or (provider.cloud if provider else "")
        if not NAME.fullmatch(name):
            self._fault("account", "must be 1 to 64 letters, digits, hyphens or underscores")
            return ""
        try:
            account = self._here.account(name)
        except ConfigError as error:
            self._fault("account", str(error))
            return ""
        if provider is not None and not self._document.get("region"):
            endpoint = account.endpoints.get(provider.account_service, "")
            if "{region}" in endpoint and provider.region == "optional":
                self._fault("region", f"is needed: account '{name}' reaches {provider.account_service} by region")
        if provider is not None and account.cloud != provider.cloud:
            self._fault("account", f"'{name}' is an account of {account.cloud}, but {provider.name} is of "
                        f"{provider.cloud}")  # fmt: skip
        return name

    def _notify(self) -> dict[str, Mapping[str, Any] | None]:
        value = self._document.get("notify", ["default"])
        if not isinstance(value, list):
            self._fault("notify", "must be a list of destination names and destination objects")
            return {}
        if not 1 <= len(value) <= MOST_DESTINATIONS:
            self._fault("notify", f"must name 1 to {MOST_DESTINATIONS} destinations; leave it out for 'default'")
            return {}
        found: dict[str, Mapping[str, Any] | None] = {}
        for number, one in enumerate(value):
            # The fallback is nobody's field: say where the name comes from.
            field = f"notify[{number}]" if "notify" in self._document else "notify"
            found.update(self._destination(field, one))
        return found

    def _destination(self, field: str, value: Any) -> dict[str, Mapping[str, Any] | None]:
        if isinstance(value, str):
            return self._named(field, value)
        if not isinstance(value, dict):
            self._fault(field, "must be the name of a destination or an object with its type and url")
            return {}
        faults = destinations.check(value, allow_private=self._here.allow_private, ports=self._here.ports)
        for fault in faults:
            self._fault(join(field, fault.field) if fault.field else field, fault.message)
        if faults:
            return {}
        if len(json.dumps(value).encode()) > LONGEST_SEALED:
            self._fault(field, f"is too long: at most {LONGEST_SEALED} bytes as JSON can be sealed")
        label = destinations.label(value)
        self._note(self._parsed(label, json.dumps(value)))
        return {label: value}

    def _named(self, field: str, name: str) -> dict[str, Mapping[str, Any] | None]:
        if not NAME.fullmatch(name):
            self._fault(field, "must be 1 to 64 letters, digits, hyphens or underscores")
            return {}
        try:
            self._note(self._parsed(name, self._here.destination(name)))
        except ConfigError as error:
            fallback = "" if "notify" in self._document else " (notify was left out, which means ['default'])"
            self._fault(field, f"{error}{fallback}")
            return {}
        return {name: None}

    def _parsed(self, name: str, text: str) -> Destination:
        here = self._here
        return destinations.parse(name, text, allow_private=here.allow_private, ports=here.ports)

    def _note(self, destination: Destination) -> None:
        if destination.progress or destinations.live(destination) is not None:
            self._live.append(destination.name)

    def _timeout(self) -> int:
        value = self._document.get("timeout_seconds", DEFAULT_TIMEOUT)
        if isinstance(value, bool) or not isinstance(value, int):
            self._fault("timeout_seconds", "must be a whole number of seconds")
        elif not 1 <= value <= LONGEST_TIMEOUT:
            self._fault("timeout_seconds", f"must be from 1 to {LONGEST_TIMEOUT} (30 days)")
        else:
            return value
        return DEFAULT_TIMEOUT

    def _urgency(self) -> Urgency:
        value = self._document.get("urgency", Urgency.NORMAL)
        known = next((one for one in Urgency if value == one.value), None)
        if known is None:
            self._fault("urgency", f"must be one of {', '.join(Urgency)}: how many looks an early answer is worth")
        return known or Urgency.NORMAL

    def _title(self) -> str | None:
        title = self._document.get("title")
        if title is None:
            return None
        if not isinstance(title, str):
            self._fault("title", "must be a text")
        elif len(title) > LONGEST_TITLE:
            self._fault("title", f"has {len(title)} characters; at most {LONGEST_TITLE} are taken")
        elif any(ord(character) < 32 or ord(character) == 127 for character in title):
            self._fault("title", "holds control characters; it must be one line of text")
        else:
            return title.strip() or None
        return None

    def _metadata(self) -> Mapping[str, Any]:
        metadata = self._document.get("metadata")
        if metadata is None:
            return {}
        if not isinstance(metadata, dict):
            self._fault("metadata", "must be an object")
            return {}
        size = len(json.dumps(metadata, ensure_ascii=False).encode())
        if size > LONGEST_METADATA:
            self._fault("metadata", f"has {size} bytes as JSON; at most {LONGEST_METADATA} are taken")
        return metadata


def _unknown(document: Mapping[str, Any]) -> list[FieldError]:
    return [FieldError(name[:100] or '""', _no_such_field(name)) for name in document if name not in FIELDS]


def _no_such_field(name: str) -> str:
    close = difflib.get_close_matches(name[:64], FIELDS, n=1)
    meant = f"did you mean '{close[0]}'? " if close else ""
    return f"is not a field of a task; {meant}The fields are {', '.join(FIELDS)}"


def _no_such_region(region: str, provider: Provider) -> str:
    close = difflib.get_close_matches(region, sorted(provider.regions), n=3)
    meant = f"did you mean {' or '.join(close)}? " if close else ""
    return f"'{region}' is not a region of {provider.cloud} that is known here; {meant}(a new one: see MoreRegions)"


def _no_such_provider(name: str) -> str:
    close = catalogue.nearest(name)
    meant = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"'{name[:100]}' is not a provider{meant or '.'} GET /providers lists them all"


_EXAMPLE_REGION = {"tencent": "ap-guangzhou", "alibaba": "cn-shanghai"}

_ANY: Any = None
"""Stands where the provider is at fault; a wish with faults is never returned."""

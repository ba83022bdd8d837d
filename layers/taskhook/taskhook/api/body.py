"""The body of ``POST /tasks``: every fault of it, at once, by field."""

import difflib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from taskhook import destinations
from taskhook.api import models, shape
from taskhook.api.choice import no_such_provider
from taskhook.api.document import JsonObject, join, repeated
from taskhook.api.keys import forbidden_escalation
from taskhook.api.models import (
    DEFAULT_TIMEOUT,
    LONGEST_TIMEOUT,
    LONGEST_TITLE,
    MOST_DESTINATIONS,
    BatchRequest,
    TaskRequest,
)
from taskhook.api.problem import FieldError, ProblemError, invalid
from taskhook.api.wish import Installation, Wish
from taskhook.destinations.model import Destination
from taskhook.errors import CatalogueError, ConfigError
from taskhook.providers import REGION
from taskhook.providers.model import Provider
from taskhook.schedule import Urgency
from taskhook.secret import LONGEST_SEALED

FIELDS = tuple(TaskRequest.model_fields)
NAME = re.compile(models.NAME)
LONGEST_METADATA = 8192


def parse_wish(document: Any, here: Installation) -> Wish:
    """Raises ProblemError with all faults: 403 where the key may not do what is asked for among them, else 422."""
    if not isinstance(document, JsonObject):
        raise invalid([FieldError("", "must be a JSON object, as in {...}")])
    reader = _Reader(document, here)
    wish = reader.wish()
    errors = sorted(reader.errors, key=_place)
    if reader.forbidden:
        raise ProblemError(403, "The API key may not do this; nothing was stored.", errors)
    if errors:
        raise invalid(errors)
    return wish


def parse_each(document: JsonObject) -> list[Any]:
    """What stands in a body of many. Raises ProblemError where it is no list, or too long a one."""
    found = shape.faults(BatchRequest, document)
    found += [FieldError(one[:100], "stands twice in the same object; give it once") for one in document.repeated]
    if found:
        raise invalid(list({one.field: one for one in found}.values()))
    return list(document["tasks"])


class _Reader:
    """Reads the fields one after the other and collects what is wrong with each."""

    def __init__(self, document: JsonObject, here: Installation) -> None:
        self._document = document
        self._here = here
        found = shape.faults(TaskRequest, document)
        self._misshapen = {one.field for one in found}
        self.errors: list[FieldError] = [*repeated(document), *_unknown(document), *(
            FieldError(one.field, _better(one, document)) for one in found if one.field in FIELDS
        )]  # fmt: skip
        self.forbidden = False
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

    def _forbid(self, field: str, message: str) -> None:
        self.forbidden = True
        self._fault(field, message)

    def _text(self, field: str) -> str | None:
        """A field's text; None where it has none, or is at fault already."""
        value = self._document.get(field)
        return value.strip() if isinstance(value, str) and field not in self._misshapen else None

    def _provider(self) -> Provider | None:
        name = self._text("provider")
        if name is None:
            return None
        try:
            found = self._here.find(name)
        except CatalogueError as error:
            self._fault("provider", f"the entry of '{name[:100]}' cannot be used: {error}")
            return None
        if found is None:
            self._fault("provider", no_such_provider(name))
        return found

    def _task_id(self, provider: Provider | None) -> str:
        value = self._document.get("task_id")
        if provider is None or "task_id" in self._misshapen:
            return ""
        return self._fitting(provider, value)

    def _fitting(self, provider: Provider, value: Any) -> str:
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
            self._fault("account", _NAMES)
            return ""
        if not self._here.key.may_use(name):
            self._forbid("account", f"the API key may not use '{name}'; it may use {self._here.key.usable}")
            return ""
        try:
            account = self._here.account(name)
        except ConfigError as error:
            self._fault("account", f"{error}{self._meant('accounts', name, self._here.key.may_use)}")
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
        if "notify" in self._misshapen:
            return {}
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
        if not self._here.key.own_destinations:
            self._forbid(field, f"the API key may tell configured destinations only: {self._here.key.tellable}")
            return {}
        if (words := forbidden_escalation(self._here.key, value)) is not None:
            self._forbid(join(field, "escalate.to"), words)
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
            self._fault(field, _NAMES)
            return {}
        if not self._here.key.may_tell(name):
            self._forbid(field, f"the API key may not tell '{name}'; it may tell {self._here.key.tellable}")
            return {}
        try:
            self._note(self._parsed(name, self._here.destination(name)))
        except ConfigError as error:
            fallback = "" if "notify" in self._document else " (notify was left out, which means ['default'])"
            self._fault(field, f"{error}{fallback}{self._meant('destinations', name, self._here.key.may_tell)}")
            return {}
        return {name: None}

    def _meant(self, kind: str, name: str, allowed: Callable[[str], bool]) -> str:
        """The nearest names, where there is none of this one. Asked only now, when something is wrong anyway."""
        names = [one for one in self._here.names(kind) if allowed(one)]
        close = difflib.get_close_matches(name, names, n=2) if name not in names else []
        return f". Did you mean {' or '.join(close)}?" if close else ""

    def _parsed(self, name: str, text: str) -> Destination:
        here = self._here
        return destinations.parse(name, text, allow_private=here.allow_private, ports=here.ports)

    def _note(self, destination: Destination) -> None:
        if destination.progress or destinations.live(destination) is not None:
            self._live.append(destination.name)

    def _timeout(self) -> int:
        value = self._document.get("timeout_seconds", DEFAULT_TIMEOUT)
        return value if "timeout_seconds" not in self._misshapen else DEFAULT_TIMEOUT

    def _urgency(self) -> Urgency:
        value = self._document.get("urgency", Urgency.NORMAL)
        return Urgency(value) if "urgency" not in self._misshapen else Urgency.NORMAL

    def _title(self) -> str | None:
        return self._text("title") or None

    def _metadata(self) -> Mapping[str, Any]:
        metadata = self._document.get("metadata")
        if metadata is None or "metadata" in self._misshapen:
            return {}
        size = len(json.dumps(metadata, ensure_ascii=False).encode())
        if size > LONGEST_METADATA:
            self._fault("metadata", f"has {size} bytes as JSON; at most {LONGEST_METADATA} are taken")
        return dict(metadata)


def _place(fault: FieldError) -> int:
    """Where the field stands in the documentation; what is none comes last."""
    root = re.split(r"[.\[]", fault.field)[0]
    return FIELDS.index(root) if root in FIELDS else len(FIELDS)


_NAMES = "must be 1 to 64 letters, digits, hyphens or underscores"


def _better(fault: FieldError, document: Mapping[str, Any]) -> str:
    """What a model cannot know to say."""
    match fault.field:
        case "timeout_seconds" if isinstance(document.get("timeout_seconds"), int):
            return f"must be from 1 to {LONGEST_TIMEOUT} (30 days)"
        case "timeout_seconds":
            return "must be a whole number of seconds"
        case "urgency":
            return f"must be one of {', '.join(Urgency)}: how many looks an early answer is worth"
        case "title" if isinstance(title := document.get("title"), str):
            if len(title) > LONGEST_TITLE:
                return f"has {len(title)} characters; at most {LONGEST_TITLE} are taken"
            return "holds control characters; it must be one line of text, in its own direction"
    return fault.message


def _unknown(document: Mapping[str, Any]) -> list[FieldError]:
    return [FieldError(name[:100] or '""', _no_such_field(name)) for name in document if name not in FIELDS]


def _no_such_field(name: str) -> str:
    close = difflib.get_close_matches(name[:64], FIELDS, n=1)
    meant = f"did you mean '{close[0]}'? " if close else ""
    return f"is not a field of a task; {meant}The fields are {', '.join(FIELDS)}"


def _no_such_region(region: str, provider: Provider) -> str:
    close = difflib.get_close_matches(region, sorted(provider.regions), n=3)
    meant = f"Did you mean {' or '.join(close)}? " if close else ""
    return f"'{region}' is not a region of {provider.cloud} that is known here. {meant}(A new one: see MoreRegions)"


_EXAMPLE_REGION = {"tencent": "ap-guangzhou", "alibaba": "cn-shanghai"}

_ANY: Any = None
"""Stands where the provider is at fault; a wish with faults is never returned."""

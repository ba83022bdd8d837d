"""Named destinations, as their owner manages them: listed, stored, removed, tested. No secret comes out again."""

import json
import logging
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from taskhook import destinations, holding, telling
from taskhook.api import shape
from taskhook.api.document import JsonObject, repeated
from taskhook.api.keys import UNLIMITED, Key, forbidden_escalation
from taskhook.api.models import ReleaseRequest
from taskhook.api.problem import FieldError, ProblemError, invalid
from taskhook.destinations import urls
from taskhook.destinations.model import Destination
from taskhook.errors import ConfigError
from taskhook.ledger import Ledger, Standing
from taskhook.secret import Parameters
from taskhook.states import State
from taskhook.task import TEST, Delivery, Task, digest
from taskhook.telling import Sender
from taskhook.times import from_rfc3339, rfc3339

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
logger = logging.getLogger(__name__)

LONGEST_RECORD = 4096
"""Characters of a record: what a standard SSM parameter holds."""
MOST_SHOWN = 100
"""Task ids in an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    parameters: Parameters
    ledger: Ledger
    allow_private: bool
    ports: Collection[int] = urls.DEFAULT_PORTS
    key: Key = UNLIMITED
    """Whose request it is."""

    def all(self) -> dict[str, Any]:
        found = [one for one in self.parameters.destinations().items() if self.key.may_tell(one[0])]
        return {"destinations": [self._view(name, text, version) for name, (text, version) in found]}

    def one(self, name: str) -> dict[str, Any]:
        return self._view(name, *self._known(name))

    def allow(self, name: str) -> None:
        """Raises ProblemError 404 where the key has no business with a destination: it may not know of it."""
        if not self.key.may_tell(name):
            raise _unknown(name)

    def store(self, name: str, record: JsonObject) -> dict[str, Any]:
        """Store a destination anew or for the first time. Raises ProblemError: 422 with every fault of the record."""
        if not NAME.fullmatch(name):
            raise invalid([FieldError("name", "must be 1 to 64 letters, digits, hyphens or underscores")])
        if not self.key.may_tell(name):
            message = f"the API key may not manage '{name}'; it may manage {self.key.tellable}"
            raise ProblemError(403, "The API key may not do this; nothing was stored.", [FieldError("name", message)])
        if (words := forbidden_escalation(self.key, record)) is not None:
            errors = [FieldError("escalate.to", words)]
            raise ProblemError(403, "The API key may not do this; nothing was stored.", errors)
        found = destinations.check(record, allow_private=self.allow_private, ports=self.ports)
        errors = [*repeated(record), *(FieldError(fault.field, fault.message) for fault in found)]
        text = json.dumps(record)
        if not errors and len(text) > LONGEST_RECORD:
            errors = [FieldError("", f"has {len(text)} characters as JSON; at most {LONGEST_RECORD} are stored")]
        if errors := errors or self._escalates_in_vain(name, record):
            raise invalid(errors)
        self.parameters.store_destination(name, text)
        logger.info("destination stored", extra={"destination": name, "type": record["type"]})
        return self.one(name)

    def _escalates_in_vain(self, name: str, record: Mapping[str, Any]) -> list[FieldError]:
        to = (record.get("escalate") or {}).get("to")
        if to is None:
            return []
        if to == name:
            return [FieldError("escalate.to", "is the destination itself; name another one")]
        try:
            self.parameters.versioned_destination(to, fresh=True)
        except ConfigError:
            return [FieldError("escalate.to", f"there is no destination named '{to}' yet; store that one first")]
        return []

    def remove(self, name: str) -> None:
        """News that is under way to it is kept from then on."""
        if not NAME.fullmatch(name) or not self.key.may_tell(name) or not self.parameters.remove_destination(name):
            raise _unknown(name)
        logger.info("destination removed", extra={"destination": name})

    def _known(self, name: str) -> tuple[str, str]:
        self.allow(name)
        try:
            return self.parameters.versioned_destination(name, fresh=True)
        except ConfigError:
            raise _unknown(name) from None

    def _view(self, name: str, text: str, version: str) -> dict[str, Any]:
        standing = self.ledger.standing(name)
        held = len(self.ledger.held(name)) if standing.holding is not None else 0
        try:
            destination = destinations.parse(name, text, allow_private=self.allow_private, ports=self.ports)
        except ConfigError as error:
            return {"name": name, "state": "broken", "reason": str(error), "held": held}
        return {**_shown(destination), **_health(destination, standing, version), "held": held}


def _shown(one: Destination) -> dict[str, Any]:
    """What may be seen of it."""
    return {
        "name": one.name,
        "type": one.type,
        "host": urls.host(one.url),
        "language": one.language.value,
        "rate": destinations.rate(one),
        "progress": one.progress or destinations.live(one) is not None,
        "filter": {
            "providers": list(one.filter.providers),
            "accounts": list(one.filter.accounts),
            "states": list(one.filter.states),
            "metadata": dict(one.filter.metadata),
        },
        "escalate": {"to": one.escalation.to, "after_seconds": int(one.escalation.after)} if one.escalation else None,
    }


def _health(one: Destination, standing: Standing, version: str) -> dict[str, Any]:
    if standing.dead is not None and standing.dead == version:
        return {"state": "dead", "reason": standing.reason, "code": standing.code, "since": rfc3339(standing.since)}
    return {"state": "paused" if one.paused else "ok", "reason": None, "code": None, "since": None}


def _unknown(name: str) -> ProblemError:
    return ProblemError(404, f"There is no destination named '{name[:64]}'. GET /destinations lists them.")


def test(sender: Sender, name: str) -> dict[str, Any]:
    """Send a test message now. Where it is taken, everything that was kept for the destination goes out."""
    try:
        text = sender.parameters.versioned_destination(name, fresh=True)[0]
    except ConfigError:
        raise _unknown(name) from None
    try:
        destination = destinations.parse(name, text, allow_private=sender.allow_private, ports=sender.ports)
    except ConfigError as error:
        raise ProblemError(409, f"The destination cannot work as it is stored: {error}") from None
    done = telling.tell(sender, destination, _test_task(sender, name))
    good, released = done.judgment.verdict.good, []
    if good and not destination.paused:
        released = holding.release(sender.store, sender.ledger, sender.queues, name, now=sender.clock())
    return {
        "destination": name,
        "verdict": done.judgment.verdict.value,
        "status": done.attempt.status,
        "code": done.judgment.code,
        "detail": done.judgment.detail,
        "detail_zh": done.judgment.detail_zh or None,
        "seconds": done.attempt.seconds,
        "released": len(released),
    }


def _test_task(sender: Sender, name: str) -> Task:
    now = sender.clock()
    return Task(
        id=digest(TEST, name, f"{now:.3f}"),
        provider=TEST,
        account="taskhook",
        region=None,
        task_id="test",
        title=f"Test message to {name}: news of tasks will look like this",
        state=State.SUCCEEDED,
        submitted_at=now,
        observed_at=now,
        deadline=now,
        deliveries={name: Delivery()},
    )


def let_go(sender: Sender, name: str, wish: Mapping[str, Any], key: Key = UNLIMITED) -> dict[str, Any]:
    """Deliver what is kept for a destination: ``{"since": time, "dry_run": true}``, both optional."""
    if errors := [*repeated(wish), *shape.faults(ReleaseRequest, wish)]:
        raise invalid(errors)
    since, dry = _since(wish), bool(wish.get("dry_run"))
    if not dry:
        _refuse_paused(sender, name)
    if dry:
        found = holding.kept(sender.ledger, name, since=since)
    else:
        now = sender.clock()
        found = holding.release(sender.store, sender.ledger, sender.queues, name, now=now, since=since)
    return {
        "destination": name,
        "dry_run": dry,
        "tasks": _shown_to(sender, key, found[:MOST_SHOWN]),
        "count": len(found),
    }


def _shown_to(sender: Sender, key: Key, ids: list[str]) -> list[str]:
    """Of these tasks those that a key may know of."""
    if key.accounts is None:
        return ids
    known = {one.id for one in sender.store.get_many(ids, complete=True) if key.may_use(one.account)}
    return [id for id in ids if id in known]


def _refuse_paused(sender: Sender, name: str) -> None:
    """What is let go would be held again at once."""
    try:
        text = sender.parameters.versioned_destination(name, fresh=True)[0]
        paused = destinations.parse(name, text, allow_private=sender.allow_private, ports=sender.ports).paused
    except ConfigError:
        return  # a task's own, or one that has been removed: each delivery says what is wrong
    if paused:
        raise ProblemError(409, 'The destination is paused: store it with "paused": false, and its news goes out.')


def _since(wish: Mapping[str, Any]) -> float | None:
    value = wish.get("since")
    if value is None:
        return None
    moment = from_rfc3339(value) if isinstance(value, str) else None
    if moment is None:
        raise invalid([FieldError("since", "must be a time such as 2026-11-22T10:00:00Z")])
    return moment

"""What is known of a destination over all tasks: whether it is out of order, what it has not heard, who tells it next.

``destination#<name>`` is one item with its standing, listed by the sparse index as long as somebody should look after
it. ``held#<name>#<task>`` marks news that is kept for it, ``waits#<name>#<task>`` news that waits for the next message
that it takes: markers of the same index, so that neither needs one of its own. The deliveries in the tasks' items are
the truth; a marker too many does no harm.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from taskhook import aws
from taskhook.attributes import from_attribute, to_attribute
from taskhook.config import Settings
from taskhook.open_index import listed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LISTED = "destination"
"""The value of ``open`` of destinations that are out of order or have news held for them."""
LAG = 60.0
"""Seconds after which the index certainly shows what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """``dead`` names the stored record that did not work (its version), None while nothing is known to be wrong.

    ``reason`` and ``code`` say why it is dead, ``since`` when that was found. ``holding``: news may be kept for it,
    since its record had that version. ``until``: it has asked not to be called before then. ``next_at``: when the next
    message for it will go out.
    """

    dead: str | None = None
    reason: str | None = None
    code: str | None = None
    since: float | None = None
    holding: str | None = None
    until: float = 0.0
    next_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """News that is kept, or waits: whose, and since when."""

    task: str
    since: float


class Ledger:
    def __init__(self, settings: Settings, client: "DynamoDBClient | None" = None) -> None:
        self._settings = settings
        self._client = client

    @property
    def _dynamodb(self) -> "DynamoDBClient":
        return self._client or aws.dynamodb()

    # --- the standing of a destination ---

    def standing(self, name: str) -> Standing:
        answer = self._dynamodb.get_item(TableName=self._settings.table, Key=_key(_standing(name)), ConsistentRead=True)
        item = {key: from_attribute(value) for key, value in answer.get("Item", {}).items()}
        return Standing(
            dead=item.get("dead"),
            reason=item.get("reason"),
            code=item.get("code"),
            since=_float(item.get("since")),
            holding=item.get("holding"),
            until=_float(item.get("until")) or 0.0,
            next_at=_float(item.get("next_at")) or 0.0,
        )

    def listed(self) -> Iterator[str]:
        """The destinations that are out of order, or for which news is held."""
        return (item["id"].partition("#")[2] for item in self._query(_LISTED))

    def died(self, name: str, version: str, *, reason: str, code: str | None, now: float) -> bool:
        """The record of that version does not work. Whether nobody knew."""
        values = {":version": version, ":reason": reason, ":code": code or "", ":now": now, ":listed": _LISTED}
        return self._write(
            _standing(name),
            "SET dead = :version, reason = :reason, code = :code, since = :now, #open = :listed",
            "attribute_not_exists(dead) OR dead <> :version",
            values,
            names={"#open": "open"},
            alive=now,
        )

    def works(self, name: str) -> None:
        """Forget that it was out of order."""
        self._write(
            _standing(name), "REMOVE dead, reason, code, since, #until", "attribute_exists(id)", {}, {"#until": "until"}
        )

    def emptied(self, name: str, *, now: float) -> None:
        """Forget that news was kept for it, unless that was a moment ago: then the index may not show it yet."""
        self._write(
            _standing(name),
            "REMOVE holding, #open",
            "attribute_not_exists(dead) AND (attribute_not_exists(held_at) OR held_at < :before)",
            {":before": now - LAG},
            {"#open": "open"},
        )

    def quiet(self, name: str, until: float) -> None:
        """It has asked not to be called before then."""
        self._write(
            _standing(name),
            "SET #until = :until",
            "attribute_not_exists(#until) OR #until < :until",
            {":until": until},
            {"#until": "until"},
            alive=until,
        )

    def plan(self, name: str, at: float, *, now: float) -> float:
        """Announce when it will be told next; answers the time in force, which is another's where one is to come."""
        planned = self._write(
            _standing(name),
            "SET next_at = :at",
            "attribute_not_exists(next_at) OR next_at <= :now OR next_at = :at",
            {":at": at, ":now": now},
            alive=now,
        )
        return at if planned else self.standing(name).next_at

    def speak(self, name: str, task: str, *, now: float, until: float) -> bool:
        """Whether nobody else is telling it what waits for it; the same may ask again."""
        return self._write(
            _standing(name),
            "SET speaker = :task, speaks_until = :until",
            "attribute_not_exists(speaker) OR speaker = :task OR speaks_until <= :now",
            {":task": task, ":until": until, ":now": now},
            alive=now,
        )

    def silent(self, name: str, task: str) -> None:
        """The message is told, and written down."""
        self._write(_standing(name), "REMOVE speaker, speaks_until", "speaker = :task", {":task": task})

    # --- news that is kept, and news that waits ---

    def hold(self, name: str, task: str, *, version: str, now: float) -> None:
        self._mark("held", name, task, now)
        self._write(
            _standing(name),
            "SET holding = :version, held_at = :now, #open = :listed",
            "attribute_not_exists(holding) OR holding <> :version OR held_at < :now",
            {":version": version, ":now": now, ":listed": _LISTED},
            {"#open": "open"},
            alive=now,
        )

    def held(self, name: str) -> list[Kept]:
        """The oldest first. The index lags behind by a moment."""
        return self._marked("held", name)

    def let_go(self, name: str, task: str) -> None:
        self._unmark("held", name, task)

    def wait(self, name: str, task: str, *, now: float, last: bool = False) -> None:
        """``last``: behind all that are not."""
        self._mark("waits", name, task, now, place=int(last))

    def waiting(self, name: str) -> list[Kept]:
        """The oldest first, in each of the two places."""
        return self._marked("waits", name)

    def heard(self, name: str, task: str) -> None:
        self._unmark("waits", name, task)

    # --- items ---

    def _mark(self, what: str, name: str, task: str, now: float, place: int = 0) -> None:
        item = {
            "id": f"{what}#{name}#{task}",
            "open": f"{what}#{name}",
            "watch": place,
            "watch_since": now,
            "expires_at": int(now + self._settings.retention),
        }
        self._dynamodb.put_item(
            TableName=self._settings.table, Item={key: to_attribute(value) for key, value in item.items()}
        )

    def _unmark(self, what: str, name: str, task: str) -> None:
        self._dynamodb.delete_item(TableName=self._settings.table, Key=_key(f"{what}#{name}#{task}"))

    def _marked(self, what: str, name: str) -> list[Kept]:
        found = sorted(self._query(f"{what}#{name}"), key=lambda item: (item["watch"], item["watch_since"]))
        return [Kept(task=item["id"].rpartition("#")[2], since=float(item["watch_since"])) for item in found]

    def _query(self, value: str) -> Iterator[dict[str, Any]]:
        for item in listed(self._dynamodb, self._settings, value):
            yield {key: from_attribute(attribute) for key, attribute in item.items()}

    def _write(
        self,
        id: str,
        update: str,
        condition: str,
        values: dict[str, Any],
        names: dict[str, str] | None = None,
        *,
        alive: float | None = None,
    ) -> bool:
        """Whether the condition held. ``alive``: the time from which the item is kept for a while."""
        if alive is not None:
            # Kept as long as tasks are, from the latest change on: labels of single tasks' destinations come and go.
            update = f"{update}, expires_at = :expires"
            values = {**values, ":expires": int(alive + self._settings.retention)}
        request: dict[str, Any] = {"TableName": self._settings.table, "Key": _key(id), "UpdateExpression": update}
        if values:
            request["ExpressionAttributeValues"] = {key: to_attribute(value) for key, value in values.items()}
        if names:
            request["ExpressionAttributeNames"] = names
        try:
            self._dynamodb.update_item(**request, ConditionExpression=condition)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False
        return True


def _standing(name: str) -> str:
    return f"destination#{name}"


def _key(id: str) -> dict[str, Any]:
    return {"id": {"S": id}}


def _float(value: Any) -> float | None:
    return float(value) if value is not None else None

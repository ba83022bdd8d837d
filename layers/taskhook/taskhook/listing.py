"""Lists of tasks, newest first: which index serves which filters, and one page of it.

The table has an index for every combination of the three filters, named after them (``account-state``), and ``newest``
for none. The hash key of each is an attribute of the same name; ``listed`` sorts by the time of submission. They hold
keys only: an index costs one write unit when a task is posted, and two when its state changes where that is part of it.
So a page reads as many keys as it shows tasks, whatever is asked for and however many tasks there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from taskhook import aws
from taskhook.attributes import to_attribute
from taskhook.config import Settings
from taskhook.task import Task
from taskhook.times import rfc3339_millis

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

FILTERS = ("account", "provider", "state")
_ALL = "newest"
INDEXES = (_ALL, *("-".join(some) for size in (1, 2, 3) for some in combinations(FILTERS, size)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which tasks: those with these values, any where there is None. ``provider`` is the full name."""

    account: str | None = None
    provider: str | None = None
    state: str | None = None

    def takes(self, task: Task) -> bool:
        wanted = (self.account, self.provider, self.state)
        return all(a is None or a == b for a, b in zip(wanted, (task.account, task.provider, task.state), strict=True))


def index_of(choice: Choice) -> tuple[str, str]:
    """The name of the index that serves this choice, and the value of its hash key."""
    given = {name: value for name in FILTERS if (value := getattr(choice, name)) is not None}
    return ("-".join(given), "#".join(given.values())) if given else (_ALL, "yes")


def position_of(task: Task) -> str:
    """Where a task stands in every list: later ones are greater, and no two are equal."""
    return f"{rfc3339_millis(task.submitted_at)}#{task.id}"


def attributes(task: Task) -> dict[str, Any]:
    """What a task's item holds for the indexes."""
    values = {"account": task.account, "provider": task.provider, "state": task.state.value}
    keys = {name: "#".join(values[part] for part in name.split("-")) for name in INDEXES if name != _ALL}
    return {_ALL: "yes", "listed": position_of(task), **keys}


@dataclass(frozen=True, slots=True)
class Listing:
    """Reads the indexes. Each method is one request."""

    settings: Settings
    client: "DynamoDBClient | None" = None

    def positions(self, choice: Choice, *, before: str | None, most: int) -> Sequence[str]:
        """At most so many positions of tasks before one, the newest first. The index lags behind by a moment."""
        index, value = index_of(choice)
        condition, names = "#hash = :hash", {"#hash": index}
        values: Mapping[str, Any] = {":hash": value}
        if before is not None:
            condition, values = f"{condition} AND listed < :before", {**values, ":before": before}
        found = (self.client or aws.dynamodb()).query(
            TableName=self.settings.table,
            IndexName=index,
            KeyConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={name: to_attribute(one) for name, one in values.items()},
            ScanIndexForward=False,
            Limit=most,
        )
        return [item["listed"]["S"] for item in found["Items"]]

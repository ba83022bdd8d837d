"""What is remembered of how long tasks take: one item for each kind of task, one write for each task that ends.

A kind is a provider's API in a region, and the type of task where the API tells. What cannot be read counts as nothing
known, and what cannot be written is forgotten: a look never fails because of it.
"""

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from taskhook import aws, schedule
from taskhook.attributes import from_attribute, to_attribute
from taskhook.config import Settings
from taskhook.memory import remember
from taskhook.schedule import History, Progress
from taskhook.task import Task

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

logger = logging.getLogger(__name__)

REMEMBERED_SECONDS = 60.0
"""How long a process goes by what it has read: one task more or less changes little."""


class Durations:
    """The histories of all kinds of tasks. ``clock`` only measures how old a copy is."""

    def __init__(
        self, settings: Settings, client: "DynamoDBClient | None" = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock
        self._known: dict[str, tuple[float, History]] = {}

    @property
    def _dynamodb(self) -> "DynamoDBClient":
        return self._client or aws.dynamodb()

    def of(self, task: Task) -> History:
        """How long tasks of this kind took so far."""
        kind = _kind(task)
        until, history = self._known.get(kind, (0.0, History()))
        if self._clock() < until:
            return history
        try:
            history = self._read(kind)
        except (BotoCoreError, ClientError):
            logger.warning("durations not read", extra={"kind": kind}, exc_info=True)
        remember(self._known, kind, (self._clock() + REMEMBERED_SECONDS, history))
        return history

    def ended(self, task: Task, *, lo: float, hi: float, end: float | None, progress: Progress) -> None:
        """Remember a task that still ran at age ``lo`` and had ended at ``hi``, at ``end`` if the provider told."""
        self._add(task, lambda history: schedule.learned(history, lo, hi, end=end, progress=progress))

    def given_up(self, task: Task, age: float) -> None:
        """Remember a task that had not ended when its deadline passed."""
        self._add(task, lambda history: schedule.unfinished(history, age))

    def _read(self, kind: str) -> History:
        answer = self._dynamodb.get_item(TableName=self._settings.table, Key={"id": {"S": kind}})
        item = {name: from_attribute(value) for name, value in answer.get("Item", {}).items() if name != "id"}
        better = schedule.rebased(item)
        if better is None:
            return History.from_item(item)
        self._replace(kind, better, seen=item.get("k"))
        return History.from_item(better)

    def _replace(self, kind: str, item: dict[str, float], *, seen: Any) -> None:
        """Write a history anew whose numbers have grown too large or make no sense, if it is still what was read."""
        if seen is None:
            guard: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(k)"}
        else:
            values = {":k": to_attribute(seen)}
            guard = {"ConditionExpression": "k = :k", "ExpressionAttributeValues": values}
        written = {"id": kind, **item}
        try:
            self._dynamodb.put_item(
                TableName=self._settings.table,
                Item={name: to_attribute(value) for name, value in written.items()},
                **guard,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise

    def _add(self, task: Task, increments: Callable[[History], dict[str, float]]) -> None:
        history = self.of(task)
        added = increments(history)
        names = {f"#{number}": name for number, name in enumerate(added)}
        values = {f":{number}": to_attribute(value) for number, value in enumerate(added.values())}
        try:
            self._dynamodb.update_item(
                TableName=self._settings.table,
                Key={"id": {"S": _kind(task)}},
                UpdateExpression="ADD " + ", ".join(f"#{number} :{number}" for number in range(len(added))),
                # The weights count from the k that was read; a history that was rebased meanwhile begins below it.
                ConditionExpression="attribute_not_exists(k) OR k >= :seen",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={**values, ":seen": {"N": str(history.k)}},
            )
        except (BotoCoreError, ClientError):
            logger.warning("duration not written", extra={"task": task.id}, exc_info=True)


def _kind(task: Task) -> str:
    type = f"#{task.type}" if task.type is not None else ""
    return f"durations#{task.provider}#{task.region or ''}{type}"

"""Seats for those who sleep inside a function, looks and waiting callers: how many may at a time, in all processes.

A function that sleeps holds a place of the account's concurrency, so an operator says how many may. A seat is taken for
the seconds that the sleep touches, with one conditional write: an item is a minute, with a counter for each second.
Nothing is given back, so whoever dies in its sleep leaves no seat taken that is not free again by itself.
"""

import logging
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from taskhook import aws
from taskhook.config import Settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

logger = logging.getLogger(__name__)

_COUNTERS = 60
_KEPT = 600
"""Seconds that an item outlives its minute."""
_REFUSED = 1.0
"""Seconds in which a process does not ask again after there was no seat: each question costs a write."""


class Seats:
    """Takes seats. One per process."""

    def __init__(
        self,
        settings: Settings,
        client: "DynamoDBClient | None" = None,
        *,
        name: str = "seats",
        most: int | None = None,
    ) -> None:
        self._settings = settings
        self._client = client
        self._name = name
        self._most = settings.sleeping_polls if most is None else most
        self._none_until = 0.0

    @property
    def _dynamodb(self) -> "DynamoDBClient":
        return self._client or aws.dynamodb()

    def take(self, now: float, until: float) -> bool:
        """Whether somebody may sleep from ``now`` until then (seconds since the epoch, a minute apart at most).

        False too where the table cannot be asked: then the state machine waits, as it always can.
        """
        if self._most < 1 or now < self._none_until:
            return False
        minutes: dict[int, list[int]] = defaultdict(list)
        for second in range(math.floor(now), math.ceil(until)):
            minutes[second // _COUNTERS].append(second % _COUNTERS)
        # The later minute first: it is the emptier one, so what is taken in vain is little.
        if all(self._take(minute, minutes[minute]) for minute in sorted(minutes, reverse=True)):
            return True
        self._none_until = now + _REFUSED
        return False

    def _take(self, minute: int, seconds: Sequence[int]) -> bool:
        free = [f"(attribute_not_exists(s{second}) OR s{second} < :seats)" for second in seconds]
        try:
            self._dynamodb.update_item(
                TableName=self._settings.table,
                Key={"id": {"S": f"{self._name}#{minute}"}},
                UpdateExpression="SET expires_at = :expires ADD " + ", ".join(f"s{second} :one" for second in seconds),
                ConditionExpression=" AND ".join(free),
                ExpressionAttributeValues={
                    ":one": {"N": "1"},
                    ":seats": {"N": str(self._most)},
                    ":expires": {"N": str((minute + 1) * _COUNTERS + _KEPT)},
                },
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                logger.warning("no seat taken", exc_info=True)
            return False
        except BotoCoreError:
            logger.warning("no seat taken", exc_info=True)
            return False
        return True

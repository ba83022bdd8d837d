"""What is put on queues: tasks to start a watch for, and news that nobody took."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taskhook import aws
from taskhook.config import Settings
from taskhook.task import Task

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True)
class Queues:
    settings: Settings
    client: "SQSClient | None" = None

    def start_watch(self, task: Task) -> None:
        self._send(self.settings.tasks_queue, {"id": task.id, "watch": task.watch})

    def undelivered(self, task: Task, destination: str, reason: str) -> None:
        """Keep news that could not be delivered, whole but for the destination's secrets, which it never held."""
        body = {
            "id": task.id,
            "destination": destination,
            "news_id": task.news_id,
            "reason": reason,
            "type": task.state.event,
            "data": task.news(),
        }
        self._send(self.settings.undelivered_queue, body)

    def _send(self, queue: str, body: dict[str, Any]) -> None:
        (self.client or aws.sqs()).send_message(QueueUrl=queue, MessageBody=json.dumps(body))

"""What is put on queues: tasks to start a watch for, and those whose progress somebody wants to see."""

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

    def progress(self, task: Task, destination: str) -> None:
        """Have a destination shown how a task goes on."""
        self._send(self.settings.progress_queue, {"id": task.id, "destination": destination})

    def _send(self, queue: str, body: dict[str, Any]) -> None:
        (self.client or aws.sqs()).send_message(QueueUrl=queue, MessageBody=json.dumps(body))

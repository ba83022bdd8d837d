"""Every end of a task as an event on an EventBridge bus, so that rules of AWS can start anything."""

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taskhook import aws
from taskhook.config import Settings
from taskhook.store import Store
from taskhook.task import Task
from taskhook.times import rfc3339

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

logger = logging.getLogger(__name__)

SOURCE = "taskhook"
LONGEST = 200_000
"""Bytes of an event's detail; EventBridge takes 256 KB of a whole entry."""
MOST_RESOURCES = 50
"""Resources in an event that is too long with all of them."""


@dataclass(frozen=True, slots=True)
class Bus:
    store: Store
    settings: Settings
    client: "EventBridgeClient | None" = None

    def announce(self, task: Task) -> None:
        """Put the end of a task on the bus, if that is not done yet; at least once, whatever dies in between.

        Where it fails, the task stays open, so the reconciler makes it be tried again; the other news does not wait.
        """
        if not task.unannounced:
            return
        try:
            answer = (self.client or aws.events()).put_events(Entries=[self._entry(task)])
            if answer["FailedEntryCount"]:
                raise RuntimeError(answer["Entries"][0].get("ErrorCode", "unknown"))
            self.store.announced(task)
        except Exception:
            logger.exception("not announced", extra={"task": task.id})
        else:
            logger.info("announced", extra={"task": task.id, "event": task.event})

    def _entry(self, task: Task) -> Any:
        return {
            "Source": SOURCE,
            "DetailType": task.event,
            "EventBusName": self.settings.event_bus,
            "Time": task.observed_at or 0.0,
            "Detail": detail(task, self.settings.parameters.strip("/")),
        }


def detail(task: Task, stack: str) -> str:
    """The news as a webhook has it, with its id and the name of the stack; shortened where the bus would refuse it."""
    data = task.news()
    event = {
        "id": task.news_id,
        "stack": stack,
        "type": task.event,
        "timestamp": rfc3339(task.observed_at),
        "data": data,
    }
    text = json.dumps(event, ensure_ascii=False)
    if len(text.encode(errors="replace")) <= LONGEST:
        return text
    short = {**data, "result": None, "resources": data["resources"][:MOST_RESOURCES]}
    return json.dumps({**event, "data": short, "shortened": True}, ensure_ascii=False)

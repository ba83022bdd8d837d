"""Begins one state machine execution per message of the tasks queue, and reports the messages that failed."""

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from taskhook import aws
from taskhook.config import Settings
from taskhook.store import execution_name
from taskhook.task import is_task_key
from taskhook.times import rfc3339_millis

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Starter:
    settings: Settings
    client: "SFNClient | None" = None

    def start(self, id: str, watch: int) -> None:
        """Start the execution of a watch. One of that name exists already where a message came twice: all is well."""
        client = self.client or aws.stepfunctions()
        payload = {"id": id, "watch": watch, "done": False, "wait_until": rfc3339_millis(0.0), "notify": []}
        try:
            client.start_execution(
                stateMachineArn=self.settings.state_machine,
                name=execution_name(id, watch),
                input=json.dumps(payload),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise
            logger.info("started already", extra={"task": id, "watch": watch})


def start_batch(starter: Starter, records: list[dict[str, Any]]) -> dict[str, Any]:
    """``{"batchItemFailures": [...]}``: only the messages named there are delivered again, and end in the dead-letter
    queue when they keep failing."""
    failed = [record["messageId"] for record in records if not _started(starter, record)]
    logger.info("watches started", extra={"messages": len(records), "failed": len(failed)})
    return {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}


def _started(starter: Starter, record: dict[str, Any]) -> bool:
    try:
        starter.start(*_watch(record["body"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        logger.error("malformed message", extra={"message_id": record["messageId"], "error": type(error).__name__})
        return False
    except (BotoCoreError, ClientError):
        logger.exception("not started", extra={"message_id": record["messageId"]})
        return False
    return True


def _watch(body: str) -> tuple[str, int]:
    message = json.loads(body)
    id, number = message["id"], message["watch"]
    if not isinstance(id, str) or not is_task_key(id) or type(number) is not int or number < 1:
        raise ValueError("not a watch of a task")
    return id, number

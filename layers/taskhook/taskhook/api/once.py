"""``Idempotency-Key``: a POST that is repeated gets the first one's answer, and does nothing again.

The answers are items of the table of tasks, kept for a day. Imported only where the header is there: most calls have
none, and posting a task is harmless to repeat also without it.
"""

import re
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyInconsistentStateError,
    IdempotencyValidationError,
)

from taskhook import aws
from taskhook.api.problem import FieldError, ProblemError

KEPT_SECONDS = 86_400
LONGEST_KEPT = 250_000
"""Characters of an answer: an item has room for 400 KB. A longer one is made again, which does no harm."""
FIELD = "Idempotency-Key"
_VISIBLE = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")


class _Unkept(Exception):
    """Carries an answer that is not kept: of a call that may be mended and repeated, or too long for an item."""

    def __init__(self, reply: dict[str, Any]) -> None:
        super().__init__()
        self.reply = reply


def answer(
    name: str, event: dict[str, Any], owner: str, context: Any, table: str, act: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """What the first call of this name answered, or answers now. ``owner``: whose name it is. Raises ProblemError."""
    if not _VISIBLE.fullmatch(name):
        raise ProblemError(422, "1 field is not as it must be; nothing was stored.",
                           [FieldError(FIELD, "must be 1 to 255 visible characters of ASCII")])  # fmt: skip
    config = IdempotencyConfig(
        event_key_jmespath="name",
        payload_validation_jmespath="body",
        expires_after_seconds=KEPT_SECONDS,
        hash_function="sha256",
        lambda_context=context,
    )
    layer = DynamoDBPersistenceLayer(table_name=table, expiry_attr="expires_at", boto3_client=aws.dynamodb())

    def acted(*, request: dict[str, Any]) -> dict[str, Any]:
        reply = act()
        if reply["statusCode"] >= 300 or len(reply["body"]) > LONGEST_KEPT:
            raise _Unkept(reply)
        return reply

    repeatable = idempotent_function(
        acted, data_keyword_argument="request", persistence_store=layer, config=config, key_prefix="once"
    )
    try:
        done: dict[str, Any] = repeatable(
            request={"name": [owner, event["httpMethod"], event["path"], name], "body": event.get("body") or ""}
        )
    except _Unkept as unkept:
        return unkept.reply
    except IdempotencyValidationError:
        message = "has been used for another body already; use another one for another request"
        raise ProblemError(422, "1 field is not as it must be; nothing was stored.",
                           [FieldError(FIELD, message)]) from None  # fmt: skip
    except (IdempotencyAlreadyInProgressError, IdempotencyInconsistentStateError):
        raise ProblemError(409, f"The first request with this {FIELD} is still at work; try again shortly.") from None
    return done

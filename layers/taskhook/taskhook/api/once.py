"""``Idempotency-Key``: a POST that is repeated gets the first one's answer, and does nothing again.

The answers are items of the table of tasks, kept for a day. Imported only where the header is there: most calls have
none, and posting a task is harmless to repeat also without it.
"""

import base64
import re
import zlib
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
LONGEST_KEPT = 300_000
"""Characters of an answer, packed: an item has room for 400 KB. A call with a longer one is made again."""
LONGEST_PLAIN = 20_000
"""Characters of an answer that is kept as it is."""
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
        kept = _packed(reply)
        if reply["statusCode"] >= 300 or len(kept["body"]) > LONGEST_KEPT:
            raise _Unkept(reply)
        return kept

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
    return _unpacked(done)


def _packed(reply: dict[str, Any]) -> dict[str, Any]:
    """The answer to a hundred tasks says much a hundred times."""
    if len(reply["body"]) <= LONGEST_PLAIN:
        return reply
    packed = base64.b64encode(zlib.compress(reply["body"].encode())).decode()
    return {**reply, "body": packed, "packed": True}


def _unpacked(kept: dict[str, Any]) -> dict[str, Any]:
    if not kept.get("packed"):
        return kept
    body = zlib.decompress(base64.b64decode(kept["body"])).decode()
    return {name: value for name, value in {**kept, "body": body}.items() if name != "packed"}

"""Takes accepted tasks off the queue and starts one execution for each."""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from taskhook.config import settings
from taskhook.log import function_logger
from taskhook.start import Starter, start_batch

logger = function_logger()


@cache
def starter() -> Starter:
    return Starter(settings())


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return start_batch(starter(), event["Records"])

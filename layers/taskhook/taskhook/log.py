"""One logger for a function and for the library under it: JSON lines, one event per step."""

import logging

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

LIBRARY = "taskhook"


def function_logger() -> Logger:
    """The function's Powertools logger; what the library logs with ``logging`` comes out the same way."""
    logger = Logger()
    logging.getLogger(LIBRARY)
    copy_config_to_registered_loggers(source_logger=logger, include={LIBRARY})
    return logger

"""One logger for a function and for the library under it: JSON lines, one event per step, and figures among them."""

import json
import logging
import sys
import time

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

LIBRARY = "taskhook"


def function_logger() -> Logger:
    """The function's Powertools logger; what the library logs with ``logging`` comes out the same way."""
    logger = Logger()
    logging.getLogger(LIBRARY)
    copy_config_to_registered_loggers(source_logger=logger, include={LIBRARY})
    # At DEBUG it logs what routes are called with: bodies, and with them secrets.
    logging.getLogger("aws_lambda_powertools").setLevel(logging.WARNING)
    return logger


def duration_metric(namespace: str, name: str, seconds: float) -> None:
    """A duration as a CloudWatch metric, which makes p50 and p95 of it: a line in the embedded metric format."""
    directive = {"Namespace": namespace, "Dimensions": [[]], "Metrics": [{"Name": name, "Unit": "Seconds"}]}
    line = {"_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}, name: round(seconds, 3)}
    sys.stdout.write(json.dumps(line) + "\n")

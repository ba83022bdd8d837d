"""The AWS clients, made once per process and only when first used: each costs start-up time."""

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient

_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 4},
    connect_timeout=3,
    read_timeout=10,
    # Checking every answer's shape against the service model is boto's job in its own tests, not in each call.
    parameter_validation=False,
)


def _client(service: Any) -> Any:
    return boto3.client(service, config=_CONFIG)


@cache
def dynamodb() -> "DynamoDBClient":
    return _client("dynamodb")  # type: ignore[no-any-return]


@cache
def sqs() -> "SQSClient":
    return _client("sqs")  # type: ignore[no-any-return]


@cache
def ssm() -> "SSMClient":
    return _client("ssm")  # type: ignore[no-any-return]


@cache
def kms() -> "KMSClient":
    return _client("kms")  # type: ignore[no-any-return]


@cache
def stepfunctions() -> "SFNClient":
    return _client("stepfunctions")  # type: ignore[no-any-return]

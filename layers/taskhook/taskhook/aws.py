"""The AWS clients, made once per process and only when first used: each costs start-up time.

They are botocore's, which are all that boto3's are; importing boto3 would cost a cold start a fifth of its time.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.session import Session

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
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


@cache
def _session() -> Session:
    return Session()


def _client(service: str) -> Any:
    return _session().create_client(service, config=_CONFIG)


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


@cache
def events() -> "EventBridgeClient":
    return _client("events")  # type: ignore[no-any-return]

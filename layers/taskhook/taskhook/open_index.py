"""The sparse index: it lists what has a value in the attribute ``open``, such as tasks that need an execution."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from taskhook.config import Settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def listed(client: "DynamoDBClient", settings: Settings, value: str) -> Iterator[dict[str, Any]]:
    """The index' attributes of each item, as DynamoDB has them. The index lags behind the table by a moment."""
    pages = client.get_paginator("query").paginate(
        TableName=settings.table,
        IndexName=settings.open_index,
        KeyConditionExpression="#open = :open",
        ExpressionAttributeNames={"#open": "open"},
        ExpressionAttributeValues={":open": {"S": value}},
    )
    for page in pages:
        yield from page["Items"]

"""One look at one task, with the official SDKs: the item, the account, the provider's answer, the item again."""

import json
import os
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from . import bdrc, bm, clb, dts
from .model import Account, Seen

logger = Logger()

ASK: dict[str, Callable[[Account, str], Seen]] = {
    "tencent.clb": clb.ask,
    "tencent.dts": dts.ask,
    "tencent.bm": bm.ask,
    "alibaba.bdrc": bdrc.ask,
}


@cache
def dynamodb() -> Any:
    return boto3.client("dynamodb")


@cache
def account(name: str, region: str) -> Account:
    value = boto3.client("ssm").get_parameter(Name=f"{os.environ['PARAMETERS']}/accounts/{name}", WithDecryption=True)
    return Account(**json.loads(value["Parameter"]["Value"]), region=region)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    key = {"id": {"S": event["id"]}}
    item = dynamodb().get_item(TableName=os.environ["TABLE"], Key=key, ConsistentRead=True)["Item"]
    seen = ASK[item["provider"]["S"]](account(item["account"]["S"], item["region"]["S"]), item["task_id"]["S"])
    dynamodb().update_item(
        TableName=os.environ["TABLE"],
        Key=key,
        UpdateExpression="SET #state = :state, provider_state = :word",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":state": {"S": seen.state}, ":word": {"S": seen.word}},
    )
    logger.info("looked", extra={"task": event["id"], "state": seen.state})
    return {"id": event["id"], "done": seen.state != "running", "wait_until": time.time() + 2}

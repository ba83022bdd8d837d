"""Alibaba Cloud BDRC, by alibabacloud-bdrc20230808."""

from functools import cache
from typing import Any

from alibabacloud_bdrc20230808.client import Client
from alibabacloud_tea_openapi.utils_models import Config

from .model import Account, Seen

_STATES = {"complete": "succeeded", "failed": "failed", "canceled": "canceled", "expired": "failed"}


@cache
def _client(account: Account) -> Any:
    return Client(
        Config(
            access_key_id=account.key_id,
            access_key_secret=account.key_secret,
            region_id=account.region,
            protocol=account.protocol,
            endpoint=account.host or f"bdrc.{account.region}.aliyuncs.com",
        )
    )


def ask(account: Account, task_id: str) -> Seen:
    data = _client(account).describe_task(task_id).body.data
    word = data.task_status
    return Seen(word=word, state=_STATES.get(word.casefold(), "running"), message=data.error_message)

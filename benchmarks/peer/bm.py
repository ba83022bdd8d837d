"""Tencent Cloud Bare Metal, by qcloudapi-sdk-python: the only official SDK for API 2.0."""

import http.client
import json
from functools import cache
from typing import Any

from QcloudApi.modules.base import Base

from .model import Account, Seen

_STATES = {1: "succeeded", 2: "failed", 3: "partial"}


class _PlainConnection(http.client.HTTPConnection):
    request_length = 0


@cache
def _client(account: Account) -> Any:
    keys = {"secretId": account.key_id, "secretKey": account.key_secret, "Region": account.region}
    client = Base(
        {**keys, "method": "POST", "SignatureMethod": "HmacSHA256", "endpoint": account.host or "bm.api.qcloud.com"}
    )
    client.set_req_timeout(15)
    if account.protocol == "http":
        client.apiRequest.conn = _PlainConnection(account.host)  # the SDK itself speaks https only
    return client


def ask(account: Account, task_id: str) -> Seen:
    answer = json.loads(_client(account).call("DescriptionOperationResult", {"taskId": int(task_id)}))
    if answer["code"] != 0:
        raise RuntimeError(answer["message"])
    status = answer["data"]["status"]
    return Seen(word=str(status), state=_STATES.get(status, "running"))

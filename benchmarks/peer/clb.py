"""Tencent Cloud Load Balancer, by tencentcloud-sdk-python-clb."""

from functools import cache
from typing import Any

from tencentcloud.clb.v20180317 import clb_client, models
from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

from .model import Account, Seen

_STATES = {"0": "succeeded", "1": "failed", "2": "running"}


@cache
def _client(account: Account) -> Any:
    http = HttpProfile(protocol=account.protocol, endpoint=account.host or None, reqTimeout=15)
    return clb_client.ClbClient(
        Credential(account.key_id, account.key_secret), account.region, ClientProfile(httpProfile=http)
    )


def ask(account: Account, task_id: str) -> Seen:
    request = models.DescribeTaskStatusRequest()
    request.TaskId = task_id
    answer = _client(account).DescribeTaskStatus(request)
    word = str(answer.Status)
    return Seen(word=word, state=_STATES.get(word, "running"), message=answer.Message)

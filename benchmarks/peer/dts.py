"""Tencent Cloud Data Transmission Service, by tencentcloud-sdk-python-dts."""

from functools import cache
from typing import Any

from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.dts.v20180330 import dts_client, models

from .model import Account, Seen

_STATES = {"success": "succeeded", "failed": "failed", "running": "running"}


@cache
def _client(account: Account) -> Any:
    http = HttpProfile(protocol=account.protocol, endpoint=account.host or None, reqTimeout=15)
    return dts_client.DtsClient(
        Credential(account.key_id, account.key_secret), account.region, ClientProfile(httpProfile=http)
    )


def ask(account: Account, task_id: str) -> Seen:
    request = models.DescribeAsyncRequestInfoRequest()
    request.AsyncRequestId = task_id
    answer = _client(account).DescribeAsyncRequestInfo(request)
    return Seen(word=answer.Status, state=_STATES.get(answer.Status, "running"), message=answer.Info)

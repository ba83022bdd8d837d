"""The advice that taskhook gives with a failure, in Chinese: errors carry it in English, as they are made.

Sentences that are not here, such as those of a provider's entry, stay as they are. A test holds the table against the
sentences in the code.
"""

import re
from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    "Check the account's key: it is unknown, disabled, or belongs to another site of this cloud.": (
        "请检查该账号的密钥：密钥不存在、已被禁用，或属于该云的另一个站点。"
    ),
    "Check the account's secret: the id is known, but the signature does not match it.": (
        "请检查该账号的密钥 Secret：ID 存在，但签名不匹配。"
    ),
    "The account's temporary (STS) credentials have expired or do not belong together: store new ones.": (
        "该账号的临时（STS）凭证已过期或不配套：请存入新的凭证。"
    ),
    "The request was taken for an old one: check that the account's temporary credentials are still valid.": (
        "请求被视为过期：请检查该账号的临时凭证是否仍然有效。"
    ),
    "Give the account's user permission to call this API, then post the task again.": (
        "请为该账号的用户授予调用此 API 的权限，然后重新提交任务。"
    ),
    "Check the task id and the region: the API does not accept them.": "请检查任务 ID 和地域：API 不接受它们。",
    "Check the account's endpoint and site: this API is not served there.": (
        "请检查该账号的接入地址和站点：那里不提供此 API。"
    ),
    "Check task id, region and account: the provider does not know this task there.": (
        "请检查任务 ID、地域和账号：云服务在那里找不到这个任务。"
    ),
    "Check with the provider that the account may use this product.": "请向云服务商确认该账号可以使用此产品。",
    "Check the account's endpoint: the server there cannot prove that it is the provider.": (
        "请检查该账号的接入地址：那里的服务器无法证明自己是该云服务。"
    ),
    "Check the account's endpoint for this service, the task's region, and the provider's entry.": (
        "请检查该账号对此服务的接入地址、任务的地域，以及该服务的目录条目。"
    ),
    "Store the account as docs/accounts.md describes.": "请按 docs/accounts.md 的说明存储账号。",
    "Repair the entry of this provider; docs/add-a-provider.md describes the format.": (
        "请修正该服务的目录条目；格式见 docs/add-a-provider.md。"
    ),
    "The task may still be running. Post it again, with a larger timeout_seconds, to go on watching.": (
        "任务可能仍在运行。如需继续跟踪，请用更大的 timeout_seconds 重新提交。"
    ),
    "Nothing is known of the task's end. See the log of the poll function, then post the task again.": (
        "无法得知任务的结果。请查看 poll 函数的日志，然后重新提交任务。"
    ),
}

_FAILED = re.compile(
    r"The operation itself (?P<what>failed|succeeded in part only)\. "
    r"Look at it in the (?P<cloud>Tencent|Alibaba) Cloud console \((?P<title>.*)\), "
    r"remove the cause, and start it again\."
)
_GAVE_UP = re.compile(
    r"The provider gave no usable answer (?P<times>[0-9]+) times in a row\. Post the task again to go on\."
)
_CLOUDS = {"Tencent": "腾讯云", "Alibaba": "阿里云"}


def in_chinese(advice: str) -> str:
    if advice in SENTENCES:
        return SENTENCES[advice]
    if failed := _FAILED.fullmatch(advice):
        what = "失败" if failed["what"] == "failed" else "只部分成功"
        return f"操作本身{what}。请在{_CLOUDS[failed['cloud']]}控制台（{failed['title']}）查看，排除原因后重新发起。"
    if gave_up := _GAVE_UP.fullmatch(advice):
        return f"云服务连续 {gave_up['times']} 次没有给出可用的应答。如需继续跟踪，请重新提交任务。"
    return advice

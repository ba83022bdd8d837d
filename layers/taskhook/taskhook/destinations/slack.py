"""Slack's incoming webhooks, and the servers that speak the same: Mattermost, Rocket.Chat.

Sources: docs.slack.dev ("Sending messages using incoming webhooks", "Rate limits"), the changelog of 2016-05-17 for the
words of an answer.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import requests

from taskhook.destinations import answers, slack_blocks, urls
from taskhook.destinations.model import Channel, Destination, Fault, Judgment, Verdict
from taskhook.destinations.slack_blocks import FULL, SMALL
from taskhook.http import Answer
from taskhook.task import Task

HOSTS = ("hooks.slack.com", "hooks.slack-gov.com")


def check(record: Mapping[str, Any]) -> list[Fault]:
    """Any host will do, as others speak Slack's language; but not every URL of Slack's takes messages."""
    url = record.get("url")
    if not isinstance(url, str) or urls.host(url) not in HOSTS:
        return []
    if re.search("/(triggers|workflows)/", url):
        said = "must be an incoming webhook (hooks.slack.com/services/...), and this one starts a workflow"
        return [Fault(field="url", message=said)]
    return []


# --- the message -----------------------------------------------------------------------------------------------------


def request(destination: Destination, task: Task, now: float) -> requests.Request:
    return _post(
        destination,
        {
            "text": slack_blocks.text(task, destination.language),
            "blocks": slack_blocks.blocks(task, destination.language, FULL),
        },
    )


def smaller(destination: Destination, task: Task, now: float = 0.0) -> requests.Request:
    """The same news with fewer words of others, for a receiver that has refused all of them."""
    return _post(
        destination,
        {
            "text": slack_blocks.text(task, destination.language, SMALL.text),
            "blocks": slack_blocks.blocks(task, destination.language, SMALL),
        },
    )


def plain(destination: Destination, task: Task, now: float = 0.0) -> requests.Request:
    """As short, and without blocks, for a receiver that has refused them."""
    return _post(destination, {"text": slack_blocks.text(task, destination.language, SMALL.text)})


def digest(destination: Destination, tasks: Sequence[Task], now: float) -> requests.Request:
    return _post(
        destination,
        {
            "text": slack_blocks.digest_text(tasks, destination.language),
            "blocks": slack_blocks.digest_blocks(tasks, destination.language),
        },
    )


def _post(destination: Destination, message: Mapping[str, Any]) -> requests.Request:
    return requests.Request("POST", destination.url, json=message)


# --- the answer ------------------------------------------------------------------------------------------------------

_NEW_URL = "make a new incoming webhook and store its URL"
_NEW_URL_ZH = "新建 Incoming Webhook 并保存其 URL"
_ILL_FORMED: answers.Row = (Verdict.BAD_CONTENT, "the message is not well-formed", "消息格式不正确")
_EMPTY: answers.Row = (Verdict.BAD_CONTENT, "the message has no text", "消息没有文本")
_TOO_LONG: answers.Row = (Verdict.BAD_CONTENT, "the message is too long", "消息过长")
_TOO_MANY: answers.Row = (Verdict.THROTTLED, "there were too many messages", "消息发送过于频繁")
_TROUBLE: answers.Row = (Verdict.TRANSIENT, "the chat service is in trouble", "聊天服务出现故障")

ERRORS: Mapping[str, answers.Row] = {
    "action_prohibited": (
        Verdict.DEAD,
        "an administrator does not allow posting there: ask them",
        "管理员不允许在那里发消息：请联系管理员",
    ),
    "channel_is_archived": (
        Verdict.DEAD,
        f"the channel is archived: unarchive it, or {_NEW_URL}",
        f"频道已归档：请取消归档，或{_NEW_URL_ZH}",
    ),
    "channel_not_found": (
        Verdict.DEAD,
        f"the channel does not exist any more: {_NEW_URL}",
        f"频道已不存在：请{_NEW_URL_ZH}",
    ),
    "invalid_token": (Verdict.DEAD, f"the URL is not valid: {_NEW_URL}", f"URL 无效：请{_NEW_URL_ZH}"),
    "no_active_hooks": (
        Verdict.DEAD,
        f"the webhook is switched off: switch it on, or {_NEW_URL}",
        f"Webhook 已停用：请启用，或{_NEW_URL_ZH}",
    ),
    "no_service": (
        Verdict.DEAD,
        f"the webhook was removed or switched off: {_NEW_URL}",
        f"Webhook 已删除或停用：请{_NEW_URL_ZH}",
    ),
    "no_service_id": (
        Verdict.DEAD,
        "a part of the URL is missing: store the whole URL",
        "URL 不完整：请保存完整的 URL",
    ),
    "no_team": (
        Verdict.DEAD,
        f"the workspace does not exist, or the URL is wrong: {_NEW_URL}",
        f"工作区不存在或 URL 有误：请{_NEW_URL_ZH}",
    ),
    "posting_to_general_channel_denied": (
        Verdict.DEAD,
        "only some people may post to this channel: use another one",
        "只有部分成员可以在该频道发消息：请改用其他频道",
    ),
    "team_disabled": (Verdict.DEAD, "the workspace is switched off", "工作区已停用"),
    "user_not_found": (
        Verdict.DEAD,
        f"who was to be told does not exist any more: {_NEW_URL}",
        f"接收人已不存在：请{_NEW_URL_ZH}",
    ),
    "invalid_attachments": _ILL_FORMED,
    "invalid_blocks": _ILL_FORMED,
    "invalid_blocks_format": _ILL_FORMED,
    "invalid_payload": _ILL_FORMED,
    "missing_text_or_fallback_or_attachments": _EMPTY,
    "msg_blocks_too_long": _TOO_LONG,
    "msg_too_long": _TOO_LONG,
    "no_text": _EMPTY,
    "too_many_attachments": (Verdict.BAD_CONTENT, "the message has too many parts", "消息的部分过多"),
    "rate_limited": _TOO_MANY,
    "ratelimited": _TOO_MANY,
    "fatal_error": _TROUBLE,
    "internal_error": _TROUBLE,
    "rollup_error": _TROUBLE,
    "service_unavailable": _TROUBLE,
}
"""What the word in an answer means, whatever the status beside it."""

STATUSES: Mapping[int, answers.Row] = {
    400: (Verdict.BAD_CONTENT, "the message is not accepted", "消息不被接受"),
    413: _TOO_LONG,
    503: _TROUBLE,
}

_DELIVERED: answers.Row = (Verdict.DELIVERED, "the message is in the channel", "消息已发到频道")
_DOUBTFUL: answers.Row = (
    Verdict.TRANSIENT,
    "the answer does not confirm the message: check the URL",
    "应答未确认消息已送达：请检查 URL",
)
_UNHEARD_OF: answers.Row = (
    Verdict.TRANSIENT,
    "the message is refused for a reason that is not known here",
    "消息被拒绝，原因未知",
)
_WORD = re.compile("[a-z]+(?:_[a-z]+)*")


def judge(destination: Destination, answer: Answer, now: float) -> Judgment:
    body = answers.json_object(answer)
    said = str(body.get("error") or answer.text.strip())
    return judged(destination, answer, now, body, said=said, confirmed=_confirmed(answer, body), errors=ERRORS)


def _confirmed(answer: Answer, body: Mapping[str, Any]) -> bool:
    """Slack and Mattermost say ``ok``; Rocket.Chat ``{"success": true}``, and Slack's newer services ``{"ok": true}``.

    A proxy or a log-in page can answer 200 as well, so nothing else counts.
    """
    return answer.text.strip() == "ok" or body.get("ok") is True or body.get("success") is True


def judged(
    destination: Destination,
    answer: Answer,
    now: float,
    body: Mapping[str, Any],
    *,
    said: str,
    confirmed: bool,
    errors: Mapping[str, answers.Row],
) -> Judgment:
    """What all of Slack's ways to post have in common: a word for each refusal, whatever the status beside it."""
    meaning, code = _meaning(answer, said, confirmed, errors)
    wait = body.get("retry_after")
    retry_after = answers.sensible(wait) if isinstance(wait, int | float) else None
    found = answers.judgment(destination, answer, now, meaning, code=code, retry_after=retry_after)
    # A word of the table is nobody's secret, even where the URL has it too.
    return replace(found, code=code) if code in errors else found


def _meaning(
    answer: Answer, said: str, confirmed: bool, errors: Mapping[str, answers.Row]
) -> tuple[answers.Row, str | None]:
    """With the word that says it, where it is one."""
    if answer.status == 429:
        return _TOO_MANY, said if errors.get(said) is _TOO_MANY else None
    if said in errors:
        return errors[said], said
    if answer.status // 100 != 2:
        return answers.row(answer.status, STATUSES), None
    if confirmed:
        return _DELIVERED, None
    return (_UNHEARD_OF, said) if "_" in said and _WORD.fullmatch(said) else (_DOUBTFUL, None)


CHANNEL = Channel(
    type="slack", fields=(), check=check, forms=(request, smaller, plain), judge=judge, rate="1/s", digest=digest
)

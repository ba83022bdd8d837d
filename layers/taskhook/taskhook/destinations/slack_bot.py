"""Slack by a bot: a message that is edited while a task goes on, and a reply below it when the task has ended.

Sources: docs.slack.dev (chat.postMessage, chat.update, "Rate limits"). A message that was deleted can still be replied
to: Slack posts the reply to the channel then (slack-go issue 1571).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import requests

from taskhook.destinations import answers, slack, slack_blocks, urls
from taskhook.destinations.model import Channel, Destination, Fault, Judgment, Live, Verdict
from taskhook.destinations.slack_blocks import FULL, SMALL, Room
from taskhook.http import Answer
from taskhook.task import Task

URL = "https://slack.com/api/"

_TOKEN = re.compile(r"xoxb-[A-Za-z0-9-]{6,250}")
_CHANNEL = re.compile(r"[CDG][A-Z0-9]{2,30}|#[^\s#<>&@\x00-\x1f\x7f]{1,80}")

_QUIET = {"parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False}
"""Nobody is called by name and nothing is fetched: neither is ours to do. chat.update would find names by itself."""


# --- the record ------------------------------------------------------------------------------------------------------


def check(record: Mapping[str, Any]) -> list[Fault]:
    found = {
        "url": _url_fault(record.get("url")),
        "token": _token_fault(record.get("token")),
        "channel": _channel_fault(record.get("channel")),
    }
    return [Fault(field=field, message=message) for field, message in found.items() if message]


def _url_fault(url: Any) -> str | None:
    if not isinstance(url, str):
        return None
    if urls.host(url) in slack.HOSTS:
        return "must not be an incoming webhook, which is of type slack: a bot needs no url"
    return 'must not have a query ("?...")' if "?" in url else None


def _token_fault(token: Any) -> str | None:
    if isinstance(token, str) and _TOKEN.fullmatch(token):
        return None
    return "must be the Bot User OAuth Token of a Slack app, xoxb-...: one that is rotated would soon be out of date"


def _channel_fault(channel: Any) -> str | None:
    if isinstance(channel, str) and _CHANNEL.fullmatch(channel):
        return None
    return "must be the id of a channel (C0123456789), or its name (#deployments)"


# --- the message -----------------------------------------------------------------------------------------------------


def request(destination: Destination, task: Task, now: float) -> requests.Request:
    """A reply below the message that showed how the task went on, and in the channel as well: people wait for it."""
    return _post(destination, {**_place(destination, task), **_content(destination, task, FULL)})


def smaller(destination: Destination, task: Task, now: float = 0.0) -> requests.Request:
    """No reply any more: what Slack refused may have been to reply."""
    return _post(destination, {**_channel(destination), **_content(destination, task, SMALL)})


def plain(destination: Destination, task: Task, now: float = 0.0) -> requests.Request:
    words = slack_blocks.text(task, destination.language, SMALL.text)
    return _post(destination, {**_channel(destination), "text": words})


def digest(destination: Destination, tasks: Sequence[Task], now: float) -> requests.Request:
    return _post(
        destination,
        {
            **_channel(destination),
            "text": slack_blocks.digest_text(tasks, destination.language),
            "blocks": slack_blocks.digest_blocks(tasks, destination.language),
        },
    )


def post(destination: Destination, task: Task, now: float) -> requests.Request:
    """The message that will be edited."""
    return _post(destination, {**_channel(destination), **_content(destination, task, FULL)})


def edit(destination: Destination, task: Task, now: float) -> requests.Request:
    message = _message(destination, task) or {}
    return _call(destination, "chat.update", {**message, **_content(destination, task, FULL)})


def posted(answer: Answer) -> Mapping[str, str] | None:
    """``{"channel": "C0123", "ts": "1503435956.000247"}``. An edit needs the channel's id, whatever it was called."""
    body = answers.json_object(answer)
    found = {name: body.get(name) for name in ("channel", "ts")}
    whole = {name: value for name, value in found.items() if isinstance(value, str) and value}
    return whole if body.get("ok") is True and len(whole) == len(found) else None


def _content(destination: Destination, task: Task, room: Room) -> dict[str, Any]:
    return {
        "text": slack_blocks.text(task, destination.language, room.text),
        "blocks": slack_blocks.blocks(task, destination.language, room),
    }


def _channel(destination: Destination) -> dict[str, Any]:
    return {"channel": destination.own["channel"]}


def _place(destination: Destination, task: Task) -> dict[str, Any]:
    message = _message(destination, task)
    if not message:
        return _channel(destination)
    return {"channel": message["channel"], "thread_ts": message["ts"], "reply_broadcast": True}


def _message(destination: Destination, task: Task) -> Mapping[str, str] | None:
    delivery = task.deliveries.get(destination.name)
    return delivery.message if delivery else None


def _post(destination: Destination, message: Mapping[str, Any]) -> requests.Request:
    return _call(destination, "chat.postMessage", message)


def _call(destination: Destination, method: str, arguments: Mapping[str, Any]) -> requests.Request:
    url = f"{destination.url.rstrip('/')}/{method}"
    headers = {"Authorization": f"Bearer {destination.own['token']}"}
    return requests.Request("POST", url, headers=headers, json={**_QUIET, **arguments})


# --- the answer ------------------------------------------------------------------------------------------------------

_NEW_TOKEN = "install the app again and store its new token"  # noqa: S105
_NEW_TOKEN_ZH = "请重新安装应用并保存新的 token"  # noqa: S105
_INVITE = "invite the bot to it (/invite @its-name in the channel)"
_INVITE_ZH = "请把机器人邀请到频道（在频道内输入 /invite @机器人名）"


def _dead(words: str, words_zh: str) -> answers.Row:
    return Verdict.DEAD, words, words_zh


_NO_TOKEN = _dead(f"the token is not valid: {_NEW_TOKEN}", f"token 无效：{_NEW_TOKEN_ZH}")
_NO_ACCESS = _dead(
    "an administrator does not allow it: ask them to approve the app", "管理员不允许：请联系管理员批准该应用"
)
_NO_CHANNEL = _dead(
    f"there is no such channel, or it is private: check the name, or {_INVITE}",
    f"频道不存在或为私有频道：请检查名称，或{_INVITE_ZH}",
)
_MAY_NOT = _dead("the bot may not post to this channel: ask an administrator", "机器人不能在该频道发消息：请联系管理员")
_ARCHIVED = _dead("the channel is archived: unarchive it, or name another one", "频道已归档：请取消归档，或换一个频道")
_NO_EDIT = _dead("the message cannot be edited any more", "消息已不能编辑")
_NO_REPLY: answers.Row = (Verdict.BAD_CONTENT, "the message to reply to is not there", "要回复的消息不存在")
_BAD_CALL: answers.Row = (Verdict.BAD_CONTENT, "the message is not well-formed", "消息格式不正确")
_MOVING: answers.Row = (Verdict.TRANSIENT, "the workspace is being moved", "工作区正在迁移")
_TROUBLE: answers.Row = (Verdict.TRANSIENT, "the chat service is in trouble", "聊天服务出现故障")

NO_EDIT = frozenset({"block_mismatch", "cant_update_message", "edit_window_closed", "is_inactive", "message_not_found"})
"""The codes of a message that cannot be edited any more, or is gone: no news is lost by giving up its edits."""

ERRORS: Mapping[str, answers.Row] = {
    **slack.ERRORS,
    "access_denied": _NO_ACCESS,
    "accesslimited": _dead("the workspace only takes calls from some networks", "工作区限制了来源网络"),
    "account_inactive": _dead(
        f"the bot or its workspace was removed: {_NEW_TOKEN}", f"机器人或工作区已被删除：{_NEW_TOKEN_ZH}"
    ),
    "channel_is_archived": _ARCHIVED,
    "channel_not_found": _NO_CHANNEL,
    "duplicate_channel_not_found": _NO_CHANNEL,
    "ekm_access_denied": _NO_ACCESS,
    "enterprise_is_restricted": _NO_ACCESS,
    "invalid_auth": _NO_TOKEN,
    "invalid_token": _NO_TOKEN,
    "is_archived": _ARCHIVED,
    "messages_tab_disabled": _dead(
        "the app takes no direct messages: switch its Messages Tab on", "应用未开启消息标签页：请在应用设置中开启"
    ),
    "method_deprecated": _dead("Slack does not offer this any more", "Slack 已不再提供该接口"),
    "missing_scope": _dead(
        "the app lacks a scope: give it chat:write (chat:write.public for channels that it is not in), and install it "
        "again",
        "应用缺少权限：请添加 chat:write（未加入的频道还需 chat:write.public），然后重新安装",
    ),
    "no_permission": _dead(f"the bot is not allowed to post there: {_INVITE}", f"机器人无权在那里发消息：{_INVITE_ZH}"),
    "not_allowed_token_type": _dead(
        "this kind of token cannot post: store the Bot User OAuth Token, xoxb-...",
        "该类型的 token 不能发消息：请保存 Bot User OAuth Token（xoxb-...）",
    ),
    "not_authed": _NO_TOKEN,
    "not_in_channel": _dead(f"the bot is not in the channel: {_INVITE}", f"机器人不在频道内：{_INVITE_ZH}"),
    "restricted_action": _MAY_NOT,
    "restricted_action_read_only_channel": _MAY_NOT,
    "restricted_action_thread_only_channel": _MAY_NOT,
    "team_access_not_granted": _NO_ACCESS,
    "team_not_found": _dead("there is no such workspace", "工作区不存在"),
    "token_expired": _dead(
        "the token has expired: switch token rotation off for the app, and store its new token",
        "token 已过期：请关闭应用的 token 轮换，并保存新的 token",
    ),
    "token_revoked": _dead(f"the token was revoked: {_NEW_TOKEN}", f"token 已被撤销：{_NEW_TOKEN_ZH}"),
    "two_factor_setup_required": _NO_ACCESS,
    "block_mismatch": _NO_EDIT,
    "cant_update_message": _NO_EDIT,
    "edit_window_closed": _NO_EDIT,
    "is_inactive": _NO_EDIT,
    # In answer to a reply these are no reason to be silent: the forms after the first stand alone.
    "cannot_reply_to_message": _NO_REPLY,
    "invalid_thread_ts": _NO_REPLY,
    "message_not_found": _NO_REPLY,
    "restricted_action_non_threadable_channel": _NO_REPLY,
    "thread_not_found": _NO_REPLY,
    "attachment_payload_limit_exceeded": (Verdict.BAD_CONTENT, "the message is too long", "消息过长"),
    "invalid_arguments": _BAD_CALL,
    "invalid_charset": _BAD_CALL,
    "invalid_json": _BAD_CALL,
    "json_not_object": _BAD_CALL,
    "message_limit_exceeded": (Verdict.THROTTLED, "the workspace has too many messages", "工作区的消息数已达上限"),
    "external_channel_migrating": _MOVING,
    "org_login_required": _MOVING,
    "team_added_to_org": _MOVING,
    "request_timeout": _TROUBLE,
    "update_failed": _TROUBLE,
}
"""What the ``error`` of an answer means: that of a webhook's words, and those of the methods."""


def judge(destination: Destination, answer: Answer, now: float) -> Judgment:
    """By the body: Slack's methods answer 200 to almost everything."""
    body = answers.json_object(answer)
    confirmed = body.get("ok") is True
    said = "" if confirmed else str(body.get("error") or "")
    return slack.judged(destination, answer, now, body, said=said, confirmed=confirmed, errors=ERRORS)


CHANNEL = Channel(
    type="slack_bot",
    fields=("token", "channel"),
    check=check,
    forms=(request, smaller, plain),
    judge=judge,
    url=URL,
    rate="1/s",
    digest=digest,
    live=Live(post=post, edit=edit, posted=posted),
)

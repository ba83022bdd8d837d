"""Group robots of WeCom (now called message push). They sign nothing: whoever knows the key may post.

Sources: developer.work.weixin.qq.com documents 99110 (formats, limits), 90455 and 90313 (codes: judge by errcode, never
by errmsg).
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from taskhook.destinations import answers, robots, urls, wording
from taskhook.destinations.model import Channel, Destination, Fault, Judgment, Verdict
from taskhook.http import Answer
from taskhook.task import Task

LONGEST_MARKDOWN = 4096
LONGEST_TEXT = 2048
"""Bytes of the content alone, as UTF-8."""

HOST = "qyapi.weixin.qq.com"
_EXAMPLE = f"https://{HOST}/cgi-bin/webhook/send?key=..."

_WHOLE = robots.Room(title=500, task_id=500, name=150, reason=900, hint=400, resources=600)
_SMALL = robots.Room(title=350, task_id=450, name=120, reason=450, hint=250, resources=300, circumstances=False)
_PLAIN = robots.Room(title=250, task_id=400, name=100, reason=300, hint=200, resources=250, circumstances=False)
_DIGEST = 3800


# --- the record ------------------------------------------------------------------------------------------------------


def check(record: Mapping[str, Any]) -> list[Fault]:
    """Any host will do, as there are proxies; but not every URL of WeCom's takes messages."""
    url = record.get("url")
    if not isinstance(url, str) or urls.host(url) != HOST:
        return []
    parts = urlsplit(url)
    if parts.path == "/cgi-bin/webhook/send" and "key" in parse_qs(parts.query):
        return []
    return [Fault(field="url", message=f"must be the webhook of a group's robot: {_EXAMPLE}")]


# --- the message -----------------------------------------------------------------------------------------------------

_safe = robots.neutral("<>[]*`")


def request(destination: Destination, task: Task, now: float) -> requests.Request:
    return _markdown(destination, task, _WHOLE)


def small(destination: Destination, task: Task, now: float) -> requests.Request:
    """The same news, shorter, for a robot that has refused it."""
    return _markdown(destination, task, _SMALL)


def plain(destination: Destination, task: Task, now: float) -> requests.Request:
    """As text, for a robot that has refused the markup."""
    language = destination.language
    lines = robots.written(robots.news(task, language, _PLAIN, _safe), language)
    return _post(destination, "text", lines)


def digest(destination: Destination, tasks: Sequence[Task], now: float) -> requests.Request:
    language = destination.language
    many = wording.digest(tasks, language)
    lines = robots.fill([_safe(line) for line in many.lines], _DIGEST, language)
    return _post(destination, "markdown", [f"### {many.headline}", *lines])


def _markdown(destination: Destination, task: Task, room: robots.Room) -> requests.Request:
    language = destination.language
    lines = robots.written(robots.news(task, language, room, _safe), language, head="### {}", label="**{}**")
    return _post(destination, "markdown", lines)


def _post(destination: Destination, kind: str, lines: Sequence[str]) -> requests.Request:
    return robots.post(destination.url, {"msgtype": kind, kind: {"content": "\n".join(lines)}})


# --- the answer ------------------------------------------------------------------------------------------------------

_D, _T, _S, _C = Verdict.DEAD, Verdict.THROTTLED, Verdict.TRANSIENT, Verdict.BAD_CONTENT

CODES: Mapping[int, answers.Row] = {
    -1: (_S, "WeCom is busy", "企业微信系统繁忙"),
    40008: (_C, "the kind of message is not accepted", "消息类型不被接受"),
    40058: (_C, "the message is not well-formed or too long", "消息参数不合法或内容过长"),
    44004: (_C, "the message has no text", "消息内容为空"),
    45002: (_C, "the message is too long", "消息内容过长"),
    45009: (_T, "the robot takes 20 messages a minute", "机器人每分钟最多发送 20 条消息，已触发限流"),
    93000: (
        _D,
        "the key is not valid, or the robot was removed: copy the robot's webhook URL again and store it",
        "Webhook 地址的 key 无效或机器人已被移除：请重新复制机器人的 Webhook 地址并保存",
    ),
}


def judge(destination: Destination, answer: Answer, now: float) -> Judgment:
    code = robots.number(answers.json_object(answer).get("errcode"))
    return robots.judgment(destination, answer, now, code, CODES)


CHANNEL = Channel(
    type="wecom",
    fields=(),
    check=check,
    forms=(request, small, plain),
    judge=judge,
    rate="20/min",
    digest=digest,
)

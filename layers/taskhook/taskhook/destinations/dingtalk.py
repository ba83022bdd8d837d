"""Custom robots of DingTalk groups.

Sources: open.dingtalk.com ("Custom robot access", its security settings and error codes), and where those pages are
silent what users report: the words of 310000 in jenkinsci/dingtalk-plugin issue 116, zhuifengshen/DingtalkChatbot issue
44 and qd-today/qd issue 510, those of 130101 in ccfos/nightingale issue 369.
"""

import base64
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from taskhook.destinations import answers, robots, urls, wording
from taskhook.destinations.model import Channel, Destination, Fault, Judgment, Verdict
from taskhook.http import Answer
from taskhook.task import Task

LONGEST_BODY = 18_000
"""Bytes. The robot takes 20,000."""

HOSTS = ("oapi.dingtalk.com", "oapi.dingtalk.io")
_EXAMPLE = "https://oapi.dingtalk.com/robot/send?access_token=..."

# Each form leaves so much less room than the one before that no cut can make it the longer one.
_WHOLE = robots.Room(title=900, task_id=1300, name=450, reason=4000, hint=1500, resources=5000)
_SMALL = robots.Room(title=600, task_id=1100, name=300, reason=1500, hint=700, resources=1500, circumstances=False)
_PLAIN = robots.Room(title=400, task_id=900, name=150, reason=500, hint=300, resources=500, circumstances=False)
_TITLE = 300
_DIGEST = 12_000

_BREAK = "  \n"
"""A line break alone is a blank in DingTalk's markdown."""


# --- the record ------------------------------------------------------------------------------------------------------


def check(record: Mapping[str, Any]) -> list[Fault]:
    """Any host will do, as there are proxies; but not every URL of DingTalk's takes messages."""
    url = record.get("url")
    ours = isinstance(url, str) and urls.host(url) in HOSTS
    return [
        *(Fault(field="url", message=words) for words in (_url_faults(url) if ours and isinstance(url, str) else ())),
        *robots.secret_faults(record.get("secret"), " and that begins with SEC", start="SEC" if ours else ""),
        *robots.keyword_faults(record.get("keyword")),
    ]


def _url_faults(url: str) -> list[str]:
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    if parts.path != "/robot/send":
        return [f"must be the webhook of a group's custom robot: {_EXAMPLE}"]
    if "access_token" not in query:
        return [f"must have the robot's access_token: {_EXAMPLE}"]
    if query.keys() & {"sign", "timestamp"}:
        return [
            'must not have a sign or a timestamp: store the robot\'s secret as "secret", and each message is signed'
        ]
    return []


# --- the message -----------------------------------------------------------------------------------------------------

_neutral = robots.neutral("<>[]`")
_ESCAPED = re.compile(r"[\\_*]")


def _safe(text: str) -> str:
    """For markdown: these three can be escaped, so that a name can still be copied as it is."""
    return _ESCAPED.sub(r"\\\g<0>", _neutral(text))


def request(destination: Destination, task: Task, now: float) -> requests.Request:
    return _markdown(destination, task, now, _WHOLE)


def small(destination: Destination, task: Task, now: float) -> requests.Request:
    """The same news, shorter, for a robot that has refused it."""
    return _markdown(destination, task, now, _SMALL)


def plain(destination: Destination, task: Task, now: float) -> requests.Request:
    """As text, for a robot that has refused the markup."""
    language = destination.language
    text = "\n".join(robots.written(robots.news(task, language, _PLAIN, _neutral), language))
    return _post(destination, now, {"msgtype": "text", "text": {"content": _with_keyword(destination, text, "\n")}})


def digest(destination: Destination, tasks: Sequence[Task], now: float) -> requests.Request:
    language = destination.language
    many = wording.digest(tasks, language)
    lines = robots.fill([_safe(line) for line in many.lines], _DIGEST, language)
    return _marked(destination, now, many.headline, [f"### {many.headline}", *lines])


def _markdown(destination: Destination, task: Task, now: float, room: robots.Room) -> requests.Request:
    language = destination.language
    title = robots.headline(task, language, _TITLE, _neutral)
    lines = robots.written(robots.news(task, language, room, _safe), language, head="### {}", label="**{}**")
    return _marked(destination, now, title, lines)


def _marked(destination: Destination, now: float, title: str, lines: Sequence[str]) -> requests.Request:
    """``title`` is what the list of conversations shows, and a notification on a phone."""
    head, *rest = lines
    text = _with_keyword(destination, "\n\n".join([head, _BREAK.join(rest)]), _BREAK)
    return _post(destination, now, {"msgtype": "markdown", "markdown": {"title": title, "text": text}})


def _with_keyword(destination: Destination, text: str, line_break: str) -> str:
    missing = robots.keyword(destination, text)
    return f"{text}{line_break}{missing}" if missing else text


def _post(destination: Destination, now: float, message: Mapping[str, Any]) -> requests.Request:
    return robots.post(signed(destination, now), {**message, "at": {"isAtAll": False}})


def signed(destination: Destination, now: float) -> str:
    """The URL with a signature of this moment, which is good for an hour.

    The sign is HMAC-SHA256 with the secret as key over the milliseconds, a line break and the secret again.
    """
    if not destination.secrets:
        return destination.url
    secret, timestamp = destination.secrets[0], str(int(now * 1000))
    mac = hmac.digest(secret.encode(), f"{timestamp}\n{secret}".encode(), "sha256")
    query = urlencode({"timestamp": timestamp, "sign": base64.b64encode(mac).decode()})
    return f"{destination.url}{'&' if '?' in destination.url else '?'}{query}"


# --- the answer ------------------------------------------------------------------------------------------------------

_D, _T, _S, _C = Verdict.DEAD, Verdict.THROTTLED, Verdict.TRANSIENT, Verdict.BAD_CONTENT
_NEW_URL = "copy the robot's webhook URL again and store it"
_NEW_URL_ZH = "请重新复制机器人的 Webhook 地址并保存"
_REFUSED = 310000

CODES: Mapping[int, answers.Row] = {
    -1: (_S, "DingTalk is busy", "钉钉系统繁忙"),
    40035: (_C, "the message is not well-formed", "消息参数不合法"),
    43004: (_C, "the message is not well-formed", "消息格式不合法"),
    101002: (_C, "the message is not accepted", "消息内容不被接受"),
    130101: (
        _T,
        "the robot takes 20 messages a minute, and sends none for up to 10 minutes after more",
        "机器人每分钟最多发送 20 条消息，超出后最长限流 10 分钟",
    ),
    300005: (_D, f"the access token does not exist: {_NEW_URL}", f"access_token 不存在：{_NEW_URL_ZH}"),
    400013: (_D, "the group was dissolved: make a robot in another group", "群已解散：请在其他群里添加机器人"),
    400101: (_D, f"the access token does not exist: {_NEW_URL}", f"access_token 不存在：{_NEW_URL_ZH}"),
    400102: (_D, "the robot is switched off: switch it on in the group's settings", "机器人已停用：请在群设置中启用"),
    400106: (
        _D,
        "the robot does not exist any more: make a new one and store its URL",
        "机器人不存在：请新建机器人并保存它的 Webhook 地址",
    ),
    410100: (_T, "there were too many messages", "发送消息过于频繁"),
    430101: (_C, "DingTalk takes a link in the message for unsafe", "消息中含有钉钉认为不安全的外链"),
    430102: (_C, "DingTalk takes the text for unfit", "消息中含有钉钉认为不合适的文本"),
    430104: (_C, "DingTalk takes the message for unfit", "消息中含有钉钉认为不合适的内容"),
    460101: (_C, "the message is too long", "消息过长"),
    _REFUSED: (
        _D,
        "the robot's security settings refuse the message: compare its keywords, secret and IP addresses",
        "机器人的安全设置拒绝了消息：请核对关键词、加签密钥和 IP 地址段",
    ),
}

REFUSALS: tuple[tuple[re.Pattern[str], answers.Row], ...] = (
    (
        re.compile("keyword|关键词|关键字", re.IGNORECASE),
        (
            _D,
            'the robot requires a keyword: add one of its keywords to the destination as "keyword"',
            "机器人要求关键词：请把它的一个关键词填入目标的 “keyword”",
        ),
    ),
    (
        re.compile("white ?list|白名单", re.IGNORECASE),
        (
            _D,
            "the robot takes messages from certain IP addresses only: add that of taskhook, or let the robot check a "
            "keyword or a signature instead",
            "机器人只接受指定 IP 的消息：请加入 taskhook 的出口 IP，或改用关键词或加签",
        ),
    ),
    (
        re.compile("sign|timestamp|签名|时间戳", re.IGNORECASE),
        (
            _D,
            'the signature is not right: store the secret (SEC...) of the robot\'s security settings as "secret"',
            "签名不正确：请把机器人安全设置中的加签密钥（SEC 开头）填入目标的 “secret”",
        ),
    ),
)
"""What 310000 means, by the words beside it: there is one code for all three."""


def judge(destination: Destination, answer: Answer, now: float) -> Judgment:
    body = answers.json_object(answer)
    rows = {**CODES, _REFUSED: _refusal(str(body.get("errmsg")))}
    code = robots.number(body.get("errcode"))
    return robots.judgment(destination, answer, now, code, rows)


def _refusal(said: str) -> answers.Row:
    """By the first part only: the rest is advice and links, which may have any words."""
    description = re.split(", more|;solution", said)[0]
    return next((row for pattern, row in REFUSALS if pattern.search(description)), CODES[_REFUSED])


CHANNEL = Channel(
    type="dingtalk",
    fields=("secret", "keyword"),
    check=check,
    forms=(request, small, plain),
    judge=judge,
    rate="20/min",
    digest=digest,
)

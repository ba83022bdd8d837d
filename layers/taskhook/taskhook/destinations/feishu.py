"""Custom bots of Feishu groups, and of Lark groups outside China.

Source: open.feishu.cn ("Custom bot usage guide"), with its limits, its security settings and their codes; 9499 with
"frequency limited", 19036 and 11310 are what users report.
"""

import base64
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import requests

from taskhook.destinations import answers, robots, urls, wording
from taskhook.destinations.model import Channel, Destination, Fault, Judgment, Verdict
from taskhook.http import Answer
from taskhook.states import State
from taskhook.task import Task

LONGEST_BODY = 18_000
"""Bytes. The bot takes 20 KB."""

HOSTS = ("feishu.cn", "larksuite.com", "larkoffice.com")
"""And all under them: their other hooks start workflows, and take no messages."""
_PATH = re.compile("/open-apis/bot/v2/hook/[^/]+")
_EXAMPLE = "https://open.feishu.cn/open-apis/bot/v2/hook/..."

_WHOLE = robots.Room(title=900, task_id=1300, name=450, reason=4000, hint=1500, resources=5000)
_SMALL = robots.Room(title=600, task_id=1100, name=300, reason=1500, hint=700, resources=1500, circumstances=False)
_PLAIN = robots.Room(title=400, task_id=900, name=150, reason=500, hint=300, resources=500, circumstances=False)
_DIGEST = 12_000

COLORS: Mapping[State, str] = {
    State.SUCCEEDED: "green",
    State.FAILED: "red",
    State.PARTIAL: "orange",
    State.CANCELED: "grey",
    State.TIMED_OUT: "orange",
    State.LOST: "purple",
}
_COLOR = "blue"

type Element = dict[str, Any]


# --- the record ------------------------------------------------------------------------------------------------------


def check(record: Mapping[str, Any]) -> list[Fault]:
    """Any host will do, as there are proxies; but not every URL of Feishu's takes messages."""
    url = record.get("url")
    return [
        *(Fault(field="url", message=words) for words in (_url_faults(url) if isinstance(url, str) else ())),
        *robots.secret_faults(record.get("secret")),
        *robots.keyword_faults(record.get("keyword")),
    ]


def _url_faults(url: str) -> list[str]:
    host = urls.host(url)
    if not any(host == name or host.endswith(f".{name}") for name in HOSTS):
        return []
    if host.startswith("open.") and _PATH.fullmatch(urlsplit(url).path):
        return []
    return [f"must be the webhook of a group's custom bot: {_EXAMPLE}"]


# --- the message -----------------------------------------------------------------------------------------------------

_safe = robots.neutral("<>[]")
"""A card of plain texts has no markup at all; in a text, tags call people and brackets make links."""


def request(destination: Destination, task: Task, now: float) -> requests.Request:
    """A card, which shows the outcome as a colour as well."""
    told = robots.news(task, destination.language, _WHOLE, _safe)
    colon = wording.colon(destination.language)
    reasons = [f"{name}{colon}{value}" for name, value in told.reasons]
    bad = [told.tally + colon.strip(), *robots.listed(told.resources)] if told.tally else []
    elements: list[Element] = [
        {"tag": "div", "fields": [_field(name, value) for name, value in told.facts]},
        *({"tag": "div", "text": _text("\n".join(lines))} for lines in (reasons, bad) if lines),
        {"tag": "hr"},
        _note(told.circumstances),
    ]
    return _card(destination, now, told.headline, COLORS.get(task.state, _COLOR), elements)


def small(destination: Destination, task: Task, now: float) -> requests.Request:
    """The same news as a card of one text, for a bot that has refused it."""
    language = destination.language
    headline, *lines = robots.written(robots.news(task, language, _SMALL, _safe), language)
    elements = [{"tag": "div", "text": _text("\n".join(lines))}]
    return _card(destination, now, headline, COLORS.get(task.state, _COLOR), elements)


def plain(destination: Destination, task: Task, now: float) -> requests.Request:
    """Without a card, for a bot that has refused it."""
    language = destination.language
    text = "\n".join(robots.written(robots.news(task, language, _PLAIN, _safe), language))
    missing = robots.keyword(destination, text)
    content = f"{text}\n{missing}" if missing else text
    return _post(destination, now, {"msg_type": "text", "content": {"text": content}})


def digest(destination: Destination, tasks: Sequence[Task], now: float) -> requests.Request:
    many = wording.digest(tasks, destination.language)
    lines = robots.fill([_safe(line) for line in many.lines], _DIGEST, destination.language)
    elements = [{"tag": "div", "text": _text("\n".join(lines))}]
    good = all(task.state is State.SUCCEEDED for task in tasks)
    return _card(destination, now, many.headline, COLORS[State.SUCCEEDED if good else State.FAILED], elements)


def _card(
    destination: Destination, now: float, headline: str, color: str, elements: Sequence[Element]
) -> requests.Request:
    missing = robots.keyword(destination, "\n".join([headline, *_texts(elements)]))
    card = {
        "config": {"wide_screen_mode": True},
        "header": {"template": color, "title": _text(headline)},
        "elements": [*elements, *([_note(missing)] if missing else [])],
    }
    return _post(destination, now, {"msg_type": "interactive", "card": card})


def _texts(elements: Sequence[Element]) -> list[str]:
    found = []
    for element in elements:
        parts = [
            element.get("text"),
            *(field["text"] for field in element.get("fields", ())),
            *element.get("elements", ()),
        ]
        found += [part["content"] for part in parts if part]
    return found


def _text(content: str) -> Element:
    return {"tag": "plain_text", "content": content}


def _field(name: str, value: str) -> Element:
    return {"is_short": True, "text": _text(f"{name}\n{value}")}


def _note(content: str) -> Element:
    return {"tag": "note", "elements": [_text(content)]}


def _post(destination: Destination, now: float, message: Mapping[str, Any]) -> requests.Request:
    return robots.post(destination.url, {**signature(destination, now), **message})


def signature(destination: Destination, now: float) -> dict[str, str]:
    """The members of a body that sign it for an hour from this moment; none without a secret.

    The sign is HMAC-SHA256 over nothing; its key is made of the seconds, a line break and the secret.
    """
    if not destination.secrets:
        return {}
    timestamp = str(int(now))
    mac = hmac.digest(f"{timestamp}\n{destination.secrets[0]}".encode(), b"", "sha256")
    return {"timestamp": timestamp, "sign": base64.b64encode(mac).decode()}


# --- the answer ------------------------------------------------------------------------------------------------------

_D, _T, _C = Verdict.DEAD, Verdict.THROTTLED, Verdict.BAD_CONTENT
_BAD_REQUEST = 9499

CODES: Mapping[int, answers.Row] = {
    _BAD_REQUEST: (_C, "the message is not well-formed or too long", "消息格式有误或过长"),
    11232: (_T, "there were too many messages", "发送消息过于频繁，触发限流"),
    11310: (_C, "the card is not accepted", "卡片内容不被接受"),
    19001: (
        _D,
        "the URL is not valid, or the bot was removed: copy the bot's webhook URL again and store it",
        "Webhook 地址无效或机器人已被移除：请重新复制机器人的 Webhook 地址并保存",
    ),
    19002: (_C, "the message is not well-formed", "消息参数有误"),
    19021: (
        _D,
        "the signature is not right, or the clock is wrong by an hour: store the secret of the bot's security settings "
        'as "secret"',
        "签名不正确，或时间相差一小时以上：请把机器人安全设置中的签名密钥填入目标的 “secret”",
    ),
    19022: (
        _D,
        "the bot takes messages from certain IP addresses only: add that of taskhook, or let the bot check a keyword "
        "or a signature instead",
        "机器人只接受白名单 IP 的消息：请加入 taskhook 的出口 IP，或改用关键词或签名校验",
    ),
    19024: (
        _D,
        'the bot requires a keyword: add one of its keywords to the destination as "keyword"',
        "机器人要求关键词：请把它的一个关键词填入目标的 “keyword”",
    ),
    19036: (_C, "the card is too large", "卡片过大"),
}


def judge(destination: Destination, answer: Answer, now: float) -> Judgment:
    body = answers.json_object(answer)
    code = robots.number(body.get("code", body.get("StatusCode")))
    return robots.judgment(destination, answer, now, code, _rows(body))


def _rows(body: Mapping[str, Any]) -> Mapping[int, answers.Row]:
    """A bad request can also be one too many."""
    limited = "frequency limited" in str(body.get("msg")).casefold()
    return {**CODES, _BAD_REQUEST: CODES[11232]} if limited else CODES


CHANNEL = Channel(
    type="feishu",
    fields=("secret", "keyword"),
    check=check,
    forms=(request, small, plain),
    judge=judge,
    rate="100/min",
    digest=digest,
)

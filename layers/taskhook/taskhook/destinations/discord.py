"""Discord's webhooks: a line that notifications show, and an embed with the rest.

Sources: github.com/discord/discord-api-docs (resources/webhook, resources/message, topics/rate-limits,
topics/opcodes-and-status-codes).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests

from taskhook.destinations import answers, urls, wording
from taskhook.destinations.model import Channel, Destination, Fault, Judgment, Language, Verdict
from taskhook.destinations.spans import spans
from taskhook.destinations.text import cut, one_line
from taskhook.http import Answer
from taskhook.states import State
from taskhook.task import Task
from taskhook.times import rfc3339

LONGEST_CONTENT = 2000
LONGEST_DESCRIPTION = 4096
LONGEST_FIELD = 1024
LONGEST_FOOTER = 2048
LONGEST_EMBED = 6000
"""Over all texts of a message's embeds."""

COLOURS: Mapping[State, int] = {
    State.FAILED: 0xE01E5A,
    State.PARTIAL: 0xECB22E,
    State.TIMED_OUT: 0xE67E22,
    State.LOST: 0x9B59B6,
    State.CANCELED: 0x95A5A6,
    State.SUCCEEDED: 0x2EB67D,
}
"""The worst first: a digest has the colour of its worst task."""
_NEUTRAL = 0x3498DB

_SUPPRESS_EMBEDS = 4
"""The flag for no previews of links. It would take our own embed away too."""
_NOTHING = "–"
"""Discord refuses a field without a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """UTF-16 units for each part that may be long. Together they stay within an embed."""

    reason: int
    hint: int
    resources: int


FULL = Room(reason=1500, hint=600, resources=1500)
SMALL = Room(reason=400, hint=200, resources=400)
"""Short: the message before this one was refused, perhaps for its length."""
PLAIN = Room(reason=250, hint=150, resources=0)

_TITLE = 300
_TASK_ID = 600
_NAME = 150

_HOST = re.compile(r"(?:(?:ptb|canary)\.)?discord(?:app)?\.com")
_PATH = re.compile(r"/api/(?:v[0-9]+/)?webhooks/[0-9]+/[A-Za-z0-9_-]+/?")
_MARKUP = re.compile(r"([\\*_~`|<>\[\]@#])")
_WAIT = re.compile(r"wait(?:=|$)")


def check(record: Mapping[str, Any]) -> list[Fault]:
    """Any host will do, as there are proxies; but not every URL of Discord's takes messages."""
    url = record.get("url")
    if not isinstance(url, str) or not _HOST.fullmatch(urls.host(url)) or _PATH.fullmatch(urlsplit(url).path):
        return []
    said = "must be that of a webhook (https://discord.com/api/webhooks/ID/TOKEN), with nothing after it but a query"
    return [Fault(field="url", message=said)]


# --- the message -----------------------------------------------------------------------------------------------------


def request(destination: Destination, task: Task, now: float) -> requests.Request:
    return _post(destination, _message(task, destination.language, FULL))


def smaller(destination: Destination, task: Task, now: float = 0.0) -> requests.Request:
    """The same news with fewer words of others, for a receiver that has refused all of them."""
    return _post(destination, _message(task, destination.language, SMALL))


def plain(destination: Destination, task: Task, now: float = 0.0) -> requests.Request:
    """As text alone."""
    return _post(destination, {"content": text(task, destination.language), "flags": _SUPPRESS_EMBEDS})


def digest(destination: Destination, tasks: Sequence[Task], now: float) -> requests.Request:
    language = destination.language
    found = wording.digest(tasks, language)
    lines = [_safe(line, LONGEST_FIELD) for line in found.lines]
    worst = next((colour for state, colour in COLOURS.items() if any(task.state is state for task in tasks)), _NEUTRAL)
    embed = {"color": worst, "description": "\n".join(wording.fill(lines, LONGEST_DESCRIPTION, _units, language))}
    return _post(destination, {"content": _safe(found.headline, LONGEST_CONTENT), "embeds": [embed]})


def _post(destination: Destination, message: Mapping[str, Any]) -> requests.Request:
    body = {**message, "allowed_mentions": {"parse": []}}
    return requests.Request("POST", confirming(destination.url), json=body)


def confirming(url: str) -> str:
    """The URL that makes Discord say whether it has kept the message: without ``wait`` it answers 204 in any case."""
    parts = urlsplit(url)
    kept = [one for one in parts.query.split("&") if one and not _WAIT.match(one)]
    return urlunsplit(parts._replace(query="&".join([*kept, "wait=true"])))


def _message(task: Task, language: Language, room: Room) -> dict[str, Any]:
    return {"content": _headline(task, language), "embeds": [embed(task, language, room)]}


def embed(task: Task, language: Language = Language.ENGLISH, room: Room = FULL) -> dict[str, Any]:
    description = "\n".join([*_reason(task, language, room), *_failed(task, language, room)])
    ended = wording.ended(task) if task.state.terminal else None
    return {
        "color": COLOURS.get(task.state, _NEUTRAL),
        **({"description": description} if description else {}),
        "fields": [{"name": name, "value": value, "inline": True} for name, value in _facts(task, language)],
        "footer": {"text": " · ".join(_circumstances(task, language))},
        **({"timestamp": rfc3339(ended)} if ended else {}),
    }


def text(task: Task, language: Language = Language.ENGLISH) -> str:
    facts = [f"{name}{wording.colon(language)}{value}" for name, value in _facts(task, language)]
    tally = [wording.tally(task, language)] if task.state.terminal and wording.unsuccessful(task) else []
    return "\n".join([_headline(task, language), *facts, *_reason(task, language, PLAIN), *tally])


def _headline(task: Task, language: Language) -> str:
    words = wording.outcome(task, language) + wording.colon(language)
    return words + _safe(wording.title(task, language), _TITLE)


def _facts(task: Task, language: Language) -> list[tuple[str, str]]:
    return [
        (wording.label("provider", language), _safe(wording.place(task, language), _NAME) or _NOTHING),
        (wording.label("account", language), _safe(task.account, _NAME) or _NOTHING),
        (wording.label("task", language), _code(task.task_id, _TASK_ID)),
        *spans(task, language, lambda moment: wording.clock(moment, language)),
    ]


def _reason(task: Task, language: Language, room: Room) -> list[str]:
    parts = wording.reasons(task, language, most=room.reason, most_hint=room.hint)
    colon = wording.colon(language).strip()
    return [f"**{label}{colon}** {_safe(words, most)}" for label, words, most in parts]


def _failed(task: Task, language: Language, room: Room) -> list[str]:
    bad = wording.unsuccessful(task) if task.state.terminal else []
    if not bad:
        return []
    lines = [f"• {_code(one.id, _NAME)} {_escaped(wording.state(one.state, language))}" for one in bad]
    return [f"**{wording.tally(task, language)}**", *wording.fill(lines, room.resources, _units, language)]


def _circumstances(task: Task, language: Language) -> list[str]:
    """A footer knows no markup, so nothing is escaped there. The time beside it is Discord's own."""
    ended = wording.ended_at(task, language) if task.state.terminal else None
    seen = wording.seen(task, language)
    state = cut(one_line(task.provider_state or ""), _NAME, _units)
    return [
        wording.polled(task, language),
        *([seen] if seen else []),
        *([f"{wording.label('provider_state', language)} {state}"] if state else []),
        *([ended[0]] if ended else []),
    ]


def _code(raw: str, most: int) -> str:
    """Nothing is markup in there but its own end."""
    return "`" + cut(one_line(raw), most, _units).replace("`", "'") + "`"


def _safe(raw: str, most: int) -> str:
    """Text without a meaning of its own: cut first, since half an escape would be shown as it is."""
    return _escaped(cut(one_line(raw), most, lambda part: _units(_escaped(part))))


def _escaped(raw: str) -> str:
    return _MARKUP.sub(r"\\\1", raw)


def _units(markup: str) -> int:
    return len(markup.encode("utf-16-le")) // 2


# --- the answer ------------------------------------------------------------------------------------------------------

_NEW_URL = "make a new webhook and store its URL"
_NEW_URL_ZH = "请新建 Webhook 并保存其 URL"
_GONE: answers.Row = (Verdict.DEAD, f"the webhook was removed: {_NEW_URL}", f"Webhook 已被删除：{_NEW_URL_ZH}")
_NO_TOKEN: answers.Row = (Verdict.DEAD, f"the URL is not valid: {_NEW_URL}", f"URL 无效：{_NEW_URL_ZH}")
_NO_THREAD: answers.Row = (
    Verdict.DEAD,
    "the channel or thread does not exist: check thread_id in the URL",
    "频道或帖子不存在：请检查 URL 中的 thread_id",
)
_BAD: answers.Row = (Verdict.BAD_CONTENT, "the message is not accepted", "消息不被接受")
_BLOCKED: answers.Row = (
    Verdict.BAD_CONTENT,
    "the server's moderation blocks the message",
    "消息被服务器的自动审核拦截",
)
_TROUBLE: answers.Row = (Verdict.TRANSIENT, "the chat service is in trouble", "聊天服务出现故障")

CODES: Mapping[int, answers.Row] = {
    10003: _NO_THREAD,
    10015: _GONE,
    50006: (Verdict.BAD_CONTENT, "the message is empty", "消息为空"),
    50027: _NO_TOKEN,
    50035: _BAD,
    130000: _TROUBLE,
    160005: (Verdict.DEAD, "the thread is locked: unlock it, or name another one", "帖子已锁定：请解锁，或换一个帖子"),
    200000: _BLOCKED,
    200001: _BLOCKED,
    220001: (
        Verdict.DEAD,
        "a forum takes messages in threads only: add ?thread_id=... to the URL",
        "论坛频道只接受发到帖子的消息：请在 URL 后加上 ?thread_id=...",
    ),
    240000: _BLOCKED,
}
"""What the ``code`` in an answer means, whatever the status beside it."""

STATUSES: Mapping[int, answers.Row] = {
    400: _BAD,
    401: _NO_TOKEN,
    403: (Verdict.DEAD, f"the webhook may not post there: {_NEW_URL}", f"Webhook 无权在那里发消息：{_NEW_URL_ZH}"),
    404: _GONE,
    413: (Verdict.BAD_CONTENT, "the message is too long", "消息过长"),
    429: (Verdict.THROTTLED, "there were too many messages", "消息发送过于频繁"),
    503: _TROUBLE,
}

_DELIVERED: answers.Row = (Verdict.DELIVERED, "the message is in the channel", "消息已发到频道")
_ACCEPTED: answers.Row = (
    Verdict.ACCEPTED,
    "the message was taken, and nobody says whether it is in the channel",
    "消息已被接收，但无法确认是否已发到频道",
)
_DOUBTFUL: answers.Row = (
    Verdict.TRANSIENT,
    "the answer does not confirm the message: check the URL",
    "应答未确认消息已送达：请检查 URL",
)


def judge(destination: Destination, answer: Answer, now: float) -> Judgment:
    body = answers.json_object(answer)
    wait, code = body.get("retry_after"), body.get("code")
    named = CODES.get(code) if type(code) is int and answer.status != 429 else None
    return answers.judgment(
        destination,
        answer,
        now,
        named or _meaning(answer, body),
        code=str(code) if named else None,
        retry_after=answers.sensible(wait) if isinstance(wait, int | float) else None,
    )


def _meaning(answer: Answer, body: Mapping[str, Any]) -> answers.Row:
    if answer.status // 100 != 2:
        return answers.row(answer.status, STATUSES)
    if _kept(answer, body):
        return _DELIVERED
    return _ACCEPTED if answer.status == 204 else _DOUBTFUL


def _kept(answer: Answer, body: Mapping[str, Any]) -> bool:
    """Whether the answer is the message as Discord has it. Its id may be beyond what was read of a long one."""
    id = body.get("id")
    return (isinstance(id, str) and id.isdecimal()) or (answer.truncated and "content" in body)


CHANNEL = Channel(type="discord", fields=(), check=check, forms=(request, smaller, plain), judge=judge, digest=digest)

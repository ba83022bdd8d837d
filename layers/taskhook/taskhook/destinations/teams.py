"""Microsoft Teams by a webhook of its Workflows (Power Automate): an Adaptive Card.

Sources: learn.microsoft.com (connectors/teams, schema-explorer/text-run, cards-format), issues of
MicrosoftDocs/msteams-docs (11274: a card grows by a fifth before it is measured) and microsoft/AdaptiveCards (5590,
5758: the mobile apps show the backslashes of escaped Markdown; 8965: a workflow takes version 1.4 at most).
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from taskhook.destinations import answers, urls, wording
from taskhook.destinations.model import Channel, Destination, Fault, Judgment, Language, Verdict
from taskhook.destinations.spans import spans
from taskhook.destinations.text import cut, one_line
from taskhook.http import Answer
from taskhook.states import State
from taskhook.task import Task

LONGEST_BODY = 20_000
"""Bytes. Teams refuses what has more than 28,672 after it has rewritten the card."""

COLOURS: Mapping[State, str] = {
    State.SUCCEEDED: "Good",
    State.FAILED: "Attention",
    State.PARTIAL: "Warning",
    State.TIMED_OUT: "Warning",
    State.LOST: "Warning",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Bytes for each part that may be long. Together they stay below the limit, with all that is around them."""

    reason: int
    hint: int
    resources: int


FULL = Room(reason=4500, hint=1500, resources=6000)
SMALL = Room(reason=800, hint=300, resources=1000)
"""Short: the message before this one was refused, perhaps for its length."""

_TITLE = 900
_TASK_ID = 900
_NAME = 400
_PLAIN_TITLE = 200
_PLAIN_REASON = 300
_PLAIN_NAME = 100
_LINE = 90
"""Bytes around a text that is a line of its own."""
_DIGEST = 17_000

_MARKDOWN = re.compile(r"([\\*_~`|<>\[\]()!#+-])")

_OLD = (
    "must be that of a Workflows webhook, as the connectors of Office 365 have ended: in Teams, open the menu of the "
    "channel, Workflows, 'Send webhook alerts to a channel', and copy the URL from there"
)
_UNSIGNED = "must end with its signature (&sig=...): let anyone trigger the workflow, and copy the whole URL"
_WORKFLOWS = (".logic.azure.com", ".api.powerplatform.com")


def check(record: Mapping[str, Any]) -> list[Fault]:
    """Any host will do, as there are many regions and proxies; but not the URLs that never work."""
    url = record.get("url")
    host = urls.host(url) if isinstance(url, str) else ""
    if not isinstance(url, str) or not host:
        return []
    if _connector(host, urlsplit(url).path):
        return [Fault(field="url", message=_OLD)]
    if host.endswith(_WORKFLOWS) and not parse_qs(urlsplit(url).query).get("sig"):
        return [Fault(field="url", message=_UNSIGNED)]
    return []


def _connector(host: str, path: str) -> bool:
    outlook = host in ("outlook.office.com", "outlook.office365.com") and path.startswith("/webhook")
    return outlook or f".{host}".endswith(".webhook.office.com")


# --- the message -----------------------------------------------------------------------------------------------------

type Element = dict[str, Any]


def request(destination: Destination, task: Task, now: float) -> requests.Request:
    return _post(destination, card(task, destination.language, FULL))


def smaller(destination: Destination, task: Task, now: float = 0.0) -> requests.Request:
    """The same news with fewer words of others, for a receiver that has refused all of them."""
    return _post(destination, card(task, destination.language, SMALL))


def plain(destination: Destination, task: Task, now: float = 0.0) -> requests.Request:
    """The oldest element alone, whose Markdown is escaped; on a phone the backslashes may show."""
    lines = _plain_lines(task, destination.language)
    return _post(destination, [{"type": "TextBlock", "text": line, "wrap": True} for line in lines])


def digest(destination: Destination, tasks: Sequence[Task], now: float) -> requests.Request:
    language = destination.language
    found = wording.digest(tasks, language)
    lines = [_cut(line, _DIGEST) for line in found.lines]
    kept = wording.fill(lines, _DIGEST, lambda line: _bytes(line) + _LINE, language)
    head = _line(_run(_cut(found.headline, _TITLE), weight="Bolder", size="Medium"))
    return _post(destination, [head, *(_line(_run(line)) for line in kept)])


def _post(destination: Destination, elements: Sequence[Element]) -> requests.Request:
    content = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": elements,
    }
    # A trigger that is declared as its documentation says refuses an attachment without contentUrl.
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
    body = json.dumps({"type": "message", "attachments": [attachment]}, ensure_ascii=False, separators=(",", ":"))
    headers = {"content-type": "application/json"}
    return requests.Request("POST", destination.url, headers=headers, data=body.encode())


def card(task: Task, language: Language = Language.ENGLISH, room: Room = FULL) -> list[Element]:
    """In runs of text, which know no Markdown: so there is nothing to escape, and nothing that could be missed."""
    return [
        _line(_run(_headline(task, language, _TITLE), weight="Bolder", size="Medium", **_colour(task))),
        *(_line(_bold(f"{name}{wording.colon(language)}"), value) for name, value in _facts(task, language)),
        *_reason(task, language, room),
        *_failed(task, language, room),
        _line(_run(" · ".join(_circumstances(task, language)), isSubtle=True, size="Small")),
    ]


def _plain_lines(task: Task, language: Language) -> list[str]:
    problem = wording.why(task, language)
    why = wording.explained(problem, language) if problem else ""
    named = f"{wording.label('task', language)} {_escaped_cut(task.task_id, _TASK_ID)}"
    return [
        f"{wording.outcome(task, language)}{wording.colon(language)}{_escaped_cut(wording.title(task), _PLAIN_TITLE)}",
        f"{named} · {_escaped_cut(wording.place(task, language), _PLAIN_NAME)}",
        *([_escaped_cut(why, _PLAIN_REASON)] if why else []),
        *([wording.tally(task, language)] if task.state.terminal and wording.unsuccessful(task) else []),
    ]


def _headline(task: Task, language: Language, most: int) -> str:
    return f"{wording.outcome(task, language)}{wording.colon(language)}{_cut(wording.title(task), most)}"


def _colour(task: Task) -> dict[str, str]:
    return {"color": COLOURS[task.state]} if task.state in COLOURS else {}


def _facts(task: Task, language: Language) -> list[tuple[str, Element]]:
    return [
        (wording.label("provider", language), _run(_cut(wording.place(task, language), _NAME))),
        (wording.label("account", language), _run(_cut(task.account, _NAME))),
        (wording.label("task", language), _code(task.task_id, _TASK_ID)),
        *((name, _run(value)) for name, value in spans(task, language, lambda moment: wording.clock(moment, language))),
    ]


def _reason(task: Task, language: Language, room: Room) -> list[Element]:
    parts = wording.reasons(task, language, most=room.reason, most_hint=room.hint)
    colon = wording.colon(language)
    return [_line(_bold(f"{label}{colon}"), _run(_cut(words, most))) for label, words, most in parts]


def _failed(task: Task, language: Language, room: Room) -> list[Element]:
    bad = wording.unsuccessful(task) if task.state.terminal else []
    if not bad:
        return []
    lines = [f"• {_cut(one.id, _NAME)} {wording.state(one.state, language)}" for one in bad]
    kept = wording.fill(lines, room.resources, lambda line: _bytes(line) + _LINE, language)
    return [_line(_bold(wording.tally(task, language))), *(_line(_run(line)) for line in kept)]


def _circumstances(task: Task, language: Language) -> list[str]:
    ended = wording.ended_at(task, language) if task.state.terminal else None
    seen = wording.seen(task, language)
    state = _cut(task.provider_state or "", _NAME)
    return [
        *([f"{ended[0]} {wording.clock(ended[1], language)}"] if ended else []),
        *([seen] if seen else []),
        wording.polled(task, language),
        *([f"{wording.label('provider_state', language)} {state}"] if state else []),
    ]


def _line(*runs: Element) -> Element:
    return {"type": "RichTextBlock", "spacing": "Small", "inlines": list(runs)}


def _run(words: str, **style: Any) -> Element:
    return {"type": "TextRun", "text": words, **style}


def _bold(words: str) -> Element:
    return _run(words, weight="Bolder")


def _code(raw: str, most: int) -> Element:
    return _run(_cut(raw, most), fontType="Monospace")


def _cut(raw: str, most: int) -> str:
    return cut(one_line(raw), most, _bytes)


def _escaped_cut(raw: str, most: int) -> str:
    """Cut first, since half an escape would be shown as it is."""
    return _escaped(cut(one_line(raw), most, lambda part: _bytes(_escaped(part))))


def _escaped(raw: str) -> str:
    return _MARKDOWN.sub(r"\\\1", raw)


def _bytes(words: str) -> int:
    """As JSON, without the quotes around it."""
    return len(json.dumps(words, ensure_ascii=False).encode()) - 2


# --- the answer ------------------------------------------------------------------------------------------------------

_COPY = "copy the whole URL from the workflow again"
_COPY_ZH = "请从工作流中重新复制完整的 URL"
_BAD: answers.Row = (Verdict.BAD_CONTENT, "the message is not accepted", "消息不被接受")

ERRORS: Mapping[str, answers.Row] = {
    "DirectApiAuthorizationRequired": (
        Verdict.DEAD,
        f"the URL lacks its signature (&sig=...): {_COPY}",
        f"URL 缺少签名（&sig=...）：{_COPY_ZH}",
    ),
    "TriggerInputSchemaMismatch": (
        Verdict.BAD_CONTENT,
        "the workflow expects another message: make it from the template 'Send webhook alerts to a channel'",
        "工作流要求的消息格式不同：请用模板“Send webhook alerts to a channel”新建",
    ),
    "WorkflowTriggerIsNotEnabled": (
        Verdict.DEAD,
        "the workflow is switched off: turn it on in Power Automate",
        "工作流已停用：请在 Power Automate 中启用",
    ),
}
"""What ``error.code`` in an answer means, whatever the status beside it."""

STATUSES: Mapping[int, answers.Row] = {
    400: _BAD,
    401: (Verdict.DEAD, f"the URL is not valid: {_COPY}", f"URL 无效：{_COPY_ZH}"),
    404: (
        Verdict.DEAD,
        f"the workflow was removed, or its URL has changed: {_COPY}",
        f"工作流已被删除或其 URL 已变更：{_COPY_ZH}",
    ),
    413: (Verdict.BAD_CONTENT, "the message is too long", "消息过长"),
    429: (Verdict.THROTTLED, "there were too many messages", "消息发送过于频繁"),
    503: (Verdict.TRANSIENT, "the chat service is in trouble", "聊天服务出现故障"),
}

_ACCEPTED: answers.Row = (
    Verdict.ACCEPTED,
    "the workflow was started, and does not say whether the message is in the channel",
    "工作流已启动，但无法确认消息是否已发到频道",
)
_DOUBTFUL: answers.Row = (
    Verdict.TRANSIENT,
    "the answer is a page and not that of a workflow: check the URL",
    "应答是网页而不是工作流的应答：请检查 URL",
)


def judge(destination: Destination, answer: Answer, now: float) -> Judgment:
    """Never delivered: the answer comes before anybody has looked at the card (msteams-docs issue 1810)."""
    code = _code_in(answer)
    named = ERRORS.get(code) if code and answer.status != 429 else None
    return answers.judgment(destination, answer, now, named or _meaning(answer), code=code)


def _meaning(answer: Answer) -> answers.Row:
    if answer.status // 100 != 2:
        return answers.row(answer.status, STATUSES)
    return _DOUBTFUL if answer.text.lstrip().startswith("<") else _ACCEPTED


def _code_in(answer: Answer) -> str | None:
    """From ``{"error": {"code": "TriggerInputSchemaMismatch", "message": "..."}}``."""
    error = answers.json_object(answer).get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) and code else None


CHANNEL = Channel(
    type="teams", fields=(), check=check, forms=(request, smaller, plain), judge=judge, rate="4/s", digest=digest
)

"""Slack's incoming webhooks, and the servers that speak the same: Mattermost, Rocket.Chat.

Sources: docs.slack.dev ("Sending messages using incoming webhooks", "Rate limits", the Block Kit reference), the
changelog of 2016-05-17 for the words of an answer, slack_sdk.models for the limits.
"""

import json
import re
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import requests

from taskhook.destinations import answers, urls, wording
from taskhook.destinations.model import Channel, Destination, Fault, Judgment, Verdict
from taskhook.destinations.text import cut, fill, one_line
from taskhook.http import Answer
from taskhook.task import Task
from taskhook.times import rfc3339

LONGEST_HEADER = 150
LONGEST_SECTION = 3000
LONGEST_FIELD = 2000
LONGEST_TEXT = 4000
LONGEST_MESSAGE = 12_000
"""Over all blocks. Slack names no figure; refusals begin a little above 13,000 (slackapi/bolt-js issue 2509)."""

# Each part has its own allowance, and together they stay below every limit above: so what comes first can never be
# pushed out by what comes after it.
_TITLE = 300
_TASK_ID = 600
_NAME = 200
_REASON = 1800
_HINT = 700
_RESOURCES = 2000
_TEXT_PARTS = 800
_PLAIN_PARTS = 200
"""Short: the message before this one was refused, perhaps for its length."""

type Block = dict[str, Any]


def check(record: Mapping[str, Any]) -> list[Fault]:
    """Any host will do, as others speak Slack's language; but not every URL of Slack's takes messages."""
    url = record.get("url")
    if not isinstance(url, str) or urls.host(url) not in ("hooks.slack.com", "hooks.slack-gov.com"):
        return []
    if re.search("/(triggers|workflows)/", url):
        said = "must be an incoming webhook (hooks.slack.com/services/...), and this one starts a workflow"
        return [Fault(field="url", message=said)]
    return []


# --- the message -----------------------------------------------------------------------------------------------------


def request(destination: Destination, task: Task, now: float) -> requests.Request:
    return _post(destination, {"text": text(task), "blocks": blocks(task)})


def plain(destination: Destination, task: Task, now: float = 0.0) -> requests.Request:
    """The same news, shorter and without blocks, for a receiver that has refused them."""
    return _post(destination, {"text": text(task, _PLAIN_PARTS)})


def _post(destination: Destination, message: Mapping[str, Any]) -> requests.Request:
    return requests.Request("POST", destination.url, json=message)


def text(task: Task, most: int = _TEXT_PARTS) -> str:
    """What a notification shows, and all that Mattermost does. ``most`` limits each part that may be long."""
    lines = [
        f"{wording.outcome(task)}: {_safe(wording.title(task), _TITLE)}",
        f"Task {_safe(task.task_id, _TASK_ID)} ({_safe(wording.place(task), _NAME)}, "
        f"account {_safe(task.account, _NAME)})",
        *_span(task),
        *_reason(task, "Why:", "What to do:", most),
    ]
    if wording.unsuccessful(task):
        lines += [f"{wording.tally(task)}:", *_listed(task, most, _safe)]
    return "\n".join(lines)


def blocks(task: Task) -> list[Block]:
    reason = _reason(task, "*Why:*", "*What to do:*", _REASON)
    bad = [f"*{wording.tally(task)}*", *_listed(task, _RESOURCES, _code)] if wording.unsuccessful(task) else []
    return [
        _header(task),
        {"type": "section", "fields": [_mrkdwn(f"*{label}*\n{value}") for label, value in _facts(task)]},
        *({"type": "section", "text": _mrkdwn("\n".join(lines))} for lines in (reason, bad) if lines),
        {"type": "context", "elements": [_mrkdwn(" · ".join(_circumstances(task)))]},
    ]


def _header(task: Task) -> Block:
    words = f"{wording.outcome(task)}: "
    title = _safe(wording.title(task), LONGEST_HEADER - _size(words))
    return {"type": "header", "text": {"type": "plain_text", "text": words + title}}


def _facts(task: Task) -> list[tuple[str, str]]:
    span = wording.took(task)
    return [
        ("Provider", _safe(wording.place(task), _NAME)),
        ("Account", _safe(task.account, _NAME)),
        ("Task", _code(task.task_id, _TASK_ID)),
        *([span] if span else []),
    ]


def _span(task: Task) -> list[str]:
    span = wording.took(task)
    return [" ".join(span)] if span else []


def _reason(task: Task, why: str, to_do: str, most: int) -> list[str]:
    problem = wording.why(task)
    if not problem:
        return []
    lines = [f"{why} {_safe(wording.explained(problem), most)}"]
    return [*lines, f"{to_do} {_safe(problem.hint, min(most, _HINT))}"] if problem.hint else lines


def _listed(task: Task, most: int, shown: Callable[[str, int], str]) -> list[str]:
    lines = [f"• {shown(one.id, _NAME)} {one.state}" for one in wording.unsuccessful(task)]
    return fill(lines, most, _units)


def _circumstances(task: Task) -> list[str]:
    moment = wording.ended(task)
    word = "Finished" if task.finished_at else "Noticed"
    return [
        *([f"{word} {_local_time(moment)}"] if moment else []),
        wording.polled(task),
        *([f"provider state {_code(task.provider_state, _NAME)}"] if task.provider_state else []),
    ]


def _local_time(moment: float) -> str:
    """Slack shows it by the reader's own clock; the text after the bar is for what cannot."""
    return f"<!date^{int(moment)}^{{date_short_pretty}} {{time}}|{rfc3339(moment)}>"


def _mrkdwn(markup: str) -> dict[str, Any]:
    # Verbatim, or a provider's message could notify a whole channel by naming it.
    return {"type": "mrkdwn", "text": markup, "verbatim": True}


def _code(raw: str, most: int) -> str:
    return "`" + _safe(raw, most).replace("`", "'") + "`"


def _safe(raw: str, most: int) -> str:
    """Text as Slack wants it: cut first, since half an escape would be shown as it is."""
    return escape(cut(one_line(raw), most, _size), quote=False)


def _size(raw: str) -> int:
    """What Slack may count at most: it does not say whether before or after the escape, nor how many an emoji is."""
    return _units(escape(raw, quote=False))


def _units(markup: str) -> int:
    return len(markup.encode("utf-16-le")) // 2


# --- the answer ------------------------------------------------------------------------------------------------------

_NEW_URL = "make a new incoming webhook and store its URL"

ERRORS: Mapping[str, answers.Row] = {
    "action_prohibited": (Verdict.DEAD, "an administrator does not allow posting there: ask them"),
    "channel_is_archived": (Verdict.DEAD, f"the channel is archived: unarchive it, or {_NEW_URL}"),
    "channel_not_found": (Verdict.DEAD, f"the channel does not exist any more: {_NEW_URL}"),
    "invalid_token": (Verdict.DEAD, f"the URL is not valid: {_NEW_URL}"),
    "no_active_hooks": (Verdict.DEAD, f"the webhook is switched off: switch it on, or {_NEW_URL}"),
    "no_service": (Verdict.DEAD, f"the webhook was removed or switched off: {_NEW_URL}"),
    "no_service_id": (Verdict.DEAD, "a part of the URL is missing: store the whole URL"),
    "no_team": (Verdict.DEAD, f"the workspace does not exist, or the URL is wrong: {_NEW_URL}"),
    "posting_to_general_channel_denied": (Verdict.DEAD, "only some people may post to this channel: use another one"),
    "team_disabled": (Verdict.DEAD, "the workspace is switched off"),
    "invalid_attachments": (Verdict.BAD_CONTENT, "the message is not well-formed"),
    "invalid_blocks": (Verdict.BAD_CONTENT, "the message is not well-formed"),
    "invalid_blocks_format": (Verdict.BAD_CONTENT, "the message is not well-formed"),
    "invalid_payload": (Verdict.BAD_CONTENT, "the message is not well-formed"),
    "missing_text_or_fallback_or_attachments": (Verdict.BAD_CONTENT, "the message has no text"),
    "msg_blocks_too_long": (Verdict.BAD_CONTENT, "the message is too long"),
    "msg_too_long": (Verdict.BAD_CONTENT, "the message is too long"),
    "no_text": (Verdict.BAD_CONTENT, "the message has no text"),
    "too_many_attachments": (Verdict.BAD_CONTENT, "the message has too many parts"),
    "rate_limited": (Verdict.THROTTLED, "there were too many messages"),
    "ratelimited": (Verdict.THROTTLED, "there were too many messages"),
    "fatal_error": (Verdict.TRANSIENT, "the chat service is in trouble"),
    "internal_error": (Verdict.TRANSIENT, "the chat service is in trouble"),
    "rollup_error": (Verdict.TRANSIENT, "the chat service is in trouble"),
    "service_unavailable": (Verdict.TRANSIENT, "the chat service is in trouble"),
}
"""What the word in an answer means, whatever the status beside it."""

STATUSES: Mapping[int, answers.Row] = {
    400: (Verdict.BAD_CONTENT, "the message is not accepted"),
    413: (Verdict.BAD_CONTENT, "the message is too long"),
    503: (Verdict.TRANSIENT, "the chat service is in trouble"),
}

_DELIVERED: answers.Row = (Verdict.DELIVERED, "the message is in the channel")
_DOUBTFUL: answers.Row = (Verdict.TRANSIENT, "the answer does not confirm the message: check the URL")


def judge(destination: Destination, answer: Answer, now: float) -> Judgment:
    body = _json_object(answer)
    wait = body.get("retry_after")
    return answers.judgment(
        destination,
        answer,
        now,
        _meaning(answer, body),
        retry_after=answers.sensible(wait) if isinstance(wait, int | float) else None,
    )


def _meaning(answer: Answer, body: Mapping[str, Any]) -> answers.Row:
    if answer.status == 429:
        return answers.row(429)
    named = ERRORS.get(str(body.get("error") or answer.text.strip()))
    if named:
        return named
    if answer.status // 100 == 2:
        return _DELIVERED if _confirmed(answer, body) else _DOUBTFUL
    return answers.row(answer.status, STATUSES)


def _confirmed(answer: Answer, body: Mapping[str, Any]) -> bool:
    """Slack and Mattermost say ``ok``; Rocket.Chat ``{"success": true}``, and Slack's newer services ``{"ok": true}``.

    A proxy or a log-in page can answer 200 as well, so nothing else counts.
    """
    return answer.text.strip() == "ok" or body.get("ok") is True or body.get("success") is True


def _json_object(answer: Answer) -> dict[str, Any]:
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


CHANNEL = Channel(type="slack", fields=(), check=check, forms=(request, plain), judge=judge, rate="1/s")

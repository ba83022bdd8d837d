"""Slack's incoming webhooks, and the servers that speak the same: Mattermost, Rocket.Chat.

Sources: docs.slack.dev "Sending messages using incoming webhooks", "Rate limits" and the Block Kit reference;
slack_sdk.models for the limits; the changelog of 2016-05-17 for the words of an answer.
"""

import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any

import requests

from taskhook.destinations import answers, urls
from taskhook.destinations.model import Channel, Destination, Fault, Judgment, Verdict
from taskhook.destinations.text import cut, fill, one_line
from taskhook.destinations.wording import (
    ended,
    explained,
    outcome,
    place,
    polled,
    service,
    title,
    took,
    tally,
    unsuccessful,
    why,
)
from taskhook.http import Answer
from taskhook.states import ANSWERED
from taskhook.task import Problem, Task
from taskhook.times import rfc3339

LONGEST_HEADER = 150
LONGEST_SECTION = 3000
LONGEST_FIELD = 2000
LONGEST_MESSAGE = 12_000
"""Over all blocks. Slack names no figure; refusals begin a little above 13,000 (slackapi/bolt-js issue 2509)."""
LONGEST_TEXT = 3000
LONGEST_PLAIN = 1500
"""For a receiver that has refused a message already, perhaps for its length."""

_LONGEST_TITLE = 300
_LONGEST_ID = 600
_LONGEST_NAME = 200
_LONGEST_REASON = 1800
_LONGEST_HINT = 700
_LONGEST_RESOURCES = 2000

_WORKFLOW = re.compile(r"/(?:triggers|workflows)/")

type Block = dict[str, Any]


def check(record: Mapping[str, Any]) -> list[Fault]:
    """Any host will do, as others speak Slack's language; but not every URL of Slack's takes messages."""
    url = record.get("url")
    if not isinstance(url, str) or urls.host(url) not in ("hooks.slack.com", "hooks.slack-gov.com"):
        return []
    if _WORKFLOW.search(url):
        return [Fault(field="url", message="must be an incoming webhook (/services/...), and this one starts a workflow")]
    return []


# --- the message -----------------------------------------------------------------------------------------------------


def request(destination: Destination, task: Task, now: float) -> requests.Request:
    return _post(destination, {"text": text(task, LONGEST_TEXT), "blocks": blocks(task)})


def plain(destination: Destination, task: Task, now: float = 0.0) -> requests.Request:
    """The same news without blocks, for a receiver that does not accept them."""
    return _post(destination, {"text": text(task, LONGEST_PLAIN)})


def _post(destination: Destination, message: Mapping[str, Any]) -> requests.Request:
    return requests.Request("POST", destination.url, json=message)


def blocks(task: Task) -> list[Block]:
    return [_header(task), _facts(task), *_reason(task), *_resources(task), _footer(task)]


def text(task: Task, limit: int) -> str:
    """What a notification shows, and all that a server without blocks has. The outcome is never cut, nor is the id."""
    span, problem, bad = took(task), why(task), unsuccessful(task)
    lines = [
        f"{outcome(task)}: {_fit(title(task), _LONGEST_TITLE)}",
        f"Task {_fit(task.task_id, _LONGEST_ID)} ({_fit(place(task), _LONGEST_NAME)}, account {_fit(task.account, 100)})",
    ]
    if span:
        lines.append(" ".join(span))
    if problem:
        lines += [f"Why: {_fit(explained(problem), _LONGEST_REASON)}", *_to_do(problem, "What to do:")]
    if bad:
        lines += [f"{tally(task)}:", *fill([f"• {_fit(one.id, _LONGEST_NAME)} {one.state}" for one in bad], 600, _size)]
    return "\n".join(fill_or_cut(lines, limit))


def _header(task: Task) -> Block:
    words = outcome(task)
    room = LONGEST_HEADER - _size(words) - 2
    return {"type": "header", "text": {"type": "plain_text", "text": f"{words}: {_fit(title(task), room)}"}}

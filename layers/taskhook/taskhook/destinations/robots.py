"""What the group robots of DingTalk, Feishu and WeCom have in common.

Their limits count bytes, text becomes markup where nobody takes care, and every answer is HTTP 200 with a code in its
body that says what really happened.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import requests

from taskhook.destinations import answers, wording
from taskhook.destinations.model import Destination, Fault, Judgment, Language, Verdict
from taskhook.destinations.spans import spans
from taskhook.destinations.text import cut, one_line
from taskhook.http import Answer
from taskhook.task import Task

LONGEST_KEYWORD = 50
LONGEST_SECRET = 200
"""Characters."""

type Safe = Callable[[str], str]
"""Makes a text harmless in the markup of one channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Bytes for each part of a message, so that what comes first can never be pushed out by what comes after it.

    They are counted as they are sent, in JSON and made safe. Without ``circumstances`` there is no last line.
    """

    title: int
    task_id: int
    name: int
    reason: int
    hint: int
    resources: int
    circumstances: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """A task in the words of its destination: every part cut, and safe in the markup of its channel."""

    headline: str
    facts: tuple[tuple[str, str], ...]
    reasons: tuple[tuple[str, str], ...]
    tally: str
    resources: tuple[str, ...]
    circumstances: str


# --- text ------------------------------------------------------------------------------------------------------------

_MENTION = re.compile("@(?=all|everyone|channel|here|所有人)", re.IGNORECASE)
_ENTITY = re.compile(r"&(?=#?\w+;)")
_TWINS = {"<": "＜", ">": "＞", "[": "［", "]": "］", "*": "∗", "`": "'"}


def neutral(characters: str) -> Safe:
    """Replaces these characters by others that look like them and mean nothing, and what would call everybody.

    None of the three documents an escape. A lookalike is right in every client, of whatever age.
    """
    twins = str.maketrans({character: _TWINS[character] for character in characters})
    return lambda text: _MENTION.sub("＠", _ENTITY.sub("＆", text.translate(twins)))


def octets(text: str) -> int:
    """The bytes that a text takes in a body, within its quotation marks."""
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2


def fit(text: str, most: int, safe: Safe) -> str:
    """One line of at most so many bytes. It is cut first: half a character of two would be shown."""
    # A character has a byte at least, so nothing beyond them can stay; to measure it would only take time.
    return safe(cut(one_line(text)[: most + 1], most, lambda part: octets(safe(part))))


def headline(task: Task, language: Language, most: int, safe: Safe) -> str:
    """The outcome and then the title, for which ``most`` counts."""
    words = wording.outcome(task, language) + wording.colon(language)
    return words + fit(wording.title(task, language), most, safe)


def news(task: Task, language: Language, room: Room, safe: Safe) -> News:
    bad = wording.unsuccessful(task) if task.state.terminal else []
    lines = [f"{fit(one.id, room.name, safe)} {wording.state(one.state, language)}" for one in bad]
    return News(
        headline=headline(task, language, room.title, safe),
        facts=_facts(task, language, room, safe),
        reasons=_reasons(task, language, room, safe),
        tally=wording.tally(task, language) if bad else "",
        resources=tuple(fill(lines, room.resources, language)),
        circumstances=_circumstances(task, language, room, safe) if room.circumstances else "",
    )


def _facts(task: Task, language: Language, room: Room, safe: Safe) -> tuple[tuple[str, str], ...]:
    return (
        (wording.label("provider", language), fit(wording.place(task, language), room.name, safe)),
        (wording.label("account", language), fit(task.account, room.name, safe)),
        (wording.label("task", language), fit(task.task_id, room.task_id, safe)),
        *spans(task, language, lambda moment: wording.clock(moment, language)),
    )


def _reasons(task: Task, language: Language, room: Room, safe: Safe) -> tuple[tuple[str, str], ...]:
    parts = wording.reasons(task, language, most=room.reason, most_hint=room.hint)
    return tuple((label, fit(words, most, safe)) for label, words, most in parts)


def _circumstances(task: Task, language: Language, room: Room, safe: Safe) -> str:
    end = wording.ended_at(task, language) if task.state.terminal else None
    seen, state = wording.seen(task, language), fit(task.provider_state or "", room.name, safe)
    return " · ".join(
        [
            *([f"{end[0]} {wording.clock(end[1], language)}"] if end else []),
            *([seen] if seen else []),
            wording.polled(task, language),
            *([f"{wording.label('provider_state', language)} {state}"] if state else []),
        ]
    )


def fill(lines: Sequence[str], most: int, language: Language) -> list[str]:
    """As many lines as fit. Each is counted with a mark before it and the longest line break, which has four bytes."""
    return wording.fill(lines, most, lambda line: octets(line) + 7, language)


def written(told: News, language: Language, *, head: str = "{}", label: str = "{}") -> list[str]:
    """The news as lines, the headline first. The patterns hold the markup of the channel, as in ``**{}**``."""
    colon = wording.colon(language)
    return [
        head.format(told.headline),
        *(f"{label.format(name)}{colon}{value}" for name, value in (*told.facts, *told.reasons)),
        *([f"{label.format(told.tally)}{colon.strip()}"] if told.tally else []),
        *(listed(told.resources)),
        *([told.circumstances] if told.circumstances else []),
    ]


def listed(lines: Sequence[str]) -> list[str]:
    """Without the markup of lists: what follows a list without a blank line belongs to its last item."""
    return [line if line.startswith("…") else f"• {line}" for line in lines]


# --- records and requests --------------------------------------------------------------------------------------------


def post(url: str, message: Mapping[str, Any]) -> requests.Request:
    """As UTF-8: with escapes a Chinese character would take six bytes of the limit instead of three."""
    body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    return requests.Request("POST", url, data=body, headers={"content-type": "application/json; charset=utf-8"})


def keyword(destination: Destination, shown: str) -> str:
    """The keyword that the robot looks for, where the message does not have it anyway; else nothing."""
    wanted = str(destination.own.get("keyword") or "")
    return "" if wanted in shown else wanted


_WORD = re.compile("[!-~]+")


def keyword_faults(value: Any) -> list[Fault]:
    if value is None or (isinstance(value, str) and _usable(value)):
        return []
    message = f"must be one of the robot's keywords as a text: at most {LONGEST_KEYWORD} characters, without < and >"
    return [Fault(field="keyword", message=message)]


def _usable(value: str) -> bool:
    return 0 < len(value) <= LONGEST_KEYWORD and one_line(value) == value and not set("<>") & set(value)


def secret_faults(value: Any, shape: str = "", *, start: str = "") -> list[Fault]:
    """``shape`` says in words what a secret of this kind looks like, and ``start`` how it begins."""
    if value is None:
        return []
    if isinstance(value, str) and len(value) <= LONGEST_SECRET and _WORD.fullmatch(value) and value.startswith(start):
        return []
    message = f"must be the secret that the robot's security settings show{shape}, or left out where they show none"
    return [Fault(field="secret", message=message)]


# --- answers ---------------------------------------------------------------------------------------------------------

STATUSES: Mapping[int, answers.Row] = {
    400: (Verdict.BAD_CONTENT, "the message is not accepted", "消息格式不被接受"),
    413: (Verdict.BAD_CONTENT, "the message is too long", "消息过长"),
}
DELIVERED: answers.Row = (Verdict.DELIVERED, "the message is in the group", "消息已发送到群里")
_DOUBTFUL: answers.Row = (
    Verdict.TRANSIENT,
    "the answer does not confirm the message: check the URL",
    "应答没有确认消息已发送：请检查 URL",
)
_UNKNOWN: answers.Row = (
    Verdict.TRANSIENT,
    "the answer has a code that taskhook does not know",
    "应答中的错误码 taskhook 不认识",
)


def number(value: Any) -> int | None:
    """A code as these services write it. A text or true is none: who writes that is somebody else."""
    return value if type(value) is int else None


def judgment(
    destination: Destination, answer: Answer, now: float, code: int | None, rows: Mapping[int, answers.Row]
) -> Judgment:
    found = answers.judgment(destination, answer, now, _meaning(answer, code, rows), code=str(code) if code else None)
    # A code that we know is no secret, even where the URL has the same digits.
    return replace(found, code=str(code)) if code in rows else found


def _meaning(answer: Answer, code: int | None, rows: Mapping[int, answers.Row]) -> answers.Row:
    """By the code, whatever the status beside it; but success counts only where both say so."""
    if answer.status == 429:
        return answers.row(429)
    if code and code in rows:
        return _coded(code, rows[code])
    if answer.status // 100 != 2:
        return answers.row(answer.status, STATUSES)
    if code is None:
        return _DOUBTFUL
    return _coded(code, _UNKNOWN) if code else DELIVERED


def _coded(code: int, row: answers.Row) -> answers.Row:
    """In words that begin with the code: people search for it."""
    verdict, words, words_zh = row if len(row) == 3 else (*row, "")
    return (verdict, f"{code}: {words}", f"{code}：{words_zh}" if words_zh else "")

"""How news looks in Slack: blocks, and the text that notifications show, within Slack's limits.

Sources: docs.slack.dev (the Block Kit reference, "Formatting message text"), slack_sdk.models for the limits.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from taskhook.destinations import wording
from taskhook.destinations.model import Language
from taskhook.destinations.spans import spans
from taskhook.destinations.text import cut, one_line
from taskhook.task import Task
from taskhook.times import rfc3339

LONGEST_HEADER = 150
LONGEST_SECTION = 3000
LONGEST_FIELD = 2000
LONGEST_TEXT = 4000
MOST_BLOCKS = 50
LONGEST_MESSAGE = 12_000
"""Over all blocks. Slack names no figure; refusals begin a little above 13,000 (slackapi/bolt-js issue 2509)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """UTF-16 units for each part that may be long; ``text`` for each such part of the text beside the blocks."""

    reason: int
    hint: int
    resources: int
    text: int


# Each part has its own allowance, and together they stay below every limit above: so what comes first can never be
# pushed out by what comes after it.
FULL = Room(reason=1800, hint=700, resources=2000, text=800)
SMALL = Room(reason=400, hint=200, resources=400, text=200)
"""Short: the message before this one was refused, perhaps for its length."""

_TITLE = 300
_TASK_ID = 600
_NAME = 200
_HINT = FULL.hint

_BRACKETS = {Language.ENGLISH: " ({}, {} {})", Language.CHINESE: "（{}，{} {}）"}

type Block = dict[str, Any]
type Shown = Callable[[str, int], str]


# --- one task --------------------------------------------------------------------------------------------------------


def text(task: Task, language: Language = Language.ENGLISH, most: int = FULL.text) -> str:
    """What a notification shows, and all that Mattermost does. ``most`` limits each part that may be long."""
    return "\n".join(
        [
            _headline(task, language, _TITLE),
            _named(task, language),
            *_spans(task, language),
            *_reason(task, language, "{}" + wording.colon(language), most, most),
            *_failed(task, language, "{}" + _end(language), most, _safe),
        ]
    )


def blocks(task: Task, language: Language = Language.ENGLISH, room: Room = FULL) -> list[Block]:
    facts = [_mrkdwn(f"*{label}*\n{value}") for label, value in _facts(task, language)]
    reason = _reason(task, language, "*{}" + _end(language) + "* ", room.reason, room.hint)
    failed = _failed(task, language, "*{}*", room.resources, _code)
    return [
        _header(_headline(task, language, LONGEST_HEADER)),
        {"type": "section", "fields": facts},
        *(_section("\n".join(lines)) for lines in (reason, failed) if lines),
        {"type": "context", "elements": [_mrkdwn(" · ".join(_circumstances(task, language)))]},
    ]


def _headline(task: Task, language: Language, most: int) -> str:
    words = wording.outcome(task, language) + wording.colon(language)
    return words + _safe(wording.title(task, language), most - _size(words))


def _named(task: Task, language: Language) -> str:
    where = _safe(wording.place(task, language), _NAME)
    account = wording.label("account", language).lower()
    brackets = _BRACKETS[language].format(where, account, _safe(task.account, _NAME))
    return f"{wording.label('task', language)} {_safe(task.task_id, _TASK_ID)}{brackets}"


def _facts(task: Task, language: Language) -> list[tuple[str, str]]:
    return [
        (wording.label("provider", language), _safe(wording.place(task, language), _NAME)),
        (wording.label("account", language), _safe(task.account, _NAME)),
        (wording.label("task", language), _code(task.task_id, _TASK_ID)),
        *spans(task, language, _local_time),
    ]


def _spans(task: Task, language: Language) -> list[str]:
    found = spans(task, language, lambda moment: wording.clock(moment, language))
    return [f"{label} {value}" for label, value in found]


def _reason(task: Task, language: Language, marked: str, most: int, most_hint: int) -> list[str]:
    parts = wording.reasons(task, language, most=most, most_hint=min(most_hint, _HINT))
    return [marked.format(label) + _safe(words, room) for label, words, room in parts]


def _failed(task: Task, language: Language, marked: str, most: int, shown: Shown) -> list[str]:
    bad = wording.unsuccessful(task) if task.state.terminal else []
    if not bad:
        return []
    lines = [f"• {shown(one.id, _NAME)} {wording.state(one.state, language)}" for one in bad]
    return [marked.format(wording.tally(task, language)), *wording.fill(lines, most, _units, language)]


def _circumstances(task: Task, language: Language) -> list[str]:
    ended = wording.ended_at(task, language) if task.state.terminal else None
    seen = wording.seen(task, language)
    state = wording.label("provider_state", language)
    return [
        *([f"{ended[0]} {_local_time(ended[1])}"] if ended else []),
        *([seen] if seen else []),
        wording.polled(task, language),
        *([f"{state} {_code(task.provider_state, _NAME)}"] if task.provider_state else []),
    ]


# --- many tasks ------------------------------------------------------------------------------------------------------


def digest_text(tasks: Sequence[Task], language: Language) -> str:
    headline, lines = _digest(tasks, language)
    return "\n".join([headline, *wording.fill(lines, LONGEST_TEXT - _units(headline) - 1, _units, language)])


def digest_blocks(tasks: Sequence[Task], language: Language) -> list[Block]:
    """What went wrong comes first, so that it is the rest which is only counted where there is no room for all."""
    headline, lines = _digest(tasks, language)
    room = LONGEST_MESSAGE - LONGEST_TEXT - LONGEST_HEADER
    return [_header(headline), *(_section(page) for page in _pages(wording.fill(lines, room, _units, language)))]


def _digest(tasks: Sequence[Task], language: Language) -> tuple[str, list[str]]:
    found = wording.digest(tasks, language)
    return _safe(found.headline, LONGEST_HEADER), [_safe(line, LONGEST_SECTION) for line in found.lines]


def _pages(lines: Sequence[str]) -> Iterator[str]:
    """As few sections as the lines need."""
    page = ""
    for line in lines:
        longer = f"{page}\n{line}" if page else line
        if _units(longer) > LONGEST_SECTION:
            yield page
            longer = line
        page = longer
    if page:
        yield page


# --- pieces ----------------------------------------------------------------------------------------------------------


def _header(words: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": words}}


def _section(markup: str) -> Block:
    return {"type": "section", "text": _mrkdwn(markup)}


def _mrkdwn(markup: str) -> dict[str, Any]:
    # Verbatim, or a provider's message could notify a whole channel by naming it.
    return {"type": "mrkdwn", "text": markup, "verbatim": True}


def _end(language: Language) -> str:
    """The colon where a blank or a line break follows: markup ends only there."""
    return wording.colon(language).strip()


def _local_time(moment: float) -> str:
    """Slack shows it by the reader's own clock; the text after the bar is for what cannot."""
    return f"<!date^{int(moment)}^{{date_short_pretty}} {{time}}|{rfc3339(moment)}>"


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

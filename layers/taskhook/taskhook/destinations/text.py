"""Text that fits: into one line, into a limit, and cut where a reader sees the end of a character."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import takewhile

ELLIPSIS = "…"

_ZERO_WIDTH_JOINER = "\u200d"
_LONGEST_CLUSTER = 32
"""Code points. The longest emoji has 10 or so; letters under a hundred accents are a joke, and are cut."""

# Control characters that are no blanks either, and what would show the text after it in another order.
_UNSEEN = re.compile("[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")

type Size = Callable[[str], int]
"""What a channel counts: characters, UTF-16 units, bytes, after its own escaping. It grows with the text and
is never less than its length."""


def one_line(text: str) -> str:
    """Without line breaks, runs of blanks, control characters and reordering."""
    return " ".join(_UNSEEN.sub("", encodable(text)).split())


def encodable(text: str) -> str:
    """JSON can smuggle in half a character (``"\\ud800"``), which no encoder takes: it becomes U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def cut(text: str, limit: int, size: Size = len) -> str:
    """The text, or as much of its start as leaves room for an ellipsis within ``limit``."""
    if size(text) <= limit:
        return text
    room = limit - size(ELLIPSIS)
    end = bisect_right(range(min(len(text), limit) + 1), room, key=lambda length: size(text[:length])) - 1
    return text[: _boundary(text, max(end, 0))].rstrip() + ELLIPSIS


def fill(lines: Sequence[str], limit: int, size: Size = len) -> list[str]:
    """As many lines as fit when joined by one character, and how many more there are."""
    last = f"{ELLIPSIS} and {len(lines)} more"
    kept = 0
    used = size(last)
    for line in lines:
        used += size(line) + 1
        if used > limit:
            break
        kept += 1
    return [*lines[:kept], *([f"{ELLIPSIS} and {len(lines) - kept} more"] if kept < len(lines) else [])]


def _boundary(text: str, end: int) -> int:
    """The last place up to ``end`` where a reader sees one character end and the next begin."""
    for at in range(end, max(end - _LONGEST_CLUSTER, 0), -1):
        if not _glued(text, at):
            return at
    return end if end > _LONGEST_CLUSTER else 0


def _glued(text: str, at: int) -> bool:
    """Whether the characters around this place are seen as one: the rules of UAX #29 that matter in messages."""
    before, after = text[at - 1], text[at]
    return (
        _ZERO_WIDTH_JOINER in (before, after)
        or unicodedata.category(after).startswith("M")
        or "\U0001f3fb" <= after <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= after <= "\U000e007f"  # tags, as in the flag of Scotland
        or "\u1160" <= after <= "\u11ff"  # vowels and final consonants of a Korean syllable
        or (_regional(after) and _regionals_before(text, at) % 2 == 1)
    )


def _regional(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _regionals_before(text: str, at: int) -> int:
    """Flags are pairs, so what counts is how many halves stand before."""
    return sum(1 for _ in takewhile(_regional, reversed(text[:at])))

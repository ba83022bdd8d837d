"""Texts that others wrote, made harmless for a terminal: no escape sequence, control or direction mark survives."""

import re
import unicodedata

# ECMA-48: CSI; OSC, DCS, SOS, PM and APC up to their end; other two-character escapes. C1 forms too.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"
"""Needed to write some languages and emoji."""


def clean(text: object, *, lines: bool = False) -> str:
    """One line, or with ``lines`` as many as there are. What cannot be seen is left out."""
    plain = _ESCAPES.sub("", str(text)).replace("\r\n", "\n").replace("\t", " ")
    if not lines:
        plain = plain.replace("\n", " ")
    return "".join(one for one in plain if one == "\n" or one in _JOINERS or unicodedata.category(one) not in _UNSEEN)


def short(text: object, most: int) -> str:
    """At most ``most`` characters of one line, with an ellipsis where something is missing."""
    line = clean(text)
    return line if len(line) <= most else line[: most - 1] + "…"

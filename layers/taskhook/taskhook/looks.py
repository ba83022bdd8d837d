"""The looks at a task, as a person may want to read them later: few are kept, in little room."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

KEPT = 24
"""The latest looks that are kept, beside the first: the task's item is written whole at each look."""
LONGEST_WORD = 60
"""Characters of what a provider said, or of the code of a trouble."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look: when (seconds since the epoch), and what came of it.

    ``said`` is the provider's word, ``trouble`` the code of what went wrong where no answer came. ``skipped`` looks
    before this one are no longer kept.
    """

    at: float
    state: str
    said: str | None = None
    trouble: str | None = None
    progress: float | None = None
    skipped: int = 0


def noted(looks: Sequence[Look], look: Look) -> tuple[Look, ...]:
    """With one more, and without those in the middle that there is no room for."""
    short = replace(look, at=round(look.at, 3), said=_short(look.said), trouble=_short(look.trouble))
    first, rest = looks[:1], [*looks[1:], short]
    if not first:
        return (short,)
    if len(rest) > KEPT:
        gone = rest.pop(0)
        rest[0] = replace(rest[0], skipped=rest[0].skipped + gone.skipped + 1)
    return (*first, *rest)


def packed(looks: Sequence[Look]) -> str:
    """As JSON: the seconds since the look before, and the rest only where it has changed. "" for none."""
    return json.dumps(list(_entries(looks)), separators=(",", ":"), ensure_ascii=False) if looks else ""


def unpacked(text: str) -> tuple[Look, ...]:
    """The inverse of ``packed``."""
    return tuple(_looks(json.loads(text))) if text else ()


def _entries(looks: Sequence[Look]) -> Iterator[list[object]]:
    before: list[object] = []
    at = 0.0
    for look in looks:
        rest: list[object] = [look.state, look.said, look.trouble, look.progress, look.skipped]
        yield [round(look.at - at, 3), *(rest if rest != before else ())]
        before, at = rest, look.at


def _looks(entries: Sequence[Sequence[object]]) -> Iterator[Look]:
    rest: Sequence[object] = ()
    at = 0.0
    for since, *changed in entries:
        rest = changed or rest
        state, said, trouble, progress, skipped = rest
        at = round(at + float(str(since)), 3)
        yield Look(
            at=at,
            state=str(state),
            said=None if said is None else str(said),
            trouble=None if trouble is None else str(trouble),
            progress=None if progress is None else float(str(progress)),
            skipped=int(str(skipped)),
        )


def _short(text: str | None) -> str | None:
    return text[:LONGEST_WORD] if text else text

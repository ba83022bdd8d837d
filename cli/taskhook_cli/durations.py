"""Lengths of time as people write them: 90, 90s, 2h, 1h30m, 3d."""

import re

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_WHOLE = re.compile(r"(?:\d{1,9}[smhd])+|\d{1,9}", re.ASCII)
_PART = re.compile(r"(\d+)([smhd]?)")


def parse_duration(text: str) -> int | None:
    """Seconds; None for what is no duration."""
    plain = text.strip().lower()
    if not _WHOLE.fullmatch(plain):
        return None
    return sum(int(number) * _UNITS[unit or "s"] for number, unit in _PART.findall(plain))


def show_duration(seconds: float) -> str:
    """As in ``42 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _two(whole, 60, "min", 1, "s")
    if whole < 86400:
        return _two(whole, 3600, "h", 60, "min")
    return _two(whole, 86400, "d", 3600, "h")


def _two(whole: int, large: int, large_name: str, small: int, small_name: str) -> str:
    rest = whole % large // small
    return f"{whole // large} {large_name}" + (f" {rest} {small_name}" if rest else "")

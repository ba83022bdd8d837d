"""How deep JSON may nest. A parser takes thousands of levels; what walks the value afterwards does not."""

from typing import Any

DEEPEST = 64
"""Levels. No task, destination or provider needs more than a few."""


def too_deep(value: Any, levels: int = DEEPEST) -> bool:
    """Whether lists and objects nest deeper than ``levels``."""
    if not isinstance(value, list | dict):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(too_deep(item, levels - 1) for item in inner)

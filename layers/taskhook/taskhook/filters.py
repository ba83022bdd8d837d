"""Which news a destination wants."""

from typing import Any

from taskhook.destinations.model import Filter
from taskhook.task import Task


def unwanted(wanted: Filter, task: Task) -> str | None:
    """Why the destination does not want to hear of the task; None where it does."""
    parts = (
        ("providers", wanted.providers, any(_is(task.provider, one) for one in wanted.providers)),
        ("accounts", wanted.accounts, task.account in wanted.accounts),
        ("states", wanted.states, task.state.value in wanted.states),
        ("metadata", wanted.metadata, all(_has(task.metadata, *one) for one in wanted.metadata.items())),
    )
    reason = next((name for name, given, holds in parts if given and not holds), None)
    return f"the destination's filter on {reason} leaves it out" if reason is not None else None


def _is(provider: str, name: str) -> bool:
    """``tencent``, ``tencent.clb`` and ``tencent.clb.DescribeTaskStatus`` all mean the last."""
    return provider.casefold() == name.casefold() or provider.casefold().startswith(f"{name.casefold()}.")


def _has(metadata: Any, name: str, value: Any) -> bool:
    return name in metadata and metadata[name] == value

"""The status APIs that taskhook knows, by name."""

import difflib
import re
from functools import cache
from importlib import import_module

from taskhook.providers.model import Provider, TaskId

_MODULES = {
    "tencent.bm.DescriptionOperationResult": "bm",
    "tencent.clb.DescribeTaskStatus": "clb",
    "tencent.dts.DescribeAsyncRequestInfo": "dts",
    "alibaba.bdrc.DescribeTask": "bdrc",
}

NAMES = tuple(_MODULES)

_SHORT = {".".join(name.split(".")[:2]): name for name in NAMES}
"""``tencent.clb`` is short for the usual action of that service."""

REGION = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
"""A region becomes part of a host name, so it can only be one label of one."""


@cache
def provider(name: str) -> Provider | None:
    """The provider of a full or short name, in any case; imported when first needed."""
    full = full_name(name)
    if full is None:
        return None
    row: Provider = import_module(f"taskhook.providers.{_MODULES[full]}").PROVIDER
    return row


def full_name(name: str) -> str | None:
    folded = name.casefold()
    return next((full for short, full in _SHORT.items() if folded in (short.casefold(), full.casefold())), None)


def nearest(name: str) -> list[str]:
    """Up to three names that a caller may have meant, best first."""
    choices = [*_SHORT, *NAMES]
    by_fold = {one.casefold(): one for one in choices}
    close = difflib.get_close_matches(name.casefold()[:128], by_fold, n=3, cutoff=0.5)
    return [by_fold[one] for one in close]


def canonical_task_id(rule: TaskId, value: str | int) -> str | None:
    """The task id as this API takes it, None where it cannot be one.

    The result is safe in a path and in a log: no controls, no blanks, no slashes, and never ``.`` or ``..``.
    """
    text = str(value).strip()
    if not rule.pattern.fullmatch(text) or ".." in text:
        return None
    if not rule.integer:
        return text
    return str(int(text)) if int(text) < 2**63 else None

"""Alibaba Cloud's ROA style: a path with the task in it, a query (GET) or a JSON body (POST)."""

import json
import re
from functools import cache
from urllib.parse import unquote

from local.simulator.loopback import Request
from local.simulator.matching import Given, Mismatch, pattern
from taskhook.providers.model import Provider


def matched(template: str, path: str) -> dict[str, str] | None:
    """The values in a path, None where it is another one."""
    found = _compiled(template).fullmatch(path)
    return {name: unquote(value) for name, value in found.groupdict().items()} if found else None


@cache
def _compiled(template: str) -> re.Pattern[str]:
    return re.compile(pattern(template, "[^/]*"))


def given(request: Request, provider: Provider, path: str) -> Given:
    """Raises Mismatch."""
    values = matched(provider.path, path) or {}
    for name, value in values.items():
        if not value.strip() or "/" in value:
            raise Mismatch("invalid", name)
    if request.method == "GET":
        return Given(parameters=request.query, first=1, path=values)
    try:
        body = json.loads(request.body or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Mismatch("invalid", "body")
    return Given(parameters=body, path=values)

"""The body of a submission from the options of the command line."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from taskhook_cli.documents import read_file, read_object
from taskhook_cli.errors import UsageFault


def wish(*, notify: Iterable[str], metadata: Iterable[str], **plain: Any) -> dict[str, Any]:
    """All but the task id; what was not given is left to the service."""
    body: dict[str, Any] = {name: value for name, value in plain.items() if value is not None}
    if destinations := [destination(one) for one in notify]:
        body["notify"] = destinations
    if facts := merged(metadata):
        body["metadata"] = facts
    return body


def destination(text: str) -> str | dict[str, Any]:
    """A name, a record as JSON, or ``@FILE`` with a record, which keeps its secrets out of the process list."""
    if text.startswith("@"):
        return read_object(read_file(Path(text[1:]), "--notify"), f"--notify {text}")
    return read_object(text, "--notify") if text.lstrip().startswith("{") else text


def merged(items: Iterable[str]) -> dict[str, Any]:
    """``key=value`` pairs and JSON objects; the later one wins."""
    found: dict[str, Any] = {}
    for item in items:
        found |= read_object(item, "--metadata") if item.lstrip().startswith("{") else _pair(item)
    return found


def _pair(item: str) -> dict[str, str]:
    name, equals, value = item.partition("=")
    if not name or not equals:
        raise UsageFault(f"--metadata: '{item}' is neither key=value nor a JSON object")
    return {name: value}

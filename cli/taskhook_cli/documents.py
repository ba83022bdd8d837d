"""What a user hands over in a file, on standard input or in an option. No error quotes it: it may be secret."""

import json
import sys
from pathlib import Path
from typing import Any

from taskhook_cli.errors import CommandError, UsageFault

MOST_BYTES = 16 << 20


def read_input(file: str, what: str) -> bytes:
    """From a file, or for a dash from standard input, which must be no terminal: nobody would know why we wait."""
    if file != "-":
        return read_file(Path(file), what)
    if sys.stdin is None or sys.stdin.isatty():
        there = "there is none" if sys.stdin is None else "that is a terminal"
        raise UsageFault(f"{what} is wanted on standard input, and {there}: use a pipe or <")
    data = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise CommandError(f"standard input is longer than {MOST_BYTES >> 20} MiB")
    return data


def read_file(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageFault(f"{what}: {path} cannot be read: {error.strerror}") from None


def read_object(text: str | bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageFault(f"{what} is not JSON: line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError):
        raise UsageFault(f"{what} is not JSON in UTF-8") from None
    if not isinstance(found, dict):
        raise UsageFault(f"{what} must be a JSON object, in braces")
    return found

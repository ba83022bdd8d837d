"""An append-only record of what a table's items became, so that a killed emulator forgets nothing it has confirmed.

A folder holds at most one `base-<n>.jsonl` (all items at some moment) and the `journal-<n>.jsonl` files since.
Every line is a JSON list of images; an image says what an item is now, never how it changed, so applying it twice is
harmless and a line is one atomic step (a transaction is one line)."""

import contextlib
import json
import logging
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

logger = logging.getLogger(__name__)

type Item = dict[str, Any]


class Image(NamedTuple):
    table_arn: str
    table_id: str
    """A table that was dropped and created again has another id: the old one's images are not the new one's."""
    partition: str
    sort: str
    item: Item | None
    """None: the item is gone."""


class Journal:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = threading.Lock()
        # Never append to an old file: its last line may be torn, and would swallow the first new one.
        self._number = max((_number(path) for path in folder.glob("*-*.jsonl")), default=0) + 1
        self._file = self._open()
        self.bytes_since_base = sum(path.stat().st_size for path in folder.glob("journal-*.jsonl"))
        self.base_bytes = sum(path.stat().st_size for path in folder.glob("base-*.jsonl"))

    def append(self, images: Iterable[Image]) -> None:
        """Hand the images to the operating system, which keeps them whatever happens to this process.

        A generator is drained under the lock: who looks items up in it never records an older state after a newer."""
        with self._lock:
            line = _encode(images)
            # Unbuffered, and one call for the whole line: a kill leaves all of it or a torn end.
            self._file.write(line)
            self.bytes_since_base += len(line)

    def rotate(self) -> int:
        """Begin a new file; what was appended before it is in older ones."""
        with self._lock:
            self._file.close()
            self._number += 1
            self._file = self._open()
            return self._number

    def compact(self, number: int, images: Iterable[Image]) -> None:
        """Replace everything older than journal `number` by these images, taken after the rotation that returned it."""
        base = self._folder / f"base-{number:08d}.jsonl"
        part = base.with_suffix(".part")
        with part.open("wb") as file:
            for image in images:
                file.write(_encode([image]))
        part.replace(base)
        for path in self._folder.glob("*-*.jsonl"):
            if _number(path) < number:
                path.unlink()
        self.base_bytes = base.stat().st_size
        self.bytes_since_base = sum(path.stat().st_size for path in self._folder.glob("journal-*.jsonl"))

    def images(self) -> Iterator[Image]:
        """All that is known, oldest first."""
        bases = sorted(self._folder.glob("base-*.jsonl"), key=_number)
        newest = bases[-1:]
        first = _number(newest[0]) if newest else 0
        journals = sorted(self._folder.glob("journal-*.jsonl"), key=_number)
        for path in [*newest, *(path for path in journals if _number(path) >= first)]:
            yield from _read(path)

    def close(self) -> None:
        self._file.close()

    def _open(self) -> Any:
        path = self._folder / f"journal-{self._number:08d}.jsonl"
        return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb", buffering=0)


def _number(path: Path) -> int:
    with contextlib.suppress(ValueError):
        return int(path.stem.partition("-")[2])
    return 0


def _encode(images: Iterable[Image]) -> bytes:
    return json.dumps(list(images), separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _read(path: Path) -> Iterator[Image]:
    with path.open("rb") as file:
        for line in file:
            try:
                images = [Image(*image) for image in json.loads(line)]
            except (ValueError, TypeError):
                # Killed in the middle of a write: nobody was told that this one succeeded.
                logger.warning("Left out a torn line of %s", path.name)
                continue
            yield from images

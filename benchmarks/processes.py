"""What a tree of processes uses, while it runs."""

import threading
from typing import Self

import psutil  # type: ignore[import-untyped]

SECONDS_BETWEEN = 0.5


class Tree:
    """A process and all its descendants. While in a ``with`` block, its memory is sampled.

    Memory is the sum of the resident sets: a page that several processes share counts once for each of them, so the
    truth is lower."""

    def __init__(self, root: psutil.Process) -> None:
        self._root = root
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.peak = 0
        self.most_processes = 0

    def cpu_seconds(self) -> float:
        """What all of them have used, those that have ended included."""
        return sum(sum(times[:4]) for process in self._processes() if (times := _times(process)))

    def root_cpu_seconds(self) -> float:
        """The share of the root alone."""
        return sum(_times(self._root)[:2])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            resident = [_resident(process) for process in self._processes()]
            self.peak = max(self.peak, sum(resident))
            self.most_processes = max(self.most_processes, len(resident))
            if self._stop.wait(SECONDS_BETWEEN):
                return

    def _processes(self) -> list[psutil.Process]:
        return [self._root, *self._root.children(recursive=True)]


def machine_cpu_seconds() -> float:
    """What everybody on this machine has used, other people's work included."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def child_running(module: str) -> psutil.Process:
    """Our own child that was started with ``-m module``."""
    return next(child for child in psutil.Process().children() if module in child.cmdline())


def _times(process: psutil.Process) -> tuple[float, ...]:
    """User, system, and the same of those children that have ended."""
    try:
        return tuple(process.cpu_times())
    except psutil.Error:
        return ()


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0

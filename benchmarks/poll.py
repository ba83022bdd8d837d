"""What one warm poll costs, against the official SDK's call to the same simulated provider."""

import json
import os
import statistics
import subprocess
import sys
from typing import Any

from benchmarks.around import Around
from benchmarks.calls import SUCCEEDED
from benchmarks.report import Figure, figures_table
from local.settings import REPOSITORY

CALLS = 300
MEMORY_CALLS = 20
MEMORY_RUNS = 3
AIM = 1.0
SERVICES = tuple(SUCCEEDED)


def main() -> None:
    with Around() as around:
        taken = {service: _calls("cpu", service, around.simulator, CALLS) for service in SERVICES}
        peaks = {(service, who): _peak(service, around.simulator, who) for service in SERVICES for who in _WHO}
    figures = [
        Figure(
            name=f"{service}, CPU per poll", ours=_millis(both["ours"]), peer=_millis(both["sdk"]), unit="ms", aim=AIM
        )
        for service, both in taken.items()
    ]
    for service in SERVICES:
        base, ours, peer = (peaks[service, who] for who in _WHO)
        figures.append(
            Figure(name=f"{service}, peak memory", ours=ours - base, peer=peer - base, unit="MB", aim=AIM),
        )
    print(f"One warm poll (CPU: medians of {CALLS} calls each, taking turns; memory: above the bare interpreter)\n")
    print(figures_table(figures, "official SDK"), "\n")


_WHO = ("nothing", "ours", "sdk")


def _millis(seconds: list[float]) -> float:
    return 1000 * statistics.median(seconds)


def _peak(service: str, url: str, who: str) -> float:
    peaks: list[int] = [_calls("memory", service, url, MEMORY_CALLS, who) for _ in range(MEMORY_RUNS)]
    return statistics.median(peaks) / 1e6


def _calls(what: str, service: str, url: str, calls: int, *more: str) -> Any:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.calls", what, service, url, str(calls), *more]
    inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    path = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "layers" / "taskhook")))
    done = subprocess.run(
        command, cwd=REPOSITORY, env={**inherited, "PYTHONPATH": path}, stdout=subprocess.PIPE, check=True, timeout=300
    )
    return json.loads(done.stdout)

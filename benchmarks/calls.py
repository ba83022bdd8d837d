"""Polls of one provider in a process of their own, by taskhook and by the official SDK. Prints JSON.

python -m benchmarks.calls cpu clb http://127.0.0.1:8600 200
python -m benchmarks.calls memory clb http://127.0.0.1:8600 20 ours|sdk|nothing
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

SUCCEEDED = {"clb": "0", "dts": "success", "bm": "1", "bdrc": "COMPLETE"}
REGIONS = {"clb": "ap-guangzhou", "dts": "ap-guangzhou", "bm": "", "bdrc": "cn-shanghai"}
CLOUDS = {"clb": "tencent", "dts": "tencent", "bm": "tencent", "bdrc": "alibaba"}
# From local.simulator.credentials, which would import the SDKs with it; a wrong key fails the first call.
KEYS = {
    "tencent": ("AKIDsimulatedTencentKey000000000000", "simulatedTencentSecret0000000000"),
    "alibaba": ("LTAIsimulatedAlibabaKey0", "simulatedAlibabaSecret00000000"),
}

type Poll = Callable[[], str | None]


def ours(service: str, url: str) -> Poll:
    """One look as taskhook makes it: build the request, sign it, send it, read the answer."""
    from taskhook import http
    from taskhook.accounts import Account
    from taskhook.providers import asking
    from taskhook.providers.catalogue import Catalogue
    from taskhook.providers.model import Observation, Question

    cloud = CLOUDS[service]
    row = Catalogue().find(f"{cloud}.{service}")
    assert row
    key_id, secret = KEYS[cloud]
    account = Account(name=cloud, cloud=cloud, key_id=key_id, key_secret=secret, endpoints={service: url})
    region = REGIONS[service] or None

    def poll() -> str | None:
        question = Question(task_id=_task(service), region=region, account=account, clock=time.time)
        seen = asking.look(row, question, lambda request: http.send(request, seconds=15))
        assert isinstance(seen, Observation), seen
        return seen.provider_state

    return poll


def sdk(service: str, url: str) -> Poll:
    """The same by the official SDK, its client made once and kept."""
    from importlib import import_module

    from benchmarks.peer.model import Account

    ask = import_module(f"benchmarks.peer.{service}").ask
    account = Account(
        key_id=KEYS[CLOUDS[service]][0], key_secret=KEYS[CLOUDS[service]][1], region=REGIONS[service], endpoint=url
    )
    return lambda: ask(account, _task(service)).word


def nothing(service: str, url: str) -> Poll:
    return lambda: SUCCEEDED[service]


def _task(service: str) -> str:
    return "3300001" if service == "bm" else "instant-1"


def cpu(service: str, url: str, calls: int) -> dict[str, list[float]]:
    """Seconds of CPU time per call, of all threads together. The two take turns, and turns at being first."""
    polls = {"ours": ours(service, url), "sdk": sdk(service, url)}
    for poll in list(polls.values()) * 5:
        assert poll() == SUCCEEDED[service]
    taken: dict[str, list[float]] = {name: [] for name in polls}
    for turn in range(calls):
        for name in sorted(polls, reverse=bool(turn % 2)):
            before = time.process_time()
            polls[name]()
            taken[name].append(time.process_time() - before)
    return taken


def memory(service: str, url: str, calls: int, who: str) -> int:
    """The most memory that this process has ever had, in bytes."""
    poll = {"ours": ours, "sdk": sdk, "nothing": nothing}[who](service, url)
    for _ in range(calls):
        assert poll() == SUCCEEDED[service]
    return peak()


def peak() -> int:
    """Linux' ru_maxrss begins with what the parent had when it forked; VmHWM is this program's own."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS


def main(what: str, service: str, url: str, calls: str, who: str = "") -> None:
    result = cpu(service, url, int(calls)) if what == "cpu" else memory(service, url, int(calls), who)
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])

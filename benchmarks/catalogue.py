"""What it costs to know a provider: the first lookup of an entry, against importing the official SDK's client."""

import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks import footprint
from benchmarks.report import Figure, figures_table, met
from local.settings import REPOSITORY

RUNS = 11
MOST_MILLIS = 5.0
PEERS = {
    "tencent.clb.DescribeTaskStatus": "tencentcloud.clb.v20180317.clb_client",
    "tencent.cvm.DescribeInstances": "tencentcloud.cvm.v20170312.cvm_client",
    "tencent.vpc.DescribeVpcTaskResult": "tencentcloud.vpc.v20170312.vpc_client",
    "alibaba.bdrc.DescribeTask": "alibabacloud_bdrc20230808.client",
    "alibaba.ecs.DescribeTaskAttribute": "alibabacloud_ecs20140526.client",
    "alibaba.ros.GetStack": "alibabacloud_ros20190910.client",
}
"""An entry, and the module of the official SDK that makes the same call."""

_TIMED = """
import sys, time
sys.path[:0] = {path!r}
{first}
began = time.process_time()
{timed}
print(time.process_time() - began)
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="taskhook-bench-") as folder:
        root = Path(folder)
        ours = [str(footprint.function(root / "poll")), str(footprint.layer(root / "layer"))]
        figures = [
            Figure(name=name, ours=_lookup(ours, name), peer=_sdk(module), unit="ms") for name, module in PEERS.items()
        ]
        listing = _median(ours, "import app", "from taskhook.providers import listing; listing.listing({})")
    print(f"First lookup of an entry in poll, CPU (medians of {RUNS} fresh processes)\n")
    print(figures_table(figures, "SDK client"), "\n")
    dearest = max(one.ours for one in figures)
    print(f"dearest first lookup {dearest:.1f} ms; aim < {MOST_MILLIS:.0f} ms: {met(dearest < MOST_MILLIS)}")
    print(f"the whole catalogue, as GET /providers needs it: {listing:.0f} ms")
    lines = _lines()
    print(f"{len(lines)} entries, median of {statistics.median(lines):.0f} lines each\n")


def _lookup(path: list[str], name: str) -> float:
    return _median(
        path, "import app; from taskhook.providers.catalogue import Catalogue", f"Catalogue().find({name!r})"
    )


def _sdk(module: str) -> float:
    package = (
        "tencentcloud.common.abstract_client" if module.startswith("tencent") else "alibabacloud_tea_openapi.client"
    )
    return _median([], f"import {package}", f"import {module}")


def _median(path: list[str], first: str, timed: str) -> float:
    code = _TIMED.format(path=path, first=first, timed=timed)
    command = [sys.executable, "-W", "ignore", "-c", code]
    taken = [1000 * float(footprint.run(command)) for _ in range(RUNS + 1)]
    return statistics.median(taken[1:])  # the first one brings the files into memory


def _lines() -> list[int]:
    """Lines of each entry: from its table's header to the next one, without blank lines and comments."""
    counts: list[int] = []
    for path in (REPOSITORY / "layers/taskhook/taskhook/catalogue").glob("*/*.toml"):
        count = 0
        for line in path.read_text("utf-8").splitlines():
            if line.startswith("[") and line[1:2].isupper():
                counts += [count] if count else []
                count = 1
            elif count and line.strip() and not line.startswith("#"):
                count += 1
        counts += [count] if count else []
    return counts

"""How long poll takes to import, and how large it is, against the same poll made with the official SDKs.

Both are laid out as Lambda lays them out: the function, its dependencies with hash-based bytecode, and boto3 beside
them as the runtime gives it. Nothing else of this machine's packages can be seen."""

import importlib.metadata
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.report import Figure, figures_table
from local.deploy import machine
from local.settings import REPOSITORY

RUNS = 15
AIM = 0.5
SDKS = (
    "tencentcloud-sdk-python-clb",
    "tencentcloud-sdk-python-dts",
    "qcloudapi-sdk-python",
    "alibabacloud-bdrc20230808",
    "aws-lambda-powertools",
)
RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six.py", "urllib3")
"""What Lambda's Python 3.13 brings along."""

# As far as the four providers that the peer has: ours are read when first needed, and a warm function has needed them.
_FOUR = ("tencent.bm", "tencent.clb", "tencent.dts", "alibaba.bdrc")
_OURS = f"import app; from taskhook.providers.catalogue import Catalogue; [Catalogue().find(one) for one in {_FOUR}]"
_PEER = "import peer.app"
_BOTOCORE = "import botocore.session, botocore.config"
_REGION = "import os; os.environ['AWS_DEFAULT_REGION'] = 'us-east-1'"
_OUR_CLIENT = "from taskhook import aws; aws.dynamodb()"
_PEER_CLIENT = "peer.app.dynamodb()"
_PROBE = """
import sys, time
sys.path += {path!r}
{first}
began = time.process_time()
{timed}
print(time.process_time() - began)
"""
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)\s*[^;]*(?:;\s*(.*))?$")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="taskhook-bench-") as folder:
        root = Path(folder)
        beside = runtime(root / "runtime")
        ours = [function(root / "poll"), layer(root / "layer")]
        peer = [_peer(root / "peer-poll"), _sdks(root / "sdks")]
        paths = [[*map(str, side), str(beside)] for side in (ours, peer)]
        imports, beyond = _cpu(*paths), _cpu(*paths, first=_BOTOCORE)
        ready = _cpu(*paths, first=_REGION, more=(_OUR_CLIENT, _PEER_CLIENT))
        figures = [
            Figure(name="import, CPU time", ours=imports[0], peer=imports[1], unit="ms", aim=AIM),
            Figure(name="  the same beyond botocore", ours=beyond[0], peer=beyond[1], unit="ms"),
            Figure(name="import and a DynamoDB client", ours=ready[0], peer=ready[1], unit="ms"),
            Figure(name="unpacked size, without boto3", ours=_size(ours), peer=_size(peer), unit="MB", aim=AIM),
            Figure(name="  the same without bytecode", ours=_size(ours, False), peer=_size(peer, False), unit="MB"),
        ]
    print(f"Footprint of poll (medians of {RUNS} fresh processes each, alternating)\n")
    print(figures_table(figures, "official SDKs"), "\n")


def _cpu(
    ours: list[str], peer: list[str], *, first: str = "pass", more: tuple[str, str] = ("pass", "pass")
) -> tuple[float, float]:
    """Milliseconds, medians."""

    def both() -> tuple[float, float]:
        return _probe(ours, first, f"{_OURS}; {more[0]}"), _probe(peer, first, f"{_PEER}; {more[1]}")

    both()  # once to bring the files into memory
    pairs = [both() for _ in range(RUNS)]
    return statistics.median(one for one, _ in pairs), statistics.median(one for _, one in pairs)


def _probe(path: list[str], first: str, timed: str) -> float:
    # -I: no environment, no current folder. -S: no site-packages. -B: as read-only as Lambda's disk.
    code = _PROBE.format(path=path, first=first, timed=timed)
    return 1000 * float(run([sys.executable, "-I", "-S", "-B", "-c", code]))


def run(command: list[str], **options: Any) -> str:
    done: subprocess.CompletedProcess[str]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def function(target: Path) -> Path:
    """As `sam build` leaves a function without requirements: its files."""
    shutil.copytree(REPOSITORY / "functions" / "poll", target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def _peer(target: Path) -> Path:
    source = Path(__file__).with_name("peer")
    shutil.copytree(source, target / "peer", ignore=shutil.ignore_patterns("__pycache__"))
    return target


def layer(target: Path, name: str = "taskhook", resource: str = "TaskhookLayer") -> Path:
    """As `sam build` makes it: by the layer's Makefile."""
    environment = {**os.environ, "ARTIFACTS_DIR": str(target), "TASKHOOK_ARCH": machine(), "PYTHON": sys.executable}
    command = ["make", "--silent", "-C", str(REPOSITORY / "layers" / name), f"build-{resource}"]
    run(command, env=environment)
    return target / "python"


def _sdks(target: Path) -> Path:
    """The official SDKs and all they need but boto3, as they are installed here, compiled as the layer is."""
    for name in sorted(_closure(SDKS)):
        for file in importlib.metadata.files(name) or ():
            if file.suffix != ".pyc" and ".." not in file.parts:
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), target / file)
    compileall = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(target)]
    run(compileall)
    return target


def _closure(names: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if name not in found and name not in ("boto3", "botocore"):
            found.add(name)
            todo += _requirements(name)
    return found


def _requirements(name: str) -> Iterator[str]:
    """What is needed without extras. Markers other than extras hold here, or the package would not be installed."""
    for line in importlib.metadata.requires(name) or ():
        matched = _REQUIREMENT.match(line.replace("(", " ("))
        if matched and "extra" not in (matched[2] or "") and _installed(matched[1]):
            yield matched[1]


def _installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def runtime(target: Path) -> Path:
    target.mkdir()
    packages = Path(str(importlib.metadata.distribution("boto3").locate_file("")))
    for name in RUNTIME:
        (target / name).symlink_to(packages / name)
    return target


def _size(folders: list[Path], bytecode: bool = True) -> float:
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files if bytecode or file.suffix != ".pyc") / 1e6

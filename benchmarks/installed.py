"""Packages that only a benchmark needs, for as long as it runs."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.footprint import run
from local.settings import REPOSITORY


@contextmanager
def peers() -> Iterator[dict[str, str]]:
    """The environment of processes that see the packages of requirements/bench.txt, taskhook and the benchmarks."""
    with tempfile.TemporaryDirectory(prefix="taskhook-bench-") as folder:
        wanted = REPOSITORY / "requirements" / "bench.txt"
        print(f"Installing {wanted.relative_to(REPOSITORY)} into a temporary folder ...", file=sys.stderr)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "--no-deps", "--target", folder, "--requirement", str(wanted)])
        path = [str(REPOSITORY / "layers" / "taskhook"), str(REPOSITORY), str(Path(folder))]
        yield {**os.environ, "PYTHONPATH": os.pathsep.join(path)}

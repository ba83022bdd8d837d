"""The package as a user installs it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Into an empty folder, from a copy, so that nothing is built beside the source."""
    folder = tmp_path_factory.mktemp("installed")
    shutil.copytree(
        ROOT / "cli", folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    )
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
               "--target", str(folder / "target"), str(folder / "source")]  # fmt: skip
    subprocess.run(command, check=True, timeout=100, env={**os.environ, "PYTHONPATH": ""})
    return folder / "target"


def test_the_installed_command_runs_alone(installed: Path, tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(installed), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, installed / "bin/taskhook", "--version"],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert done.stdout.startswith(b"taskhook, version ")


def test_every_module_and_the_marker_of_types_are_in_the_package(installed: Path) -> None:
    source = ROOT / "cli/taskhook_cli"
    wanted = {path.relative_to(source) for path in [*source.rglob("*.py"), source / "py.typed"]}
    found = installed / "taskhook_cli"
    assert wanted <= {path.relative_to(found) for path in found.rglob("*")}

"""What is deployed works by itself: the emulator would hide a dependency that is missing from the layer."""

import importlib.util
import os
import platform
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from local.deploy import machine

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ("submit", "show", "destinations", "start", "poll", "notify", "reconcile")
BEHIND_THE_API = ("submit", "show", "destinations")
RUNTIME_GIVES = ("boto3", "botocore", "s3transfer", "dateutil", "six")
"""What the Lambda runtime brings along, and nothing else."""

UNCHECKED_HASH = 0b01


def built(name: str, target: str, artifacts: Path) -> Path:
    """A layer as `sam build` makes it: by its Makefile."""
    bin_folder = os.path.dirname(sys.executable)
    subprocess.run(
        ["make", "--silent", f"build-{target}", f"ARTIFACTS_DIR={artifacts}", f"PYTHON={sys.executable}"],
        cwd=ROOT / "layers" / name,
        env={**os.environ, "TASKHOOK_ARCH": machine(), "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"},
        check=True,
        timeout=110,
    )
    return artifacts / "python"


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("taskhook", "TaskhookLayer", tmp_path_factory.mktemp("layer"))


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """On top of the other one, for the functions behind the API."""
    return built("door", "DoorLayer", tmp_path_factory.mktemp("door"))


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runtime")
    for name in RUNTIME_GIVES:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        (folder / source.name).symlink_to(source)
    return folder


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_imports_from_its_artifact_alone(layer: Path, door: Path, runtime: Path, function: str) -> None:
    code = "import sys; sys.path[:0] = sys.argv[1:]; import app; assert callable(app.handler); print(app.__file__)"
    layers = [layer, door] if function in BEHIND_THE_API else [layer]
    paths = [str(ROOT / "functions" / function), *map(str, layers), str(runtime)]
    # -S: without this environment's site-packages. -I: without PYTHONPATH and the current folder.
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", code, *paths],
        env={"AWS_DEFAULT_REGION": "us-east-1", "POWERTOOLS_SERVICE_NAME": "taskhook"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == str(ROOT / "functions" / function / "app.py")


def test_every_module_of_the_layers_ships_hash_based_bytecode(layer: Path, door: Path) -> None:
    tag = f"cpython-{sys.version_info.major}{sys.version_info.minor}"
    sources = [source for one in (layer, door) for source in one.rglob("*.py")]
    assert len(sources) > 100
    for source in sources:
        compiled = source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc"
        assert compiled.exists(), source
        (flags,) = struct.unpack_from("<I", compiled.read_bytes(), 4)
        assert flags == UNCHECKED_HASH, source


def test_the_layers_hold_no_boto3_and_no_development_tools_and_nothing_twice(layer: Path, door: Path) -> None:
    names = [path.name for one in (layer, door) for path in one.iterdir()]
    assert len(names) == len(set(names))
    assert not {path.name for path in layer.iterdir()} & {"boto3", "botocore", "tencentcloud", "pytest", "bin"}


def test_the_layer_is_built_for_the_interpreter_that_lambda_runs() -> None:
    assert platform.python_version_tuple()[:2] == ("3", "13")

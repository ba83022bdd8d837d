"""From the repository's template to a running stack on the emulator, by SAM CLI, when something has changed."""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from local.process import tail
from local.settings import REGION, REPOSITORY, STACK_NAME, Config, RunError
from local.stack import Stack

_SOURCES = ("template.yaml", "functions", "layers", "statemachine", "requirements")
_BUCKET = "taskhook-local-artifacts"
_DEPLOYED = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
# What a first deployment leaves when it fails or is interrupted. It holds no data, and cannot be updated.
_ABORTED = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS")
_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


def machine() -> str:
    """`aarch64` or `x86_64`, as wheels are named."""
    name = platform.machine().lower()
    if name not in _MACHINES:
        raise RunError(f"There are no Lambda functions for this processor ({name}).")
    return _MACHINES[name]


def default_parameters() -> dict[str, str]:
    return {
        "Architecture": "arm64" if machine() == "aarch64" else "x86_64",
        "AllowPrivateDestinations": "true",
        "AllowInsecureEndpoints": "true",
        # Whoever has this key has the machine as well; the gateway need not protect it from them.
        "ApiRate": "10000",
        "ApiBurst": "10000",
        "PublicRate": "10000",
        # Of nine processes (workers.py): some are left for those who do not wait.
        "LongPolls": "6",
        # The function has nine processes here (workers.py): two may sleep, and nobody sleeps long before his look.
        "SleepingPolls": "2",
        "WakeLeadSeconds": "0.2",
    }


def fingerprint(parameters: Mapping[str, str], template: Path) -> str:
    """Changes when a new deployment could differ from the last one."""
    digest = hashlib.sha256()
    facts = {
        "parameters": dict(sorted(parameters.items())),
        "machine": machine(),
        "python": platform.python_version(),
        "emulator": importlib.metadata.version("ministack"),
    }
    digest.update(json.dumps(facts).encode())
    for path in _source_files(template):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(template.parent)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _source_files(template: Path) -> Iterator[Path]:
    yield template
    for source in _SOURCES:
        path = template.parent / source
        if path.is_dir():
            yield from (file for file in sorted(path.rglob("*")) if file.is_file() and "__pycache__" not in file.parts)


class Deployment:
    """One deployment of a template to a stack; `say` gets one short line for each step that takes time."""

    def __init__(self, stack: Stack, template: Path, parameters: Mapping[str, str], say: Callable[[str], None]) -> None:
        self._stack = stack
        self._template = template
        self._parameters = parameters
        self._say = say
        self._home = stack.settings.home
        self._log = self._home / "sam.log"
        self._record = self._home / "deployed.json"

    def ensure(self) -> bool:
        """Deploy unless the stack already is what the sources say. True when something was deployed."""
        current = fingerprint(self._parameters, self._template)
        if self._stack.status() in _DEPLOYED and self._recorded() == current:
            return False
        self._record.unlink(missing_ok=True)
        self._log.unlink(missing_ok=True)
        self._remove_aborted()
        self._say("Building the functions (the first time takes a minute)")
        self._build()
        self._say("Deploying the stack")
        self._deploy()
        apply_gateway_responses(self._stack, self._template)
        self._stack.checkpoint()
        # Only now: a record without the state it speaks of would skip a deployment that is needed.
        self._record.write_text(json.dumps({"fingerprint": current}), encoding="utf-8")
        return True

    def _recorded(self) -> str | None:
        with contextlib.suppress(OSError, ValueError):
            value: str = json.loads(self._record.read_text(encoding="utf-8"))["fingerprint"]
            return value
        return None

    def _remove_aborted(self) -> None:
        if self._stack.status() not in _ABORTED:
            return
        client = self._stack.client("cloudformation")
        client.delete_stack(StackName=STACK_NAME)
        while self._stack.status() not in (None, "DELETE_COMPLETE"):
            self._stack.pause(0.2)

    def _build(self) -> None:
        # SAM's cache looks at a layer's folder alone; its requirements are elsewhere.
        cache = self._home / "sam" / "cache" / _digest_of(self._template.parent / "requirements")
        self._sam(
            *("build", "--cached", "--parallel", "--template-file", str(self._template)),
            *("--build-dir", str(self._home / "sam" / "build"), "--cache-dir", str(cache)),
        )

    def _deploy(self) -> None:
        storage = self._stack.client("s3")
        if _BUCKET not in [bucket["Name"] for bucket in storage.list_buckets()["Buckets"]]:
            storage.create_bucket(Bucket=_BUCKET)
        self._sam(
            *("deploy", "--template-file", str(self._home / "sam" / "build" / "template.yaml")),
            *("--stack-name", STACK_NAME, "--region", REGION, "--s3-bucket", _BUCKET, "--no-progressbar"),
            *("--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"),
            *("--no-confirm-changeset", "--no-fail-on-empty-changeset", "--parameter-overrides"),
            *(f"{name}={value}" for name, value in self._parameters.items()),
        )

    def _sam(self, command: str, *arguments: str) -> None:
        """Raises RunError with the end of SAM's output."""
        folder = self._home / "sam"
        folder.mkdir(exist_ok=True)
        # A file of its own: the repository's samconfig.toml is for AWS. And a fresh date, or SAM looks for a newer one
        # of itself.
        (folder / "samconfig.toml").write_text("version = 0.1\n", encoding="utf-8")
        (folder / "metadata.json").write_text(json.dumps({"lastVersionCheck": time.time()}), encoding="utf-8")
        invocation = [sys.executable, "-m", "samcli", command, "--config-file", str(folder / "samconfig.toml")]
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [*invocation, *arguments],
                cwd=REPOSITORY,
                env=self._sam_environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                while process.poll() is None:
                    self._stack.pause(0.05)
            finally:
                _end_group(process)
        if process.returncode != 0:
            raise RunError(f"`sam {command}` failed. The end of {self._log}:\n{tail(self._log)}")

    def _sam_environment(self, folder: Path) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_"))}
        return {
            **inherited,
            **self._stack.credentials(),
            "AWS_ENDPOINT_URL": self._stack.endpoint,
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "0.2",
            "__SAM_CLI_APP_DIR": str(folder),
            "TASKHOOK_ARCH": machine(),
            # SAM looks for a Python with pip by name.
            "PATH": os.pathsep.join((os.path.dirname(sys.executable), inherited.get("PATH", os.defpath))),
            "NO_PROXY": "127.0.0.1,localhost," + inherited.get("NO_PROXY", inherited.get("no_proxy", "")),
        }


def _digest_of(folder: Path) -> str:
    digest = hashlib.sha256(platform.python_version().encode() + machine().encode())
    for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
        digest.update(file.read_bytes() if file.is_file() else b"")
    return digest.hexdigest()[:12]


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Also when it ended by itself: a build leaves nothing behind."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(3)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def apply_gateway_responses(stack: Stack, template: Path) -> None:
    """The emulator drops SAM's `GatewayResponses` when it imports the API's definition."""
    responses = gateway_responses(template)
    if not responses:
        return
    client, outputs = stack.client("apigateway"), stack.outputs()
    for response_type, response in responses.items():
        client.put_gateway_response(restApiId=outputs["ApiId"], responseType=response_type, **response)
    client.create_deployment(restApiId=outputs["ApiId"], stageName=outputs["ApiStage"])


def gateway_responses(template: Path) -> dict[str, dict[str, Any]]:
    """The arguments of `put_gateway_response` for each type the template's APIs name."""
    from samcli.yamlhelper import yaml_parse  # type: ignore[import-untyped]  # knows !Ref and its kind

    parsed = yaml_parse(template.read_text(encoding="utf-8"))
    apis = [parsed.get("Globals", {}).get("Api", {})]
    resources = parsed.get("Resources", {}).values()
    apis += [resource.get("Properties", {}) for resource in resources if resource.get("Type") == "AWS::Serverless::Api"]
    found = {name: value for api in apis for name, value in api.get("GatewayResponses", {}).items()}
    return {name: _gateway_response(name, value) for name, value in found.items()}


def _gateway_response(name: str, declared: Mapping[str, Any]) -> dict[str, Any]:
    parameters = {
        f"gatewayresponse.{kind}.{key}": value
        for place, kind in (("Headers", "header"), ("Paths", "path"), ("QueryStrings", "querystring"))
        for key, value in declared.get("ResponseParameters", {}).get(place, {}).items()
    }
    templates = dict(declared.get("ResponseTemplates", {}))
    for value in (*parameters.values(), *templates.values()):
        if not isinstance(value, str):
            raise RunError(f"template.yaml: GatewayResponses.{name} must be plain text to work on the emulator.")
    response: dict[str, Any] = {"responseParameters": parameters, "responseTemplates": templates}
    if "StatusCode" in declared:
        response["statusCode"] = str(declared["StatusCode"])
    return response


def sync_config(stack: Stack, config: Config, providers: Mapping[str, str] = MappingProxyType({})) -> None:
    """Write accounts, destinations and the operator's own providers where the functions look for them, and remove what
    an earlier run wrote and the files no longer have. What was put through the API under another name stays."""
    client = stack.client("ssm")
    record = stack.settings.home / "configured.json"
    wanted = {
        f"/{STACK_NAME}/{kind}/{name}": json.dumps(table, ensure_ascii=False)
        for kind, tables in config.items()
        if kind != "keys"
        for name, table in tables.items()
    }
    wanted |= {f"/{STACK_NAME}/providers/{service}": text for service, text in providers.items()}
    before: list[str] = []
    with contextlib.suppress(OSError, ValueError):
        before = json.loads(record.read_text(encoding="utf-8"))
    # Names first: killed in between, the next run still knows what may be removed.
    record.write_text(json.dumps(sorted({*before, *wanted})), encoding="utf-8")
    known = _parameters(client)
    for name, value in wanted.items():
        if known.get(name) != value:  # every write is one more version in its history
            client.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)
    for name in set(before) - set(wanted):
        with contextlib.suppress(client.exceptions.ParameterNotFound):
            client.delete_parameter(Name=name)
    record.write_text(json.dumps(sorted(wanted)), encoding="utf-8")


def _parameters(client: Any) -> dict[str, str]:
    pages = client.get_paginator("get_parameters_by_path").paginate(
        Path=f"/{STACK_NAME}", Recursive=True, WithDecryption=True
    )
    return {parameter["Name"]: parameter["Value"] for page in pages for parameter in page["Parameters"]}

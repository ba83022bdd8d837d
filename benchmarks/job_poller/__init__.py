"""AWS's own sample of a polling loop, deployed beside taskhook onto the same emulator.

Source: the sample project "Job Poller" (sample-project-job-poller.md of awsdocs/aws-step-functions-developer-guide),
with its ``wait_time`` of 60 seconds and Lambda's default of 128 MB. The functions ask the simulated provider instead of
AWS Batch, see app.py."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from local.simulator import TENCENT
from local.stack import Stack

NAME = "job-poller"
FUNCTIONS = ("job-poller-submit", "job-poller-check")
WAIT_SECONDS = 60
_ROLE = "arn:aws:iam::000000000000:role/job-poller"
_HERE = Path(__file__).parent


def deploy(stack: Stack) -> str:
    """The state machine's ARN."""
    submit, check = (_function(stack, name, f"app.{name.rpartition('-')[2]}_job") for name in FUNCTIONS)
    definition = Template((_HERE / "job_poller.asl.json").read_text(encoding="utf-8"))
    made = stack.client("stepfunctions").create_state_machine(
        name=NAME, roleArn=_ROLE, definition=definition.safe_substitute(SubmitJob=submit, CheckJob=check)
    )
    return str(made["stateMachineArn"])


def start(stack: Stack, machine: str, name: str, job: Mapping[str, Any], *, wait_seconds: int = WAIT_SECONDS) -> str:
    """The execution's ARN."""
    payload = json.dumps({"job": job, "wait_time": wait_seconds})
    started = stack.client("stepfunctions").start_execution(stateMachineArn=machine, name=name, input=payload)
    return str(started["executionArn"])


def _function(stack: Stack, name: str, handler: str) -> str:
    made = stack.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler=handler,
        Role=_ROLE,
        Timeout=30,
        Environment={"Variables": {"SECRET_ID": TENCENT.key_id, "SECRET_KEY": TENCENT.secret}},
        Code={"ZipFile": _zip()},
    )
    return str(made["FunctionArn"])


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("app.py", (_HERE / "app.py").read_text(encoding="utf-8"))
    return file.getvalue()

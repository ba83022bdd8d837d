"""The AWS side in this process (moto), shaped by the template: its table, and to each function its own settings."""

import importlib
import io
import itertools
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from moto import mock_aws

from taskhook import aws, config
from taskhook.api import door
from taskhook.ledger import Ledger
from taskhook.store import Store
from taskhook.task import Task

REGION = "eu-central-1"
STACK = "taskhook"

SECRETS = {"secret_key": "s3cr3t-of-tencent", "access_key_secret": "s3cr3t-of-alibaba"}
TENCENT = {"cloud": "tencent", "secret_id": "AKIDEXAMPLE", "secret_key": SECRETS["secret_key"]}
ALIBABA = {"cloud": "alibaba", "access_key_id": "LTAIEXAMPLE", "access_key_secret": SECRETS["access_key_secret"]}


@dataclass(frozen=True)
class Context:
    """What Lambda tells a function of its invocation."""

    function_name: str = "taskhook"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:123456789012:function:taskhook"
    aws_request_id: str = "00000000-0000-0000-0000-000000000000"

    remaining: int = 60_000
    """Milliseconds: too few for another look after the first."""

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining


@dataclass
class Cloud:
    """One account of AWS with the resources of the template in it."""

    template: dict[str, Any]
    patch: pytest.MonkeyPatch
    clients: dict[str, Any]
    stack: str
    made: dict[str, str] = field(default_factory=dict)
    overrides: dict[str, str] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        return self.clients[service]

    def properties(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.template["Resources"][name]["Properties"]
        return found

    def create(self) -> None:
        schema = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
        table = self.properties("Tasks")
        self.client("dynamodb").create_table(TableName=f"{self.stack}-tasks", **{key: table[key] for key in schema})
        self.made["Tasks"] = f"{self.stack}-tasks"
        for name in ("TasksQueue", "ProgressQueue"):
            self.made[name] = self.client("sqs").create_queue(QueueName=f"{self.stack}-{name}")["QueueUrl"]
        definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
        self.made["WatchTask"] = self.client("stepfunctions").create_state_machine(
            name=f"{self.stack}-watch-task", definition=definition, roleArn="arn:aws:iam::123456789012:role/watch"
        )["stateMachineArn"]
        self.made["ApiKey"] = "defaultkey"
        self.put("accounts/tencent", TENCENT)
        self.put("accounts/alibaba", ALIBABA)
        self.put("destinations/default", {"type": "webhook", "url": "https://hooks.example.com/s3cr3t-default"})
        self.put("destinations/ops", {"type": "webhook", "url": "https://hooks.example.com/s3cr3t-ops"})

    def put(self, name: str, record: Mapping[str, Any]) -> None:
        self.client("ssm").put_parameter(
            Name=f"/{self.stack}/{name}", Value=json.dumps(record), Type="SecureString", Overwrite=True
        )

    def function(self, logical_id: str) -> Any:
        """The function's ``app`` with the very environment that the template gives it, and nothing remembered."""
        for name in _ENVIRONMENT:
            self.patch.delenv(name, raising=False)
        variables = self.template["Globals"]["Function"]["Environment"]["Variables"]
        own = self.properties(logical_id).get("Environment", {}).get("Variables", {})
        for name, value in {**variables, **own, **self.overrides}.items():
            self.patch.setenv(name, self._value(value))
        folder = self.properties(logical_id)["CodeUri"].strip("/").replace("/", ".")
        app = importlib.import_module(f"{folder}.app")
        for one in (
            config.settings,
            door.parameters,
            door.store,
            *(getattr(app, name) for name in _REMEMBERED if hasattr(app, name)),
        ):
            one.cache_clear()
        return app

    def invoke(self, logical_id: str, event: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self.function(logical_id).handler(event, Context())
        json.dumps(answer)
        return answer

    def messages(self, name: str) -> list[dict[str, Any]]:
        """Takes everything off a queue."""
        found = []
        while (
            batch := self.client("sqs")
            .receive_message(QueueUrl=self.made[name], MaxNumberOfMessages=10)
            .get("Messages")
        ):
            found += [json.loads(one["Body"]) for one in batch]
            for one in batch:
                self.client("sqs").delete_message(QueueUrl=self.made[name], ReceiptHandle=one["ReceiptHandle"])
        return found

    def executions(self, status: str = "RUNNING") -> list[str]:
        found = self.client("stepfunctions").list_executions(
            stateMachineArn=self.made["WatchTask"], statusFilter=status
        )
        return sorted(one["name"] for one in found["executions"])

    @property
    def store(self) -> Store:
        self.function("ReconcileFunction")
        return Store(config.settings(), self.client("dynamodb"))

    @property
    def ledger(self) -> Ledger:
        self.function("ReconcileFunction")
        return Ledger(config.settings(), self.client("dynamodb"))

    def task(self, id: str) -> Task:
        task = self.store.get(id)
        assert task is not None
        return task

    def is_listed_open(self, id: str) -> bool:
        return id in {one.id for one in self.store.open_watches()}

    def _value(self, value: Any) -> str:
        match value:
            case {"Ref": name} if name in self.template["Parameters"]:
                return str(self.template["Parameters"][name]["Default"])
            case {"Ref": name}:
                return self.made[name]
            case {"Fn::GetAtt": path}:
                return self.made[".".join(path)]
            case {"Fn::Sub": text}:
                known = {"AWS::StackName": self.stack, "AWS::Partition": "aws", "AWS::Region": REGION,
                         "AWS::AccountId": "123456789012"}  # fmt: skip
                return re.sub(r"\$\{([^}]+)\}", lambda found: known[found[1]], text)
        return str(value)


_NUMBERS = itertools.count(1)
_REMEMBERED = (
    "desk", "catalogue", "ledger", "parameters", "store", "starter", "watcher", "sender", "reconciler", "waiter",
)  # fmt: skip
_ENVIRONMENT = (
    "TABLE", "OPEN_INDEX", "PARAMETERS", "TASKS_QUEUE", "PROGRESS_QUEUE", "STATE_MACHINE", "KEY",
    "ALLOW_PRIVATE_DESTINATIONS", "ALLOW_INSECURE_ENDPOINTS", "PATIENCE_SECONDS", "DELIVERY_ATTEMPTS", "RETENTION_DAYS",
    "EVENT_BUS", "DEFAULT_KEY", "CORS_ORIGINS", "LONG_POLLS",
)  # fmt: skip
"""Everything that config.py reads. What the template does not give to a function is not there when it runs."""


@pytest.fixture(scope="session")
def aws_clients() -> Iterator[dict[str, Any]]:
    """The library's own clients, made once: each takes longer than most tests."""
    doors = {"dynamodb": aws.dynamodb, "sqs": aws.sqs, "ssm": aws.ssm, "kms": aws.kms,
             "stepfunctions": aws.stepfunctions, "events": aws.events}  # fmt: skip
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name, value in (("AWS_DEFAULT_REGION", REGION), ("AWS_REGION", REGION), ("POWERTOOLS_SERVICE_NAME", STACK)):
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        for door in doors.values():
            door.cache_clear()
        yield {service: door() for service, door in doors.items()}
        for door in doors.values():
            door.cache_clear()


@pytest.fixture(scope="session")
def sealing_key(aws_clients: dict[str, Any]) -> str:
    """One for all, as moto takes long to make one; what is sealed names its task anyway."""
    return str(aws_clients["kms"].create_key()["KeyMetadata"]["Arn"])


@pytest.fixture
def cloud(
    aws_clients: dict[str, Any], sealing_key: str, template: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Cloud:
    """A fresh account, which every function sees through the library's own door."""
    return _cloud(aws_clients, sealing_key, template, monkeypatch)


@pytest.fixture(scope="module")
def shared_cloud(aws_clients: dict[str, Any], sealing_key: str, template: dict[str, Any]) -> Iterator[Cloud]:
    """One account for all tests of a module, for those that make hundreds of calls and look at the answer only."""
    with pytest.MonkeyPatch.context() as patch:
        yield _cloud(aws_clients, sealing_key, template, patch)


def _cloud(clients: dict[str, Any], key: str, template: dict[str, Any], patch: pytest.MonkeyPatch) -> Cloud:
    # Names of its own keep a test apart from the others, and that is quicker than to start from nothing.
    cloud = Cloud(template=template, patch=patch, clients=clients, stack=f"{STACK}-{next(_NUMBERS)}")
    cloud.made["DestinationsKey.Arn"] = key
    cloud.create()
    return cloud


# --- the HTTP API ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def faults(self) -> dict[str, str]:
        return {one["field"]: one["message"] for one in self.json["errors"]}


type Call = Callable[..., Reply]


def request_event(method: str, path: str, body: str | None, *, encoded: bool = False) -> dict[str, Any]:
    """As API Gateway sends it to a function behind a REST API."""
    return {
        "resource": re.sub(r"^/(tasks|destinations)/[^/]+", r"/\1/{id}", path),
        "path": path,
        "httpMethod": method,
        "headers": {"Content-Type": "application/json", "x-api-key": "s3cr3t-api-key"},
        "multiValueHeaders": {"Content-Type": ["application/json"], "x-api-key": ["s3cr3t-api-key"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {"httpMethod": method, "path": f"/v1{path}", "stage": "v1", "requestId": "r",
                           "identity": {"sourceIp": "127.0.0.1"}},
        "body": body,
        "isBase64Encoded": encoded,
    }  # fmt: skip


def function_of(template: dict[str, Any], method: str, path: str) -> str:
    """The function that the gateway gives a request to, as the template says."""
    for name, resource in template["Resources"].items():
        for event in resource["Properties"].get("Events", {}).values() if "Properties" in resource else ():
            if event["Type"] == "Api":
                rule = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(event["Properties"]["Path"]))
                if event["Properties"]["Method"].upper() == method and re.fullmatch(rule, path):
                    return str(name)
    return "ShowFunction"


def caller(cloud: Cloud) -> Call:
    def call(
        method: str,
        path: str,
        body: Any = None,
        *,
        encoded: bool = False,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Reply:
        text = body if body is None or isinstance(body, str) else json.dumps(body)
        event = request_event(method, path, text, encoded=encoded)
        event["headers"] |= dict(headers or {})
        if query:
            event["queryStringParameters"] = {name: str(value) for name, value in query.items()}
            event["multiValueQueryStringParameters"] = {name: [str(value)] for name, value in query.items()}
        if key is not None:
            event["requestContext"]["identity"]["apiKeyId"] = key
        answer = cloud.invoke(function_of(cloud.template, method, path), event)
        headers = {name: ", ".join(values) for name, values in (answer.get("multiValueHeaders") or {}).items()}
        return Reply(
            status=answer["statusCode"], headers={**headers, **(answer.get("headers") or {})}, text=answer["body"]
        )

    return call


@pytest.fixture
def api(cloud: Cloud) -> Call:
    """Calls the HTTP API: ``api("POST", "/tasks", {...})``."""
    return caller(cloud)


@pytest.fixture(scope="module")
def shared_api(shared_cloud: Cloud) -> Call:
    return caller(shared_cloud)


# --- what is on the other side ---------------------------------------------------------------------------------------


@dataclass
class Server:
    """A provider or a receiver on loopback. Gives the answers in turn, the last one for ever, and keeps what it got."""

    url: str = ""
    answers: list[tuple[int, Any, dict[str, str]]] = field(default_factory=list)
    got: list[dict[str, Any]] = field(default_factory=list)

    def says(self, body: Any, status: int = 200, **headers: str) -> None:
        self.answers.append((status, body, headers))

    def next(self) -> tuple[int, Any, dict[str, str]]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def server() -> Iterator[Server]:
    here = Server()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            here.got.append({"path": self.path, "headers": dict(self.headers.items()), "body": body})
            status, said, headers = here.next()
            raw = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(raw))}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(raw)

        do_POST = do_GET = answer  # noqa: N815

        def log_message(self, *args: Any) -> None:
            """Quietly."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        here.url = f"http://127.0.0.1:{listening.server_address[1]}"
        thread = threading.Thread(target=lambda: listening.serve_forever(poll_interval=0.01), daemon=True)
        thread.start()
        yield here
        listening.shutdown()
        thread.join()


@pytest.fixture
def logs(cloud: Cloud) -> Iterator[io.StringIO]:
    """Everything that a function and the library under it log, at the finest level, written out as they write it."""
    app = cloud.function("SubmitFunction")
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(app.logger.registered_formatter)
    root, ours = logging.getLogger(), logging.getLogger("taskhook")
    levels = root.level, ours.level
    for logger in (root, ours):
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    for noisy in ("botocore", "boto3", "moto", "urllib3", "responses", "asyncio", "hypothesis"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    yield written
    for logger, level in zip((root, ours), levels, strict=True):
        logger.removeHandler(handler)
        logger.setLevel(level)

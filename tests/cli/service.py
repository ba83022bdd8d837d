"""A service on loopback that answers as docs/api.md says, and fails as a test asks it to."""

import hashlib
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

KEY = "test-key-0123456789"
ENDED = ("succeeded", "failed", "partial", "canceled", "timed_out", "lost", "stopped")

PROVIDERS: list[dict[str, Any]] = [
    {"name": "tencent.clb.DescribeTaskStatus", "short": "tencent.clb", "title": "Cloud Load Balancer",
     "cloud": "tencent", "region": "required", "states": {"running": ["2"], "succeeded": ["0"], "failed": ["1"]},
     "task_id": {"form": "{TaskId}", "found": "RequestId of the call", "paths": ["RequestId"], "example": None}},
    {"name": "tencent.vod.DescribeTaskDetail", "short": "tencent.vod", "title": "Video on Demand",
     "cloud": "tencent", "region": "none", "states": {},
     "task_id": {"form": "{TaskId}", "found": "TaskId", "paths": ["TaskId", "MediaProcessResultSet[].TaskId"]}},
    {"name": "tencent.cvm.DescribeInstances", "short": "tencent.cvm", "title": "Cloud Virtual Machine",
     "cloud": "tencent", "region": "required", "states": {},
     "task_id": {"form": "{InstanceId}/{RequestId}", "found": "both", "paths": ["RequestId"]}},
    {"name": "alibaba.emr.GetOperation", "short": "alibaba.emr", "title": "E-MapReduce", "cloud": "alibaba",
     "region": "required", "states": {},
     "task_id": {"form": "{ClusterId}/{OperationId}", "found": "both", "paths": ["OperationId", "ClusterId"]}},
    {"name": "alibaba.bdrc.DescribeTask", "short": "alibaba.bdrc", "title": "Backup and Disaster Recovery",
     "cloud": "alibaba", "region": "required", "states": {},
     "task_id": {"form": "{TaskId}", "found": "Data.TaskId", "paths": ["Data.TaskId", "Data[].TaskId"]}},
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


type Fault = Callable[[Request], "Reply | None"]


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    """Break the connection in place of an answer."""


DROP = Reply(drop=True)


def problem(
    status: int, detail: str, errors: list[dict[str, str]] | None = None, headers: dict[str, str] | None = None
) -> Reply:
    body: dict[str, Any] = {"type": "about:blank", "title": "Problem", "status": status, "detail": detail}
    return Reply(status=status, body={**body, "errors": errors} if errors else body, headers=headers or {})


class Service:
    """``faults`` come before the answers, one for each request; ``lost`` are answers that are made and not sent.

    ``steps`` are changes, each made when somebody waits for one: no test depends on the speed of a machine.
    """

    def __init__(self, url: str = "") -> None:
        self.url = url
        self.requests: list[Request] = []
        self.faults: list[Reply | None] = []
        self.lost = 0
        self.steps: list[tuple[str, dict[str, Any]]] = []
        self.on: dict[tuple[str, str], Callable[[Request], Reply]] = {}
        self.tasks: dict[str, dict[str, Any]] = {}
        self.providers = list(PROVIDERS)
        self.destinations: dict[str, dict[str, Any]] = {}
        self.page_size = 100
        self._answers: dict[str, Reply] = {}
        self._changed = threading.Condition()
        self._count = itertools.count(1)

    # --- what tests do ---

    def add(self, id: str = "", **members: Any) -> dict[str, Any]:
        with self._changed:
            number = next(self._count)
            task = {
                "id": id or f"task{number:04}", "provider": "tencent.clb.DescribeTaskStatus", "account": "tencent",
                "region": "ap-guangzhou", "task_id": f"request-{number}", "title": None, "metadata": {},
                "state": "running", "provider_state": None, "progress": None, "message": None, "error": None,
                "resources": [], "result": None, "submitted_at": _time(number), "started_at": None,
                "finished_at": None, "observed_at": None, "polls": 1, "estimate": None, "took_seconds": None,
                "deliveries": [{"destination": "default", "state": "pending", "attempts": 0}], **members,
            }  # fmt: skip
            self.tasks[task["id"]] = task
            self._changed.notify_all()
        return task

    def change(self, id: str, **members: Any) -> None:
        with self._changed:
            task = self.tasks[id]
            if members.get("state") in ENDED:
                members = {"observed_at": _time(next(self._count)), "took_seconds": 8.0, **members}
            self.tasks[id] = {**task, **members, "polls": task["polls"] + 1}
            self._changed.notify_all()

    def after(self, seconds: float, id: str, **members: Any) -> None:
        timer = threading.Timer(seconds, self.change, (id,), members)
        timer.daemon = True
        timer.start()

    def id_of(self, provider: str, task_id: str | int) -> str:
        return hashlib.sha256(json.dumps([provider, task_id]).encode()).hexdigest()[:26]

    def calls(self, method: str, path: str = "") -> list[Request]:
        return [one for one in self.requests if one.method == method and one.path.startswith(path)]

    # --- answers ---

    def answer(self, request: Request) -> Reply:
        self.requests.append(request)
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            return fault
        if request.headers.get("x-api-key") != KEY:
            return problem(403, "The API key in the header x-api-key is missing or unknown.")
        if special := self.on.get((request.method, request.path)):
            return special(request)
        key = request.headers.get("idempotency-key")
        reply = self._answers.get(key or "") or self._route(request)
        if key:
            self._answers[key] = reply
        if self.lost:
            self.lost -= 1
            return DROP
        return _cached(request, reply)

    def _route(self, request: Request) -> Reply:
        parts = [unquote(part) for part in request.path.strip("/").split("/")]
        match request.method, parts:
            case "GET", ["providers"]:
                return Reply(body={"providers": self.providers, "broken": []})
            case "POST", ["tasks"]:
                return self._posted(request.body)
            case "POST", ["tasks", "batch"]:
                return Reply(
                    status=207, body={"results": [_result(self._posted(one)) for one in request.body["tasks"]]}
                )
            case "GET", ["tasks"]:
                return self._page(request.query)
            case _, ["tasks", id, *rest]:
                return self._task(request, id, rest) if id in self.tasks else problem(404, "There is no such task.")
            case _, ["destinations", *rest]:
                return self._destination(request, rest)
        return problem(404, "There is no such path here.")

    def _posted(self, body: dict[str, Any]) -> Reply:
        errors = []
        if body.get("provider") not in {name for one in self.providers for name in (one["name"], one["short"])}:
            errors.append({"field": "provider", "message": f"'{body.get('provider')}' is not a provider"})
        if str(body.get("task_id", "")).startswith("bad"):
            errors.append({"field": "task_id", "message": "is not an id of this API"})
        if errors:
            return problem(422, f"{len(errors)} fields are not as they must be.", errors)
        id = self.id_of(body["provider"], body["task_id"])
        if id in self.tasks:
            return Reply(body=self.tasks[id])
        given = {name: body[name] for name in ("title", "metadata") if name in body}
        return Reply(status=202, body=self.add(id, task_id=str(body["task_id"]), state="queued", **given))

    def _page(self, query: dict[str, str]) -> Reply:
        found = [
            task
            for task in sorted(self.tasks.values(), key=lambda task: task["submitted_at"], reverse=True)
            if query.get("state") in (None, task["state"])
            and query.get("account") in (None, task["account"])
            and task["provider"].startswith(query.get("provider", ""))
        ]
        start, limit = int(query.get("cursor", "0")), min(int(query.get("limit", "50")), self.page_size)
        more = start + limit < len(found)
        page = found[start : start + limit]
        return Reply(body={"tasks": page, "next_cursor": str(start + limit) if more else None})

    def _task(self, request: Request, id: str, rest: list[str]) -> Reply:
        match request.method, rest:
            case "GET", []:
                return self._waited(request, id)
            case "GET", ["timeline"]:
                entry = {"at": _time(1), "kind": "look", "text": "The provider says '2': running", "good": None}
                return Reply(body={"timeline": [{**entry, "destination": None, "planned": False}]})
            case "DELETE", []:
                if self.tasks[id]["state"] in ENDED:
                    return problem(409, f"The task has ended already: it is '{self.tasks[id]['state']}'.")
                self.change(id, state="stopped")
                return Reply(body=self.tasks[id])
            case "POST", ["deliveries", name]:
                if self.tasks[id]["state"] not in ENDED:
                    return problem(409, "There is no news yet.")
                return Reply(status=202, body={"destination": name, "state": "pending", "attempts": 0})
        return problem(404, "There is no such path here.")

    def _waited(self, request: Request, id: str) -> Reply:
        if self.steps and "wait" in request.query:
            changed, members = self.steps.pop(0)
            self.change(changed, **members)
        seen, deadline = request.headers.get("if-none-match"), time.monotonic() + int(request.query.get("wait", "0"))
        with self._changed:
            while (left := deadline - time.monotonic()) > 0:
                if self.tasks[id]["state"] in ENDED or seen != _etag(self.tasks[id]):
                    break
                self._changed.wait(left)
            return Reply(body=self.tasks[id])

    def _destination(self, request: Request, rest: list[str]) -> Reply:
        match request.method, rest:
            case "GET", []:
                return Reply(body={"destinations": list(self.destinations.values())})
            case "PUT", [name]:
                if not str(request.body.get("url", "https://")).startswith("https://"):
                    return problem(422, "1 field is wrong.", [{"field": "url", "message": "must begin with https://"}])
                self.destinations[name] = {"name": name, "type": request.body["type"], "state": "ok", "held": 0}
                return Reply(body=self.destinations[name])
        if rest[0] not in self.destinations:
            return problem(404, f"There is no destination named '{rest[0]}'.")
        match request.method, rest:
            case "DELETE", [name]:
                del self.destinations[name]
                return Reply(status=204)
            case "POST", [name, "test"]:
                return Reply(
                    status=202, body={"destination": name, "verdict": "delivered", "status": 200, "released": 2}
                )
            case "POST", [name, "deliveries"]:
                dry = request.body.get("dry_run", False)
                return Reply(status=202, body={"destination": name, "dry_run": dry, "tasks": ["a", "b"], "count": 2})
        return problem(404, "There is no such path here.")


def _time(number: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_790_000_000 + number))


def _etag(body: Any) -> str:
    return '"' + hashlib.sha256(json.dumps(body).encode()).hexdigest()[:16] + '"'


def _cached(request: Request, reply: Reply) -> Reply:
    if request.method != "GET" or reply.status != 200:
        return reply
    etag = _etag(reply.body)
    if request.headers.get("if-none-match") == etag:
        return Reply(status=304, headers={"ETag": etag})
    return Reply(body=reply.body, headers={"ETag": etag, **reply.headers})


def _result(reply: Reply) -> dict[str, Any]:
    return {"status": reply.status, "task" if reply.status < 300 else "problem": reply.body}


@contextmanager
def serving(service: Service) -> Iterator[Service]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (ConnectionError, TimeoutError):
                self.close_connection = True

        def _handle(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            parts = urlsplit(self.path)
            reply = service.answer(Request(
                method=self.command, path=parts.path, query=dict(parse_qsl(parts.query)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=json.loads(raw) if raw else None,
            ))  # fmt: skip
            if reply.drop:
                self.close_connection = True
                return
            body = b"" if reply.body is None else reply.body if isinstance(reply.body, bytes) else _json(reply.body)
            self.send_response(reply.status)
            for name, value in {"content-length": str(len(body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 - http.server's names

        def log_message(self, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    service.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()

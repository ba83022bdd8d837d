"""The API as the page meets it, answered inside the browser: what a real installation cannot be brought to at will."""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from playwright.sync_api import Page, Request, Route

from taskhook.api.static import policy
from taskhook.providers.listing import listing
from taskhook.states import State
from taskhook.task import Delivery, DeliveryState, Estimate, Problem, Resource, Task, digest
from taskhook.times import rfc3339_millis

PAGE = Path(__file__).parent.parent / "functions/show/page.html"
STAGE = "https://taskhook.test/v1"
KEY = "abcDEF123456"
WRONG_KEY = {"status": 403, "detail": "The API key in the header x-api-key is missing or unknown."}

type Json = dict[str, Any]
type Answer = tuple[int, Any]


def serve_page(page: Page, address: str) -> None:
    """Answer this address alone with the page."""
    html = PAGE.read_text("utf-8")
    headers = {"content-type": "text/html; charset=utf-8", "content-security-policy": policy(html)}
    page.route(re.compile(re.escape(address) + r"/?$"), lambda route: route.fulfill(body=html, headers=headers))


def a_task(number: int = 1, *, typical: float | None = None, age: float = 60, **more: Any) -> Json:
    now = time.time()
    id = digest("page", str(number))
    task = Task(
        id=id,
        provider="tencent.clb.DescribeTaskStatus",
        account="tencent",
        region="ap-guangzhou",
        task_id=f"55c85074-3e7f-4c6d-864f-{number:012d}",
        submitted_at=now - age,
        deadline=now - age + 86_400,
        title=f"Task {number}",
        state=State.RUNNING,
        deliveries={"ops": Delivery()},
    )
    return replace(task, **more).view() | {"typical_seconds": typical}


def entry(at: float, kind: str, text: str, **more: Any) -> Json:
    plain = {"good": None, "destination": None, "planned": False}
    return {"at": rfc3339_millis(at), "kind": kind, "text": text, **plain, **more}


def a_destination(name: str, type: str = "slack", **more: Any) -> Json:
    return {
        "name": name, "type": type, "host": "hooks.slack.com", "language": "en", "rate": "1/s", "progress": False,
        "filter": {"providers": [], "accounts": [], "states": [], "metadata": {}}, "escalate": None,
        "state": "ok", "reason": None, "code": None, "since": None, "held": 0, **more,
    }  # fmt: skip


@dataclass
class PageApi:
    """Answers every request below ``STAGE``. Change its members, and the page sees it with its next request.

    ``fault`` is what all requests get instead, while it is set: a status with its problem, or None for a network that
    is lost.
    """

    tasks: list[Json] = field(default_factory=list)
    timelines: dict[str, list[Json]] = field(default_factory=dict)
    destinations: list[Json] = field(default_factory=lambda: [a_destination("default"), a_destination("ops")])
    key: str = KEY
    broken: bool = False
    fault: Answer | None = None
    refusal: Answer | None = None
    verdict: Mapping[str, Any] = field(default_factory=dict)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    cheap: int = 0
    """How many requests were answered without a body."""

    def install(self, page: Page) -> None:
        page.route(STAGE + "/**", self._answer)
        serve_page(page, STAGE)

    def posted(self, method: str = "POST") -> list[tuple[str, Any]]:
        return [(path, body) for did, path, body in self.requests if did == method]

    def _answer(self, route: Route, request: Request) -> None:
        parts = urlsplit(request.url)
        path = unquote(parts.path.removeprefix("/v1"))
        body = json.loads(request.post_data) if request.post_data else None
        self.requests.append((request.method, path, body))
        if self.broken and self.fault is None:
            route.abort("connectionfailed")
            return
        status, answer = self._decide(request, path, dict(parse_qsl(parts.query)), body)
        text = json.dumps(answer)
        tag = '"' + digest(text) + '"'
        if request.method == "GET" and status == 200 and request.headers.get("if-none-match") == tag:
            self.cheap += 1
            route.fulfill(status=304, headers={"etag": tag})
            return
        route.fulfill(status=status, body=text, headers={"etag": tag, "content-type": "application/json"})

    def _decide(self, request: Request, path: str, query: Mapping[str, str], body: Any) -> Answer:
        if path == "/health":
            return 200, {"status": "ok", "version": "0.2.0"}
        if self.fault is not None:
            return self.fault
        if request.headers.get("x-api-key") != self.key:
            return 403, WRONG_KEY
        if request.method != "GET" and self.refusal is not None:
            return self.refusal
        calls: dict[str, Callable[..., Answer]] = {
            r"GET /tasks": lambda: self._list(query),
            r"POST /tasks": lambda: self._take(body),
            r"GET /tasks/(\w+)": self._task,
            r"GET /tasks/(\w+)/timeline": lambda id: (200, {"timeline": self.timelines.get(id, [])}),
            r"DELETE /tasks/(\w+)": self._stop,
            r"POST /tasks/(\w+)/deliveries/(\S+)": lambda id, name: (202, {"destination": name, "state": "pending"}),
            r"GET /destinations": lambda: (200, {"destinations": self.destinations}),
            r"POST /destinations/(\S+)/test": lambda name: (202, {"destination": name, **self.verdict}),
            r"POST /destinations/(\S+)/deliveries": self._let_go,
            r"GET /providers": lambda: (200, listing({})),
        }
        for call, answer in calls.items():
            if found := re.fullmatch(call, f"{request.method} {path}"):
                return answer(*found.groups())
        return 404, {"detail": "There is no such path here."}

    def _list(self, query: Mapping[str, str]) -> Answer:
        start, limit = int(query.get("cursor", 0)), int(query.get("limit", 50))
        filters = {name: query[name] for name in ("state", "provider", "account") if name in query}
        fits = [one for one in self.tasks if all(one[name].startswith(value) for name, value in filters.items())]
        end = start + limit
        return 200, {"tasks": fits[start:end], "next_cursor": str(end) if end < len(fits) else None}

    def _task(self, id: str) -> Answer:
        found = next((one for one in self.tasks if one["id"] == id), None)
        return (200, found) if found else (404, {"status": 404, "detail": "There is no task with this id."})

    def _take(self, body: Json) -> Answer:
        missing = [{"field": name, "message": "is required"} for name in ("provider", "task_id") if not body.get(name)]
        if missing:
            return 422, {"detail": "Nothing was stored.", "errors": missing}
        named = {"provider": body["provider"], "task_id": body["task_id"], "title": body.get("title")}
        self.tasks.insert(0, a_task(900) | named)
        return 202, self.tasks[0]

    def _stop(self, id: str) -> Answer:
        status, task = self._task(id)
        if status == 200:
            task.update(state="stopped", next_poll_at=None, next_poll_reason=None)
        return status, task

    def _let_go(self, name: str) -> Answer:
        [one] = [each for each in self.destinations if each["name"] == name]
        count, one["held"] = one["held"], 0
        return 202, {"destination": name, "dry_run": False, "tasks": [], "count": count}


def a_scene() -> PageApi:
    """A working day: what the screenshots show, and what every view is checked with."""
    now = time.time()
    soon = Estimate(at=now + 544, earliest=now + 310, latest=now + 1220)
    api = PageApi(
        tasks=[
            a_task(1, title="Create listener for shop.example", typical=1187.5, age=643, progress=0.42, estimate=soon,
                   polls=7, provider_state="2", next_poll_at=now + 48, metadata={"team": "shop", "change": 4711},
                   reason="typical duration 20 min from 312 earlier tasks", started_at=now - 640,
                   deliveries={"default": Delivery(), "ops": Delivery()}),
            a_task(2, title="Nightly backup check", provider="alibaba.bdrc.DescribeTask", account="alibaba",
                   region="cn-shanghai", age=95, typical=240.0,
                   estimate=Estimate(at=now + 145, earliest=now + 80, latest=now + 400)),
            a_task(3, title=None, age=8, state=State.QUEUED),
            a_task(4, title="Migrate orders to the new cluster", provider="tencent.dts.DescribeMigrateJobs", age=7300,
                   typical=5400.0, state=State.FAILED, observed_at=now - 420, finished_at=now - 431,
                   looked_at=now - 440, provider_state="failed",
                   error=Problem(code="InvalidParameter.SourceDB", message="The source refuses the connection.",
                                 hint="Allow the migration service's addresses in the source's security group."),
                   deliveries={"default": Delivery(state=DeliveryState.DELIVERED, attempts=1),
                               "ops": Delivery(state=DeliveryState.HELD, attempts=4,
                                               reason="410: the webhook is gone; store the destination anew")}),
            a_task(5, title="Resize the web tier", provider="alibaba.ros.GetStack", account="alibaba",
                   region="cn-hangzhou", age=9900, typical=1500.0, state=State.PARTIAL, observed_at=now - 8000,
                   finished_at=now - 8003, resources=(Resource(id="i-0a1b2c", state=State.SUCCEEDED),
                                                      Resource(id="i-3d4e5f", state=State.FAILED))),
            a_task(6, title="Transcode the keynote", provider="tencent.mps.DescribeTaskDetail", age=15_000,
                   typical=900.0, state=State.SUCCEEDED, observed_at=now - 14_100, finished_at=now - 14_103,
                   result={"output": "https://media.example/keynote.m3u8", "seconds": 5412}),
            a_task(7, title="Rebuild the search index", age=99_000, state=State.TIMED_OUT, observed_at=now - 12_600),
            a_task(8, title="Rotate certificates", age=30_000, state=State.LOST, observed_at=now - 26_000,
                   error=Problem(code="AuthFailure", message="The account's key is refused.", hint="Store a new key.")),
            a_task(9, title="Drain node 14", age=40_000, state=State.STOPPED),
            a_task(10, title="Delete snapshots of June", age=50_000, state=State.CANCELED, observed_at=now - 49_000),
        ],
        destinations=[
            a_destination("default"),
            a_destination("ops", "webhook", host="ci.example.com", state="dead", held=3, since="2026-11-22T10:00:00Z",
                          code="410", reason="410 Gone: this webhook has been removed; store it anew."),
            a_destination("oncall", "dingtalk", host="oapi.dingtalk.com", state="paused", held=1),
        ],
        verdict={"verdict": "delivered", "status": 200, "detail": "The receiver took it.", "seconds": 0.31},
    )  # fmt: skip
    running, failed = api.tasks[0]["id"], api.tasks[3]["id"]
    api.timelines[running] = [
        entry(now - 643, "submitted", "Submitted; default and ops will be told"),
        entry(now - 640, "look", "The provider says '0': running"),
        entry(now - 520, "look", "No answer that helps: silence for 10 s", good=False),
        entry(now - 300, "look", "The provider says '2': running, 17 %"),
        entry(now - 12, "look", "The provider says '2': running, 42 %"),
        entry(now + 48, "look", "Next look: typical duration 20 min from 312 earlier tasks", planned=True),
    ]
    api.timelines[failed] = [
        entry(now - 7300, "submitted", "Submitted; default and ops will be told"),
        entry(now - 7298, "look", "The provider says 'running': running"),
        entry(now - 7000, "gap", "41 looks that are no longer kept"),
        entry(now - 420, "ended", "Failed: The source refuses the connection.", good=False),
        entry(now - 419, "attempt", "default took the news (200, 0.2 s)", good=True, destination="default"),
        entry(now - 419, "attempt", "ops: 410, the webhook is gone; the news is held", good=False, destination="ops"),
    ]
    return api


def a_thousand() -> PageApi:
    states = [State.RUNNING, State.SUCCEEDED, State.FAILED, State.RUNNING, State.QUEUED]
    return PageApi(tasks=[a_task(n, state=states[n % 5], typical=900.0, age=60.0 * n) for n in range(1, 1001)])

"""What the front door costs: a cold and a warm `submit` beside a bare Powertools handler, requests per second beside a
function that does nothing, and what a page of a list reads."""

import http.client
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from moto import mock_aws

from benchmarks import trivial
from benchmarks.around import Around
from benchmarks.client import THREADS, post_all
from benchmarks.footprint import RUNS, layer, run, runtime
from benchmarks.report import Figure, figures_table, met, table
from local.run import serving
from local.settings import REPOSITORY, Settings
from local.stack import Stack

WARM_CALLS = 300
REQUESTS = 400
TASKS, PAGE = 10_000, 50
_BARE = """
from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
logger = Logger()
app = APIGatewayRestResolver()

@app.post("/tasks")
def post_task():
    return Response(202, "application/json", "{}")

@logger.inject_lambda_context(clear_state=True)
def handler(event, context):
    return app.resolve(event, context)
"""
_REFUSED = {"provider": "tencent.clb", "task_id": "55c85074", "region": "mars-1", "account": "a b", "title": 7}
"""All of it is checked, and nothing of it needs AWS."""
_PROBE = """
import json, resource, sys, time
sys.path += {path!r}
import os
os.environ.update(AWS_DEFAULT_REGION="us-east-1", TABLE="t")
os.environ.update(POWERTOOLS_SERVICE_NAME="b", POWERTOOLS_LOG_LEVEL="ERROR")
class Context:
    function_name = "f"; memory_limit_in_mb = 256; invoked_function_arn = "arn"; aws_request_id = "r"
    def get_remaining_time_in_millis(self): return 29000
event = json.loads({event!r})
began = time.process_time()
import app
cold = time.process_time() - began
app.handler(event, Context())
first = time.process_time() - began
began = time.process_time()
for _ in range({calls}): app.handler(event, Context())
warm = (time.process_time() - began) / {calls}
print(json.dumps([1000 * cold, 1000 * first, 1000 * warm, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def main() -> None:
    _cold_and_warm()
    _pages()
    with tempfile.TemporaryDirectory(prefix="taskhook-bench-") as folder:
        _throughput(Path(folder))


def _cold_and_warm() -> None:
    with tempfile.TemporaryDirectory(prefix="taskhook-bench-") as folder:
        root = Path(folder)
        layers = [layer(root / "layer"), layer(root / "door", "door", "DoorLayer")]
        bare = root / "bare"
        bare.mkdir()
        (bare / "app.py").write_text(_BARE, "utf-8")
        beside = [*map(str, layers), str(runtime(root / "runtime"))]
        sides = [[str(REPOSITORY / "functions/submit"), *beside], [str(bare), *beside]]
        for side in sides:
            _probe(side)  # once to bring the files into memory
        pairs = [(_probe(sides[0]), _probe(sides[1])) for _ in range(RUNS)]
    names = ("import, CPU time", "  and the first answer", "a further answer, CPU time", "peak memory")
    units = ("ms", "ms", "ms", "MB")
    figures = [
        Figure(
            name=name,
            unit=unit,
            ours=statistics.median(ours[number] for ours, _ in pairs),
            peer=statistics.median(peer[number] for _, peer in pairs),
        )
        for number, (name, unit) in enumerate(zip(names, units, strict=True))
    ]
    print(f"submit refuses a body with four faults (medians of {RUNS} fresh processes each, alternating)\n")
    print(figures_table(figures, "bare Powertools handler that answers {}"), "\n")


def _probe(path: Sequence[str]) -> list[float]:
    event = {
        "resource": "/tasks",
        "path": "/tasks",
        "httpMethod": "POST",
        "headers": {},
        "multiValueHeaders": {},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {"identity": {}, "requestId": "r"},
        "body": json.dumps(_REFUSED),
        "isBase64Encoded": False,
    }
    code = _PROBE.format(path=list(path), event=json.dumps(event), calls=WARM_CALLS)
    found: list[float] = json.loads(run([sys.executable, "-I", "-S", "-B", "-c", code]).splitlines()[-1])
    return found


# --- pages ------------------------------------------------------------------------------------------------------------


def _pages() -> None:
    """Counted at the client of a DynamoDB in this process: the time of a page is that of its reads."""
    with mock_aws():
        read, requests_made, seconds = _walk()
    rows = [
        (name, f"{one[0]:,}", f"{one[len(one) // 2]:,}", f"{one[-2]:,}", f"{max(one):,}")
        for name, one in (("keys read", read), ("requests", requests_made))
    ]
    print(f"A list of {TASKS:,} tasks, {PAGE} a page, {len(read)} pages\n")
    print(table(("", "first page", "in the middle", "before the last", "most"), rows), "\n")
    flat = max(read) == PAGE + 1
    print(table(("aim", "measured", "met"), [("a page reads what it shows, and one more", f"{max(read)}", met(flat))]))
    print(f"(a page took {1000 * statistics.median(seconds):.1f} ms here, most of them the imitation of DynamoDB)\n")


def _walk() -> tuple[list[int], list[int], list[float]]:
    from local.openapi.examples import SUCCEEDED
    from taskhook import aws, pages
    from taskhook.config import settings
    from taskhook.listing import Choice, Listing
    from taskhook.store import Store

    here, client = settings(), aws.dynamodb()
    _create_table(client, here.table)
    store, listing = Store(here), Listing(here)
    _fill(client, store, here.table, SUCCEEDED)
    counted = [0, 0]
    client.meta.events.register("after-call.dynamodb.Query", lambda parsed, **_: _count(counted, parsed))
    client.meta.events.register("after-call.dynamodb.BatchGetItem", lambda **_: _count(counted, {}))
    read, made, seconds, before = [], [], [], None
    while True:
        counted[:] = [0, 0]
        began = time.monotonic()
        page = pages.page(store, listing, Choice(state="succeeded"), limit=PAGE, before=before)
        seconds.append(time.monotonic() - began)
        read.append(counted[0])
        made.append(counted[1])
        before = page.next
        if before is None:
            return read, made, seconds


def _count(counted: list[int], parsed: Any) -> None:
    counted[0] += int(parsed.get("ScannedCount", 0))
    counted[1] += 1


def _create_table(client: Any, name: str) -> None:
    from benchmarks import deployed

    table_of = deployed.properties("Tasks")
    schema = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    client.create_table(TableName=name, **{key: table_of[key] for key in schema})


def _fill(client: Any, store: Any, table_name: str, task: Any) -> None:
    from dataclasses import replace

    from taskhook.task import digest

    for start in range(0, TASKS, 25):
        items = [
            store._item(replace(task, id=digest(str(number)), submitted_at=task.submitted_at + number))
            for number in range(start, start + 25)
        ]
        client.batch_write_item(RequestItems={table_name: [{"PutRequest": {"Item": item}} for item in items]})


# --- requests per second ---------------------------------------------------------------------------------------------


def _throughput(folder: Path) -> None:
    parameters = {"ApiRate": "100000", "ApiBurst": "100000", "PublicRate": "100000"}
    with (
        Around() as around,
        serving(Settings(home=folder / "home", port=0), config=around.config(), parameters=parameters) as stack,
    ):
        peer = trivial.deploy(stack)
        rows = [_rate(name, stack, peer, once) for name, once in (("POST /tasks", _post), ("GET /tasks/{id}", _get))]
    print(f"Requests per second on the emulator ({THREADS} clients, warm; the two taking turns, three times)\n")
    print(table(("", "taskhook", "function that does nothing", "ratio"), rows), "\n")


def _rate(name: str, stack: Stack, peer: str, once: Callable[[Stack, int], float]) -> tuple[str, ...]:
    once(stack, 100), post_all(peer, range(100), {})
    ours, theirs = [], []
    for _ in range(3):
        ours.append(REQUESTS / once(stack, REQUESTS))
        theirs.append(REQUESTS / post_all(peer, range(REQUESTS), {})[0])
    a, b = statistics.median(ours), statistics.median(theirs)
    return name, f"{a:.0f}", f"{b:.0f}", f"{a / b:.2f}"


def _post(stack: Stack, count: int) -> float:
    unique = time.monotonic_ns()
    bodies = [
        {"provider": "tencent.clb", "region": "ap-guangzhou", "task_id": f"forever-{unique}-{number}"}
        for number in range(count)
    ]
    seconds, _ = post_all(f"{stack.url}/tasks", bodies, {"x-api-key": stack.api_key})
    return seconds


def _get(stack: Stack, count: int) -> float:
    body = {"provider": "tencent.clb", "region": "ap-guangzhou", "task_id": "forever-shown"}
    headers = {"x-api-key": stack.api_key}
    id = requests.post(f"{stack.url}/tasks", json=body, headers=headers, timeout=60).json()["id"]
    path = f"{urlsplit(stack.url).path}/tasks/{id}"
    host = urlsplit(stack.url).netloc
    began = time.monotonic()
    threads = [threading.Thread(target=_gets, args=(host, path, headers, count // THREADS)) for _ in range(THREADS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return (time.monotonic() - began) * count / (count // THREADS * THREADS)


def _gets(host: str, path: str, headers: dict[str, str], count: int) -> None:
    connection = http.client.HTTPConnection(host, timeout=120)
    for _ in range(count):
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        if response.read() and response.status != 200:
            raise RuntimeError(f"{response.status}")
    connection.close()

"""Examples for the document, made by the code that makes the answers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from taskhook.api.choice import no_such_provider
from taskhook.api.door import BROKEN
from taskhook.api.models import TaskRequest
from taskhook.api.problem import FieldError, ProblemError, invalid
from taskhook.looks import Look
from taskhook.providers.catalogue import Catalogue
from taskhook.states import State
from taskhook.task import Delivery, DeliveryState, Estimate, Task, task_key
from taskhook.timeline import timeline

_BEGAN = 1_795_255_200.0
_CLB = "tencent.clb.DescribeTaskStatus"
_ID = "55c85074-3e7f-4c6d-864f-673660d4f8de"

QUEUED = Task(
    id=task_key(account="tencent", provider=_CLB, region="ap-guangzhou", task_id=_ID),
    provider=_CLB,
    account="tencent",
    region="ap-guangzhou",
    task_id=_ID,
    title="Create listener for shop.example",
    metadata={"ticket": "OPS-17"},
    submitted_at=_BEGAN,
    deadline=_BEGAN + 86_400,
    next_poll_at=_BEGAN,
    reason="waits for its first look",
    deliveries={"default": Delivery()},
)
RUNNING = replace(
    QUEUED,
    state=State.RUNNING,
    provider_state="2",
    polls=1,
    next_poll_at=_BEGAN + 3,
    reason="typical duration 6 s from 312 earlier tasks",
    typical=6.2,
    estimate=Estimate(at=_BEGAN + 6, earliest=_BEGAN + 4, latest=_BEGAN + 11),
    looks=(Look(at=_BEGAN + 0.4, state="running", said="2"),),
)
SUCCEEDED = replace(
    RUNNING,
    state=State.SUCCEEDED,
    provider_state="0",
    polls=2,
    observed_at=_BEGAN + 6.1,
    looked_at=_BEGAN + 3,
    next_poll_at=None,
    progress=1.0,
    looks=(*RUNNING.looks, Look(at=_BEGAN + 6.1, state="succeeded", said="0")),
    deliveries={"default": Delivery(state=DeliveryState.DELIVERED, attempts=1)},
)

EXAMPLES: Mapping[tuple[str, int], Any] = {
    ("postTask", 202): QUEUED.view(),
    ("postTask", 200): RUNNING.view(),
    ("getTask", 200): RUNNING.view(),
    ("stopTask", 200): replace(RUNNING, state=State.STOPPED, next_poll_at=None).view(),
    ("getTasks", 200): {"tasks": [SUCCEEDED.view()], "next_cursor": None},
    ("getTimeline", 200): {"timeline": [one.view() for one in timeline(SUCCEEDED)]},
    ("postTasks", 207): {
        "results": [
            {"status": 202, "task": QUEUED.view()},
            {
                "status": 422,
                "problem": invalid([FieldError("region", f"is required by {_CLB}, as in ap-guangzhou")]).body(),
            },
        ]
    },
}

_SCHEMA: Any = TaskRequest.model_config["json_schema_extra"]
_REQUEST: Mapping[str, Any] = _SCHEMA["examples"][0]
REQUESTS: Mapping[str, Any] = {
    "postTask": _REQUEST,
    "postTasks": {"tasks": [_REQUEST, {"provider": "alibaba.ecs", "task_id": "t-bp1", "region": "cn-hangzhou"}]},
    "putDestination": {"type": "webhook", "url": "https://ci.example.com/hook", "language": "en"},
    "releaseDeliveries": {"since": "2026-11-22T10:00:00Z", "dry_run": True},
}

PROBLEMS: Mapping[int, Any] = {
    400: ProblemError(400, "The body is not JSON: Expecting value (line 1, column 1).").body(),
    403: ProblemError(403, "The API key in the header x-api-key is missing or unknown.").body(),
    404: ProblemError(404, "There is no task with this id.").body(),
    409: ProblemError(409, "The task has ended already: it is 'succeeded'.").body(),
    413: ProblemError(413, "The body has 70000 bytes; at most 65536 are taken.").body(),
    422: invalid(
        [
            FieldError("provider", no_such_provider("tencent.cbl")),
            FieldError("notify[0].url", "must begin with https://"),
        ]
    ).body(),
    429: ProblemError(
        429, "There are more requests at once than the usage plan or the service allows; try again in a moment."
    ).body(),
    500: ProblemError(500, BROKEN).body(),
}

if Catalogue().find(_CLB) is None:
    raise RuntimeError("the examples speak of a provider that is gone")

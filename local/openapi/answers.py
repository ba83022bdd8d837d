"""What answers hold, as pydantic models: for openapi.json, and for the tests that hold every answer to them.

The functions do not import this: they would pay for it at each cold start.
"""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from taskhook import destinations
from taskhook.destinations.model import Verdict
from taskhook.schedule import Urgency
from taskhook.states import State
from taskhook.task import DeliveryState
from taskhook.timeline import KINDS

Moment = Annotated[AwareDatetime, Field(examples=["2026-11-21T10:00:00Z"])]
TaskId = Annotated[str, Field(pattern="^[a-z2-7]{26}$", examples=["nxhyjtxswf4b4ccqz55sghkxst"])]


class Answer(BaseModel):
    """Nothing is answered that stands in no model."""

    model_config = ConfigDict(extra="forbid")


class FieldFault(Answer):
    field: Annotated[str, Field(description="Its path, as in notify[0].url; empty for the whole body")]
    message: str


class Problem(Answer):
    """Problem details (RFC 9457)."""

    type: Literal["about:blank"]
    title: str
    status: int
    detail: str
    errors: Annotated[list[FieldFault], Field(description="All fields at fault", default_factory=list)]


class TaskError(Answer):
    code: str
    message: str
    hint: Annotated[str | None, Field(description="What to do about it")]


class Resource(Answer):
    id: str
    state: State


class Estimate(Answer):
    at: Moment
    earliest: Moment
    latest: Annotated[Moment, Field(description="Eight of ten tasks of its kind end between earliest and latest")]


class Delivery(Answer):
    destination: str
    state: DeliveryState
    reason: str | None
    attempts: int
    next_attempt_at: Moment | None


class Task(Answer):
    id: TaskId
    provider: str
    account: str
    region: str | None
    task_id: str
    title: str | None
    metadata: dict[str, Any]
    state: State
    provider_state: Annotated[str | None, Field(description="The provider's own word")]
    progress: Annotated[float | None, Field(ge=0, le=1)]
    message: str | None
    error: Annotated[TaskError | None, Field(description="Why it ended badly, or the trouble with the latest look")]
    resources: list[Resource]
    result: Annotated[Any, Field(description="What the provider gives as the task's result")]
    submitted_at: Moment
    started_at: Moment | None
    finished_at: Annotated[Moment | None, Field(description="The provider's own time of the end")]
    observed_at: Annotated[Moment | None, Field(description="When the end was first seen")]
    polls: int
    next_poll_at: Moment | None
    next_poll_reason: str | None
    estimate: Estimate | None
    typical_seconds: Annotated[float | None, Field(description="The median of its kind")]
    took_seconds: float | None
    seen_within_seconds: Annotated[float | None, Field(description="How late its end was seen, at most")]
    urgency: Urgency
    deadline: Moment
    deliveries: list[Delivery]


class Taken(Answer):
    status: Literal[200, 202]
    task: Task


class Refused(Answer):
    status: int
    problem: Problem


class Batch(Answer):
    results: Annotated[list[Taken | Refused], Field(description="In the order of the request")]


class Tasks(Answer):
    tasks: list[Task]
    next_cursor: Annotated[str | None, Field(description="null on the last page")]


class Event(Answer):
    at: Moment
    kind: Annotated[str, Field(json_schema_extra={"enum": list(KINDS)})]
    text: str
    good: bool | None
    destination: str | None
    planned: bool


class Timeline(Answer):
    timeline: list[Event]


class Attempt(Answer):
    at: Moment
    event: str
    verdict: Verdict
    status: int | None
    code: str | None
    seconds: float
    detail: str
    detail_zh: str | None
    answer: Annotated[str | None, Field(description="What the receiver said, without the destination's secrets")]


class LoggedDelivery(Delivery):
    first_attempt_at: Moment | None
    delivered_at: Moment | None
    log: list[Attempt]


class Deliveries(Answer):
    deliveries: list[LoggedDelivery]


class Filter(Answer):
    providers: list[str]
    accounts: list[str]
    states: list[str]
    metadata: dict[str, Any]


class Escalation(Answer):
    to: str
    after_seconds: int


class Destination(Answer):
    name: str
    type: Annotated[str, Field(json_schema_extra={"enum": list(destinations.TYPES)})]
    host: str
    language: str
    rate: str | None
    progress: bool
    filter: Filter
    escalate: Escalation | None
    state: Literal["ok", "dead", "paused"]
    reason: str | None
    code: str | None
    since: Moment | None
    held: int


class BrokenDestination(Answer):
    name: str
    state: Literal["broken"]
    reason: str
    held: int


class Destinations(Answer):
    destinations: list[Destination | BrokenDestination]


class Tested(Answer):
    destination: str
    verdict: Verdict
    status: int | None
    code: str | None
    detail: str
    detail_zh: str | None
    seconds: float
    released: Annotated[int, Field(description="Pieces of held news that go out now")]


class Released(Answer):
    destination: str
    dry_run: bool
    tasks: list[TaskId]
    count: int


class ProviderTaskId(Answer):
    form: str
    shape: str
    found: str
    paths: Annotated[list[str], Field(description="Where it stands in the JSON that started the task, as JMESPath")]
    example: str | None


class Provider(Answer):
    name: str
    short: str | None
    title: str
    cloud: Literal["tencent", "alibaba"]
    version: str | None
    task_id: ProviderTaskId
    region: str
    states: dict[State, list[str]]
    rate_limit: str | None
    batch: int | None
    note: str | None
    source: str | None
    origin: str


class BrokenEntry(Answer):
    entry: str
    line: int
    reason: str


class Providers(Answer):
    providers: list[Provider]
    broken: list[BrokenEntry]


class Health(Answer):
    status: Literal["ok"]
    version: str

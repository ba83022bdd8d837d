"""What requests hold, as pydantic models: they check a body's shape, and openapi.json is made from them."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SkipValidation, StrictBool, StrictInt, StrictStr, StringConstraints

from taskhook import destinations
from taskhook.schedule import Urgency

DEFAULT_TIMEOUT = 86_400
LONGEST_TIMEOUT = 30 * 86_400
LONGEST_TITLE = 200
MOST_DESTINATIONS = 10
MOST_TASKS = 100

NAME = r"[A-Za-z0-9_-]{1,64}"
"""Of an account or a destination: it becomes part of an SSM parameter's name."""

ONE_LINE = r"^[^\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]*$"
"""Without what would turn the direction of all that is written behind it."""

Word = Annotated[StrictStr, StringConstraints(strip_whitespace=True, min_length=1)]

type Unchecked[T] = Annotated[T, SkipValidation()]
"""As it came: our own checks report all faults of a body at once, those among them that no model can find."""

_STRICT = ConfigDict(extra="forbid", regex_engine="python-re")


class OwnDestination(BaseModel):
    """A destination for one task only. Each type has further members: docs/destinations.md."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, Field(description="What the address is", json_schema_extra={"enum": list(destinations.TYPES)})]
    url: Annotated[str | None, Field(description="An https address; as secret as any key. slack_bot needs none")] = None


Notify = Annotated[
    list[Annotated[str, StringConstraints(pattern=f"^{NAME}$")] | OwnDestination],
    Field(min_length=1, max_length=MOST_DESTINATIONS),
]


class TaskRequest(BaseModel):
    """The body of ``POST /tasks``."""

    model_config = ConfigDict(
        **_STRICT,
        json_schema_extra={
            "examples": [
                {
                    "provider": "tencent.clb",
                    "task_id": "55c85074-3e7f-4c6d-864f-673660d4f8de",
                    "region": "ap-guangzhou",
                    "notify": ["default"],
                    "title": "Create listener for shop.example",
                    "metadata": {"ticket": "OPS-17"},
                }
            ]
        },
    )

    provider: Annotated[Word, Field(description="A status API, as in tencent.clb: GET /providers lists them")]
    task_id: Annotated[
        Annotated[StrictStr, StringConstraints(min_length=1)] | StrictInt,
        Field(description="As that API gives it; with slashes where it needs more than one value"),
    ]
    region: Annotated[Word | None, Field(description="Where that API needs one, as in ap-guangzhou")] = None
    account: Annotated[Word | None, Field(description="A configured account; else the one named like the cloud")] = None
    notify: Annotated[
        Annotated[Notify, SkipValidation()],
        Field(description="Names of configured destinations, or destinations for this task only"),
    ] = ["default"]
    timeout_seconds: Annotated[StrictInt, Field(ge=1, le=LONGEST_TIMEOUT, description="How long to watch")] = (
        DEFAULT_TIMEOUT
    )
    urgency: Annotated[Urgency, Field(description="How much an early answer is worth")] = Urgency.NORMAL
    title: Annotated[
        Annotated[
            StrictStr,
            StringConstraints(max_length=LONGEST_TITLE, pattern=ONE_LINE),
        ]
        | None,
        Field(description="One line"),
    ] = None
    metadata: Annotated[dict[str, Any] | None, Field(description="Given back with the task; at most 8 KiB as JSON")] = (
        None
    )


class BatchRequest(BaseModel):
    """The body of ``POST /tasks/batch``: each task is taken or refused on its own."""

    model_config = _STRICT

    tasks: Annotated[list[Annotated[TaskRequest, SkipValidation()]], Field(min_length=1, max_length=MOST_TASKS)]


class ReleaseRequest(BaseModel):
    """The body of ``POST /destinations/{name}/deliveries``."""

    model_config = _STRICT

    since: Annotated[
        StrictStr | None,
        Field(description="Only news held since then", json_schema_extra={"format": "date-time"}),
    ] = None
    dry_run: Annotated[StrictBool, Field(description="Only say which tasks that would be")] = False

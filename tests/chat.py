"""What the tests of chat channels share: tasks of every kind of text, and the answers of chat services."""

import json
from collections.abc import Mapping
from typing import Any

import requests
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from taskhook.destinations.model import Language
from taskhook.http import Answer
from taskhook.states import State
from taskhook.task import Estimate, Problem, Resource, Task

START = 1_795_000_000.0
SHORT_ID = "55c85074-3e7f-4c6d-864f-673660d4f8de"
LANGUAGES = tuple(Language)


def build(**changes: Any) -> Task:
    known: dict[str, Any] = {
        "id": "abc",
        "provider": "tencent.clb.DescribeTaskStatus",
        "account": "prod",
        "region": "ap-guangzhou",
        "task_id": SHORT_ID,
        "submitted_at": START,
        "deadline": START + 86400,
        "state": State.SUCCEEDED,
        "title": "Create listener for shop.example",
        "observed_at": START + 200.0,
        "polls": 12,
    }
    return Task(**{**known, **changes})


def partly_failed() -> Task:
    return build(
        state=State.PARTIAL,
        provider_state="2",
        started_at=START + 10.0,
        finished_at=START + 180.0,
        observed_at=START + 183.0,
        error=Problem(code="Quota", message="no <b>more</b> & done", hint="Ask for a higher quota."),
        resources=(
            Resource(id="cpm-1", state=State.SUCCEEDED),
            Resource(id="cpm-2", state=State.FAILED),
            Resource(id="cpm-3", state=State.RUNNING),
        ),
    )


def running(**changes: Any) -> Task:
    soon = Estimate(at=START + 600.0, earliest=START + 300.0, latest=START + 900.0)
    return build(**{"state": State.RUNNING, "progress": 0.459, "estimate": soon, **changes})


def many(count: int, **changes: Any) -> list[Task]:
    """Most of them succeeded, and the last one failed."""
    good = [build(task_id=f"good-{number}", title=f"Machine {number}", **changes) for number in range(count - 1)]
    return [*good, build(task_id="bad-1", title="The bad one", state=State.FAILED, **changes)]


def answer(
    status: int, body: str | bytes = "", headers: Mapping[str, str] | None = None, *, truncated: bool = False
) -> Answer:
    content = body.encode(errors="replace") if isinstance(body, str) else body
    return Answer(
        status=status,
        headers=CaseInsensitiveDict(headers or {}),
        body=content,
        truncated=truncated,
        elapsed=0.1,
    )


def sent(request: requests.Request) -> dict[str, Any]:
    """The JSON that goes over the wire."""
    body = request.prepare().body
    assert isinstance(body, bytes)
    message: dict[str, Any] = json.loads(body)
    return message


def length(request: requests.Request) -> int:
    """Characters of the JSON, whatever their encoding."""
    return len(json.dumps(sent(request), ensure_ascii=False))


def units(text: str) -> int:
    """UTF-16, as browsers and most services count."""
    return len(text.encode("utf-16-le")) // 2


words = st.text(max_size=60) | st.text(
    alphabet='ab <&>*_`~|[]()#\\"\n\x07@é\u0301😀\u200d👍🏽🇩🇪שלוםمرحبا\u202e\u2066汉字\ud83d', max_size=60
)
hostile = st.sampled_from(
    [
        "@everyone",
        "@here <!channel> <@U1> <#C1|x>",
        "[click](https://evil.example)",
        "![](https://evil.example/x.png)",
        "<https://evil.example|ok>",
        "```\n# big\n- list\n> quote",
        "</b>*Why:* spoofed",
        "{{DATE(2026-01-01T00:00:00Z)}} <at>all</at>",
    ]
)
long_words = st.builds(lambda text, times: text * times, words | hostile, st.sampled_from([1, 1, 3, 100, 400]))
ids = st.from_regex(r"[A-Za-z0-9<&][A-Za-z0-9._:<&*`\\-]{0,120}", fullmatch=True)
problems = st.builds(Problem, code=long_words, message=long_words, hint=st.none() | long_words)
resources = st.lists(st.builds(Resource, id=long_words, state=st.sampled_from(State)), max_size=6)
ends = st.sampled_from([state for state in State if state.terminal])
tasks = st.builds(
    build,
    state=ends,
    title=st.none() | long_words,
    task_id=ids,
    account=long_words,
    region=st.none() | long_words,
    provider_state=st.none() | long_words,
    message=st.none() | long_words,
    error=st.none() | problems,
    resources=st.builds(lambda some, times: tuple(some * times), resources, st.sampled_from([1, 50])),
    polls=st.integers(0, 10**6),
)
going_on = st.builds(
    running,
    state=st.sampled_from([State.QUEUED, State.RUNNING]),
    title=st.none() | long_words,
    task_id=ids,
    account=long_words,
    provider_state=st.none() | long_words,
    progress=st.none() | st.floats(),
)
all_tasks = tasks | going_on
some_tasks = st.builds(
    lambda some, times: some * times, st.lists(tasks, min_size=1, max_size=5), st.sampled_from([1, 40])
)
languages = st.sampled_from(LANGUAGES)
relaxed = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)


def start_of(title: str) -> str:
    """As much of a title as no cut may take away, whatever is glued to its end."""
    return title[:20].rstrip()[:10].rstrip()

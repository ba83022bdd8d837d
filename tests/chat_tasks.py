"""Tasks to tell chats about, among them such as nobody hopes to see."""

import json
from typing import Any

import requests
from hypothesis import strategies as st

from taskhook.destinations.model import Channel, Destination
from taskhook.http import Answer
from taskhook.states import State
from taskhook.task import Problem, Resource, Task
from tests import chat
from tests.chat import START, long_words, problems, resources


def build(**changes: Any) -> Task:
    return chat.build(**{"task_id": "55c85074-3e7f", "looked_at": START + 150.0, **changes})


def failed(**changes: Any) -> Task:
    known: dict[str, Any] = {
        "state": State.PARTIAL,
        "provider_state": "2",
        "error": Problem(code="Quota_Exceeded", message="no <b>more</b> & done", hint="Ask for a higher quota."),
        "resources": (
            Resource(id="cpm-1", state=State.SUCCEEDED),
            Resource(id="cpm_2", state=State.FAILED),
            Resource(id="cpm-3", state=State.RUNNING),
        ),
    }
    return build(**{**known, **changes})


def hostile() -> Task:
    """Everything that a provider or a caller can write is an attempt to be more than text."""
    sly = "[a](http://x) ![b](y) <at user_id='all'></at> <@U1> @all @所有人 <font color='red'>c</font> **d** `e` &lt;f"
    return failed(
        title=sly,
        account=sly,
        region=sly,
        task_id=sly,
        provider_state=sly,
        error=Problem(code=sly, message=sly, hint=sly),
        resources=(Resource(id=sly, state=State.FAILED),),
    )


ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,120}", fullmatch=True)
tasks = st.builds(
    build,
    state=st.sampled_from([state for state in State if state is not State.STOPPED]),
    title=st.none() | long_words,
    task_id=ids,
    account=long_words,
    region=st.none() | long_words,
    provider_state=st.none() | long_words,
    message=st.none() | long_words,
    error=st.none() | problems,
    resources=st.builds(lambda some, times: tuple(some * times), resources, st.sampled_from([1, 50])),
    progress=st.none() | st.floats(0, 1),
    polls=st.integers(0, 10**6),
)


def answer(body: Any = b"", status: int = 200) -> Answer:
    """Bytes as they are, a text as UTF-8, anything else as JSON."""
    text = body if isinstance(body, str | bytes) else json.dumps(body, ensure_ascii=False)
    content = text.encode() if isinstance(text, str) else text
    return Answer(status=status, headers={}, body=content, truncated=False, elapsed=0.1)


def sent(request: requests.Request) -> bytes:
    body = request.prepare().body
    assert isinstance(body, bytes)
    return body


def payload(request: requests.Request) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sent(request))
    return found


def all_forms(channel: Channel, destination: Destination, task: Task) -> list[bytes]:
    return [sent(form(destination, task, START)) for form in channel.forms]


def shown(body: bytes) -> str:
    """Every text that a message shows, in the order in which people read it."""
    return "\n".join(_texts(json.loads(body)))


def _texts(part: Any) -> list[str]:
    match part:
        case {"tag": "plain_text", "content": text} | {"msgtype": "markdown", "markdown": {"text": text}}:
            return [text]
        case {"msgtype": str(), "text": {"content": text}} | {"msgtype": str(), "markdown": {"content": text}}:
            return [text]
        case {"msg_type": "text", "content": {"text": text}}:
            return [text]
        case dict():
            return [text for one in part.values() for text in _texts(one)]
        case list():
            return [text for one in part for text in _texts(one)]
    return []

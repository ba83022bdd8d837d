"""What data cannot say of Tencent Cloud's media services, MPS and VOD: whether a task that has ended has succeeded.

Their tasks end in FINISH, however they went. How they went is told by the object that is named after ``TaskType``: by
its own code, and by those of its parts, of which there is one for each thing to be done (a transcoding, a review...).

Source: the model of ``DescribeTaskDetailResponse`` and of all that it holds, in tencentcloud-sdk-python 3.1.195,
mps/v20190612 and vod/v20180717.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from taskhook.providers import observing, reading
from taskhook.providers.model import Observation, Path, Provider
from taskhook.states import State
from taskhook.task import Resource

type Item = Mapping[str, Any]

_CODES = ("ErrCodeExt", "ErrCode")
"""The newer one, a word, and the older one, a number. An object may have either or both."""
_FINE = ("", "0", "SUCCESS")
_STATUS = {"SUCCESS": State.SUCCEEDED, "FAIL": State.FAILED, "PROCESSING": State.RUNNING, "WAITING": State.RUNNING}
_DATA = ("Input", "Output", "MetaData")
"""Members that hold no parts."""
_LISTS = ("ResultSet", "SubTaskSet")
"""How the lists of parts end. The own code of a task that has such lists says only that its source could be read."""


def observe(provider: Provider, body: Item) -> Observation:
    word = reading.word(provider.status.search(body))
    kind, task = _task(body)
    parts = [(path, part, _verdict(part)) for path, part in _parts(task)]
    state = provider.state(word)
    if state is State.SUCCEEDED:
        state = _judged(task, [verdict for _, _, verdict in parts])
        word = word if state is not None else f"{word}, with no code for {kind}"[: reading.LONGEST_WORD]
    resources = tuple(Resource(id=path[:128], state=verdict or State.RUNNING) for path, _, verdict in parts)
    failed = next((one for one in [task, *(part for _, part, _ in parts)] if _verdict(one) is State.FAILED), {})
    return Observation(
        state=state or State.RUNNING,
        provider_state=word,
        known=state is not None,
        progress=_progress(task, resources),
        error=observing.problem(
            provider,
            state or State.RUNNING,
            word=word,
            message=reading.text(reading.get(failed, "Message")),
            code=next((code for code in _codes(failed) if code not in _FINE), None),
            resources=resources,
        ),
        resources=observing.worst_first(resources),
        result=reading.result(_at(provider.result, body)) if state in (State.SUCCEEDED, State.PARTIAL) else None,
        started_at=reading.instant(_at(provider.started_at, body)),
        finished_at=reading.instant(_at(provider.finished_at, body)) if state and state.terminal else None,
        request_id=reading.text(reading.get(body, "RequestId")),
        type=observing.kind(provider, [body]),
    )


def _task(body: Item) -> tuple[str, Item]:
    """The type and its object: ``EditMedia`` is ``EditMediaTask``, ``ImageSprite`` is ``CreateImageSpriteTask``."""
    kind = reading.word(reading.get(body, "TaskType")) or "this task"
    named = (reading.mapping(reading.get(body, name)) for name in (f"{kind}Task", kind, f"Create{kind}Task"))
    return kind, next((one for one in named if one is not None), {})


def _parts(value: Any, path: str = "") -> Iterator[tuple[str, Item]]:
    """Everything within a task that has a code of its own, and where it is."""
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from _parts(one, f"{path}[{number}]")
    elif isinstance(value, dict) and path and (_verdict(value) or any(name in value for name in _CODES)):
        yield path, value
    elif isinstance(value, dict):
        for name, one in value.items():
            if name not in _DATA:
                yield from _parts(one, f"{path}.{name}".lstrip("."))


def _verdict(item: Item) -> State | None:
    """What an object says of itself, None if nothing. A code other than that of success outweighs its status."""
    codes = _codes(item)
    if any(code not in _FINE for code in codes):
        return State.FAILED
    status = _STATUS.get(reading.word(reading.get(item, "Status")) or "")
    return status or (State.SUCCEEDED if codes else None)


def _codes(item: Item) -> list[str]:
    found = (reading.get(item, name) for name in _CODES)
    texts = (one.strip() if isinstance(one, str) else reading.word(one) for one in found)
    return [one for one in texts if one is not None]


def _judged(task: Item, verdicts: list[State | None]) -> State | None:
    """How a finished task went, None where nothing says so: that is never a success."""
    own = _verdict(task)
    if own in (State.FAILED, State.RUNNING):
        return own
    known = [one for one in verdicts if one is not None]
    if len(known) < len(verdicts):
        return State.RUNNING if State.RUNNING in known else None
    if known:
        return observing.together(known)
    return None if any(name.endswith(_LISTS) for name in task) else own


def _progress(task: Item, parts: tuple[Resource, ...]) -> float | None:
    percent = reading.number(reading.get(task, "Progress"))
    if percent is not None:
        return min(max(percent / 100, 0.0), 1.0)
    return sum(one.state.terminal for one in parts) / len(parts) if parts else None


def _at(path: Path | None, body: Item) -> Any:
    return path.search(body) if path is not None else None

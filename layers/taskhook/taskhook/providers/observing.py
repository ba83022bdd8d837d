"""What an answer says of a task: words to states, lists to one state, and nothing guessed."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from taskhook.providers import filling, reading
from taskhook.providers.model import Observation, Path, Provider, Refusal, Trouble, Values
from taskhook.states import State
from taskhook.task import Problem, Resource

type Body = Mapping[str, Any]

_NOT_FOUND_HINT = "Check task id, region and account: the provider does not know this task there."


def items(provider: Provider, body: Body, known: Values) -> list[Any]:
    """The parts of an answer that are about the task: the one that ``at`` names, or those of a list.

    There may be none: an empty list is no task, never a success.
    """
    if provider.at is None:
        return [body]
    place = provider.at.search(body)
    found = [place] if isinstance(place, dict) and place else place
    return [one for one in found if _matches(provider, one, known)] if isinstance(found, list) else []


def count(provider: Provider, body: Body) -> int:
    """How many items an answer holds, of this task or of others."""
    place = provider.at.search(body) if provider.at is not None else None
    return len(place) if isinstance(place, list) else int(bool(place))


def _matches(provider: Provider, item: Any, known: Values) -> bool:
    return all(
        reading.word(path.search(item)) == filling.text(text, known, 0.0) for path, text in provider.where.values()
    )


def not_found(others: bool) -> Refusal:
    """What to make of an answer without the task. ``others``: it holds something, but about something else."""
    if others:
        message = "the provider's answer is about something else: another operation has taken this one's place"
    else:
        message = "the provider's answer holds no such task"
    return Refusal(
        trouble=Trouble.NOT_FOUND,
        problem=Problem(code="TaskNotFound", message=message, hint=_NOT_FOUND_HINT),
    )


def observe(provider: Provider, body: Body, found: Sequence[Any]) -> Observation:
    """The state of the task, from all its parts in the answer."""
    if provider.code is not None:
        seen: Observation = import_module(f"taskhook.providers.{provider.code}").observe(provider, body)
        return seen
    parts = [_part(provider, item) for item in found]
    state = together([state or State.RUNNING for state, _ in parts])
    resources = _resources(provider, found, parts)
    message = _first_text(provider.message, found)
    return Observation(
        state=state,
        provider_state=_words(parts),
        known=all(one is not None for one, _ in parts),
        passing=state.terminal and any((word or "").casefold() in provider.passing for _, word in parts),
        progress=_progress(provider, found, resources),
        message=message,
        error=problem(
            provider,
            state,
            word=_words(parts),
            message=_first_text(provider.reason, found) or message,
            code=_code(provider, found),
            resources=resources,
        ),
        resources=worst_first(resources),
        result=_result(provider, found) if state.terminal else None,
        started_at=_instant(provider.started_at, found, min),
        finished_at=_instant(provider.finished_at, found, max) if state.terminal else None,
        request_id=reading.text(reading.get(body, "RequestId")),
        type=kind(provider, found),
    )


def kind(provider: Provider, found: Sequence[Any]) -> str | None:
    """What kind of task the provider says that it is, of the first part that says so."""
    if provider.type is None:
        return None
    return next((one for item in found if (one := reading.word(provider.type.search(item)))), None)


def _part(provider: Provider, item: Any) -> tuple[State | None, str | None]:
    """The state of one part, None where its word is unknown; and the word."""
    word = reading.word(provider.status.search(item))
    state = provider.state(word)
    if _holds(provider.failed_if, item):
        return State.FAILED, word
    if state is State.SUCCEEDED and _holds(provider.partial_if, item):
        return State.PARTIAL, word
    return state, word


def _holds(condition: Path | None, item: Any) -> bool:
    return condition is not None and condition.search(item) is True


def together(states: Sequence[State]) -> State:
    """One state for many: running if any runs, else what they have in common, else partly done."""
    distinct = set(states)
    if State.RUNNING in distinct:
        return State.RUNNING
    if len(distinct) == 1:
        return states[0]
    return State.PARTIAL if distinct & {State.SUCCEEDED, State.PARTIAL} else State.FAILED


def _words(parts: Sequence[tuple[State | None, str | None]]) -> str | None:
    """The word of the task; those of its parts where they differ."""
    words = dict.fromkeys(word for _, word in parts if word is not None)
    return ", ".join(words)[: reading.LONGEST_WORD] or None


def _resources(
    provider: Provider, found: Sequence[Any], parts: Sequence[tuple[State | None, str | None]]
) -> tuple[Resource, ...]:
    if provider.resource is not None:
        named = (
            (reading.word(provider.resource.search(item)), state) for item, (state, _) in zip(found, parts, strict=True)
        )
        return tuple(Resource(id=name, state=state or State.RUNNING) for name, state in named if name)
    if provider.resources is None:
        return ()
    listed = [one for item in found for one in _list(provider.resources.search(item))]
    return tuple(one for item in listed if (one := _resource(provider, item)) is not None)


def _resource(provider: Provider, item: Any) -> Resource | None:
    """One of ``resources``: an object with an id and a status in the words of this API."""
    name = reading.word(reading.get(reading.mapping(item), "id"))
    state = provider.state(reading.word(reading.get(reading.mapping(item), "status")))
    return Resource(id=name, state=state or State.RUNNING) if name else None


def worst_first(resources: tuple[Resource, ...]) -> tuple[Resource, ...]:
    """Where some have to be left out of the record, it is those that succeeded; the order stays otherwise."""
    if len(resources) <= reading.MOST_RESOURCES:
        return resources
    return tuple(sorted(resources, key=lambda one: one.state is State.SUCCEEDED)[: reading.MOST_RESOURCES])


def _progress(provider: Provider, found: Sequence[Any], resources: Sequence[Resource]) -> float | None:
    """From 0 to 1: what the provider says, averaged over the parts; else how many of them have ended."""
    if provider.progress is not None:
        shares = [one for item in found if (one := _share(*provider.progress, item)) is not None]
        return sum(shares) / len(shares) if shares else None
    return sum(one.state.terminal for one in resources) / len(resources) if resources else None


def _share(done: Path, whole: Path, item: Any) -> float | None:
    part, total = reading.number(done.search(item)), reading.number(whole.search(item))
    return min(max(part / total, 0.0), 1.0) if part is not None and total else None


def problem(
    provider: Provider,
    state: State,
    *,
    word: str | None,
    message: str | None = None,
    code: str | None = None,
    resources: Sequence[Resource] = (),
) -> Problem | None:
    """Why a task did not succeed, as far as the provider says; the parts that failed are a reason too."""
    if state not in (State.FAILED, State.PARTIAL):
        return None
    failed = [one.id for one in resources if one.state is State.FAILED]
    named = ", ".join(failed[:10]) + (f" and {len(failed) - 10} more" if len(failed) > 10 else "")
    reasons = [message, f"{len(failed)} of {len(resources)} failed: {named}" if failed else None]
    said = "; ".join(one for one in reasons if one)
    return Problem(
        code=code or word or state.value,
        message=said or f"the provider reports '{word}' and gives no reason",
        hint=provider.hint or _hint(provider, state),
    )


def _hint(provider: Provider, state: State) -> str:
    cloud = {"tencent": "Tencent Cloud", "alibaba": "Alibaba Cloud"}[provider.cloud]
    what = "failed" if state is State.FAILED else "succeeded in part only"
    return (
        f"The operation itself {what}. Look at it in the {cloud} console ({provider.title}), "
        "remove the cause, and start it again."
    )


def _first_text(path: Path | None, found: Sequence[Any]) -> str | None:
    """What the provider says, of the first part that says anything. A list of texts says its first one."""
    if path is None:
        return None
    said = (reading.text(one) for item in found for one in _list(path.search(item)))
    return next((one for one in said if one is not None), None)


def _code(provider: Provider, found: Sequence[Any]) -> str | None:
    if provider.error_code is None:
        return None
    return next((one for item in found if (one := reading.word(provider.error_code.search(item)))), None)


def _result(provider: Provider, found: Sequence[Any]) -> Any:
    """The result, read out of a text that holds JSON, as some APIs wrap it."""
    if provider.result is None:
        return None
    results = [one for item in found if (one := reading.result(provider.result.search(item))) is not None]
    return (results[0] if len(results) == 1 else reading.bounded(results)) if results else None


def _instant(path: Path | None, found: Sequence[Any], choose: Any) -> float | None:
    if path is None:
        return None
    known = [one for item in found if (one := reading.instant(path.search(item))) is not None]
    chosen: float | None = choose(known) if known else None
    return chosen


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]

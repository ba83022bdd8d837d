"""What Hypothesis draws from: tasks with everything in them, and JSON of any shape."""

from typing import Any

from hypothesis import strategies as st

from taskhook.schedule import Urgency
from taskhook.states import State
from taskhook.task import Attempt, Delivery, DeliveryState, Estimate, Problem, Resource, Task

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
some_text = texts.filter(bool)
times = st.floats(0, 2e9).map(lambda value: round(value, 3))
moments = st.floats(1, 2e9).map(lambda value: round(value, 3))
numbers = st.integers(0, 2**40)

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
json_values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
json_objects = st.dictionaries(texts, json_values, max_size=5)

problems = st.builds(Problem, code=some_text, message=texts, hint=st.none() | texts)
resources = st.lists(st.builds(Resource, id=some_text, state=st.sampled_from(State)), max_size=3).map(tuple)
attempts = st.builds(
    Attempt,
    at=times,
    verdict=some_text,
    status=st.none() | st.integers(100, 599),
    seconds=times,
    detail=texts,
    event=some_text,
    code=st.none() | some_text,
    detail_zh=texts,
)
deliveries = st.builds(
    Delivery,
    state=st.sampled_from(DeliveryState),
    attempts=numbers,
    tries=numbers,
    next_attempt_at=st.none() | moments,
    log=st.lists(attempts, max_size=3).map(tuple),
    reason=st.none() | some_text,
    forced=st.booleans(),
    slot=st.none() | moments,
    live=st.booleans(),
    message=st.none() | st.dictionaries(some_text, texts, min_size=1, max_size=2),
    first_at=st.none() | moments,
    told_at=st.none() | moments,
)
tasks = st.builds(
    Task,
    id=st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=26, max_size=26),
    provider=some_text,
    account=some_text,
    region=st.none() | some_text,
    task_id=some_text,
    submitted_at=times,
    deadline=times,
    title=st.none() | some_text,
    metadata=json_objects,
    state=st.sampled_from(State),
    provider_state=st.none() | texts,
    progress=st.none() | st.floats(0, 1).map(lambda value: round(value, 4)),
    message=st.none() | texts,
    error=st.none() | problems,
    resources=resources,
    result=json_values,
    request_id=st.none() | texts,
    started_at=st.none() | times,
    finished_at=st.none() | times,
    observed_at=st.none() | times,
    polls=numbers,
    next_poll_at=st.none() | times,
    deliveries=st.dictionaries(some_text, deliveries, max_size=3),
    sealed=st.dictionaries(some_text, texts, max_size=2),
    watch=st.integers(1, 2**31),
    watch_since=times,
    restarts=numbers,
    troubles=numbers,
    trouble_since=st.none() | times,
    paused=st.none() | some_text,
    urgency=st.sampled_from([one.value for one in Urgency]),
    wakes=numbers,
    looked_at=st.none() | times,
    marks=st.lists(st.tuples(times, st.floats(0, 1).map(lambda value: round(value, 4))), max_size=3).map(tuple),
    steady=st.booleans(),
    reason=st.none() | some_text,
    estimate=st.none() | st.builds(Estimate, at=times, earliest=times, latest=times),
)

"""Every entry of the catalogue as the simulator plays it, through taskhook's own eyes."""

from dataclasses import replace

import pytest

from local.simulator.lives import REASON, Dialect
from taskhook.providers import catalogue, filling, reading
from taskhook.providers.model import Observation, Provider, Refusal, Trouble
from taskhook.states import State
from tests.simulated import MACHINE_COUNT, ORACLES, World, can_fail, id_of

pytestmark = ORACLES


NAMES = catalogue.names()


@pytest.mark.parametrize("name", NAMES)
def test_taskhook_reads_every_entry_as_it_is_played(world: World, name: str) -> None:
    provider = world.find(name)
    running, succeeded = (world.look(provider, id_of(provider, life)) for life in ("forever", "instant"))
    assert isinstance(running, Observation)
    assert isinstance(succeeded, Observation)
    assert (running.state, running.known, running.error) == (State.RUNNING, True, None)
    assert (succeeded.state, succeeded.known, succeeded.error) == (State.SUCCEEDED, True, None)
    if provider.progress is not None:
        assert (running.progress, succeeded.progress) == (0.0, 1.0)
    if provider.resource is not None or provider.resources is not None:
        assert [one.state for one in running.resources] == [State.RUNNING] * MACHINE_COUNT
        assert [one.state for one in succeeded.resources] == [State.SUCCEEDED] * MACHINE_COUNT
    if provider.result is not None:
        assert succeeded.result
    [entry] = world.sim.log.of(id_of(provider, "instant"), log_name(provider))
    assert entry.verdict == "answered succeeded"


def log_name(provider: Provider) -> str:
    file = catalogue.built_in(provider.name.rpartition(".")[0])
    assert file is not None
    return file.service if provider.name.endswith(f".{file.usual}") else provider.name


@pytest.mark.parametrize("name", NAMES)
def test_taskhook_reads_every_failure_as_it_is_played(world: World, name: str) -> None:
    provider = world.find(name)
    assert isinstance(first := world.look(provider, id_of(provider, "failing")), Observation)
    assert first.state is State.RUNNING
    world.clock.now += 3
    assert isinstance(failed := world.look(provider, id_of(provider, "failing")), Observation)
    assert failed.state is (State.FAILED if can_fail(provider) else State.RUNNING)
    if can_fail(provider) and (provider.message or provider.reason):
        assert failed.error is not None
        assert REASON in failed.error.message


@pytest.mark.parametrize("name", NAMES)
def test_taskhook_reads_every_other_ending_as_it_is_played(world: World, name: str) -> None:
    provider = world.find(name)
    failed = State.FAILED if can_fail(provider) else State.RUNNING
    parted = State.PARTIAL in provider.words.values() or provider.partial_if or provider.resource or provider.code
    canceled = State.CANCELED if State.CANCELED in provider.words.values() else failed
    expected = {"partial": State.PARTIAL if parted else failed, "canceled": canceled, "expired": failed}
    for life in expected:
        world.look(provider, id_of(provider, life))
    world.clock.now += 4
    seen = {life: world.look(provider, id_of(provider, life)) for life in expected}
    assert {life: getattr(one, "state", one) for life, one in seen.items()} == expected


@pytest.mark.parametrize("name", NAMES)
def test_taskhook_reads_every_refusal_as_it_is_played(world: World, name: str) -> None:
    provider = world.find(name)
    for life, trouble in (("missing", Trouble.NOT_FOUND), ("throttled", Trouble.THROTTLED)):
        seen = world.look(provider, id_of(provider, life))
        assert isinstance(seen, Refusal)
        assert seen.trouble is trouble, seen
    strange = world.look(provider, id_of(provider, "unknown-word"))
    assert isinstance(strange, Observation)
    assert (strange.state, strange.known) == (State.RUNNING, False)


@pytest.mark.parametrize("name", NAMES)
def test_taskhook_reads_every_entry_in_every_dialect(world: World, name: str) -> None:
    provider = world.find(name)
    states = []
    for _ in range(len(Dialect) + 1):
        seen = world.look(provider, id_of(provider, "odd"))
        assert isinstance(seen, Observation), seen
        assert seen.known
        states.append(seen.state)
    assert states == [State.RUNNING] * len(Dialect) + [State.SUCCEEDED]


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_held_to_its_entry(world: World, name: str) -> None:
    provider = world.find(name)
    task_id = id_of(provider, "instant")
    unknown, missing, invalid = {
        "tc3": ("UnknownParameter", "MissingParameter", "InvalidParameter"),
        "v2": ("4000", "4000", "10001"),
    }.get(provider.style, ("InvalidParameter", "MissingParameter", "InvalidParameter"))
    assert world.refused(replace(provider, send={**provider.send, "Surplus": "x"}), task_id) == unknown
    optional = {part.name for part in provider.task_id.parts if part.optional}
    for parameter in provider.send:
        if optional & set(filling.names(provider.send[parameter])):
            continue
        others = {one: value for one, value in provider.send.items() if one != parameter}
        assert world.refused(replace(provider, send=others), task_id) == missing
        wrong = {**provider.send, parameter: " "}
        assert world.refused(replace(provider, send=wrong), task_id) == invalid
    for part in provider.task_id.parts:
        if part.integer and not part.optional and provider.style == "tc3":
            texts = tuple(replace(one, integer=False) for one in provider.task_id.parts)
            as_text = replace(provider, task_id=replace(provider.task_id, parts=texts))
            assert world.refused(as_text, task_id) == invalid


@pytest.mark.parametrize("name", NAMES)
def test_the_first_item_is_of_another_task(world: World, name: str) -> None:
    provider = world.find(name)
    if not provider.where:
        return
    task_id = id_of(provider, "instant")
    world.look(provider, task_id)
    body = world.bodies[-1]
    listed = provider.at.search(body["Response"] if provider.style == "tc3" else body) if provider.at else None
    assert isinstance(listed, list)
    known = provider.task_id.values(task_id)
    matches = [
        all(reading.word(path.search(item)) == filling.text(text, known, 0.0) for path, text in provider.where.values())
        for item in listed
    ]
    assert matches[0] is False
    assert any(matches)
    assert provider.state(reading.word(provider.status.search(listed[0]))) is State.RUNNING

"""Requests for many tasks at once: the simulator answers each as if it had been asked for alone.

Such requests are put together here from taskhook's requests for one task, and their answers are read by taskhook's own
code, task by task.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import requests

from local.simulator import Asked, Fault, Life, Simulator, Step
from local.simulator.lives import Dialect
from taskhook import http as http_door
from taskhook.providers import asking, catalogue, filling, observing
from taskhook.providers.model import Observation, Outcome, Provider, Refusal, Trouble
from taskhook.states import State
from tests.conftest import Clock
from tests.simulated import MACHINE_COUNT, ORACLES, World, id_of

pytestmark = ORACLES

NAMES = [
    name
    for name in catalogue.names()
    if (provider := catalogue.Catalogue().find(name)) is not None and provider.batch is not None
]
SPOILT = {
    "tencent.as.DescribeAutoScalingActivities": "InvalidParameterValue.InvalidActivityId",
    "tencent.tat.DescribeInvocations": "InvalidParameterValue.InvalidInvocationId",
}
OWN = {
    "tencent.flock": """
        title = "A list of objects"
        version = "2020-01-01"
        sdk = "none"
        [DescribeJobs]
        task_id = "{Zone}/{JobId:int}"
        found = "nowhere"
        send = { Jobs = [{ Zone = "{Zone}", Id = "{JobId}" }], Limit = 100 }
        at = "Jobs"
        where = { Zone = "{Zone}", Id = "{JobId}" }
        status = "Status"
        states = { running = [0], succeeded = [1], failed = [2] }
        errors = { not_found = ["InvalidParameterValue.NoSuchJob"] }
        batch = { most = 3 }
    """,
    "alibaba.flock": """
        title = "In pages"
        version = "2020-01-01"
        sdk = "none"
        rate = "2/min"
        [ListTargets]
        task_id = "{Cluster}/{JobId}"
        found = "nowhere"
        send = { Cluster = "{Cluster}", JobIds = "{JobId}", PageSize = 2 }
        pages = { size = 2, number = "Page", total = "Total" }
        at = "Data.Targets"
        where = { Job = "{JobId}" }
        resource = "Name"
        status = "Status"
        states = { running = ["on"], succeeded = ["done"], failed = ["bad"] }
        batch = { most = 3, join = "+" }
    """,
}


@pytest.fixture
def world() -> Iterator[World]:
    clock = Clock()
    with Simulator(own=OWN, clock=clock, hang_seconds=0.05) as simulator:
        yield World(simulator, clock, OWN)


def ids_of(provider: Provider, life: str, count: int) -> list[str]:
    """``count`` ids that ask for the same life."""
    first = id_of(provider, life)
    return [first + str(number) for number in range(count)]


def together(world: World, provider: Provider, task_ids: Sequence[str]) -> Provider:
    """The entry with the parameters of one request for all: lists concatenated, texts joined, all else the same."""
    questions = [world.question(provider, task_id) for task_id in task_ids]
    each = [
        filling.filled(provider.send, filling.values(provider.task_id, question), world.clock.now)
        for question in questions
    ]
    return replace(provider, send=merged(provider, provider.send, each))


def merged(provider: Provider, template: Any, each: list[Any]) -> Any:
    names_the_task = provider.task_id.parts[-1].name in filling.names(template)
    if isinstance(template, list) and names_the_task:
        return [item for items in each for item in items]
    if isinstance(template, str) and names_the_task:
        assert provider.batch is not None
        assert provider.batch.join is not None
        return provider.batch.join.join(each)
    if isinstance(template, dict):
        return {name: merged(provider, value, [one[name] for one in each]) for name, value in template.items()}
    assert all(one == each[0] for one in each)
    return each[0]


def ask(world: World, provider: Provider, task_ids: Sequence[str]) -> dict[str, Outcome]:
    """What taskhook reads of each task in the answer to one request for all; each page is asked for once."""
    whole = together(world, provider, task_ids)
    answers: dict[str, http_door.Answer] = {}

    def send(request: requests.Request) -> http_door.Answer:
        page = repr((request.params, request.json))
        if page not in answers:
            answers[page] = world.send(request)
        return answers[page]

    return {task_id: asking.look(whole, world.question(provider, task_id), send) for task_id in task_ids}


def states(seen: dict[str, Outcome]) -> list[State | Trouble]:
    return [one.state if isinstance(one, Observation) else one.trouble for one in seen.values()]


def code(seen: Outcome) -> str:
    assert isinstance(seen, Refusal), seen
    return seen.problem.code


def inner(world: World, provider: Provider) -> Any:
    """The last answer as ``observing`` reads it."""
    return world.bodies[-1]["Response"] if provider.style == "tc3" else world.bodies[-1]


def test_there_are_batches_of_both_kinds_in_both_clouds() -> None:
    found = [catalogue.Catalogue().find(name) for name in NAMES]
    kinds = {(one.cloud, one.batch.join) for one in found if one is not None and one.batch is not None}
    assert kinds == {("tencent", None), ("alibaba", None), ("alibaba", ",")}


# --- every entry of the catalogue ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_each_task_is_answered_as_its_own_life_goes(world: World, name: str) -> None:
    provider = world.find(name)
    task_ids = [id_of(provider, life) for life in ("forever", "failing", "instant")]
    assert states(ask(world, provider, task_ids)) == [State.RUNNING, State.RUNNING, State.SUCCEEDED]
    world.clock.now += 3
    seen = ask(world, provider, task_ids)
    assert states(seen) == [State.RUNNING, State.FAILED, State.SUCCEEDED]
    if provider.resource is not None or provider.resources is not None:
        assert [len(one.resources) for one in seen.values() if isinstance(one, Observation)] == [MACHINE_COUNT] * 3
    assert [(entry.ids, entry.task_id, entry.poll) for entry in world.sim.log] == [(3, None, 0)] * 2
    [_, last] = world.sim.log
    assert last.asked == (
        Asked(task_id=task_ids[0], verdict="answered running", poll=2),
        Asked(task_id=task_ids[1], verdict="answered failed", poll=2),
        Asked(task_id=task_ids[2], verdict="answered succeeded", poll=2),
    )
    assert last.verdict == "answered running, answered failed, answered succeeded"


@pytest.mark.parametrize("name", NAMES)
def test_each_item_is_of_one_task_and_in_no_order_to_count_on(world: World, name: str) -> None:
    provider = world.find(name)
    task_ids = ids_of(provider, "instant", 3)
    ask(world, provider, task_ids)
    body = inner(world, provider)
    known = [filling.values(provider.task_id, world.question(provider, task_id)) for task_id in task_ids]
    found = [observing.items(provider, body, one) for one in known]
    assert [len(items) for items in found] == [MACHINE_COUNT if provider.resource is not None else 1] * 3
    assert provider.at is not None
    stranger, *listed = provider.at.search(body)
    assert listed == [item for items in reversed(found) for item in items]
    assert not any(observing.items(provider, {**body, **_only(provider, stranger)}, one) for one in known)


def _only(provider: Provider, item: Any) -> dict[str, Any]:
    """An answer with one item."""
    assert provider.at is not None
    first, _, rest = provider.at.expression.partition(".")
    return {first: {rest: [item]} if rest else [item]}


@pytest.mark.parametrize("name", NAMES)
def test_a_task_lives_by_its_own_clock_whoever_is_asked_for_with_it(world: World, name: str) -> None:
    provider = world.find(name)
    early, late = ids_of(provider, "quick", 2)
    assert isinstance(seen := world.look(provider, early), Observation)
    assert seen.state is State.RUNNING
    world.clock.now += 2
    assert states(ask(world, provider, [late, early])) == [State.RUNNING, State.SUCCEEDED]
    assert [entry.poll for entry in world.sim.log.of(early)] == [1, 2]
    assert [entry.poll for entry in world.sim.log.of(late)] == [1]


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_id_is_left_out_or_spoils_the_request(world: World, name: str) -> None:
    provider = world.find(name)
    known, unknown = id_of(provider, "instant"), id_of(provider, "missing")
    seen = ask(world, provider, [known, unknown])
    [entry] = world.sim.log
    if name in SPOILT:
        assert [code(one) for one in seen.values()] == [SPOILT[name]] * 2
        assert entry.verdict == "fault not-found"
    else:
        assert states(seen) == [State.SUCCEEDED, Trouble.NOT_FOUND]
        assert [one.verdict for one in entry.asked] == ["answered succeeded", "fault not-found"]


@pytest.mark.parametrize("name", NAMES)
def test_of_unknown_ids_only_there_is_nothing_to_tell(world: World, name: str) -> None:
    provider = world.find(name)
    seen = ask(world, provider, ids_of(provider, "missing", 2))
    assert [code(one) for one in seen.values()] == [SPOILT.get(name, "TaskNotFound")] * 2
    assert world.refused(provider, id_of(provider, "missing"))
    assert [entry.verdict for entry in world.sim.log] == ["fault not-found"] * 2


@pytest.mark.parametrize("name", NAMES)
def test_as_many_are_answered_as_the_entry_says_and_more_are_refused(world: World, name: str) -> None:
    provider = world.find(name)
    assert provider.batch is not None
    most = provider.batch.most
    task_ids = ids_of(provider, "instant", most + 1)
    assert states(ask(world, provider, task_ids[:most])) == [State.SUCCEEDED] * most
    assert {code(one) for one in ask(world, provider, task_ids).values()} == {"InvalidParameter"}
    assert [(entry.ids, entry.verdict) for entry in world.sim.log] == [
        (most, "answered succeeded"),
        (0, "refused InvalidParameter"),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_an_id_that_is_there_twice_is_answered_once(world: World, name: str) -> None:
    provider = world.find(name)
    one, other = ids_of(provider, "instant", 2)
    assert states(ask(world, provider, [one, other, one])) == [State.SUCCEEDED] * 2
    assert observing.count(provider, inner(world, provider)) == 1 + 2 * (MACHINE_COUNT if provider.resource else 1)
    [entry] = world.sim.log
    assert (entry.ids, [(asked.task_id, asked.poll) for asked in entry.asked]) == (3, [(one, 1), (other, 1)])


@pytest.mark.parametrize("name", NAMES)
def test_one_id_is_asked_and_answered_as_ever(world: World, name: str) -> None:
    provider = world.find(name)
    alone, single = ids_of(provider, "forever", 2)
    assert isinstance(world.look(provider, alone), Observation)
    assert states(ask(world, provider, [single])) == [State.RUNNING]
    first, second = (_without_ids(body) for body in world.bodies)
    assert str(first).replace(alone, single).replace(alone[::-1], single[::-1]) == str(second)
    assert [(entry.ids, entry.task_id, entry.poll) for entry in world.sim.log] == [(1, alone, 1), (1, single, 1)]


def _without_ids(body: Any) -> Any:
    return {
        name: _without_ids(value) if name == "Response" else value
        for name, value in body.items()
        if name != "RequestId"
    }


@pytest.mark.parametrize("name", NAMES)
def test_each_task_speaks_its_own_dialect(world: World, name: str) -> None:
    provider = world.find(name)
    odd, plain = id_of(provider, "odd"), id_of(provider, "forever")
    seen = [states(ask(world, provider, [odd, plain])) for _ in range(len(Dialect) + 1)]
    assert seen == [[State.RUNNING, State.RUNNING]] * len(Dialect) + [[State.SUCCEEDED, State.RUNNING]]
    both = ask(world, provider, ids_of(provider, "odd", 2))
    assert states(both) == [State.RUNNING] * 2


# --- what befalls one befalls all ------------------------------------------------------------------------------------

FAULTS = [fault for fault in Fault if fault is not Fault.NOT_FOUND]


@pytest.mark.parametrize("name", ["tencent.ssl", "alibaba.ess", "alibaba.mts"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_one_task_hits_the_whole_request(world: World, name: str, fault: Fault) -> None:
    provider = world.find(name)
    alone, among, fine, unknown = "alone-1", "among-1", "instant-1", "missing-1"
    for task_id in (alone, among):
        world.sim.script(task_id, Life(name="ill", about="always so", steps=(Step(says=fault),)))
    fate = _fate(world, provider, [alone])
    assert _fate(world, provider, [unknown, fine, among]) == fate
    single, whole = world.sim.log
    assert whole.verdict == single.verdict == f"fault {fault}"
    assert whole.status == single.status
    assert [one.task_id for one in whole.asked] == [unknown, fine, among]
    assert world.sim.log.verdicts(fine) == [f"fault {fault}"]


def _fate(world: World, provider: Provider, task_ids: Sequence[str]) -> set[object]:
    """What becomes of a request: the same for all its tasks."""
    try:
        seen = ask(world, provider, task_ids)
    except Exception as error:
        return {type(error)}
    return {(one.trouble, one.problem.code) for one in seen.values() if isinstance(one, Refusal)}


def test_a_task_goes_on_while_others_spoil_its_requests(world: World) -> None:
    provider = world.find("alibaba.mts")
    world.sim.script("passing-1", "throttled")
    seen = [states(ask(world, provider, ["passing-1", "html-1"])) for _ in range(5)]
    assert seen[:2] == [[Trouble.THROTTLED] * 2] * 2
    assert [entry.verdict for entry in world.sim.log.of("html-1")] == [
        *("fault throttled",) * 2,
        "fault html",
        "answered running",
        "answered succeeded",
    ]
    assert [entry.poll for entry in world.sim.log.of("html-1")] == [1, 2, 3, 4, 5]


# --- what no built-in entry shows ------------------------------------------------------------------------------------


def test_pages_go_through_all_tasks(world: World) -> None:
    provider = world.find("alibaba.flock")
    seen = ask(world, provider, ["c-1/instant-1", "c-1/instant-2", "c-1/missing-1"])
    assert states(seen) == [State.SUCCEEDED, State.SUCCEEDED, Trouble.NOT_FOUND]
    told = [one for one in seen.values() if isinstance(one, Observation)]
    assert [len(one.resources) for one in told] == [MACHINE_COUNT] * 2
    assert [len(body["Data"]["Targets"]) for body in world.bodies] == [2, 2, 2, 1]
    assert {body["Total"] for body in world.bodies} == {1 + 2 * MACHINE_COUNT}
    assert [(entry.ids, entry.poll) for entry in world.sim.log.of("c-1/instant-1")] == [(3, 1)] * 4


def test_ids_may_have_parts(world: World) -> None:
    provider = world.find("tencent.flock")
    task_ids = ["zone-1/3300001", "zone-2/3300001", "zone-2/2100001"]
    assert states(ask(world, provider, task_ids)) == [State.SUCCEEDED, State.SUCCEEDED, State.RUNNING]
    [entry] = world.sim.log
    assert [one.task_id for one in entry.asked] == task_ids


def test_an_error_that_the_entry_names_for_an_unknown_id_spoils_the_request(world: World) -> None:
    seen = ask(world, world.find("tencent.flock"), ["zone-1/3300001", "zone-1/2000001"])
    assert {code(one) for one in seen.values()} == {"InvalidParameterValue.NoSuchJob"}


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("alibaba.ess", {"ScalingActivityIds": ["instant-1", " "]}),
    ("alibaba.ess", {"ScalingActivityIds": ["instant-1", ["instant-2"]]}),
    ("alibaba.ess", {"ScalingActivityIds": "instant-1", "ScalingActivityIds.2": "instant-2"}),
    ("alibaba.ess", {"ScalingActivityIds": [], "ScalingActivityIds.1": "instant-1", "ScalingActivityIds.3": "x-1"}),
    ("alibaba.mts", {"JobIds": "instant-1,,instant-2"}),
    ("alibaba.mts", {"JobIds": "instant-1,"}),
    ("alibaba.mts", {"JobIds": ["instant-1", "instant-2"]}),
    ("alibaba.flock", {"Cluster": "c-1+c-2", "JobIds": "instant-1+instant-2+instant-3"}),
    ("tencent.as", {"ActivityIds": ["instant-1", 7]}),
    ("tencent.as", {"ActivityIds": "instant-1,instant-2"}),
    ("tencent.as", {"ActivityIds": []}),
    ("tencent.flock", {"Jobs": [{"Zone": "zone-1", "Id": 3300001}, {"Zone": "zone-1", "Id": "3300002"}]}),
]


@pytest.mark.parametrize(("name", "changes"), WRONG)
def test_lists_in_disorder_are_refused(world: World, name: str, changes: dict[str, Any]) -> None:
    provider = world.find(name)
    wrong = replace(provider, send={**provider.send, **changes})
    task_id = {"alibaba.flock": "c-1/instant-1", "tencent.flock": "zone-1/3300001"}.get(name, "instant-1")
    assert world.refused(wrong, task_id) == "InvalidParameter"


def test_a_list_with_a_member_missing_is_refused(world: World) -> None:
    provider = world.find("tencent.flock")
    jobs = [{"Zone": "zone-1", "Id": 3300001}, {"Zone": "zone-1"}]
    assert world.refused(replace(provider, send={**provider.send, "Jobs": jobs}), "zone-1/3300001") == (
        "MissingParameter"
    )


# --- the log and the limits ------------------------------------------------------------------------------------------


def test_the_log_counts_requests_and_knows_their_tasks(world: World) -> None:
    provider = world.find("alibaba.ess")
    ask(world, provider, ["instant-1", "forever-1"])
    world.look(provider, "forever-1")
    log = world.sim.log
    assert len(log) == 2
    assert log.verdicts() == ["answered succeeded, answered running", "answered running"]
    assert log.verdicts("forever-1") == ["answered running"] * 2
    assert [(entry.task_id, entry.verdict, entry.ids) for entry in log.of("instant-1")] == [
        ("instant-1", "answered succeeded", 2)
    ]
    summary = requests.get(f"{world.sim.url}/_log", timeout=3).json()
    assert (summary["requests"], list(summary["apis"].values())) == (2, [2])
    assert {task["task_id"]: task["requests"] for task in summary["tasks"]} == {"instant-1": 1, "forever-1": 2}
    [shown] = requests.get(f"{world.sim.url}/_log?task_id=instant-1", timeout=3).json()
    assert [one["task_id"] for one in shown["asked"]] == ["instant-1", "forever-1"]
    log.clear()
    assert len(log) == 0


def test_a_request_for_many_counts_once_to_the_rate_limit() -> None:
    clock = Clock()
    with Simulator(own=OWN, clock=clock, rate_limits=True) as simulator:
        world = World(simulator, clock, OWN)
        provider = replace(world.find("alibaba.flock"), resource=None)
        task_ids = [f"c-1/missing-{number}" for number in range(3)]
        seen = [states(ask(world, provider, task_ids)) for _ in range(3)]
    assert seen == [[Trouble.NOT_FOUND] * 3] * 2 + [[Trouble.THROTTLED] * 3]

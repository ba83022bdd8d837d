"""From the post to the received news: every provider, every way in which a task can end, every way to go wrong."""

from typing import Any

import pytest

from local.simulator import LIVES
from local.simulator.lives import Fault, Life, fault, running, succeeded
from tests.e2e.conftest import World, deliveries

CLB, DTS, BM, BDRC = "tencent.clb", "tencent.dts", "tencent.bm", "alibaba.bdrc"

ENDINGS: list[tuple[str, str | int, str]] = [
    (CLB, "quick-e", "succeeded"),
    (DTS, "quick-e", "succeeded"),
    (BM, 110042, "succeeded"),
    (BDRC, "quick-e", "succeeded"),
    (CLB, "failing-e", "failed"),
    (DTS, "failing-e", "failed"),
    (BM, 130042, "failed"),
    (BDRC, "failing-e", "failed"),
    (BM, 140042, "partial"),
    (BDRC, "canceled-e", "canceled"),
    (BDRC, "expired-e", "failed"),
    (CLB, "lost-e", "lost"),
    (DTS, "lost-e", "lost"),
    (BM, 190042, "lost"),
    (BDRC, "lost-e", "lost"),
    (CLB, "refused-e", "lost"),
    (BDRC, "refused-e", "lost"),
    (BDRC, "progress-e", "succeeded"),
    (BM, 340042, "succeeded"),
    (BDRC, "odd-e", "succeeded"),
    (CLB, "unknown-word-e", "succeeded"),
    (BDRC, "unknown-word-e", "succeeded"),
]

DETOURS = {
    "outage": [Fault.INTERNAL] * 3,
    "gateway": [Fault.UNAVAILABLE],
    "throttle": [Fault.THROTTLED],
    "malformed": [Fault.MALFORMED],
    "truncated": [Fault.TRUNCATED],
    "empty": [Fault.EMPTY],
    "html": [Fault.HTML],
    "reset": [Fault.RESET],
    "hang": [Fault.HANG],
    "redirect": [Fault.REDIRECT],
    "charset": [Fault.THROTTLED_CHARSET],
}

DETOUR_PROVIDERS = [CLB, BDRC, BM]


def _detour_id(provider: str, name: str) -> str | int:
    # The simulator keeps one life per task id, whichever API asks for it.
    return 990000 + list(DETOURS).index(name) if provider == BM else f"detour-{name}-{provider}"


@pytest.fixture(scope="module")
def posted(world: World) -> dict[Any, str]:
    """All tasks at once: they are watched side by side, as in real life."""
    ids: dict[Any, str] = {}
    for provider, task_id, _ in ENDINGS:
        title = f"{provider} {task_id}"
        ids[provider, task_id] = world.post(
            provider, task_id, notify=["default", "slack"], title=title, urgency="high"
        )["id"]
    for provider in DETOUR_PROVIDERS:
        for name, faults in DETOURS.items():
            steps = (running(polls=1), *(fault(one, 1) for one in faults), succeeded())
            task_id = _detour_id(provider, name)
            world.sim.script(str(task_id), Life(name=name, about="", steps=steps))
            ids[provider, name] = world.post(provider, task_id)["id"]
    ids["forever"] = world.post(CLB, "forever-e", timeout_seconds=4)["id"]
    ids["down"] = world.post(DTS, "down-e")["id"]
    ids["expired account"] = world.post(CLB, "quick-x", account="expired")["id"]
    return ids


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("provider", "task_id", "state"), ENDINGS)
def test_every_ending_reaches_slack_and_the_webhook_once(
    world: World, posted: dict[Any, str], provider: str, task_id: str | int, state: str
) -> None:
    id = posted[provider, task_id]
    # All of one API's tasks are one kind to taskhook, however they live here: the odd ones out are seen later.
    task = world.settled(id, seconds=240)
    assert task["state"] == state, task
    assert deliveries(task) == ["delivered", "delivered"]
    [news] = world.news_of(id)
    assert news.verified
    assert news.json["type"] == f"task.{state}"
    assert news.json["data"] == {name: value for name, value in task.items() if name != "deliveries"}
    assert len(world.slack_of(f"{provider} {task_id}")) == 1
    if state in ("failed", "partial", "lost"):
        assert task["error"]["message"]
    if state == "lost":
        assert task["error"]["hint"]


@pytest.mark.parametrize("provider", DETOUR_PROVIDERS)
@pytest.mark.parametrize("name", DETOURS)
def test_a_provider_that_stumbles_is_asked_again(
    world: World, posted: dict[Any, str], provider: str, name: str
) -> None:
    task = world.settled(posted[provider, name], seconds=240)
    assert task["state"] == "succeeded", task
    assert task["error"] is None
    asked = world.sim.log.of(str(_detour_id(provider, name)), provider)
    assert len(asked) == task["polls"] == 2 + len(DETOURS[name])
    assert not [one for one in world.sim.log if one.api == "trap"]


def test_at_the_deadline_the_news_is_that_it_timed_out(world: World, posted: dict[Any, str]) -> None:
    task = world.settled(posted["forever"])
    assert task["state"] == "timed_out"
    assert [one.json["type"] for one in world.news_of(task["id"])] == ["task.timed_out"]
    assert task["error"]["code"] == "DeadlineExceeded"


def test_a_provider_that_never_recovers_loses_the_task_with_the_reason(world: World, posted: dict[Any, str]) -> None:
    task = world.settled(posted["down"], seconds=240)
    assert task["state"] == "lost"
    assert task["error"]["code"] == "InternalError"


def test_expired_credentials_are_told_of_and_say_what_to_do(world: World, posted: dict[Any, str]) -> None:
    task = world.settled(posted["expired account"])
    assert task["state"] == "lost"
    assert "expired" in task["error"]["hint"]


def test_no_signature_was_ever_refused(world: World, posted: dict[Any, str]) -> None:
    for provider, task_id, _ in ENDINGS:
        world.settled(posted[provider, task_id])
    refused = [one for one in world.sim.log if one.verdict.startswith("refused") and one.task_id != "quick-x"]
    assert not [one for one in refused if one.key_id and "Expired" not in one.key_id]


def test_the_lives_used_here_exist() -> None:
    named = {str(task_id).rsplit("-e", 1)[0] for provider, task_id, _ in ENDINGS if provider != BM}
    assert named <= set(LIVES)

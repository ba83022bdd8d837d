"""Every entry of the catalogue, from the post to the received news, on the deployed template."""

from typing import Any

import pytest

from local.simulator.credentials import endpoints
from taskhook.providers.listing import built_in
from taskhook.providers.model import Provider
from taskhook.states import State
from tests.e2e.conftest import World

PROVIDERS = [provider for provider, _ in built_in()]
REGIONS = {"tencent": "ap-guangzhou", "alibaba": "cn-shanghai"}
LIVES = {"quick": State.SUCCEEDED, "failing": State.FAILED}
DIGITS = {"quick": "11", "failing": "13"}


def task_id(provider: Provider, life: str) -> str:
    """An id that asks the simulator for a life. The parts that no request carries must repeat the one that tells."""
    parts = [part for part in provider.task_id.parts if not part.optional]
    number = PROVIDERS.index(provider)
    value = (
        f"{DIGITS[life]}{number:04}"
        if parts[-1].integer or "0-9" in parts[-1].pattern.pattern[:5]
        else f"{life}-{number}"
    )
    return "/".join(value if part.pattern.fullmatch(value) else f"{DIGITS[life]}{number:04}" for part in parts)


@pytest.fixture(scope="module")
def posted(world: World) -> dict[tuple[str, str], str]:
    """Two tasks of each provider, all at once."""
    ids = {}
    for provider in PROVIDERS:
        for life in LIVES:
            body: dict[str, Any] = {"provider": provider.name, "task_id": task_id(provider, life)}
            if provider.region == "required":
                body["region"] = REGIONS[provider.cloud]
            answer = world.call("POST", "/tasks", json=body)
            assert answer.status_code == 202, answer.text
            ids[provider.name, life] = answer.json()["id"]
    return ids


def can_fail(provider: Provider) -> bool:
    return State.FAILED in provider.words.values() or provider.failed_if is not None or provider.code == "media"


@pytest.mark.parametrize("life", LIVES)
@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_every_entry_of_the_catalogue_is_watched_to_its_end_and_told(
    world: World, posted: dict[tuple[str, str], str], provider: Provider, life: str
) -> None:
    if life == "failing" and not can_fail(provider):
        assert world.get(posted[provider.name, life])["state"] in ("queued", "running")
        return
    task = world.settled(posted[provider.name, life], seconds=240)
    assert task["state"] == LIVES[life].value, task
    [news] = world.news_of(task["id"])
    assert news.json["type"] == f"task.{task['state']}"
    assert (task["error"] is not None) == (life == "failing")
    if life == "failing":
        assert task["error"]["hint"]


def test_the_account_of_the_tests_reaches_every_service() -> None:
    for provider in PROVIDERS:
        assert provider.account_service in endpoints(
            "tencent" if provider.cloud == "tencent" else "alibaba", "http://x"
        )


def test_the_api_lists_them_all(world: World) -> None:
    listed = world.call("GET", "/providers").json()["providers"]
    built_in = {one["name"] for one in listed if one["origin"] == "built in"}
    assert built_in == {provider.name for provider in PROVIDERS}

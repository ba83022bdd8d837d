"""One look through the real handler: the table and the parameters on moto, the provider on loopback."""

import io
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from taskhook.states import State
from taskhook.task import Task
from tests.conftest import MakeTask
from tests.integration.conftest import ALIBABA, TENCENT, Cloud, Context, Server

type Look = Callable[..., dict[str, Any]]


@pytest.fixture
def provider(cloud: Cloud, server: Server) -> Server:
    """Every service of both clouds, at one address."""
    cloud.overrides["ALLOW_INSECURE_ENDPOINTS"] = "true"
    endpoints = {"bm": server.url, "clb": server.url, "dts": server.url, "bdrc": server.url}
    cloud.put("accounts/tencent", {**TENCENT, "endpoints": endpoints})
    cloud.put("accounts/alibaba", {**ALIBABA, "endpoints": endpoints})
    return server


@pytest.fixture
def young(cloud: Cloud, make_task: MakeTask) -> Callable[..., Task]:
    def make(**changes: Any) -> Task:
        now = round(time.time(), 3)
        task = make_task(**{"submitted_at": now, "deadline": now + 3600, "watch_since": now, **changes})
        cloud.store.create(task)
        return task

    return make


@pytest.fixture
def look(cloud: Cloud) -> Look:
    return lambda task, watch=1: cloud.invoke("PollFunction", {"id": task.id, "watch": watch})


@pytest.mark.parametrize(
    ("changes", "answer", "state"),
    [
        ({}, {"Response": {"Status": 0, "RequestId": "r"}}, State.SUCCEEDED),
        ({}, {"Response": {"Status": 1, "Message": "quota", "RequestId": "r"}}, State.FAILED),
        ({}, {"Response": {"Status": 2, "RequestId": "r"}}, State.RUNNING),
        ({}, {"Response": {"Status": 9, "RequestId": "r"}}, State.RUNNING),
        ({"provider": "tencent.dts.DescribeAsyncRequestInfo"}, {"Response": {"Status": "success"}}, State.SUCCEEDED),
        ({"provider": "tencent.bm.DescriptionOperationResult", "task_id": "7"},
         {"code": 0, "data": {"status": 3, "instanceIds": [{"instanceId": "cpm-1", "status": 2}]}}, State.PARTIAL),
        ({"provider": "alibaba.bdrc.DescribeTask", "account": "alibaba", "region": "cn-shanghai"},
         {"Data": {"TaskStatus": "CANCELED"}}, State.CANCELED),
    ],
)  # fmt: skip
def test_a_look_asks_decides_and_writes_it_down(
    cloud: Cloud, provider: Server, young: Any, look: Look, changes: Any, answer: Any, state: State
) -> None:
    provider.says(answer)
    task = young(**changes)
    payload = look(task)
    after = cloud.task(task.id)
    assert (after.state, after.polls) == (state, 1)
    assert payload["done"] is state.terminal
    assert [one["destination"] for one in payload["notify"]] == (["ops"] if state.terminal else [])
    (asked,) = provider.got
    assert asked["headers"]["Host"] in provider.url
    assert b"s3cr3t" not in asked["body"]


def test_a_terminal_state_never_polls_again(provider: Server, young: Any, look: Look) -> None:
    provider.says({"Response": {"Status": 0}})
    task = young()
    first, second = look(task), look(task)
    assert first["notify"] == second["notify"]
    assert len(provider.got) == 1


def test_the_account_is_read_anew_when_its_key_is_refused(cloud: Cloud, provider: Server, young: Any) -> None:
    refused = {"Response": {"Error": {"Code": "AuthFailure.SecretIdNotFound", "Message": "m"}}}
    for answer in ({"Response": {"Status": 2}}, {"Response": {"Status": 2}}, refused, {"Response": {"Status": 0}}):
        provider.says(answer)
    event = {"id": young().id, "watch": 1}
    app = cloud.function("PollFunction")
    app.handler(event, Context())
    cloud.put("accounts/tencent", {**TENCENT, "secret_id": "AKIDROTATED", "endpoints": {"clb": provider.url}})
    app.handler(event, Context())
    app.handler(event, Context())
    keys = [re.findall("Credential=([A-Z]+)", one["headers"]["Authorization"])[0] for one in provider.got]
    assert keys == ["AKIDEXAMPLE", "AKIDEXAMPLE", "AKIDEXAMPLE", "AKIDROTATED"]
    assert cloud.task(event["id"]).state is State.SUCCEEDED


def test_a_key_that_is_refused_twice_makes_its_first_task_tell(
    cloud: Cloud, provider: Server, young: Any, look: Look
) -> None:
    provider.says({"Response": {"Error": {"Code": "AuthFailure.SignatureFailure", "Message": "m"}}})
    task = young()
    assert look(task)["done"] is True
    after = cloud.task(task.id)
    assert after.state is State.LOST
    assert after.error is not None
    assert after.error.code == "AuthFailure.SignatureFailure"
    assert len(provider.got) == 2


def test_a_task_that_nobody_knows_yet_is_given_a_minute(cloud: Cloud, provider: Server, young: Any, look: Look) -> None:
    provider.says({"Response": {"Error": {"Code": "ResourceNotFound", "Message": "m"}}})
    fresh = young()
    old = young(task_id="old", troubles=1, trouble_since=time.time() - 61)
    assert (look(fresh)["done"], look(old)["done"]) == (False, True)
    assert cloud.task(old.id).state is State.LOST


def test_a_deadline_that_has_passed_is_told(cloud: Cloud, provider: Server, young: Any, look: Look) -> None:
    provider.says({"Response": {"Status": 2}})
    task = young(submitted_at=time.time() - 100, deadline=time.time() - 1)
    payload = look(task)
    assert [one["destination"] for one in payload["notify"]] == ["ops"]
    assert cloud.task(task.id).state is State.TIMED_OUT


@pytest.mark.parametrize("body", [b"<html>", b"", b"[" * 20_000, b"\xff", b'{"Response": {"Status": 0'])
def test_an_answer_that_is_none_is_looked_for_again(
    cloud: Cloud, provider: Server, young: Any, look: Look, body: bytes
) -> None:
    provider.says(body)
    task = young()
    assert look(task)["done"] is False
    assert cloud.task(task.id).troubles == 1


def test_a_provider_that_cannot_be_reached_is_looked_for_again(cloud: Cloud, young: Any, look: Look) -> None:
    cloud.overrides["ALLOW_INSECURE_ENDPOINTS"] = "true"
    cloud.put("accounts/tencent", {**TENCENT, "endpoints": {"clb": "http://127.0.0.1:1"}})
    task = young()
    assert look(task)["done"] is False
    after = cloud.task(task.id)
    assert after.error is not None
    assert after.error.code == "ConnectionFailed"


def test_an_account_that_is_gone_loses_the_task(cloud: Cloud, young: Any, look: Look) -> None:
    task = young(account="deleted")
    assert look(task)["done"] is True
    after = cloud.task(task.id)
    assert after.error is not None
    assert "no account 'deleted'" in after.error.message


@pytest.mark.parametrize("changes", [{"watch": 2}, {"state": State.STOPPED}])
def test_a_superseded_watch_ends_silently(provider: Server, young: Any, look: Look, changes: Any) -> None:
    payload = look(young(**changes))
    assert (payload["done"], payload["notify"], provider.got) == (True, [], [])


def test_a_task_that_is_gone_ends_silently(make_task: MakeTask, look: Look) -> None:
    assert look(make_task())["done"] is True


def test_an_answer_with_everything_in_it_fits_into_the_table(
    cloud: Cloud, provider: Server, young: Any, look: Look
) -> None:
    machines = [{"instanceId": f"cpm-{n}" + "x" * 40, "status": 2} for n in range(3000)]
    provider.says({"code": 0, "data": {"status": "x" * 500_000, "instanceIds": machines}})
    task = young(provider="tencent.bm.DescriptionOperationResult", task_id="7")
    assert look(task)["done"] is False
    assert len(cloud.task(task.id).resources) == 500


def test_no_secret_is_logged(cloud: Cloud, provider: Server, young: Any, look: Look, logs: io.StringIO) -> None:
    provider.says({"Response": {"Error": {"Code": "AuthFailure.SignatureFailure", "Message": "m"}}})
    look(young())
    assert "looked" in logs.getvalue()
    assert "s3cr3t" not in logs.getvalue()
    assert "AKIDEXAMPLE" not in logs.getvalue()
    for line in logs.getvalue().splitlines():
        json.loads(line)

"""What is remembered of durations, on moto's table: one atomic write per task, and nothing that could break a look."""

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from taskhook import config, schedule
from taskhook.durations import REMEMBERED_SECONDS, Durations
from taskhook.schedule import History, Progress
from taskhook.states import State
from tests.conftest import Clock, MakeTask
from tests.integration.conftest import TENCENT, Cloud, Server

NOTHING = Progress()


def memory(cloud: Cloud, clock: Clock) -> Durations:
    cloud.function("PollFunction")
    return Durations(config.settings(), cloud.client("dynamodb"), clock)


def test_each_task_that_ends_is_one_more_in_the_history(cloud: Cloud, make_task: MakeTask, clock: Clock) -> None:
    durations, task = memory(cloud, clock), make_task()
    assert durations.of(task) == History()
    for _ in range(30):
        durations.ended(task, lo=1190.0, hi=1200.0, end=None, progress=NOTHING)
    durations.given_up(task, 86_400.0)
    assert durations.of(task) == History()  # a copy of up to a minute is good enough
    clock.now += REMEMBERED_SECONDS
    history = durations.of(task)
    assert history.k == 31
    guess = schedule.estimate(history, 0.0)
    assert guess is not None
    assert 1000 < guess.remaining < 1450


def test_kinds_do_not_mix(cloud: Cloud, make_task: MakeTask, clock: Clock) -> None:
    durations = memory(cloud, clock)
    durations.ended(make_task(), lo=1.0, hi=2.0, end=None, progress=NOTHING)
    clock.now += REMEMBERED_SECONDS
    assert durations.of(make_task()).k == 1
    assert durations.of(make_task(region="ap-shanghai")).k == 0
    assert durations.of(make_task(provider="tencent.dts.DescribeAsyncRequestInfo")).k == 0


@pytest.mark.parametrize(
    "broken",
    [{"k": {"S": "many"}}, {"k": {"N": "-1"}}, {"k": {"N": "7"}, "b3": {"S": "x"}}, {"b3": {"N": "1e100"}},
     {"k": {"N": "1"}, "b3": {"L": []}}, {"k": {"N": "1e30"}}],
)  # fmt: skip
def test_a_broken_history_counts_as_none_and_is_begun_anew(
    cloud: Cloud, make_task: MakeTask, clock: Clock, broken: dict[str, Any]
) -> None:
    durations, task = memory(cloud, clock), make_task()
    key = {"id": {"S": f"durations#{task.provider}#{task.region}"}}
    cloud.client("dynamodb").put_item(TableName=cloud.made["Tasks"], Item={**key, **broken})
    assert durations.of(task).k == 0
    clock.now += REMEMBERED_SECONDS
    durations.ended(task, lo=10.0, hi=12.0, end=None, progress=NOTHING)
    clock.now += REMEMBERED_SECONDS
    assert durations.of(task).k == 1


def test_a_history_of_thousands_is_rebased_and_goes_on(cloud: Cloud, make_task: MakeTask, clock: Clock) -> None:
    durations, task = memory(cloud, clock), make_task()
    history = History(k=schedule.REBASE_AFTER + 1, ages=(1.0,) * 82)
    written = {name: {"N": repr(value)} for name, value in history.to_item().items()}
    key = {"id": {"S": f"durations#{task.provider}#{task.region}"}}
    cloud.client("dynamodb").put_item(TableName=cloud.made["Tasks"], Item={**key, **written})
    assert durations.of(task).k == schedule.REBASED
    durations.ended(task, lo=10.0, hi=12.0, end=None, progress=NOTHING)
    clock.now += REMEMBERED_SECONDS
    assert durations.of(task).k == schedule.REBASED + 1


class Refusing:
    """A table that is out of order."""

    def __getattr__(self, name: str) -> Any:
        def refuse(**_: Any) -> Any:
            raise ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, name)

        return refuse


def test_a_table_that_is_out_of_order_means_that_nothing_is_known(
    cloud: Cloud, make_task: MakeTask, clock: Clock
) -> None:
    cloud.function("PollFunction")
    durations: Any = Durations(config.settings(), Refusing(), clock)  # type: ignore[arg-type]
    assert durations.of(make_task()) == History()
    durations.ended(make_task(), lo=1.0, hi=2.0, end=None, progress=NOTHING)
    durations.given_up(make_task(), 5.0)


def test_a_look_through_the_handler_teaches_and_learns(cloud: Cloud, make_task: MakeTask, server: Server) -> None:
    cloud.overrides["ALLOW_INSECURE_ENDPOINTS"] = "true"
    cloud.put("accounts/tencent", {**TENCENT, "endpoints": {"clb": server.url}})
    server.says({"Response": {"Status": 0, "RequestId": "r"}})
    now = round(time.time(), 3)
    for number in range(6):
        task = make_task(task_id=f"t-{number}", submitted_at=now - 100, deadline=now + 3600, looked_at=now - 5)
        cloud.store.create(task)
        cloud.invoke("PollFunction", {"id": task.id, "watch": 1})
        assert cloud.task(task.id).state is State.SUCCEEDED
    server.answers[:] = []
    server.says({"Response": {"Status": 2, "RequestId": "r"}})
    task = make_task(task_id="next", submitted_at=now - 20, deadline=now + 3600)
    cloud.store.create(task)
    cloud.invoke("PollFunction", {"id": task.id, "watch": 1})
    after = cloud.task(task.id)
    assert after.reason is not None
    assert "from 6 earlier tasks" in after.reason
    assert after.view()["estimate"] is not None


@pytest.mark.parametrize(
    "broken",
    [{"k": {"S": "many"}}, {"k": {"N": "7"}, "b3": {"S": "x"}}, {"b3": {"N": "-1"}}, {"k": {"N": "9" * 38}}, {}],
    ids=str,
)
def test_a_look_goes_by_nothing_where_the_history_is_corrupt_and_makes_it_whole(
    cloud: Cloud, make_task: MakeTask, server: Server, broken: dict[str, Any]
) -> None:
    cloud.overrides["ALLOW_INSECURE_ENDPOINTS"] = "true"
    cloud.put("accounts/tencent", {**TENCENT, "endpoints": {"clb": server.url}})
    for status in (2, 0):
        server.says({"Response": {"Status": status, "RequestId": "r"}})
    now = round(time.time(), 3)
    task, other = (make_task(task_id=id, submitted_at=now - 20, deadline=now + 3600) for id in ("one", "other"))
    for one in (task, other):
        cloud.store.create(one)
    key = {"id": {"S": f"durations#{task.provider}#{task.region}"}}
    cloud.client("dynamodb").put_item(TableName=cloud.made["Tasks"], Item={**key, **broken})
    cloud.invoke("PollFunction", {"id": task.id, "watch": 1})
    waiting = cloud.task(task.id)
    assert waiting.next_poll_at is not None
    assert (waiting.state, waiting.reason) == (
        State.RUNNING,
        "no earlier tasks of this kind: the waits grow with the task's age",
    )
    assert 1 <= waiting.next_poll_at - now <= 15
    cloud.invoke("PollFunction", {"id": other.id, "watch": 1})
    assert cloud.task(other.id).state is State.SUCCEEDED
    item = cloud.client("dynamodb").get_item(TableName=cloud.made["Tasks"], Key=key)["Item"]
    assert item["k"] == {"N": "1"}


def test_a_table_that_throttles_costs_one_question_a_minute_and_is_believed_again(
    cloud: Cloud, make_task: MakeTask, clock: Clock
) -> None:
    durations, task = memory(cloud, clock), make_task()
    for _ in range(5):
        durations.ended(task, lo=10.0, hi=12.0, end=None, progress=NOTHING)
    clock.now += REMEMBERED_SECONDS
    assert durations.of(task).k == 5
    client, durations._client = durations._client, Refusing()  # type: ignore[assignment]
    clock.now += REMEMBERED_SECONDS
    # What was known is better than nothing.
    assert durations.of(task).k == 5
    durations.ended(task, lo=10.0, hi=12.0, end=None, progress=NOTHING)
    durations._client = client
    clock.now += REMEMBERED_SECONDS
    assert durations.of(task).k == 5


def test_a_history_that_is_begun_anew_by_another_process_is_not_spoiled_by_what_was_read_before(
    cloud: Cloud, make_task: MakeTask, clock: Clock
) -> None:
    """Weights count from the k that was read: what belongs to a larger one would outweigh all the rest."""
    durations, task = memory(cloud, clock), make_task()
    key = {"id": {"S": f"durations#{task.provider}#{task.region}"}}
    written = {name: {"N": repr(value)} for name, value in History(k=900, ages=(1.0,) * 82).to_item().items()}
    cloud.client("dynamodb").put_item(TableName=cloud.made["Tasks"], Item={**key, **written})
    assert durations.of(task).k == 900
    cloud.client("dynamodb").put_item(TableName=cloud.made["Tasks"], Item={**key, "k": {"N": "0"}})
    durations.ended(task, lo=10.0, hi=12.0, end=None, progress=NOTHING)
    item = cloud.client("dynamodb").get_item(TableName=cloud.made["Tasks"], Key=key)["Item"]
    assert item == {**key, "k": {"N": "0"}}

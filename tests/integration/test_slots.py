"""The calendar's expressions as DynamoDB (moto) understands them, and many threads at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from random import Random
from threading import Lock
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from taskhook import config
from taskhook.slots import Calendar, Rate
from tests.conftest import NOW
from tests.integration.conftest import Cloud

KEY = "slots#tencent#clb#DescribeTaskStatus#clb.tencentcloudapi.com"
FAST = Rate(requests=20)
SLOW = Rate(requests=100, seconds=60)
START = int(NOW) // 30 * 30
"""The beginning of the current item."""
THREADED = 64


class Counted:
    """The real client, which counts. Requests come one by one: moto's writes are not atomic, as DynamoDB's are."""

    def __init__(self, client: Any, fault: Callable[[int], Exception | None] = lambda _: None) -> None:
        self.client = client
        self.fault = fault
        self.writes = self.reads = self.failed = 0
        self.lock = Lock()

    def update_item(self, **call: Any) -> Any:
        with self.lock:
            self.writes += 1
            if error := self.fault(self.writes):
                raise error
            try:
                return self.client.update_item(**call)
            except ClientError:
                self.failed += 1
                raise

    def get_item(self, **call: Any) -> Any:
        with self.lock:
            self.reads += 1
            return self.client.get_item(**call)


type Process = Callable[..., Calendar]


@pytest.fixture
def client(cloud: Cloud) -> Counted:
    return Counted(cloud.client("dynamodb"))


@pytest.fixture
def process(cloud: Cloud, client: Counted) -> Process:
    """A new process, which knows nothing."""
    cloud.function("PollFunction")
    settings = config.settings()
    return lambda seed=1: Calendar(settings, client, Random(seed))  # type: ignore[arg-type]  # noqa: S311


def item(cloud: Cloud, number: int) -> dict[str, Any]:
    found: dict[str, Any] = cloud.client("dynamodb").get_item(
        TableName=cloud.made["Tasks"], Key={"id": {"S": f"{KEY}#{number}"}}
    )["Item"]
    return found


def fill(cloud: Cloud, first: int, last: int) -> None:
    for number in range(first, last):
        counters = {f"s{i}": {"N": str(FAST.room(120 * number + i))} for i in range(120)}
        cloud.client("dynamodb").put_item(
            TableName=cloud.made["Tasks"], Item={"id": {"S": f"{KEY}#{number}"}, **counters}
        )


def test_a_free_slot_is_one_write(cloud: Cloud, client: Counted, process: Process) -> None:
    slot = process().reserve(KEY, FAST, START + 3.1, now=START)
    assert slot.reserved
    assert START + 3.25 <= slot.at < START + 3.5
    assert (client.writes, client.reads) == (1, 0)
    number = START // 30
    assert item(cloud, number) == {
        "id": {"S": f"{KEY}#{number}"},
        "s13": {"N": "1"},
        "expires_at": {"N": str(START + 30 + 600)},
    }


def test_the_table_expires_by_the_attribute_that_the_calendar_writes(cloud: Cloud) -> None:
    assert cloud.properties("Tasks")["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_slots_are_no_open_tasks(cloud: Cloud, process: Process) -> None:
    process().reserve(KEY, FAST, START, now=START)
    assert list(cloud.store.open_watches()) == []


def test_a_second_holds_eighteen_and_the_next_ones_come_right_after(client: Counted, process: Process) -> None:
    found = [process().reserve(KEY, FAST, START, now=START).at for _ in range(40)]
    assert found == pytest.approx([START + i / 18 for i in range(40)])
    # The first quarter has five places; everybody after those hears "full", once, and goes where there is room.
    assert (client.writes, client.failed) == (75, 35)


def test_a_full_half_minute_is_left_with_one_write(cloud: Cloud, client: Counted, process: Process) -> None:
    fill(cloud, START // 30, START // 30 + 2)
    assert process().reserve(KEY, FAST, START, now=START).at == START + 60
    assert (client.writes, client.failed, client.reads) == (3, 2, 0)


def test_a_long_backlog_is_read_past(cloud: Cloud, client: Counted, process: Process) -> None:
    fill(cloud, START // 30, START // 30 + 25)
    calendar = process()
    assert calendar.reserve(KEY, FAST, START, now=START).at == START + 750
    assert (client.writes, client.reads) == (5, 10)
    assert calendar.reserve(KEY, FAST, START + 1, now=START + 1).at == pytest.approx(START + 750 + 1 / 18)
    assert (client.writes, client.reads) == (6, 10)


def test_a_hundred_a_minute_are_ninety_evenly(process: Process) -> None:
    calendar = process()
    found = [calendar.reserve(KEY, SLOW, START, now=START).at for _ in range(100)]
    assert found == pytest.approx([START + i * 2 / 3 for i in range(100)])


def test_a_throttled_key_is_halved_for_all_with_three_writes(client: Counted, process: Process) -> None:
    calendar = process()
    calendar.throttled(KEY, FAST, now=START)
    calendar.throttled(KEY, FAST, now=START + 0.1)
    assert (client.writes, client.failed) == (3, 0)
    process().throttled(KEY, FAST, now=START)
    assert (client.writes, client.failed) == (6, 3)
    other = process()
    found = [other.reserve(KEY, FAST, START, now=START).at for _ in range(27)]
    assert START + 2.7 <= max(found) < START + 3


@pytest.mark.parametrize("rate", [FAST, SLOW], ids=str)
def test_many_threads_of_many_processes_never_share_a_place(process: Process, rate: Rate) -> None:
    dues = [START + Random(7 * i).uniform(0, 2) for i in range(THREADED)]  # noqa: S311
    calendars = [process() for _ in range(8)]
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda i: calendars[i % 8].reserve(KEY, rate, dues[i], now=START), range(THREADED)))
    assert all(slot.reserved and slot.delay >= 0 for slot in found)
    ordered = sorted(slot.at for slot in found)
    gaps = [after - before for before, after in pairwise(ordered)]
    assert min(gaps) >= 1 / rate.planned - 1e-6
    assert ordered[-1] < START + 6 + 2 * THREADED / rate.planned


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, "UpdateItem")


@pytest.mark.parametrize(
    "fault",
    [
        error("ProvisionedThroughputExceededException"),
        error("RequestLimitExceeded"),
        ReadTimeoutError(endpoint_url="https://dynamodb.example.com"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_table_that_throttles_now_and_then_costs_a_place_of_ones_own_and_never_a_look(
    client: Counted, process: Process, fault: Exception
) -> None:
    client.fault = lambda write: fault if write % 3 == 0 else None
    calendar = process()
    found = [calendar.reserve(KEY, FAST, START + i, now=START + i) for i in range(30)]
    assert [slot.reserved for slot in found] == [(i + 1) % 3 != 0 for i in range(30)]
    assert all(slot.delay >= 0 for slot in found)
    alone = sorted(slot.at for slot in found if not slot.reserved)
    assert min(after - before for before, after in pairwise(alone)) >= 60 / 18 - 1e-6


def test_a_table_that_is_not_there_leaves_a_slot_all_the_same(
    cloud: Cloud, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cloud.made, "Tasks", "no-such-table")
    cloud.function("PollFunction")
    calendar = Calendar(config.settings(), cloud.client("dynamodb"))
    slot = calendar.reserve(KEY, FAST, START + 5, now=START)
    assert not slot.reserved
    assert slot.at >= START + 5
    calendar.throttled(KEY, FAST, now=START)


def test_an_item_that_somebody_has_broken_is_worked_around(cloud: Cloud, process: Process) -> None:
    cloud.client("dynamodb").put_item(
        TableName=cloud.made["Tasks"],
        Item={"id": {"S": f"{KEY}#{START // 30}"}, "s0": {"N": "-3"}, "s1": {"N": "1.5"}, "s2": {"N": "999"}},
    )
    found = [process().reserve(KEY, FAST, START, now=START) for _ in range(8)]
    assert all(slot.reserved for slot in found)
    assert len({slot.at for slot in found}) == 8
    assert min(slot.at for slot in found) >= START

"""Which news a destination wants."""

from typing import Any

import pytest
from hypothesis import given, settings

from taskhook.destinations.model import Filter
from taskhook.filters import unwanted
from taskhook.states import State
from taskhook.task import Task
from tests.conftest import MakeTask
from tests.strategies import tasks

METADATA = {"team": "dba", "sizes": [1, 2], "urgent": True}


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"providers": ("tencent",)},
        {"providers": ("alibaba", "Tencent.CLB")},
        {"providers": ("tencent.clb.DescribeTaskStatus",)},
        {"accounts": ("other", "tencent")},
        {"states": ("failed", "lost")},
        {"metadata": {"team": "dba"}},
        {"metadata": {"sizes": [1, 2], "urgent": True}},
        {"providers": ("tencent",), "accounts": ("tencent",), "states": ("failed",), "metadata": {"team": "dba"}},
    ],
)
def test_a_task_that_has_all_that_is_asked_for_is_wanted(make_ended: MakeTask, wanted: dict[str, Any]) -> None:
    assert unwanted(Filter(**wanted), make_ended(State.FAILED, metadata=METADATA)) is None


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ({"providers": ("alibaba",)}, "providers"),
        ({"providers": ("tencent.cl",)}, "providers"),
        ({"providers": ("tencent.clb.DescribeTaskStatus.more",)}, "providers"),
        ({"accounts": ("Tencent",)}, "accounts"),
        ({"states": ("succeeded",)}, "states"),
        ({"metadata": {"team": "web"}}, "metadata"),
        ({"metadata": {"nobody": None}}, "metadata"),
        ({"metadata": {"team": "dba", "urgent": False}}, "metadata"),
        ({"accounts": ("tencent",), "states": ("succeeded",)}, "states"),
    ],
)
def test_what_leaves_a_task_out_is_named(make_ended: MakeTask, wanted: dict[str, Any], part: str) -> None:
    reason = unwanted(Filter(**wanted), make_ended(State.FAILED, metadata=METADATA))
    assert reason == f"the destination's filter on {part} leaves it out"


@given(tasks)
@settings(max_examples=15)
def test_a_filter_without_parts_leaves_nothing_out(task: Task) -> None:
    assert unwanted(Filter(), task) is None


@given(tasks)
@settings(max_examples=15)
def test_a_filter_made_of_a_task_takes_it(task: Task) -> None:
    own = Filter(
        providers=(task.provider,), accounts=(task.account,), states=(task.state.value,), metadata=task.metadata
    )
    assert unwanted(own, task) is None

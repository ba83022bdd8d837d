"""Which index serves which filters, and pages that neither lose a task nor show one twice."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskhook.listing import INDEXES, Choice, attributes, index_of, position_of
from taskhook.pages import cursor, page, read_cursor
from taskhook.states import State
from taskhook.task import Task, digest
from tests.conftest import NOW, MakeTask
from tests.fakes import MemoryStore


class MemoryListing:
    """The indexes as DynamoDB keeps them: by the attributes that a task's item has."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = list(tasks)
        self.read = 0

    def positions(self, choice: Choice, *, before: str | None, most: int) -> Sequence[str]:
        index, value = index_of(choice)
        found = sorted((position_of(one) for one in self.tasks if attributes_of(one)[index] == value), reverse=True)
        chosen = [one for one in found if before is None or one < before][:most]
        self.read += len(chosen)
        return chosen


def attributes_of(task: Task) -> dict[str, str]:
    return {"account": task.account, "provider": task.provider, "state": task.state.value, **attributes(task)}


def many(make_task: MakeTask, count: int) -> list[Task]:
    dice = Random(1)  # noqa: S311
    states, accounts = [State.RUNNING, State.SUCCEEDED, State.FAILED], ["a", "b", "c"]
    return [
        make_task(
            id=digest(str(number)),
            submitted_at=NOW + number // 3,
            state=dice.choice(states),
            account=dice.choice(accounts),
            provider=f"tencent.{dice.choice(('clb', 'dts'))}.X",
        )
        for number in range(count)
    ]


def walked(
    store: MemoryStore, listing: MemoryListing, choice: Choice, limit: int, accounts: Sequence[str] | None = None
) -> list[str]:
    found: list[str] = []
    before = None
    while True:
        one = page(store, listing, choice, limit=limit, before=before, accounts=accounts)  # type: ignore[arg-type]
        assert len(one.tasks) <= limit
        found += [task.id for task in one.tasks]
        if one.next is None:
            return found
        before = read_cursor(cursor(one.next, choice), choice)
        assert before == one.next


CHOICES = [
    Choice(account=account, provider=provider, state=state)
    for account in (None, "a")
    for provider in (None, "tencent.clb.X")
    for state in (None, "failed")
]


@pytest.mark.parametrize("choice", CHOICES, ids=lambda one: index_of(one)[0])
@pytest.mark.parametrize("limit", [1, 7, 100])
def test_pages_hold_every_task_of_a_choice_once_newest_first(make_task: MakeTask, choice: Choice, limit: int) -> None:
    tasks = many(make_task, 60)
    wanted = sorted((one for one in tasks if choice.takes(one)), key=position_of, reverse=True)
    assert walked(MemoryStore(*tasks), MemoryListing(tasks), choice, limit) == [one.id for one in wanted]


@pytest.mark.parametrize("choice", CHOICES, ids=lambda one: index_of(one)[0])
def test_a_page_reads_as_many_keys_as_it_shows_and_one_more(make_task: MakeTask, choice: Choice) -> None:
    tasks = many(make_task, 3000)
    listing = MemoryListing(tasks)
    page(MemoryStore(*tasks), listing, choice, limit=50)  # type: ignore[arg-type]
    assert listing.read == 51


def test_every_combination_has_an_index_of_its_own() -> None:
    assert {index_of(one)[0] for one in CHOICES} == set(INDEXES)


def test_indexes_are_named_unlike_any_field_of_a_task_but_the_filters() -> None:
    others = {"listed", *INDEXES} - {"account", "provider", "state"}
    assert not others & set(Task.__dataclass_fields__)


def test_a_key_that_may_see_two_accounts_sees_theirs_alone_in_one_order(make_task: MakeTask) -> None:
    tasks = many(make_task, 60)
    found = walked(MemoryStore(*tasks), MemoryListing(tasks), Choice(state="failed"), 4, accounts=["a", "c"])
    wanted = [one for one in tasks if one.state is State.FAILED and one.account in ("a", "c")]
    assert found == [one.id for one in sorted(wanted, key=position_of, reverse=True)]
    assert not walked(MemoryStore(*tasks), MemoryListing(tasks), Choice(account="b"), 4, accounts=["a", "c"])
    assert not walked(MemoryStore(*tasks), MemoryListing(tasks), Choice(), 4, accounts=[])


def test_a_task_that_has_left_the_list_since_the_index_was_read_is_not_shown(make_task: MakeTask) -> None:
    tasks = many(make_task, 30)
    now = [replace(one, state=State.SUCCEEDED) if one.state is State.RUNNING else one for one in tasks]
    assert walked(MemoryStore(*now), MemoryListing(tasks), Choice(state="running"), 5) == []


@given(st.text(max_size=200) | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")))
def test_what_is_no_cursor_is_refused(text: str) -> None:
    assert read_cursor(text, Choice()) is None


@given(st.data())
def test_a_cursor_with_any_character_changed_is_refused_or_the_same(data: st.DataObject) -> None:
    choice = Choice(state="failed")
    text = cursor(f"2026-11-21T10:00:00.000Z#{'a' * 26}", choice)
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.sampled_from("abcXYZ019-_")) + text[at + 1 :]
    assert read_cursor(changed, choice) in (None, read_cursor(text, choice))


def test_a_cursor_of_other_filters_is_refused() -> None:
    text = cursor(f"2026-11-21T10:00:00.000Z#{'a' * 26}", Choice(state="failed"))
    assert read_cursor(text, Choice(state="running")) is None
    assert read_cursor(text, Choice()) is None

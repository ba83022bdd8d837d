"""What is kept of looks: little room, the first and the latest, and what lies between is counted."""

import json

from hypothesis import given
from hypothesis import strategies as st

from taskhook.looks import KEPT, Look, noted, packed, unpacked

START = 1_795_000_000.0
words = st.none() | st.sampled_from(["2", "Running", "进行中", "x" * 200])
looks = st.lists(
    st.builds(
        Look,
        at=st.integers(0, 10**9).map(lambda millis: round(START + millis / 1000, 3)),
        state=st.sampled_from(["running", "succeeded"]),
        said=words,
        trouble=words,
        progress=st.none() | st.floats(0, 1),
    ),
    max_size=80,
).map(lambda found: sorted(found, key=lambda one: one.at))


def kept(all_of_them: list[Look]) -> tuple[Look, ...]:
    some: tuple[Look, ...] = ()
    for one in all_of_them:
        some = noted(some, one)
    return some


@given(looks)
def test_what_is_packed_is_unpacked_as_it_was(some: list[Look]) -> None:
    short = kept(some)
    assert unpacked(packed(short)) == short


@given(looks)
def test_every_look_is_kept_or_counted(some: list[Look]) -> None:
    short = kept(some)
    assert len(short) <= KEPT + 1
    assert len(short) + sum(one.skipped for one in short) == len(some)
    assert [one.at for one in short[:1]] == [one.at for one in some[:1]]
    assert [one.at for one in short[1:]] == [one.at for one in some[max(1, len(some) - KEPT) :]]


def test_a_task_that_goes_on_and_on_says_so_in_little_room() -> None:
    some = [Look(at=START + 30.0 * number, state="running", said="2", progress=None) for number in range(1000)]
    assert len(packed(kept(some))) < 300


def test_what_does_not_change_is_written_once() -> None:
    some = [Look(at=START + number, state="running", said="2") for number in range(3)]
    assert json.loads(packed(kept(some)))[1:] == [[1.0], [1.0]]


def test_no_looks_take_no_room() -> None:
    assert packed(()) == ""
    assert unpacked("") == ()

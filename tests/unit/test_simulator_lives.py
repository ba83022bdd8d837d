"""The lives of the simulated tasks: which one an id asks for, and how it goes."""

import pytest

from local.simulator import LIVES, Answer, Life, life_of
from local.simulator.lives import Course


def lived(life: Life, seconds: int = 25) -> list[str]:
    """What is said at one poll per second, repeats left out."""
    course = Course(life=life, born=0.0)
    said = [str(says.outcome if isinstance(says, Answer) else says)
            for says, _ in (course.advance(float(second)) for second in range(seconds + 1))]  # fmt: skip
    return [word for n, word in enumerate(said) if n == 0 or said[n - 1] != word]


SEQUENCES = {
    "default": "running succeeded",
    "quick": "running succeeded",
    "slow": "running succeeded",
    "failing": "running failed",
    "partial": "running partial",
    "flaky": "internal running unavailable running reset malformed running succeeded",
    "throttled": "throttled running succeeded",
    "canceled": "running canceled",
    "expired": "created expired",
    "lost": "running not-found",
    "missing": "not-found",
    "forever": "running",
    "unknown-word": "unknown succeeded",
    "html": "running html running succeeded",
    "hung": "running hang running succeeded",
    "progress": "created running succeeded",
    "refused": "running refused",
    "truncated": "running truncated running succeeded",
    "reset": "running reset running succeeded",
    "redirect": "running redirect running succeeded",
    "charset": "running throttled-charset running succeeded",
    "outage": "running internal running succeeded",
    "down": "internal",
    "instant": "succeeded",
    "odd": "running succeeded",
    "malformed": "running malformed running succeeded",
    "empty": "running empty running succeeded",
    "unavailable": "running unavailable running succeeded",
}


@pytest.mark.parametrize("name", LIVES)
def test_each_life_goes_as_it_says(name: str) -> None:
    assert " ".join(lived(LIVES[name])) == SEQUENCES[name]


def test_time_counts_from_the_first_poll_however_seldom_one_looks() -> None:
    course = Course(life=LIVES["slow"], born=100.0)
    assert [course.advance(now)[0] for now in (100.0, 119.9)] == [LIVES["slow"].steps[n].says for n in (0, 2)]
    assert course.advance(120.0)[0] == LIVES["slow"].steps[-1].says


@pytest.mark.parametrize(
    ("task_id", "name"),
    [("quick-1", "quick"), ("quick", "quick"), ("unknown-word-7", "unknown-word"), ("11001", "quick"),
     ("1400800001", "partial"), ("1000800001", "default"), ("11", "default"), ("quicker-1", "default"),
     ("55c85074-3e7f-4c6d-864f-673660d4f8de", "default")],
)  # fmt: skip
def test_task_ids_name_their_lives(task_id: str, name: str) -> None:
    assert life_of(task_id) is LIVES[name]


def test_every_life_but_the_default_has_its_own_digits() -> None:
    digits = [life.digits for life in LIVES.values() if life.name != "default"]
    assert None not in digits
    assert len(set(digits)) == len(digits)

"""Times and durations as the outside sees them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskhook.times import duration, from_rfc3339, rfc3339, rfc3339_millis


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, None),
        (0, "1970-01-01T00:00:00Z"),
        (1_795_255_200, "2026-11-21T10:00:00Z"),
        (1_795_255_200.999, "2026-11-21T10:00:00Z"),
    ],
)
def test_times_are_rfc3339_in_utc_to_the_second(seconds: float | None, shown: str | None) -> None:
    assert rfc3339(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_795_255_200.25, "2026-11-21T10:00:00.250Z"),
        (1_795_255_200.9996, "2026-11-21T10:00:01.000Z"),
    ],
)
def test_waits_are_rfc3339_in_utc_to_the_millisecond(seconds: float, shown: str) -> None:
    assert rfc3339_millis(seconds) == shown


@given(st.floats(0, 4e9))
def test_a_wait_is_shown_within_half_a_millisecond(seconds: float) -> None:
    shown = datetime.strptime(rfc3339_millis(seconds), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert abs(shown.timestamp() - seconds) <= 0.00051


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-21T10:00:00Z", 1_795_255_200),
        (" 2026-11-21t10:00:00z ", 1_795_255_200),
        ("2026-11-21 18:00:00+08:00", 1_795_255_200),
        ("2026-11-21T10:00:00.25Z", 1_795_255_200.25),
        ("2026-11-21T10:00Z", 1_795_255_200),
        ("2026-11-21T10:00:00", None),
        ("2026-11-21", None),
        ("2026-13-21T10:00:00Z", None),
        ("2026-11-21T10:00:00+99:00", None),
        ("1795255200", None),
        ("soon", None),
        ("", None),
    ],
)
def test_a_moment_is_read_where_its_offset_is_written(text: str, seconds: float | None) -> None:
    assert from_rfc3339(text) == seconds


@given(st.integers(0, 253_402_300_799))
def test_a_time_that_is_shown_is_the_moment_that_is_read(seconds: int) -> None:
    assert from_rfc3339(rfc3339(seconds) or "") == seconds


@given(st.text(max_size=40))
def test_no_text_breaks_the_reader_of_times(text: str) -> None:
    from_rfc3339(text)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (8.4, "8 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (3599.6, "1 h"),
        (7500, "2 h 5 min"),
        (86_400, "1 d"),
        (3 * 86_400 + 4 * 3600 + 59 * 60, "3 d 4 h"),
    ],
)
def test_a_duration_reads_as_a_person_says_it(seconds: float, said: str) -> None:
    assert duration(seconds) == said

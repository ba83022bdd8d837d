import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskhook.destinations.text import ELLIPSIS, cut, fill, one_line

FAMILY = "👨‍👩‍👧‍👦"
SCOTLAND = "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"

texts = st.text() | st.text(alphabet="ab é́😀‍👍🏽🇩🇪שלוםمرحبا汉字<&>")


@pytest.mark.parametrize("cluster", ["e\u0301", FAMILY, "👍🏽", "🇩🇪", SCOTLAND, "한", "✔️", "नि"])
def test_what_is_seen_as_one_character_is_not_split(cluster: str) -> None:
    text = f"ab{cluster}cd"
    for limit in range(3, len(text)):
        kept = cut(text, limit).removesuffix(ELLIPSIS)
        assert kept in ("ab", f"ab{cluster}", f"ab{cluster}c")


def test_flags_are_cut_between_pairs() -> None:
    assert cut("🇩🇪🇫🇷🇮🇹", 4) == "🇩🇪" + ELLIPSIS


def test_a_letter_under_a_hundred_accents_is_cut_all_the_same() -> None:
    assert len(cut("a" + "\u0301" * 100, 50)) == 50


def test_what_fits_is_left_alone() -> None:
    assert cut("12345", 5) == "12345"
    assert cut("123456", 5) == "1234…"
    assert cut("1 3 456", 5) == "1 3…"


@given(texts, st.integers(1, 40))
def test_a_cut_text_fits_and_is_a_start(text: str, limit: int) -> None:
    kept = cut(text, limit)
    assert len(kept) <= limit
    assert text.startswith(kept.removesuffix(ELLIPSIS))


@given(st.text(alphabet="a😀汉é"), st.integers(3, 40))
def test_any_measure_holds(text: str, limit: int) -> None:
    assert len(cut(text, limit, lambda part: len(part.encode())).encode()) <= limit


@given(st.text())
def test_one_line_is_one_line_of_what_can_be_sent(text: str) -> None:
    line = one_line(text)
    assert line == one_line(line)
    assert len(line.splitlines()) <= 1
    assert not any(unicodedata.category(char) == "Cc" for char in line)
    assert line.encode().decode() == line


def test_one_line_keeps_joiners_and_drops_what_turns_text_around() -> None:
    assert one_line(f" a\r\n\tb\x00c {FAMILY}\u202egnp.exe ") == f"a bc {FAMILY}gnp.exe"
    assert one_line("\ud83d!") == "\ufffd!"


@given(st.lists(st.text(min_size=1, max_size=10), max_size=30), st.integers(15, 100))
def test_a_list_fits_and_says_what_is_left_out(lines: list[str], limit: int) -> None:
    kept = fill(lines, limit)
    assert len("\n".join(kept)) <= limit
    if kept != lines:
        assert kept[-1] == f"… and {len(lines) - len(kept) + 1} more"
        assert kept[:-1] == lines[: len(kept) - 1]


def test_a_list_that_fits_says_nothing_more() -> None:
    assert fill(["a", "b"], 30) == ["a", "b"]
    assert fill([], 30) == []

"""What a conversation is called by its first words."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.title import title_from


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("How do I reset my password?", "How do I reset my password?"),
        ("  How\n do\tI  \r\n go\u00a0on? ", "How do I go on?"),
        ("a\0b\x07c\x7f", "abc"),
        ("", ""),
        (" \n\0 ", ""),
        ("x" * 60, "x" * 60),
        ("x" * 500, "x" * 59 + "…"),
        ("密" * 200, "密" * 59 + "…"),
        ("word " * 30, "word " * 11 + "word…"),
        ("a " + "x" * 500, "a " + "x" * 57 + "…"),
        (" " * 600 + "late", "late"),
        ("\0" * 600 + "late", "late"),
        ("x" * 59 + " yes", "x" * 59 + "…"),
    ],
)
def test_the_title_is_the_first_words(text: str, title: str) -> None:
    assert title_from(text) == title


def test_an_accent_is_not_torn_off_its_letter() -> None:
    assert title_from("x" * 58 + "e\u0301" + "x" * 20) == "x" * 58 + "…"


def test_a_joined_emoji_is_not_cut_in_two() -> None:
    assert title_from("x" * 56 + "👩\u200d👩\u200d👧" + "x" * 20) == "x" * 56 + "…"


def test_a_skin_tone_stays_with_its_hand() -> None:
    assert title_from("x" * 58 + "👍🏽" + "x" * 20) == "x" * 58 + "…"


def test_nothing_but_accents_is_cut_somewhere() -> None:
    assert len(title_from("e" + "\u0301" * 500)) == 60


@settings(deadline=None)
@given(st.text() | st.text(alphabet=" ab\0\n\u0301é密", min_size=50, max_size=700))
def test_every_title_is_short_one_line_and_its_own_title(text: str) -> None:
    title = title_from(text)
    assert len(title) <= 60
    assert not any(unicodedata.category(character) == "Cc" for character in title)
    assert title == " ".join(title.split())
    assert title_from(title) == title

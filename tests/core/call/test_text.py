"""Sentences out of a stream, and the part of one that was heard."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.call.text import SentenceSplitter, heard_part


def split(*pieces: str) -> list[str]:
    splitter = SentenceSplitter()
    found = [sentence for piece in pieces for sentence in splitter.feed(piece)]
    return found + splitter.flush()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello. How are you?", ["Hello.", "How are you?"]),
        ("Dr. Smith is in. Come by.", ["Dr. Smith is in.", "Come by."]),
        ("Take e.g. the bus. It is quick.", ["Take e.g. the bus.", "It is quick."]),
        ("It costs 3.50 euros. Fine?", ["It costs 3.50 euros.", "Fine?"]),
        ("שלום. מה שלומך?", ["שלום.", "מה שלומך?"]),
        ('He said "come." Then he left.', ['He said "come."', "Then he left."]),
        ("First line\nSecond line", ["First line", "Second line"]),
        ("One.  -  Two.", ["One.", "- Two."]),
        ("Open 9 a.m. to 5 p.m. on Mondays.", ["Open 9 a.m. to 5 p.m. on Mondays."]),
        ("We open at 9 a.m. Then we cook.", ["We open at 9 a.m.", "Then we cook."]),
        ("No. We are closed.", ["No.", "We are closed."]),
        ("It is room No. 5 here.", ["It is room No. 5 here."]),
        ("See www.example.com/a.b?c=1. Bye.", ["See www.example.com/a.b?c=1.", "Bye."]),
        ("Write to info@example.com. Bye.", ["Write to info@example.com.", "Bye."]),
        ("Well... let me see… Yes!", ["Well...", "let me see…", "Yes!"]),
        ("你好。我是「小王。」再见", ["你好。", "我是「小王。」", "再见"]),
        ("...", []),
        ("", []),
    ],
)
def test_a_text_is_cut_into_its_sentences(text: str, expected: list[str]) -> None:
    assert split(text) == expected
    assert split(*text) == expected


def test_a_sentence_is_there_as_soon_as_it_is_complete() -> None:
    splitter = SentenceSplitter()
    assert splitter.feed("Hello there") == []
    assert splitter.feed(". ") == ["Hello there."]
    assert splitter.flush() == []


def test_a_sentence_without_an_end_is_cut_between_words() -> None:
    found = split("and so on " * 100)
    assert max(map(len, found)) <= 240
    assert " ".join(found) == " ".join(["and so on"] * 100)


TEXTS = st.text(st.sampled_from('aB9.,!?…"” \n。שDr'), max_size=600)


@given(TEXTS, st.lists(st.integers(0, 600), max_size=8))
def test_how_the_text_is_cut_into_pieces_makes_no_difference(text: str, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(edges)]
    assert split(*pieces) == split(text)


@given(TEXTS)
def test_no_letter_is_lost(text: str) -> None:
    def letters(of: str) -> str:
        return "".join(filter(str.isalnum, of))

    assert letters("".join(split(text))) == letters(text)


@pytest.mark.parametrize(
    ("share", "heard"),
    [(-1, ""), (0, ""), (0.2, ""), (0.45, "one"), (0.54, "one two"), (0.99, "one two"), (1, None)],
)
def test_a_word_counts_once_its_last_letter_was_played(share: float, heard: str | None) -> None:
    text = "one two three"
    assert heard_part(text, share) == (text if heard is None else heard)


@given(st.text(max_size=80), st.floats(0, 1), st.floats(0, 1))
def test_more_audio_is_never_fewer_words(text: str, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert heard_part(text, more).startswith(heard_part(text, less))

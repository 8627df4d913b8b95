"""What the caller said becomes values, also when the recognizer misheard."""

from __future__ import annotations

from datetime import date, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook_llm_script import times
from offhook_llm_script.options import Slot
from offhook_llm_script.slots import EXTRACTION_ORDER, Ask, find
from offhook_llm_script.text import Polarity, core, normalize

TUESDAY = date(2026, 11, 24)
WORDS = [
    "for",
    "four",
    "at",
    "seven",
    "tomorrow",
    "half",
    "past",
    "7:30",
    "pm",
    "name",
    "is",
    "|",
    ",",
]


def value(kind: str, said: str, *, lenient: bool = False, name: str = "slot", **more: Any) -> Any:
    slot = Slot.model_validate({"type": kind, "ask": "?", **more})
    found = find(Ask(name, slot, TUESDAY, lenient), normalize(said))
    return found.value if found else None


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("Sorry, can I book a table for four?", 4),
        ("a table for for", 4),
        ("table for to tomorrow", 2),
        ("A table for 4 people.", 4),
        ("for people", 4),
        ("a party of six on Friday", 6),
        ("there will be too", 2),
        ("just me", 1),
        ("the two of us", 2),
        ("a couple", 2),
        ("half a dozen guests", 6),
        ("me and my wife", 2),
        ("for tonight", None),
        ("tomorrow at seven", None),
        ("we are ninety nine", None),
    ],
)
def test_a_number_with_its_cue(said: str, number: int | None) -> None:
    assert value("number", said, name="people", max=20) == number


@pytest.mark.parametrize(
    ("said", "number"),
    [("Four.", 4), ("uh, for", 4), ("too", 2), ("twenty five", 25), ("25", 25), ("maybe", None)],
)
def test_a_bare_number_where_it_was_asked_for(said: str, number: int | None) -> None:
    assert value("number", said, lenient=True, min=1) == number


def test_a_number_takes_its_unit_from_the_slots_name() -> None:
    assert value("number", "three nights from friday", name="nights") == 3


@pytest.mark.parametrize(
    ("said", "clock"),
    [
        ("Tomorrow at seven", "19:00"),
        ("at 7", "19:00"),
        ("7:30 p.m.", "19:30"),
        ("7.30", "19:30"),
        ("half past eight", "20:30"),
        ("half eight", "20:30"),
        ("quarter to nine in the evening", "20:45"),
        ("ten past eight", "20:10"),
        ("noon", "12:00"),
        ("at ate", "20:00"),
        ("19:00", "19:00"),
        ("eight o'clock", "20:00"),
        ("at seven forty five", "19:45"),
        ("at 730 pm", "19:30"),
        ("for two at seven", "19:00"),
        ("for seven pm", "19:00"),
        ("a table for four", None),
        ("seven", None),
        ("at 10 am", "22:00"),
        ("at 11:30 am", None),
        ("tomorrow what's oven", "19:00"),
        ("25:70", None),
    ],
)
def test_a_time_with_its_cue(said: str, clock: str | None) -> None:
    assert value("time", said, between="12:00-23:00") == clock


@pytest.mark.parametrize(
    ("said", "clock"),
    [
        ("seven", "19:00"),
        ("eight thirty", "20:30"),
        ("ate", "20:00"),
        ("730", "19:30"),
        ("six oh five", "18:05"),
        ("nothing", None),
    ],
)
def test_a_bare_time_where_it_was_asked_for(said: str, clock: str | None) -> None:
    assert value("time", said, lenient=True, between="12:00-23:00") == clock


@pytest.mark.parametrize(
    ("said", "clock"),
    [
        ("at nine", "09:00"),
        ("at three", "15:00"),
        ("at nine in the evening", "21:00"),
        ("tomorrow morning at six", "06:00"),
        ("at twelve", "12:00"),
        ("midnight", "00:00"),
    ],
)
def test_an_hour_without_limits_is_read_as_people_mean_it(said: str, clock: str) -> None:
    assert value("time", said) == clock


def test_a_span_may_go_past_midnight() -> None:
    night = (time(18), time(2))
    assert times.within(time(23), night)
    assert times.within(time(1), night)
    assert not times.within(time(12), night)


@pytest.mark.parametrize(
    ("moment", "spoken"),
    [
        (time(19), "7 pm"),
        (time(9, 5), "9:05 am"),
        (time(12), "noon"),
        (time(0), "midnight"),
        (time(12, 30), "12:30 pm"),
    ],
)
def test_how_a_time_is_said(moment: time, spoken: str) -> None:
    assert times.spell_time(moment) == spoken


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("tomorrow at seven", "2026-11-25"),
        ("to morrow", "2026-11-25"),
        ("tommorow evening", "2026-11-25"),
        ("this evening", "2026-11-24"),
        ("tonight", "2026-11-24"),
        ("the day after tomorrow", "2026-11-26"),
        ("on Friday", "2026-11-27"),
        ("on wensday", "2026-11-25"),
        ("Tuesday", "2026-11-24"),
        ("next Tuesday", "2026-12-01"),
        ("June 5th", "2027-06-05"),
        ("the twenty third of December", "2026-12-23"),
        ("on the 3rd", "2026-12-03"),
        ("on the thirtieth", "2026-11-30"),
        ("february 30", None),
        ("whenever", None),
    ],
)
def test_a_date(said: str, day: str | None) -> None:
    assert value("date", said) == day


@pytest.mark.parametrize(
    ("day", "spoken"),
    [
        (date(2026, 11, 24), "today"),
        (date(2026, 11, 25), "tomorrow"),
        (date(2026, 11, 27), "on Friday"),
        (date(2027, 6, 5), "on June 5"),
    ],
)
def test_how_a_date_is_said(day: date, spoken: str) -> None:
    assert times.spell_date(day, TUESDAY) == spoken


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("My name is Anna.", "Anna"),
        ("My name's Anna Rossi, and I'd like", "Anna Rossi"),
        ("mine name is Ana", "Ana"),
        ("It's under the name of de Luca", "De Luca"),
        ("call me o'brien", "O'Brien"),
        ("Anna", None),
        ("It's fine", None),
    ],
)
def test_a_name_that_is_announced(said: str, name: str | None) -> None:
    assert value("name", said) == name


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Anna", "Anna"),
        ("It's Ana.", "Ana"),
        ("uh, Anna Rossi please", "Anna Rossi"),
        ("Yes, sure, Anna.", "Anna"),
        ("This is Anna speaking", "Anna"),
        ("Anna. A-N-N-A.", "Anna"),
        ("For Rossi.", "Rossi"),
        ("what are your opening hours?", None),
        ("tomorrow", None),
        ("42", None),
    ],
)
def test_a_bare_name_where_it_was_asked_for(said: str, name: str | None) -> None:
    assert value("name", said, lenient=True) == name


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        ("it's 415 555 0100", "4155550100"),
        ("four one five, five five five, oh one double oh", "4155550100"),
        ("+1 415-555-0100", "+14155550100"),
        ("plus three nine, 06 555 1234", "+39065551234"),
        ("room 101", None),
    ],
)
def test_a_phone_number(said: str, digits: str | None) -> None:
    assert value("phone", said) == digits


@pytest.mark.parametrize(
    ("said", "choice"),
    [
        ("delivery please", "delivery"),
        ("pick up", "pickup"),
        ("to take away", "takeaway"),
        ("?", None),
    ],
)
def test_a_choice(said: str, choice: str | None) -> None:
    values = ["pickup", "delivery", "takeaway"]
    assert value("choice", said, lenient=True, values=values) == choice


def test_a_text_is_taken_only_where_it_was_asked_for() -> None:
    assert value("text", "Tell Lina, her brother called.", lenient=True) == (
        "tell lina her brother called"
    )
    assert value("text", "Tell Lina her brother called.") is None
    assert value("text", "um, hello", lenient=True) is None


@pytest.mark.parametrize(
    ("said", "yes"),
    [
        ("Yes, that's right.", True),
        ("sounds good", True),
        ("No, at eight.", False),
        ("that's not right", False),
        ("tomorrow", None),
        ("si", True),
    ],
)
def test_yes_and_no(said: str, yes: bool | None) -> None:
    assert Polarity(yes=("Sì", "si")).of(normalize(said)) is yes


def test_an_end_is_told_from_an_answer() -> None:
    polarity = Polarity()
    assert polarity.is_only_no(normalize("No that's all, thank you, goodbye"))
    assert polarity.is_only_no(normalize("No, thanks."))
    assert not polarity.is_only_no(normalize("No, I want a table"))
    assert not polarity.is_only_no(normalize("thank you"))
    assert polarity.is_only_yes(normalize("Yes please"))
    assert not polarity.is_only_yes(normalize("Yes, a table"))


def test_pleasantries_do_not_count() -> None:
    assert core(normalize("Hi, um, where are you, please?")) == "where are you"
    assert core(normalize("Hello!")) == ""
    assert core(normalize("Have a good evening")) == "have a good evening"


@given(
    st.sampled_from(EXTRACTION_ORDER),
    st.lists(
        st.one_of(
            st.sampled_from(WORDS),
            st.text(max_size=8),
        ),
        max_size=12,
    ),
    st.booleans(),
)
def test_no_words_break_the_search(kind: str, said: list[str], lenient: bool) -> None:
    values = {"values": ["a b", "c"]} if kind == "choice" else {}
    value(kind, " ".join(said), lenient=lenient, **values)

"""Times of day and dates as they are spoken."""

from __future__ import annotations

import difflib
import re
from datetime import date, time, timedelta

from offhook_llm_script.numbers import HOMOPHONES, NUMBER, ORDINALS, UNITS, value
from offhook_llm_script.text import listed

_HOUR = rf"(?:\d{{1,2}}|{'|'.join(reversed(UNITS[1:13]))})"
_MINUTE = (
    r"(?:(?:oh|o) (?:five|\d)|fifteen|thirty|forty[ -]five|twenty(?:[ -]five)?|ten|fifty|forty|"
    r"\d\d)"
)
_HALF_DAY = r"(?:am|pm)"
_BEFORE = r"(?:at|by|around|about|for|from|say|until)"
_DAYPARTS = (
    ("am", re.compile(r"\b(?:in the|this|tomorrow) morning\b")),
    (
        "pm",
        re.compile(r"\b(?:in the|this|tomorrow) (?:afternoon|evening)\b|\b(?:tonight|at night)\b"),
    ),
)
_FIXED = {"noon": time(12), "midday": time(12), "midnight": time(0)}
_MEAL_HOURS = range(1, 8)

_PAST = re.compile(
    rf"\b(?:{_BEFORE} )?(half|quarter|{NUMBER})(?: minutes?)? (past|after|to|till) ({_HOUR})\b"
    rf"(?: ({_HALF_DAY})\b)?"
)
_HALF = re.compile(rf"\b(?:{_BEFORE} )?half ({_HOUR})\b(?: ({_HALF_DAY})\b)?")
_CLOCK = re.compile(rf"\b(?:{_BEFORE} )?(\d{{1,2}}):(\d\d)\b(?: ({_HALF_DAY})\b)?")
_NOON = re.compile(rf"\b(?:{_BEFORE} )?({'|'.join(_FIXED)})\b")
_FULL = re.compile(
    rf"\b(?:({_BEFORE}) )?({_HOUR})\b(?: (o'clock)\b)?(?: ({_MINUTE})\b(?! (?:people|of us)))?"
    rf"(?: (o'clock)\b)?(?: ({_HALF_DAY})\b)?"
)
_RUN_TOGETHER = re.compile(rf"\b(?:{_BEFORE} )?(\d{{1,2}})(\d\d)(?: ({_HALF_DAY})\b|\b)")
# What a small recognizer makes of "at seven" and its like, where nothing else is a time.
_MISHEARD_HOURS = HOMOPHONES | {"oven": 7, "heaven": 7, "even": 7, "hate": 8, "nein": 9}
_MISHEARD = re.compile(
    rf"\b(?:(?:at|around|by) ({'|'.join(_MISHEARD_HOURS)})|(?:what's|that's|but) (oven|heaven|ate))"
    rf"(?: ({_HALF_DAY})\b|(?= \|)|$)"
)

_WEEKDAYS = listed("monday tuesday wednesday thursday friday saturday sunday")
_MONTHS = listed(
    "january february march april may june july august september october november december"
)
_MONTH = "|".join(_MONTHS)
_SPOKEN_ORDINAL = rf"(?:twenty|thirty)[ -](?:{'|'.join(ORDINALS)})|{'|'.join(ORDINALS)}"
_DAY = rf"(?:\d{{1,2}}(?:st|nd|rd|th)?|{_SPOKEN_ORDINAL})"
_DAY_OF_MONTH = re.compile(
    rf"\b(?:on )?(?:(?:the )?({_DAY}) (?:of )?({_MONTH})|({_MONTH}) (?:the )?({_DAY}))\b"
)
_ORDINAL = re.compile(rf"\bon the (\d{{1,2}}(?:st|nd|rd|th)|{_SPOKEN_ORDINAL})\b")
_NEAR = re.compile(
    r"\b(?:(the )?day after tomorrow|tomorrow|today|tonight|this (?:evening|afternoon|morning))\b"
)
_WEEKDAY = re.compile(rf"\b(?:on )?(?:(next|this|coming) )?({'|'.join(_WEEKDAYS)})s?\b")
_CALENDAR_WORDS = [*_WEEKDAYS, "tomorrow", "tonight"]


Span = tuple[int, int]


def find_time(
    text: str, between: tuple[time, time] | None, *, asked: bool
) -> tuple[time, Span] | None:
    """The first time of day in a normalized text and where it stands.

    ``asked``: a bare number counts as an hour. An hour without am or pm is read so that it falls
    into ``between``, else by the part of the day that is named, else 1 to 7 are afternoon.
    """
    if match := _NOON.search(text):
        return _FIXED[match[1]], match.span()
    if match := _PAST.search(text):
        minutes = {"half": 30, "quarter": 15}.get(match[1]) or value(match[1])
        hour = value(match[3])
        if match[2] in ("to", "till"):
            hour, minutes = (hour - 1) % 24 or 12, 60 - minutes
        return _settle(text, hour, minutes, match[4], between, match.span())
    if match := _CLOCK.search(text):
        return _settle(text, int(match[1]), int(match[2]), match[3], between, match.span())
    if match := _HALF.search(text):
        return _settle(text, value(match[1]), 30, match[2], between, match.span())
    return _find_hour(text, between, asked=asked)


def _find_hour(
    text: str, between: tuple[time, time] | None, *, asked: bool
) -> tuple[time, Span] | None:
    named_part = any(pattern.search(text) for _, pattern in _DAYPARTS)
    bare: re.Match[str] | None = None
    for match in _FULL.finditer(text):
        before, hour, clock, minute, clock_after, half_day = match.groups()
        cued = before not in (None, "for", "about", "from") or clock or clock_after or half_day
        cued = cued or (minute and minute != hour and before) or (before and named_part)
        if cued:
            return _settle(text, value(hour), _minutes(minute), half_day, between, match.span())
        bare = bare or match
    if bare and asked:
        return _settle(text, value(bare[2]), _minutes(bare[4]), None, between, bare.span())
    if misheard := _MISHEARD.search(text):
        hour = _MISHEARD_HOURS[misheard[1] or misheard[2]]
        return _settle(text, hour, 0, misheard[3], between, misheard.span())
    if asked and text in _MISHEARD_HOURS:
        return _settle(text, _MISHEARD_HOURS[text], 0, None, between, (0, len(text)))
    digits = _RUN_TOGETHER.search(text)
    if digits and (asked or digits[3]):
        return _settle(text, int(digits[1]), int(digits[2]), digits[3], between, digits.span())
    return None


def _minutes(spoken: str | None) -> int:
    if not spoken:
        return 0
    return value(spoken.split()[-1] if spoken.startswith("o") else spoken)


def _settle(
    text: str,
    hour: int,
    minutes: int,
    half_day: str | None,
    between: tuple[time, time] | None,
    span: Span,
) -> tuple[time, Span] | None:
    if hour > 23 or minutes > 59:
        return None
    half_day = half_day or next((name for name, part in _DAYPARTS if part.search(text)), None)
    early, late = time(hour % 12, minutes), time(hour % 12 + 12, minutes)
    if hour > 12 or hour == 0:
        readings = [time(hour, minutes)]
    elif half_day:
        # The other half of the day too: "a.m." is easily heard in a line's hum, and the limits
        # decide below.
        readings = [early, late] if half_day == "am" else [late, early]
    elif hour in _MEAL_HOURS or hour == 12:
        readings = [late, early]
    else:
        readings = [early, late]
    if between is None:
        return readings[0], span
    fitting = [reading for reading in readings if within(reading, between)]
    return (fitting[0], span) if fitting else None


def within(moment: time, span: tuple[time, time]) -> bool:
    """Whether a time falls into a span, which may go past midnight."""
    opens, closes = span
    if opens <= closes:
        return opens <= moment <= closes
    return moment >= opens or moment <= closes


def spell_time(moment: time) -> str:
    """How the agent says a time: ``7 pm``, ``7:30 pm``, ``noon``."""
    if moment.minute == 0 and moment.hour in (0, 12):
        return "noon" if moment.hour else "midnight"
    clock = str(moment.hour % 12 or 12) + (f":{moment.minute:02d}" if moment.minute else "")
    return f"{clock} {'pm' if moment.hour >= 12 else 'am'}"


def find_date(text: str, today: date) -> tuple[date, Span] | None:
    """The first date in a normalized text and where it stands; never in the past."""
    if found := _exact_date(text, today):
        return found
    # A misspelt weekday is better guessed than asked for again.
    for match in re.finditer(r"\w{6,}", text):
        if close := difflib.get_close_matches(match[0], _CALENDAR_WORDS, 1, 0.8):
            guessed = _exact_date(close[0], today)
            return (guessed[0], match.span()) if guessed else None
    return None


def _exact_date(text: str, today: date) -> tuple[date, Span] | None:
    if match := _NEAR.search(text):
        days = 2 if "after" in match[0].split() else int(match[0] == "tomorrow")
        return today + timedelta(days), match.span()
    if match := _DAY_OF_MONTH.search(text):
        day, month = match[1] or match[4], match[2] or match[3]
        found = _next_day_of_month(_day(day), _MONTHS.index(month) + 1, today)
        return (found, match.span()) if found else None
    if match := _WEEKDAY.search(text):
        ahead = (_WEEKDAYS.index(match[2]) - today.weekday()) % 7
        if ahead == 0 and match[1] == "next":
            ahead = 7
        return today + timedelta(ahead), match.span()
    if match := _ORDINAL.search(text):
        for month in (today.month, today.month % 12 + 1):
            found = _next_day_of_month(_day(match[1]), month, today)
            if found and (found - today).days < 62:
                return found, match.span()
    return None


def _day(spoken: str) -> int:
    if digits := re.match(r"\d+", spoken):
        return int(digits[0])
    return sum(ORDINALS.get(word) or value(word) for word in re.split(r"[ -]", spoken))


def _next_day_of_month(day: int, month: int, today: date) -> date | None:
    for year in (today.year, today.year + 1):
        try:
            found = date(year, month, day)
        except ValueError:
            continue
        if found >= today:
            return found
    return None


def spell_date(day: date, today: date) -> str:
    """How the agent says a date: ``today``, ``tomorrow``, ``on Friday``, ``on June 5``."""
    ahead = (day - today).days
    if ahead < 2:
        return ("today", "tomorrow")[ahead]
    if ahead < 7:
        return f"on {_WEEKDAYS[day.weekday()].capitalize()}"
    return f"on {_MONTHS[day.month - 1].capitalize()} {day.day}"

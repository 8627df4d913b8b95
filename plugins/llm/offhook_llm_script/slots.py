"""Finds what an intent must learn in what the caller said, in spite of a recognizer's mistakes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from offhook_llm_script import numbers, times
from offhook_llm_script.options import Slot
from offhook_llm_script.text import FILLERS, core, listed, words


@dataclass(frozen=True, slots=True)
class Found:
    """A slot's value for a tool (JSON), how the agent says it, and the text that is left over."""

    value: Any
    spoken: str
    rest: str


@dataclass(frozen=True, slots=True)
class Ask:
    """One slot to look for. ``lenient``: it was just asked for, so a bare answer counts."""

    name: str
    slot: Slot
    today: date
    lenient: bool = False


def find(ask: Ask, text: str) -> Found | None:
    """The slot's value in a normalized text, or None."""
    return _FINDERS[ask.slot.type](ask, text)


def _found(text: str, span: tuple[int, int], value: Any, spoken: str) -> Found:
    rest = f"{text[: span[0]]} | {text[span[1] :]}"
    return Found(value, spoken, " ".join(rest.split()))


# ---- number -------------------------------------------------------------------------------------

_PEOPLE = r"(?:people|persons?|guests?|adults?|of us|diners|seats|pax)"
_GROUPS = (
    (re.compile(r"\b(?:just|only) (?:me|myself)\b|\bmyself\b|\balone\b|\bon my own\b"), 1),
    (re.compile(r"\b(?:both of us|me and my \w+|my \w+ and (?:i|me|myself))\b"), 2),
    (re.compile(r"\bhalf a dozen\b"), 6),
    (re.compile(r"\ba dozen\b"), 12),
    (re.compile(r"\ba couple\b|\ba pair\b"), 2),
)
_CUE = (
    r"\b(?:(?:table|party|group|booking|reservation|room) (?:of|for)|table|for|we are|we're|"
    r"there are|there'll be|there will be|make (?:it|that))(?: about| around| maybe| just)?"
)
_CUED_NUMBER = re.compile(rf"{_CUE} ({numbers.NUMBER})\b")
_CUED_HOMOPHONE = re.compile(
    rf"\b(?:(?:table|party|group|booking|reservation) (?:of|for)|table|for|be|are) "
    rf"({numbers.HOMOPHONE})"
    rf"(?= \||$| (?:{_PEOPLE}|tomorrow|today|tonight|on|at|please|next|this)\b)"
)
_NUMBER = re.compile(rf"\b({numbers.NUMBER})\b")


def _find_number(ask: Ask, text: str) -> Found | None:
    unit = re.escape(ask.name.replace("_", " ").rstrip("s"))
    counted = re.compile(
        rf"\b({numbers.NUMBER}|{numbers.HOMOPHONE}) (?:more )?(?:{_PEOPLE}|{unit}s?)\b"
    )
    for pattern in (counted, _CUED_NUMBER):
        for match in pattern.finditer(text):
            if found := _number(ask, text, match.span(), numbers.value(match[1])):
                return found
    for group, count in _GROUPS:
        if counted_group := group.search(text):
            return _number(ask, text, counted_group.span(), count)
    if misheard := _CUED_HOMOPHONE.search(text):
        return _number(ask, text, misheard.span(), numbers.value(misheard[1]))
    return _bare_number(ask, text) if ask.lenient else None


def _bare_number(ask: Ask, text: str) -> Found | None:
    for match in _NUMBER.finditer(text):
        if found := _number(ask, text, match.span(), numbers.value(match[1])):
            return found
    last = words(text)[-1:]
    if last and last[0] in numbers.HOMOPHONES:
        start = text.rindex(last[0])
        return _number(ask, text, (start, start + len(last[0])), numbers.HOMOPHONES[last[0]])
    return None


def _number(ask: Ask, text: str, span: tuple[int, int], number: int) -> Found | None:
    low, high = ask.slot.min, ask.slot.max
    if (low is not None and number < low) or (high is not None and number > high):
        return None
    return _found(text, span, number, numbers.spell(number))


# ---- time and date ------------------------------------------------------------------------------


def _find_time(ask: Ask, text: str) -> Found | None:
    found = times.find_time(text, ask.slot.span, asked=ask.lenient)
    if found is None:
        return None
    moment, span = found
    return _found(text, span, moment.strftime("%H:%M"), times.spell_time(moment))


def _find_date(ask: Ask, text: str) -> Found | None:
    found = times.find_date(text, ask.today)
    if found is None:
        return None
    day, span = found
    return _found(text, span, day.isoformat(), times.spell_date(day, ask.today))


# ---- name ---------------------------------------------------------------------------------------

_NAME_SAID = re.compile(
    r"\b(?:(?:the|my|mine|her|his) names?(?: is|'s| as| was)?|names?(?: is|'s)|"
    r"i am called|i'm called|call me|under the name(?: of)?|(?:in|under) the name)\b"
)
_NAME_ANSWERED = re.compile(
    r"\b(?:it's|it is|this is|that's|that is|that would be|i'm|i am|under|for|name)\b"
)
_NOT_NAMES = FILLERS | frozenset(
    listed(
        "a an the my is it it's i i'm name names sure for at on in of to no not and what when "
        "where why how do does can could would you your tomorrow today tonight table people "
        "calling speaking that that's with from under last first yep yeah looking sorry fine are "
        "was will have has want need like know about any some one"
    )
)
_MOST_NAME_WORDS = 3


def _find_name(ask: Ask, text: str) -> Found | None:
    if match := _NAME_SAID.search(text):
        return _name(text, match.end())
    if not ask.lenient:
        return None
    for match in _NAME_ANSWERED.finditer(text):
        if found := _name(text, match.end()):
            return found
    start = 0
    for phrase in text.split(" | "):
        if len(core(phrase).split()) <= _MOST_NAME_WORDS and (found := _name(text, start)):
            return found
        start += len(phrase) + len(" | ")
    return None


def _name(text: str, start: int) -> Found | None:
    name: list[re.Match[str]] = []
    for word in re.compile(r"\S+").finditer(text, start):
        if word[0] in _NOT_NAMES or not word[0].replace("'", "").isalpha():
            if name or word[0] == "|":
                break
            continue
        name.append(word)
        if len(name) == _MOST_NAME_WORDS:
            break
    if not name:
        return None
    spoken = " ".join(_capitalize(word[0]) for word in name)
    return _found(text, (start, name[-1].end()), spoken, spoken)


def _capitalize(name: str) -> str:
    return re.sub(r"[^\W_]+", lambda part: part[0].capitalize(), name)


# ---- phone, choice, text ------------------------------------------------------------------------

_DIGIT_WORDS = {"oh": "0", "o": "0", **{word: str(i) for i, word in enumerate(numbers.UNITS[:10])}}
_DIGIT = rf"(?:\+?\d+|(?:double |triple )?(?:{'|'.join(_DIGIT_WORDS)}|\d))"
_PHONE = re.compile(rf"(?<!\S)(?:plus )?{_DIGIT}(?:(?: \| | ){_DIGIT})*(?!\S)")
_FEWEST_DIGITS = 7


def _find_phone(ask: Ask, text: str) -> Found | None:
    fewest = _FEWEST_DIGITS - 2 if ask.lenient else _FEWEST_DIGITS
    for match in _PHONE.finditer(text):
        digits, repeat = "", 1
        for word in words(match[0]):
            if word in ("double", "triple"):
                repeat = 2 if word == "double" else 3
            elif word != "plus":
                digits += _DIGIT_WORDS.get(word, word.lstrip("+")) * repeat
                repeat = 1
        if fewest <= len(digits) <= 15:
            number = ("+" if match[0].startswith(("+", "plus")) else "") + digits
            return _found(text, match.span(), number, " ".join(digits))
    return None


def _find_choice(ask: Ask, text: str) -> Found | None:
    spoken = list(re.finditer(r"[^\s|]+", text))
    best: tuple[float, str, tuple[int, int]] | None = None
    for choice in ask.slot.values:
        wanted = choice.lower().replace(" ", "")
        for first, start in enumerate(spoken):
            # One word more than the choice has: "take away" is "takeaway".
            for last in spoken[first : first + len(choice.split()) + 1]:
                span = start.start(), last.end()
                heard = text[slice(*span)].replace(" ", "")
                alike = difflib.SequenceMatcher(None, heard, wanted).ratio()
                if best is None or alike > best[0]:
                    best = alike, choice, span
    if best is None or best[0] < (0.75 if ask.lenient else 0.85):
        return None
    return _found(text, best[2], best[1], best[1])


def _find_text(ask: Ask, text: str) -> Found | None:
    said = " ".join(words(text))
    return Found(said, said, "") if ask.lenient and core(text) else None


_FINDERS: dict[str, Callable[[Ask, str], Found | None]] = {
    "number": _find_number,
    "time": _find_time,
    "date": _find_date,
    "name": _find_name,
    "phone": _find_phone,
    "choice": _find_choice,
    "text": _find_text,
}
EXTRACTION_ORDER = ("phone", "date", "time", "number", "choice", "name", "text")
"""Most telling first: what one finds is gone from the text that the next one sees."""

"""Numbers as they are spoken, and as a recognizer mishears them."""

from __future__ import annotations

import re

from offhook_llm_script.text import listed

UNITS = listed(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS = {
    word: 10 * tens
    for tens, word in enumerate(listed("twenty thirty forty fifty sixty seventy eighty ninety"), 2)
}
_ONES = {word: value for value, word in enumerate(UNITS)}
ORDINALS = {
    word: value
    for value, word in enumerate(
        listed(
            "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
            "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
        ),
        1,
    )
} | {"thirtieth": 30}
# What small recognizers write for these numbers; trusted only where a number is expected.
HOMOPHONES = {"for": 4, "to": 2, "too": 2, "ate": 8, "won": 1, "tree": 3, "free": 3, "sex": 6}

_tens = "|".join(_TENS)
_ones = "|".join(reversed(UNITS))
NUMBER = rf"(?:\d+|(?:{_tens})(?:[ -](?:{'|'.join(UNITS[1:10])}))?|{_ones})"
HOMOPHONE = rf"(?:{'|'.join(HOMOPHONES)})"


def value(spoken: str) -> int:
    """The number that a match of NUMBER or HOMOPHONE stands for."""
    if spoken.isdigit():
        return int(spoken)
    return sum(
        _TENS.get(word, _ONES.get(word, HOMOPHONES.get(word, 0)))
        for word in re.split(r"[ -]", spoken)
    )


def spell(number: int) -> str:
    """How the agent says a number: in words up to twelve."""
    return UNITS[number] if 0 <= number <= 12 else str(number)

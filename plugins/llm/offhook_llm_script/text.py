"""Spoken text made comparable: lower case, single spaces, punctuation as ``|``; yes and no."""

from __future__ import annotations

import re

_SPLIT_WORDS = {
    "to morrow": "tomorrow",
    "to day": "today",
    "to night": "tonight",
    "good bye": "goodbye",
    "bye bye": "goodbye",
    "o clock": "o'clock",
    "oclock": "o'clock",
    "all right": "alright",
    "thats": "that's",
    "im": "i'm",
}
_SPLIT = re.compile(rf"\b(?:{'|'.join(_SPLIT_WORDS)})\b")


def listed(text: str) -> list[str]:
    """The words of a text: how this package writes its vocabularies."""
    return text.split()


FILLERS = frozenset(
    listed(
        "uh um er ah oh hm hmm well so okay ok please thanks thank you very much hi hello hey "
        "sorry and good morning afternoon evening yes yeah there excuse me again just actually "
        "then now"
    )
)
_THANKS = re.compile(r"(?:(?:^| )(?:please|thanks|thank you|very much|so much|okay?|now))+$")
YES = frozenset(
    listed(
        "yes yeah yep yup ya correct right exactly sure perfect ok okay alright absolutely "
        "definitely great fine good indeed please course"
    )
)
NO = frozenset(listed("no nope nah not don't isn't wrong incorrect nothing none never"))
GOODBYE = frozenset(listed("goodbye bye ciao"))
_AROUND_YES_NO = FILLERS | frozenset(
    listed(
        "that that's that'll this is it it's all be will do for i i'm we we're need of sounds "
        "good fine great else more today everything lovely perfect nice day have a the lot so"
    )
)
DROP = re.compile(r"\b(?:never ?mind|forget (?:it|about it|that)|changed my mind|cancel that)\b")
CORRECTION = re.compile(
    r"\b(?:actually|instead|sorry|i meant?|make (?:it|that)|change|rather|no|not|wait)\b"
)


def normalize(text: str) -> str:
    """Lower case, single spaces, ``|`` for each punctuation that ends a phrase; times kept."""
    text = text.lower().replace("’", "'")
    text = re.sub(r"\b([ap])\s?\.?\s?m\b\.?", r"\1m", text)
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"\b(\d{1,2})[.:](\d\d)\b", r"\1:\2", text)
    text = re.sub(r"(\d)([ap]m)\b", r"\1 \2", text)
    text = re.sub(r"[.,;?!…]+|\s[-–—]+\s", " | ", text)
    text = re.sub(r"[^\w\s|:'+]", " ", text)
    text = re.sub(r"(?<!\w)'|'(?!\w)|(?<!\d):|:(?!\d)|\+(?!\d)", " ", text)
    text = _SPLIT.sub(lambda match: _SPLIT_WORDS[match[0]], " ".join(text.split()))
    return text.strip("| ")


def words(normalized: str) -> list[str]:
    """The words of a normalized text, phrase ends left out."""
    return [word for word in normalized.split() if word != "|"]


def core(normalized: str) -> str:
    """The text without the pleasantries at its ends; empty if it holds nothing else."""
    tokens = words(normalized)
    while tokens and tokens[0] in FILLERS:
        tokens.pop(0)
    return _THANKS.sub("", " ".join(tokens))


class Polarity:
    """Tells yes from no, with a business's further words for them."""

    def __init__(self, yes: tuple[str, ...] = (), no: tuple[str, ...] = ()) -> None:
        self._yes = YES | {normalize(word) for word in yes}
        self._no = NO | {normalize(word) for word in no}

    def of(self, normalized: str) -> bool | None:
        """Whether an answer to a yes-or-no question means yes; None if neither is heard."""
        said = set(words(normalized))
        if said & self._no:
            return False
        return True if said & self._yes else None

    def is_only_yes(self, normalized: str) -> bool:
        """Whether nothing but agreement, greeting or thanks was said."""
        return set(words(normalized)) <= self._yes | _AROUND_YES_NO

    def is_only_no(self, normalized: str) -> bool:
        """Whether nothing but "no", "that's all" or a goodbye was said."""
        said = set(words(normalized))
        ending = said & (self._no | GOODBYE) or re.search(
            r"\bthat(?:'s| is|'ll be) (?:all|it)\b", normalized
        )
        return bool(ending) and said <= self._no | GOODBYE | _AROUND_YES_NO

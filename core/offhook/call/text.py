"""Text on its way to and from speech: sentences out of a stream, and the part that was heard."""

from __future__ import annotations

import re

_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])[\"'”’)\]]*\s+|\n+")
_ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|No|Nr|vs|etc|e\.g|i\.e|[A-Z])\.$")
_LONGEST = 240


class SentenceSplitter:
    """Cuts a reply that arrives in pieces into sentences, each as soon as it is complete."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, piece: str) -> list[str]:
        """Take the next piece; return the sentences that it completes."""
        self._rest += piece
        sentences: list[str] = []
        start = 0
        for match in _SENTENCE_END.finditer(self._rest):
            candidate = self._rest[start : match.start()]
            if _ABBREVIATION.search(candidate) and "\n" not in match.group():
                continue
            _append(sentences, self._rest[start : match.end()])
            start = match.end()
        self._rest = self._rest[start:]
        while len(self._rest) > _LONGEST:
            cut = _soft_cut(self._rest)
            _append(sentences, self._rest[:cut])
            self._rest = self._rest[cut:]
        return sentences

    def flush(self) -> list[str]:
        """The reply is complete: return what is left."""
        sentences: list[str] = []
        _append(sentences, self._rest)
        self._rest = ""
        return sentences


def heard_part(text: str, share: float) -> str:
    """The whole words of ``text`` that were heard when ``share`` (0 to 1) of its audio played.

    Words are placed in time by their letters, which is what a constant speaking rate comes to; a
    word counts once its last letter was played.
    """
    if share >= 1:
        return text
    limit = len(text) * max(share, 0.0)
    heard = 0
    for match in re.finditer(r"\S+", text):
        if match.end() > limit:
            break
        heard = match.end()
    return text[:heard]


def _append(sentences: list[str], text: str) -> None:
    text = " ".join(text.split())
    # A sentence without a letter or digit (a stray dash, a list's bullet) cannot be spoken.
    if any(character.isalnum() for character in text):
        sentences.append(text)


def _soft_cut(text: str) -> int:
    for separator in (", ", "; ", ": ", " "):
        cut = text.rfind(separator, _LONGEST // 3, _LONGEST)
        if cut > 0:
            return cut + len(separator)
    return _LONGEST

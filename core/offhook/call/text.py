"""Text on its way to and from speech: sentences out of a stream, and the part that was heard."""

from __future__ import annotations

import re

_CLOSE = r"""["'”’»)\]」』）]*"""
# A full stop of Chinese or Japanese needs no space after it; the next character must be there all
# the same, as it may close a quotation.
_SENTENCE_END = re.compile(
    rf"""\n|(?<=[.!?…]){_CLOSE}\s|(?<=[。！？]){_CLOSE}(?=[^"'”’»)\]」』）])"""
)
# These never end a sentence.
_TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|vs|e\.g|i\.e|[A-Z])\.$")
# These may: a small letter or a digit after them tells that they did not.
_ABBREVIATION = re.compile(r"\b(?:[ap]\.m|etc|No|Nr|approx|min|max|Inc|Ltd|Co)\.$", re.IGNORECASE)
_LONGEST = 240


class SentenceSplitter:
    """Cuts a reply that arrives in pieces into sentences, each as soon as it is complete.

    How the reply is cut into pieces makes no difference.
    """

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, piece: str) -> list[str]:
        """Take the next piece; return the sentences that it completes."""
        self._rest += piece
        found: list[str] = []
        while (end := self._end()) is not None:
            _append(found, self._rest[:end])
            self._rest = self._rest[end:]
        return found

    def flush(self) -> list[str]:
        """The reply is complete: return what is left."""
        found: list[str] = []
        _append(found, self._rest)
        self._rest = ""
        return found

    def _end(self) -> int | None:
        """Where the first sentence of what is left ends, if that is known already."""
        text = self._rest = self._rest.lstrip()
        for match in _SENTENCE_END.finditer(text, 0, _LONGEST + 1):
            before = text[: match.start()]
            if match.group() == "\n":
                return match.end()
            if _TITLE.search(before):
                continue
            if _ABBREVIATION.search(before):
                after = text[match.end() :].lstrip(" \t")
                if not after:
                    return None
                if after[0].islower() or after[0].isdecimal():
                    continue
            return match.end()
        return _soft_cut(text) if len(text) > _LONGEST else None


def sentences(text: str) -> list[str]:
    """The sentences of a complete text."""
    splitter = SentenceSplitter()
    return splitter.feed(text) + splitter.flush()


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


def _append(found: list[str], text: str) -> None:
    text = " ".join(text.split())
    # A sentence without a letter or digit (a stray dash, a list's bullet) cannot be spoken.
    if any(character.isalnum() for character in text):
        found.append(text)


def _soft_cut(text: str) -> int:
    for separator in (", ", "; ", ": ", " "):
        cut = text.rfind(separator, _LONGEST // 3, _LONGEST)
        if cut > 0:
            return cut + len(separator)
    return _LONGEST

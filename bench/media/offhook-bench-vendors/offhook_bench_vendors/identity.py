"""Audio that says which utterance and which 20 ms of it it is; the load client reads it back.

Each 160-byte mu-law frame begins with four magic bytes and the utterance's number (3 digits), the
frame's index (2) and the utterance's number of frames (2). A digit is six bits written as
``0x80 | digit``: bytes that survive mu-law -> PCM -> mu-law, so peers may transcode.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

FRAME_BYTES = 160
FRAME_MS = 20
CHUNK_FRAMES = 5
MAGIC = b"\x13\x8b\x27\x95"
FILLER = b"\xd5" * (FRAME_BYTES - len(MAGIC) - 7)

_utterances = itertools.count(1)


def _digits(value: int, count: int) -> bytes:
    return bytes(0x80 | (value >> 6 * place & 0x3F) for place in reversed(range(count)))


def chunks(milliseconds: int) -> Iterator[bytes]:
    """A new utterance of that length, 100 ms of mu-law at a time."""
    utterance = next(_utterances) % (1 << 18)
    total = milliseconds // FRAME_MS
    head = MAGIC + _digits(utterance, 3)
    tail = _digits(total, 2) + FILLER
    for start in range(0, total, CHUNK_FRAMES):
        indexes = range(start, min(start + CHUNK_FRAMES, total))
        yield b"".join(head + _digits(index, 2) + tail for index in indexes)

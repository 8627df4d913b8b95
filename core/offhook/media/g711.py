"""G.711 mu-law in C, through ``audioop`` (``audioop-lts`` from Python 3.13 on).

Everything takes and gives whole frames of mono audio; mu-law is one byte a sample, pcm16 is two,
little-endian. The calls take 0.2 to 0.5 us for 20 ms.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # Python 3.11 and 3.12 announce the module's removal on import; audioop-lts takes its place.
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

MULAW_SILENCE = b"\xff"


def mulaw_to_pcm16(payload: bytes) -> bytes:
    """Decode mu-law to 16-bit samples (twice the bytes)."""
    return audioop.ulaw2lin(payload, 2)


def pcm16_to_mulaw(samples: bytes) -> bytes:
    """Encode 16-bit samples as mu-law (half the bytes)."""
    return audioop.lin2ulaw(samples, 2)


def rms(payload: bytes) -> int:
    """The loudness of mu-law audio: root mean square of its 16-bit samples, 0 to 32124."""
    return audioop.rms(audioop.ulaw2lin(payload, 2), 2)


def interleave(left: bytes, right: bytes) -> bytes:
    """Two mu-law tracks of equal length as interleaved 16-bit stereo."""
    stereo_left = audioop.tostereo(audioop.ulaw2lin(left, 2), 2, 1, 0)
    stereo_right = audioop.tostereo(audioop.ulaw2lin(right, 2), 2, 0, 1)
    return audioop.add(stereo_left, stereo_right, 2)

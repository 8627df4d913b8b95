"""From one audio format to another, as a stream, and which format to agree on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import soxr

from offhook.events import AudioFormat
from offhook.media.g711 import mulaw_to_pcm16, pcm16_to_mulaw

# Of a stream soxr's HQ holds back up to 100 ms, LQ 40 to 60; QQ holds back none, but lets what
# lies above the new rate's half through as noise.
_QUALITY = "LQ"


class Converter:
    """Converts a stream piece by piece; between equal formats it costs nothing.

    Resampling holds back some milliseconds, which ``flush`` gives. Not thread-safe.
    """

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        self._source = source
        self._target = target
        self._odd = b""
        self._resampler = (
            None
            if source.sample_rate == target.sample_rate
            else soxr.ResampleStream(
                source.sample_rate, target.sample_rate, 1, dtype="int16", quality=_QUALITY
            )
        )

    def convert(self, audio: bytes) -> bytes:
        """Convert the next piece. A half sample at its end waits for the next one."""
        return audio if self._source == self._target else self._encode(self._decode(audio), False)

    def flush(self) -> bytes:
        """The stream is over: what was held back. The converter is then of no more use."""
        return b"" if self._resampler is None else self._encode(b"", True)

    def _decode(self, audio: bytes) -> bytes:
        if self._source.encoding == "mulaw":
            return mulaw_to_pcm16(audio)
        audio = self._odd + audio
        whole = len(audio) & ~1
        self._odd = audio[whole:]
        return audio[:whole]

    def _encode(self, samples: bytes, last: bool) -> bytes:
        if self._resampler is not None:
            piece = self._resampler.resample_chunk(np.frombuffer(samples, np.int16), last=last)
            samples = piece.tobytes()
        return pcm16_to_mulaw(samples) if self._target.encoding == "mulaw" else samples


def negotiate(line: AudioFormat, offered: Sequence[AudioFormat]) -> AudioFormat:
    """The line's own format if it is offered, else the cheapest to convert: the same rate before
    a whole multiple before any other; of equals the first."""

    def cost(audio: AudioFormat) -> int:
        high, low = sorted((audio.sample_rate, line.sample_rate), reverse=True)
        return 0 if audio == line else 1 if high == low else 2 if high % low == 0 else 3

    return min(offered, key=cost) if offered else line

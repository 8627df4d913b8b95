"""From the line's bytes to what the model likes best: 16 kHz samples of the speech alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import soxr

from offhook.events import AudioFormat
from offhook.media import g711
from offhook.media.vad import SileroModel

_FRAME_MS = 20
_MIN_SPEECH_FRAMES = 4
# None at all costs one word in six, a tail of 100 ms costs words in noise; between leads of 60 and
# 200 ms, sentences that were not used to choose them show no clear difference.
_LEAD_MS = 60
_TAIL_MS = 250
_ABOVE_NOISE_DB = 5.0
_QUIETEST_SPEECH_DBFS = -60.0
# The model takes longer over a stretch than over its parts, and all other calls wait for it.
_LONGEST_PIECE_S = 12
# Silero gives noise and key tones below 0.1, and the least clear of 126 short phrases 0.59.
_VOICE = 0.3


Samples = npt.NDArray[np.float32]


def speech_at_16k(audio: bytes, format: AudioFormat) -> Samples | None:
    """The speech in ``audio`` with the silence around it removed, as 16 kHz samples (-1 to 1).

    Speech is what is louder than the segment's quietest tenth by 5 dB, and than -60 dBFS; None if
    that is less than 80 ms, which is a click and not a word. Pure computation.
    """
    pcm = g711.mulaw_to_pcm16(audio) if format.encoding == "mulaw" else audio
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], dtype="<i2").astype(np.float32) / 32768
    size = format.sample_rate * _FRAME_MS // 1000
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    if not len(frames):
        return None
    # Without the mean, a line's DC offset would pass for sound.
    level = 10 * np.log10(frames.var(axis=1) + 1e-10)
    threshold = max(_QUIETEST_SPEECH_DBFS, float(np.percentile(level, 10)) + _ABOVE_NOISE_DB)
    loud = np.flatnonzero(level > threshold)
    if len(loud) < _MIN_SPEECH_FRAMES:
        return None
    per_ms = format.sample_rate // 1000
    start = max(0, int(loud[0]) * size - _LEAD_MS * per_ms)
    end = (int(loud[-1]) + 1) * size + _TAIL_MS * per_ms
    speech: Samples = soxr.resample(samples[start:end], format.sample_rate, 16000)
    return speech


def pieces(speech: Samples) -> list[Samples]:
    """Cut 16 kHz samples where it is quietest, so that no piece is longer than 12 s."""
    longest = _LONGEST_PIECE_S * 16000
    cut_pieces: list[Samples] = []
    while len(speech) > longest:
        size = 16000 // 10
        half = longest // 2
        energy = np.square(speech[half:longest]).reshape(-1, size).sum(axis=1)
        cut = half + int(energy.argmin()) * size + size // 2
        cut_pieces.append(speech[:cut])
        speech = speech[cut:]
    return [*cut_pieces, speech]


def has_voice(speech: Samples) -> bool:
    """Whether a person speaks in these 16 kHz samples; takes about 4 ms a second of audio."""
    narrow = soxr.resample(speech, 16000, 8000).clip(-1, 1) * 32767
    payload = g711.pcm16_to_mulaw(narrow.astype("<i2").tobytes())
    return max(SileroModel().hear(payload), default=0.0) > _VOICE

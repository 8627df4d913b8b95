"""From an engine's samples to the line's bytes: level, silence at the edges, rate, encoding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import soxr

from offhook.events import AudioFormat
from offhook.media import g711

# Loud enough for a noisy street, with room left so that mu-law does not clip.
_TARGET_RMS = 0.1
_PEAK = 0.89
_FRAME_MS = 10
_KEPT_LEAD_MS = 20


def for_line(samples: npt.NDArray[np.float32], sample_rate: int, format: AudioFormat) -> bytes:
    """One clause in ``format``, at -20 dBFS while the voice sounds; empty if it is silent.

    Silence before the first sound is cut to 20 ms, because the caller would wait through it; what
    follows the last sound is the natural pause, and stays. Each clause is resampled as a whole,
    so that no filter holds back its tail. Pure computation.
    """
    size = sample_rate * _FRAME_MS // 1000
    padded = np.pad(samples, (0, -len(samples) % size)).astype(np.float32)
    levels = np.sqrt(np.mean(padded.reshape(-1, size) ** 2, axis=1))
    loudest = float(levels.max(initial=0.0))
    if loudest < 1e-4:
        return b""
    sounding = np.flatnonzero(levels > loudest / 100)
    start = max(0, int(sounding[0]) * size - sample_rate * _KEPT_LEAD_MS // 1000)
    active = levels[levels > loudest / 30]
    gain = _TARGET_RMS / float(np.sqrt(np.mean(active**2)))
    speech = soxr.resample(samples[start:].astype(np.float32), sample_rate, format.sample_rate)
    speech *= min(gain, _PEAK / max(float(np.abs(speech).max(initial=0.0)), 1e-6))
    pcm = (speech * 32767).astype("<i2").tobytes()
    return g711.pcm16_to_mulaw(pcm) if format.encoding == "mulaw" else pcm

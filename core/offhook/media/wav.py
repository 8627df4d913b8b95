"""WAV files: recordings that are valid at every moment, and callers' recordings to play."""

from __future__ import annotations

import struct
import wave
from pathlib import Path
from types import TracebackType

import numpy as np

from offhook.errors import OffhookError
from offhook.events import MULAW_8K, AudioFormat
from offhook.media.convert import Converter
from offhook.media.g711 import interleave

_HEADER = 44
_RATES = (4000, 192_000)


class DualChannelWav:
    """A stereo file (16 bit, 8 kHz; left caller, right agent) that grows.

    The header's sizes are corrected after every write, so a process that is killed leaves a file
    that plays.
    """

    def __init__(self, path: Path, sample_rate: int = 8000) -> None:
        self._rate = sample_rate
        self._size = 0
        self._file = path.open("wb")
        self._file.write(self._header())
        self._file.flush()

    def write(self, caller_mulaw: bytes, agent_mulaw: bytes) -> None:
        """Append the same stretch of both sides; ValueError unless they are equally long."""
        if len(caller_mulaw) != len(agent_mulaw):
            raise ValueError("both sides of a recording must be written for the same stretch")
        samples = interleave(caller_mulaw, agent_mulaw)
        self._file.write(samples)
        self._size += len(samples)
        self._file.seek(0)  # after the audio is out: sizes that are too small still play
        self._file.write(self._header())
        self._file.seek(0, 2)
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> DualChannelWav:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _header(self) -> bytes:
        return struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            b"RIFF", _HEADER - 8 + self._size, b"WAVE", b"fmt ", 16,
            1, 2, self._rate, self._rate * 4, 4, 16, b"data", self._size,
        )  # fmt: skip


def read_wav(path: Path) -> bytes:
    """A recording as mu-law 8 kHz; several channels are mixed.

    A file that breaks off is read as far as it goes. Raises OffhookError for a file that is
    missing, no WAV, or not 8 or 16 bit PCM.
    """
    try:
        with wave.open(str(path), "rb") as wav:
            width, channels, rate = wav.getsampwidth(), wav.getnchannels(), wav.getframerate()
            data = wav.readframes(wav.getnframes())
    except OSError as error:
        raise OffhookError(f"{path} cannot be opened: {error.strerror}") from None
    except (EOFError, wave.Error) as error:
        raise OffhookError(
            f"{path} cannot be read as WAV ({error}): give a file with 16-bit PCM samples"
        ) from None
    if width == 1:
        samples = (np.frombuffer(data, np.uint8).astype(np.int32) - 128) << 8
    elif width == 2:
        samples = np.frombuffer(data[: len(data) & ~1], np.int16).astype(np.int32)
    else:
        raise OffhookError(f"{path} has {8 * width}-bit samples: convert it to 16-bit PCM")
    if not _RATES[0] <= rate <= _RATES[1]:
        raise OffhookError(f"{path} has {rate} samples a second: give one with 8000 to 48000")
    frames = samples[: len(samples) // channels * channels].reshape(-1, channels)
    mono = frames.mean(axis=1).astype(np.int16).tobytes()
    converter = Converter(AudioFormat("pcm16", rate), MULAW_8K)
    return converter.convert(mono) + converter.flush()


def write_stereo(path: Path, left_mulaw: bytes, right_mulaw: bytes) -> None:
    """Write two mu-law tracks of any lengths as one stereo file; the shorter is padded."""
    size = max(len(left_mulaw), len(right_mulaw))
    path.parent.mkdir(parents=True, exist_ok=True)
    with DualChannelWav(path) as wav:
        wav.write(left_mulaw.ljust(size, b"\xff"), right_mulaw.ljust(size, b"\xff"))

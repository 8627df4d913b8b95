"""espeak-ng through its C library: a robotic voice that starts within a millisecond."""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from offhook.errors import ProviderRefused

# From espeak-ng's speak_lib.h.
_SYNCHRONOUS, _POS_CHARACTER, _CHARS_UTF8 = 2, 1, 1
_RATE, _PITCH = 1, 3
_WORDS_PER_MINUTE, _USUAL_PITCH = 175, 50

# The library has one global state and crashes when threads share it.
_lock = threading.Lock()
_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)
_spoken = bytearray()


def _collect(samples: Any, count: int, _events: Any) -> int:
    if samples and count > 0:
        _spoken.extend(ctypes.string_at(samples, count * 2))
    return 0


# Kept here because the library holds only a pointer to it.
_collector = _Callback(_collect)


@functools.cache
def _library() -> tuple[Any, int]:
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    if rate <= 0:
        raise ProviderRefused(
            "local", "espeak-ng cannot be started; run pip install 'espeakng-loader==0.2.4'"
        )
    library.espeak_SetSynthCallback(_collector)
    return library, rate


class UnknownVoice(ProviderRefused):
    """espeak-ng has no voice of that name."""


class EspeakVoice:
    """An espeak-ng voice at a pace and a pitch. Shared by threads.

    Raises UnknownVoice if espeak-ng has none of that name.
    """

    def __init__(self, name: str, speed: float, pitch: int | None) -> None:
        self._name = name.lower().encode()
        self._words_per_minute = round(_WORDS_PER_MINUTE * speed)
        self._pitch = _USUAL_PITCH if pitch is None else pitch
        with _lock:
            library, self._rate = _library()
            if library.espeak_SetVoiceByName(self._name) != 0:
                raise UnknownVoice(
                    "local", f"espeak-ng has no voice {name!r}; write one such as en-us under voice"
                )

    @property
    def sample_rate(self) -> int:
        return self._rate

    def speak(self, text: str) -> Iterator[npt.NDArray[np.float32]]:
        spoken = text.replace("\0", " ").encode()
        with _lock:
            library, _ = _library()
            _spoken.clear()
            library.espeak_SetVoiceByName(self._name)
            library.espeak_SetParameter(_RATE, self._words_per_minute, 0)
            library.espeak_SetParameter(_PITCH, self._pitch, 0)
            status = library.espeak_Synth(
                spoken, ctypes.c_size_t(len(spoken) + 1), 0, _POS_CHARACTER, 0, _CHARS_UTF8,
                None, None,
            )  # fmt: skip
            samples = np.frombuffer(bytes(_spoken), dtype="<i2").astype(np.float32)
        if status != 0:
            raise RuntimeError(f"espeak-ng failed with status {status}")
        if len(samples):
            yield samples / np.float32(32768)

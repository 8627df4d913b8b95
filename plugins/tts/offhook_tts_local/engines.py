"""The two engines behind one small interface, and the voices loaded in this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from offhook_tts_local.options import LocalVoiceOptions

Samples = npt.NDArray[np.float32]

# One at a time, so that calls that begin together load a voice once.
_loading = threading.Lock()


class Voice(Protocol):
    """A voice at a pace. Shared by threads."""

    @property
    def sample_rate(self) -> int:
        """Of the samples that ``speak`` yields, in Hz."""

    def speak(self, text: str) -> Iterator[Samples]:
        """Yield a sentence clause by clause, mono samples from -1 to 1; blocks while computing.

        Nothing is yielded for a text without words. Raises whatever the engine raises.
        """


def open_voice(options: LocalVoiceOptions, language: str) -> Voice | None:
    """The voice that ``options`` name; None if it does not speak ``language`` (BCP 47).

    Blocks while a voice is loaded for the first time. Raises ProviderRefused if there is no such
    voice. *Any thread.*
    """
    if options.engine == "espeak":
        return _open_espeak(options, language)
    from offhook_tts_local.piper import PiperSpeaker, load_model

    with _loading:
        model = load_model(options.voice)
    if _primary(model.config.espeak_voice) != _primary(language):
        return None
    return PiperSpeaker(model, options.speed)


def _open_espeak(options: LocalVoiceOptions, language: str) -> Voice | None:
    from offhook_tts_local.espeak import EspeakVoice, UnknownVoice

    if options.voice:
        return EspeakVoice(options.voice, options.speed, options.pitch)
    for name in (language, _primary(language)):
        try:
            return EspeakVoice(name, options.speed, options.pitch)
        except UnknownVoice:
            continue
    return None


def _primary(tag: str) -> str:
    return tag.partition("-")[0].lower()

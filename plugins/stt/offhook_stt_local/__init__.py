"""Speech recognition on this machine: Moonshine tiny (English), no account and no network."""

from __future__ import annotations

from typing import Any

from offhook import hookimpl
from offhook.events import MULAW_8K, AudioFormat, CallInfo
from offhook.providers import Emit, PluginInfo, SpeechToText

__all__ = ["offhook_create_stt", "offhook_plugin", "warm_up"]


@hookimpl
def offhook_plugin() -> PluginInfo:
    return PluginInfo(
        kind="stt",
        name="local",
        summary="English speech recognition on this machine (Moonshine tiny)",
        formats=(MULAW_8K, AudioFormat("pcm16", 16000), AudioFormat("pcm16", 8000)),
        languages=("en",),
        requires=("moonshine_voice",),
        extra="local",
    )


@hookimpl
def offhook_create_stt(
    options: Any,  # noqa: ARG001 (pluggy passes by name; there are no options)
    call: CallInfo,
    audio: AudioFormat,
    emit: Emit,
) -> SpeechToText | None:
    from offhook_stt_local.model import load
    from offhook_stt_local.recognizer import LocalRecognizer

    if call.language.partition("-")[0] != "en":
        return None
    load()
    return LocalRecognizer(audio, emit)


def warm_up() -> None:
    """Load the model (about 0.3 s, once per process), so that the first call need not wait.

    Raises ProviderUnavailable if it cannot be loaded. *Any thread.*
    """
    from offhook_stt_local.model import load

    load()

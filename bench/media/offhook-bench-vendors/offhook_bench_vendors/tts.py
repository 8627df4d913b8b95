"""A voice whose audio carries its identity, faster than real time after a fixed delay."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from offhook import hookimpl
from offhook.events import MULAW_8K, AudioFormat, CallInfo
from offhook.providers import PluginInfo, SpeechStream, TextToSpeech
from offhook_bench_vendors.identity import chunks
from offhook_bench_vendors.timing import CHUNK_INTERVAL_MS, RESPONSE_MS, TTS_MS


class ScriptedSpeech:
    """One utterance; cancel() ends its waits at once."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        wait = TTS_MS
        for chunk in chunks(RESPONSE_MS):
            if self._cancelled.wait(wait / 1000):
                return
            yield chunk
            wait = CHUNK_INTERVAL_MS

    def cancel(self) -> None:
        """Stop."""
        self._cancelled.set()


class ScriptedVoice:
    """Says the same four seconds to any text."""

    def synthesize(self, text: str) -> SpeechStream:  # noqa: ARG002
        """Prepare an utterance."""
        return ScriptedSpeech()

    def close(self) -> None:
        """Nothing to free."""


@hookimpl
def offhook_plugin() -> PluginInfo:
    """Describe the voice."""
    return PluginInfo(kind="tts", name="bench", summary="scripted voice", formats=(MULAW_8K,))


@hookimpl
def offhook_create_tts(
    options: Any,  # noqa: ARG001
    call: CallInfo,  # noqa: ARG001
    audio: AudioFormat,  # noqa: ARG001
) -> TextToSpeech:
    """Make a voice."""
    return ScriptedVoice()

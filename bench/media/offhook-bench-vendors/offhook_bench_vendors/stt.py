"""A recognizer that hears nothing and answers each flush with a fixed text after a fixed delay."""

from __future__ import annotations

import queue
import threading
from typing import Any

from offhook import hookimpl
from offhook.events import MULAW_8K, AudioFormat, CallInfo, Final
from offhook.providers import Emit, PluginInfo, SpeechToText
from offhook_bench_vendors.timing import STT_MS


class ScriptedRecognizer:
    """One thread per call, as a vendor's receive loop would be; it sleeps but for flushes."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._closed = threading.Event()
        self._flushes: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._answer, name="bench-stt", daemon=True)
        self._thread.start()

    def feed(self, audio: bytes) -> None:
        """Take audio and forget it."""

    def flush(self) -> None:
        """Promise a Final."""
        self._flushes.put(True)

    def close(self) -> None:
        """Stop answering."""
        self._closed.set()
        self._flushes.put(False)

    def _answer(self) -> None:
        turn = 0
        while self._flushes.get() and not self._closed.wait(STT_MS / 1000):
            turn += 1
            self._emit(Final(f"scripted question {turn}", confidence=1.0))


@hookimpl
def offhook_plugin() -> PluginInfo:
    """Describe the recognizer."""
    return PluginInfo(kind="stt", name="bench", summary="scripted recognizer", formats=(MULAW_8K,))


@hookimpl
def offhook_create_stt(
    options: Any,  # noqa: ARG001
    call: CallInfo,  # noqa: ARG001
    audio: AudioFormat,  # noqa: ARG001
    emit: Emit,
) -> SpeechToText:
    """Make a recognizer."""
    return ScriptedRecognizer(emit)

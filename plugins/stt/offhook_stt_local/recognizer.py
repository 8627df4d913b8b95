"""The recognizer of one call."""

from __future__ import annotations

import threading

from offhook.errors import ProviderUnavailable
from offhook.events import AudioFormat, Final, RecognitionEvent, RecognizerFailed
from offhook.providers import Emit
from offhook_stt_local import model
from offhook_stt_local.speech import has_voice, pieces, speech_at_16k

SEGMENT_SECONDS = 30


class LocalRecognizer:
    """Hears one call; each ``flush`` turns the audio since the one before into one Final.

    The segment holds its newest 30 s: older audio is dropped as new audio comes. The work is done
    on the process's one model thread, first come first served, and the Final comes from there. If
    that thread is 64 segments behind, or fails, the answer is RecognizerFailed and nothing after
    it: words that come many seconds late serve nobody, and another plugin of the business's list
    may do better. What a closed recognizer still has waiting is skipped.
    """

    def __init__(self, audio: AudioFormat, emit: Emit) -> None:
        self._format = audio
        self._emit = emit
        self._limit = audio.size(SEGMENT_SECONDS * 1000)
        self._segment = bytearray()
        self._over = False
        # Re-entrant: an emit may close this recognizer, and close() must rule out a later emit.
        self._lock = threading.RLock()

    def feed(self, audio: bytes) -> None:
        """Keep the next audio, any length, in the agreed format. *Any thread*, never blocks."""
        with self._lock:
            if not self._over:
                self._segment += audio
                del self._segment[: max(0, len(self._segment) - self._limit)]

    def flush(self) -> None:
        """Ask for the Final of what was fed since the last flush. *Any thread*, never blocks."""
        with self._lock:
            if self._over:
                return
            segment, self._segment = bytes(self._segment), bytearray()
            # Queued under the lock (it never blocks), so that Finals keep the order of flushes.
            queued = model.submit(lambda: self._recognize(segment))
        if not queued:
            self._fail(f"{model.MAX_WAITING} segments wait already; run fewer calls per machine")

    def close(self) -> None:
        """Forget the audio; nothing is emitted any more. *Any thread.*"""
        with self._lock:
            self._over = True
            self._segment = bytearray()

    def _recognize(self, segment: bytes) -> None:
        if self._over:
            return
        try:
            text = _words(segment, self._format)
        except Exception as error:
            self._fail(f"the speech model failed ({error})", error)
        else:
            self._send(Final(text))

    def _fail(self, message: str, cause: Exception | None = None) -> None:
        failure = ProviderUnavailable("local", message)
        failure.__cause__ = cause
        with self._lock:
            self._send(RecognizerFailed(failure))
            self.close()

    def _send(self, event: RecognitionEvent) -> None:
        with self._lock:
            if not self._over:
                self._emit(event)


def _words(segment: bytes, audio: AudioFormat) -> str:
    speech = speech_at_16k(segment, audio)
    if speech is None:
        return ""
    text = " ".join(filter(None, map(model.transcribe, pieces(speech))))
    # Moonshine hears "You" in noise and tones. Only so short a text is worth the detector's time.
    return text if len(text.split()) > 2 or has_voice(speech) else ""

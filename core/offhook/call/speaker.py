"""The mouth: turns sentences into audio for the transmitter, one after the other."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

from offhook.call import signals
from offhook.call.phrases import Voice
from offhook.call.threads import CallThread
from offhook.call.transmitter import Transmitter
from offhook.events import AudioFormat
from offhook.providers import SpeechStream

_MAX_SENTENCES = 200


class Speaker(CallThread):
    """Speaks the sentences of one epoch of the transmitter; a barge-in ends both.

    A sentence that is in the phrase cache goes out without a thread, at once. Policy when 200
    sentences wait: the sentence fails (a model that talks for half an hour is broken).
    """

    def __init__(
        self,
        call_id: str,
        voice: Voice,
        transmitter: Transmitter,
        audio: AudioFormat,
        tell: Callable[[signals.Input], None],
    ) -> None:
        super().__init__("tts", call_id)
        self._voice = voice
        self._transmitter = transmitter
        self._epoch = transmitter.epoch
        self._format = audio
        self._tell = tell
        self._queue: queue.Queue[tuple[int, str] | None] = queue.Queue(_MAX_SENTENCES)
        self._cancelled = threading.Event()
        self._stream: SpeechStream | None = None

    def say(self, utterance: int, text: str) -> None:
        """Speak after what was given before. Called by the handler thread; never waits."""
        cached = None if self._queue.unfinished_tasks else self._voice.cached(text)
        if cached is not None:
            self._transmitter.write_all(self._epoch, utterance, cached)
            self._tell(signals.Synthesized(utterance, self._format.duration_ms(len(cached))))
            return
        try:
            self._queue.put_nowait((utterance, text))
        except queue.Full:
            self._tell(signals.SpeechFailed(utterance, "too many sentences wait to be spoken"))
            return
        if self.ident is None:
            self.start()

    def work(self) -> None:
        while (item := self._queue.get()) is not None and not self._cancelled.is_set():
            self._speak(*item)
            self._queue.task_done()

    def stop(self) -> None:
        self._cancelled.set()
        if self._stream is not None:
            self._stream.cancel()
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            self._queue.get_nowait()
            self._queue.put_nowait(None)

    def _speak(self, utterance: int, text: str) -> None:
        size = 0
        try:
            for audio in self._audio(text):
                if self._cancelled.is_set() or not self._transmitter.write(
                    self._epoch, utterance, audio
                ):
                    return
                size += len(audio)
        except Exception as error:
            if not self._cancelled.is_set():
                self._tell(signals.SpeechFailed(utterance, str(error)))
            return
        if not self._cancelled.is_set():
            if size:
                self._transmitter.finish(self._epoch, utterance)
            self._tell(signals.Synthesized(utterance, self._format.duration_ms(size)))

    def _audio(self, text: str) -> Iterator[bytes]:
        cached = self._voice.cached(text)
        if cached is not None:
            yield cached
            return
        self._stream = stream = self._voice.synthesize(text)
        if self._cancelled.is_set():
            stream.cancel()
            return
        yield from stream

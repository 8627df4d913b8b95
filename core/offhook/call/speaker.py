"""The mouth: turns sentences into audio for the transmitter, one after the other."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator

from offhook.call import signals
from offhook.call.phrases import Voice
from offhook.call.threads import CallThread
from offhook.call.transmitter import Transmitter
from offhook.events import AudioFormat
from offhook.providers import SpeechStream

_MAX_SENTENCES = 200


class Speaker:
    """Speaks the sentences of one epoch of the transmitter; a barge-in ends both.

    A sentence that is in the phrase cache goes out at once, without a thread; others need one for
    as long as there is something to synthesize. Policy when 200 sentences wait: the sentence fails
    (a model that talks for half an hour is broken).
    """

    def __init__(
        self,
        call_id: str,
        voice: Voice,
        transmitter: Transmitter,
        audio: AudioFormat,
        tell: Callable[[signals.Input], None],
    ) -> None:
        self.call_id = call_id
        self._voice = voice
        self._transmitter = transmitter
        self._epoch = transmitter.epoch
        self._format = audio
        self._tell = tell
        self._lock = threading.Lock()
        self._sentences: deque[tuple[int, str]] = deque()
        self._cancelled = threading.Event()
        self._stream: SpeechStream | None = None
        self.thread: CallThread | None = None
        self._working = False

    def say(self, utterance: int, text: str) -> None:
        """Speak after what was given before. Called by the handler thread; never waits."""
        with self._lock:
            idle = not self._working
        cached = self._voice.cached(text) if idle else None
        if cached is not None:
            self._transmitter.write_all(self._epoch, utterance, cached)
            self._tell(signals.Synthesized(utterance, self._format.duration_ms(len(cached))))
            return
        with self._lock:
            if len(self._sentences) >= _MAX_SENTENCES:
                self._tell(signals.SpeechFailed(utterance, "too many sentences wait"))
                return
            self._sentences.append((utterance, text))
            if self._working:
                return
            self._working = True
        self.thread = _SpeakerThread(self)
        self.thread.start()

    def stop(self) -> None:
        """Speak no more. *Any thread*, returns at once."""
        self._cancelled.set()
        if self._stream is not None:
            self._stream.cancel()

    def work(self) -> None:
        """Speak what waits; runs on the speaker's thread."""
        while True:
            with self._lock:
                if not self._sentences or self._cancelled.is_set():
                    self._working = False
                    return
                sentence = self._sentences.popleft()
            self._speak(*sentence)

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


class _SpeakerThread(CallThread):
    """Synthesizes for as long as there are sentences."""

    def __init__(self, speaker: Speaker) -> None:
        super().__init__("tts", speaker.call_id)
        self._speaker = speaker

    def work(self) -> None:
        self._speaker.work()

    def stop(self) -> None:
        self._speaker.stop()

"""The ear: the recognizer of one call, connected in the background and replaced when it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable

from offhook.call.provider_chain import ProviderChain
from offhook.call.signals import Input
from offhook.call.threads import CallThread
from offhook.events import MULAW_8K, Final, Partial, RecognitionEvent, RecognizerFailed
from offhook.providers import SpeechToText

_KEPT_BYTES = MULAW_8K.size(10_000)


class Listener:
    """Feeds the recognizer from the handler thread and never waits for it.

    While the recognizer connects, audio is kept: 10 s, then the oldest is dropped.
    """

    def __init__(
        self,
        call_id: str,
        make_chain: Callable[[Callable[[RecognitionEvent], None]], ProviderChain[SpeechToText]],
        tell: Callable[[Input], None],
    ) -> None:
        self._call_id = call_id
        self._tell = tell
        self._lock = threading.Lock()
        self._recognizer: SpeechToText | None = None
        self._kept = bytearray()
        self._flushes_due = 0
        self._generation = 0
        self._failed = False  # the recognizer of this generation
        self._chain = make_chain(self._emit)
        self.threads: list[CallThread] = []

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._launch(self._connect, self._generation)

    def feed(self, payload: bytes) -> None:
        """Hear the next audio of the line (mu-law 8 kHz)."""
        with self._lock:
            recognizer, generation = self._recognizer, self._generation
            if recognizer is None:
                self._kept += payload
                del self._kept[:-_KEPT_BYTES]
                return
        self._guarded(generation, lambda: recognizer.feed(payload))

    def flush(self) -> None:
        """The caller paused: ask for the final."""
        with self._lock:
            recognizer, generation = self._recognizer, self._generation
            if recognizer is None:
                self._flushes_due += 1
                return
        self._guarded(generation, recognizer.flush)

    def replace(self) -> None:
        """Give up this recognizer and connect the next; returns at once."""
        with self._lock:
            self._recognizer = None
            self._failed = False
            self._flushes_due = 0
            self._generation += 1
            generation = self._generation
        self._launch(self._reconnect, generation)

    def close(self) -> None:
        """The call is over. *Any thread.*"""
        self._chain.close()

    def _launch(self, connect: Callable[[int], None], generation: int) -> None:
        self.threads = [thread for thread in self.threads if thread.is_alive()]
        thread = _Connect(self._call_id, lambda: connect(generation))
        self.threads.append(thread)
        thread.start()

    def _reconnect(self, generation: int) -> None:
        self._chain.replace()
        self._connect(generation)

    def _connect(self, generation: int) -> None:
        try:
            recognizer = self._chain.get()
        except Exception as error:
            self._fail(generation, error)
            return
        while True:  # hand over what was kept, then let the handler feed it
            with self._lock:
                if generation != self._generation or self._failed:
                    return
                if not self._kept:
                    self._recognizer = recognizer
                    flushes, self._flushes_due = self._flushes_due, 0
                    break
                kept = bytes(self._kept)
                self._kept.clear()
            self._guarded(generation, lambda kept=kept: recognizer.feed(kept))  # type: ignore[misc]
        for _ in range(flushes):
            self._guarded(generation, recognizer.flush)

    def _emit(self, event: RecognitionEvent) -> None:
        match event:
            case RecognizerFailed(error):
                self._fail(self._generation, error)
            case Partial(text) | Final(text) if not isinstance(text, str):
                # Told on it would fail in the machine, and cost the call.
                error = TypeError(f"the recognizer's plugin emits a broken {type(event).__name__}")
                self._fail(self._generation, error)
            case _:
                self._tell(event)

    def _guarded(self, generation: int, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:
            self._fail(generation, error)

    def _fail(self, generation: int, error: Exception) -> None:
        """Tell it once for each recognizer; until it is replaced audio is kept for the next."""
        with self._lock:
            if generation != self._generation or self._failed:
                return
            self._failed = True
            self._recognizer = None
        self._tell(RecognizerFailed(error))


class _Connect(CallThread):
    def __init__(self, call_id: str, connect: Callable[[], None]) -> None:
        super().__init__("stt", call_id)
        self._connect = connect

    def work(self) -> None:
        self._connect()

    def stop(self) -> None:
        """Ends by itself: the chain is closed, and a vendor's connect has a time-out."""

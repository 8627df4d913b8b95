"""The call's independent guard: it trusts neither the line nor the handler thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from offhook.call.threads import CallThread

AUDIO_LOST_SECONDS = 15.0
STUCK_SECONDS = 30.0
_EVERY_SECONDS = 1.0


class Pulse:
    """When something last happened; written by one thread, read by another."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def beat(self) -> None:
        self._at = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since the last beat."""
        return time.monotonic() - self._at


class Watchdog(CallThread):
    """Looks once a second. What the conversation itself times (silence, length, stalled vendors)
    is the machine's; this thread catches a line without audio and a handler that is stuck, which
    the machine cannot see."""

    def __init__(
        self,
        call_id: str,
        audio: Pulse,
        handler: Pulse,
        end: Callable[[str, str], None],
        abandon: Callable[[str, str], None],
    ) -> None:
        super().__init__("watchdog", call_id)
        self._audio = audio
        self._handler = handler
        self._end = end
        self._abandon = abandon
        self._stopping = threading.Event()

    def work(self) -> None:
        while not self._stopping.wait(_EVERY_SECONDS):
            if self._handler.age > STUCK_SECONDS:
                self._abandon("stuck", f"the call's handler was stuck for {STUCK_SECONDS:.0f} s")
                return
            if self._audio.age > AUDIO_LOST_SECONDS:
                self._end("media-lost", f"no audio came for {AUDIO_LOST_SECONDS:.0f} s")
                self._audio.beat()

    def stop(self) -> None:
        self._stopping.set()

"""The one queue into a call's handler thread."""

from __future__ import annotations

import queue
from typing import Final

from offhook.call.signals import Input
from offhook.events import MarkPlayed, StreamStopped


class Audio:
    """Says that caller's audio waits in the CallerAudio buffer."""


AUDIO: Final = Audio()
Item = Input | MarkPlayed | StreamStopped | Audio

_CAPACITY = 1000


class Inbox:
    """Inputs from every other thread, in order; ``put`` never blocks.

    Policy when 1,000 items wait: ``flooded`` turns true, what comes later is dropped, and the
    handler ends the call. A call that far behind is lost, and must not take memory from others.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self.flooded = False

    def put(self, item: Item) -> None:
        if self._queue.qsize() >= _CAPACITY:
            self.flooded = True
        else:
            self._queue.put(item)

    def get(self, seconds: float) -> Item | None:
        """The next item, or None after ``seconds``."""
        try:
            return self._queue.get(timeout=max(seconds, 0.0))
        except queue.Empty:
            return None

    def __len__(self) -> int:
        return self._queue.qsize()

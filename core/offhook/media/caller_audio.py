"""The caller's audio between the event loop, which gets a frame every 20 ms, and the call's handler
thread, which should wake a few times a second and at once when somebody begins to speak."""

from __future__ import annotations

import threading
from collections import deque

from offhook.events import MULAW_8K
from offhook.media.vad import Frame, LoudnessGate

BATCH_MS = 100.0
_BYTES_PER_MS = MULAW_8K.bytes_per_ms
_SILENCE = b"\xff"
_MAX_GAP_MS = 2000.0
_MAX_AHEAD_MS = 5000.0
_MAX_BUFFERED = 500


class CallerAudio:
    """A bounded buffer on the call's time line; the loop pushes, the handler thread takes.

    The first frame ends when it comes. From then on time comes from the carrier's timestamps: a gap
    is filled with silence (up to 2 s; beyond that the time line jumps), a frame that was there
    already is dropped. A timestamp more than 5 s ahead of the clock is not believed, for the time
    line must not run away. When 500 frames (10 s) wait, the oldest is dropped and counted in
    ``dropped``: a handler that far behind has lost the call.

    ``wake_at`` and ``wake_on_voice`` are the handler's alarm, in call time.
    """

    def __init__(self, gate: LoudnessGate | None) -> None:
        self._gate = gate
        self._lock = threading.Lock()
        self._frames: deque[Frame] = deque()
        self._end_ms = 0.0
        self._begun = False
        self._zero_ms: float | None = None  # where the carrier's timestamps count from
        self.dropped = 0
        self.wake_at = 0.0
        self.wake_on_voice = True
        self._woken = False

    def push(self, payload: bytes, timestamp_ms: float, now_ms: float) -> bool:
        """Add what the carrier sent; True if the handler must be woken now (once per ``take``).

        ``timestamp_ms`` counts from wherever the carrier likes; -1 if it gave none.
        """
        if not payload:
            return False
        duration = len(payload) / _BYTES_PER_MS
        if not self._begun:
            self._begun = True
            self._end_ms = float(max(round(now_ms - duration), 0))
        start = self._end_ms
        if timestamp_ms >= 0:
            if self._zero_ms is None:
                self._zero_ms = start - timestamp_ms
            ahead = timestamp_ms + self._zero_ms - start
            if ahead <= -_MAX_GAP_MS:
                self._zero_ms = start - timestamp_ms  # its count begins anew
            elif ahead <= -duration:
                return False  # a repeated or overtaken frame: its place is taken
            elif start + ahead > now_ms + _MAX_AHEAD_MS:
                pass
            elif ahead > _MAX_GAP_MS:
                start += ahead
            elif ahead >= duration:
                self._append(Frame(start, _SILENCE * MULAW_8K.size(ahead), False))
                start = self._end_ms
        loud = self._gate is not None and self._gate.is_loud(payload)
        self._append(Frame(start, payload, loud))
        if self._woken or not (self._end_ms >= self.wake_at or (loud and self.wake_on_voice)):
            return False
        self._woken = True
        return True

    def take(self) -> list[Frame]:
        """All frames that came since the last call, oldest first."""
        with self._lock:
            self._woken = False
            frames = list(self._frames)
            self._frames.clear()
            self.wake_at = self._end_ms + BATCH_MS
            return frames

    def _append(self, frame: Frame) -> None:
        with self._lock:
            if len(self._frames) >= _MAX_BUFFERED:
                self._frames.popleft()
                self.dropped += 1
            self._frames.append(frame)
            self._end_ms = frame.end_ms

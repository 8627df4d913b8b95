"""The recording: both sides where they were said, on disk each second, always playable."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from offhook.call.line import CallClock
from offhook.call.threads import CallThread
from offhook.events import MULAW_8K
from offhook.media.g711 import MULAW_SILENCE
from offhook.media.wav import DualChannelWav

_FLUSH_SECONDS = 1.0
_HELD_BACK_MS = 400.0
"""The newest stretch stays in memory: a barge-in may still cut the agent's audio out of it."""


class _Track:
    """One side: mu-law bytes from ``start`` samples of the call on; holes are silence."""

    def __init__(self) -> None:
        self.start = 0
        self.audio = bytearray()

    def put(self, at: int, payload: bytes) -> None:
        offset = at - self.start
        if offset < 0:  # too late for the file: keep what still fits
            payload, offset = payload[-offset:], 0
        if offset > len(self.audio):
            self.audio += MULAW_SILENCE * (offset - len(self.audio))
        self.audio[offset : offset + len(payload)] = payload

    def take(self, until: int) -> bytes:
        size = max(until - self.start, 0)
        taken = bytes(self.audio[:size]).ljust(size, MULAW_SILENCE)
        del self.audio[:size]
        self.start += size
        return taken


class Recorder(CallThread):
    """Writes a stereo WAV (left: caller, right: agent; 8 kHz, 16 bit).

    Memory holds the last second and a half. A recording that cannot be written (disk full) is
    reported once and given up; the call goes on.
    """

    def __init__(
        self,
        call_id: str,
        path: Path,
        clock: CallClock,
        on_crash: Callable[[str, Exception], None] | None = None,
    ) -> None:
        super().__init__("recorder", call_id, on_crash)
        self.path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._caller = _Track()
        self._agent = _Track()
        self._stopping = threading.Event()
        self._until_ms = 0.0

    def add_caller(self, at_ms: float, payload: bytes) -> None:
        """The caller said this at ``at_ms``. *Any thread.*"""
        with self._lock:
            self._caller.put(MULAW_8K.size(at_ms), payload)
            self._until_ms = max(self._until_ms, at_ms + MULAW_8K.duration_ms(len(payload)))

    def add_agent(self, at_ms: float, payload: bytes) -> None:
        """The caller hears this at ``at_ms``. *Any thread.*"""
        with self._lock:
            self._agent.put(MULAW_8K.size(at_ms), payload)

    def cut_agent(self, at_ms: float) -> None:
        """What was to be heard after ``at_ms`` was cleared. *Any thread.*"""
        with self._lock:
            del self._agent.audio[max(MULAW_8K.size(at_ms) - self._agent.start, 0) :]

    def work(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with DualChannelWav(self.path) as wav:
            while not self._stopping.wait(_FLUSH_SECONDS):
                self._write(wav, self._clock.now() - _HELD_BACK_MS)
            with self._lock:
                agent_until = self._agent.start + len(self._agent.audio)
            end = max(self._until_ms, min(self._clock.now(), MULAW_8K.duration_ms(agent_until)))
            self._write(wav, end)

    def stop(self) -> None:
        self._stopping.set()

    def _write(self, wav: DualChannelWav, until_ms: float) -> None:
        until = MULAW_8K.size(until_ms)
        with self._lock:
            caller, agent = self._caller.take(until), self._agent.take(until)
        if caller:
            wav.write(caller, agent)

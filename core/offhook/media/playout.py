"""What to send next, and when: the agent's audio in packets a little ahead of what is played.

No clock and no socket: the transmitter tells the time and sends what comes out. Times are
milliseconds of the call.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from offhook.events import AudioFormat

PACKET_MS = 100.0
AHEAD_MS = 100.0
MARK_EVERY_MS = 500.0
_SOONEST_SHORT_MS = 40.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of an utterance: ``offset_ms`` of its audio has been sent before it."""

    utterance: int
    offset_ms: float
    complete: bool


@dataclass(frozen=True, slots=True)
class Packet:
    """Audio to send at once, the mark to send after it, and when the caller will hear it."""

    utterance: int
    payload: bytes
    mark: Mark | None
    heard_at_ms: float
    first: bool


@dataclass(slots=True)
class _Queued:
    """One utterance on its way out."""

    number: int
    audio: bytearray = field(default_factory=bytearray)
    sent: int = 0
    marked_ms: float = 0.0
    complete: bool = False


class Playout:
    """The agent's audio between the synthesizer and the wire. Not thread-safe.

    Packets of 100 ms leave 100 ms ahead of the carrier's playout, so that it never runs dry and a
    ``clear`` throws away 200 ms at most; the first packet of a silence leaves at once.
    """

    def __init__(self, audio: AudioFormat) -> None:
        self._format = audio
        self._queue: deque[_Queued] = deque()
        self._sent_until = 0.0  # when the carrier will have played all that was sent

    @property
    def buffered_ms(self) -> float:
        """Audio that waits to be sent."""
        return self._format.duration_ms(sum(len(queued.audio) for queued in self._queue))

    def write(self, utterance: int, audio: bytes) -> None:
        """Add audio of an utterance, behind everything written before."""
        self._entry(utterance).audio += audio

    def finish(self, utterance: int) -> None:
        """The utterance has no more audio."""
        self._entry(utterance).complete = True

    def clear(self) -> None:
        """Forget everything that waits; what was sent is the carrier's to clear."""
        self._queue.clear()
        self._sent_until = 0.0

    def next(self, now: float) -> tuple[Packet | None, float | None]:
        """The packet to send now, or None and the time to ask again (None: when written to)."""
        while self._queue:
            queued = self._queue[0]
            if queued.complete and not queued.audio:
                # Its last packet left before its end was known: only the mark is missing.
                return self._packet(now, b""), None
            available = self._format.duration_ms(len(queued.audio))
            if not available:
                return None, None
            ahead = self._sent_until - now
            if available < PACKET_MS and not queued.complete and ahead > _SOONEST_SHORT_MS:
                return None, self._sent_until - _SOONEST_SHORT_MS
            if ahead > AHEAD_MS:
                return None, self._sent_until - AHEAD_MS
            size = self._format.size(PACKET_MS)
            payload = bytes(queued.audio[:size])
            del queued.audio[:size]
            return self._packet(now, payload), None
        return None, None

    def _packet(self, now: float, payload: bytes) -> Packet:
        queued = self._queue[0]
        first = queued.sent == 0 and bool(payload)
        queued.sent += len(payload)
        heard_at = max(self._sent_until, now)
        self._sent_until = heard_at + self._format.duration_ms(len(payload))
        offset = self._format.duration_ms(queued.sent)
        done = queued.complete and not queued.audio
        mark = None
        if done or offset - queued.marked_ms > MARK_EVERY_MS - PACKET_MS:
            queued.marked_ms = offset
            mark = Mark(queued.number, offset, done)
        if done:
            self._queue.popleft()
        return Packet(queued.number, payload, mark, heard_at, first)

    def _entry(self, utterance: int) -> _Queued:
        for queued in reversed(self._queue):
            if queued.number == utterance:
                return queued
        self._queue.append(_Queued(utterance))
        return self._queue[-1]

"""The caller's telephone: what is said into it and what is heard from it, in steps of 20 ms.

No clock, no socket, no thread. Both directions move in the same step, so the two tracks stand
aligned by themselves.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from offhook.media.g711 import MULAW_SILENCE, rms

FRAME = 160
FRAME_MS = 20
SILENCE = MULAW_SILENCE * FRAME

MAX_QUEUED = 10 * 60 * 8000
"""Bytes of our audio that the carrier keeps; what comes on top is dropped, as Twilio does."""

_AUDIBLE = 150  # RMS of 16-bit samples, -47 dBFS: below it a voice's pauses, above it its words


@dataclass(frozen=True, slots=True)
class Step:
    """What happened in 20 ms: the caller's frame, and the marks that playout passed."""

    said: bytes
    marks: tuple[str, ...]


class Handset:
    """Not thread-safe. Audio is 8 kHz mu-law; times are milliseconds since the stream's start.

    The agent's *reply* is what it says after the caller's last word, or, before the caller has
    said anything, since the beginning.
    """

    def __init__(self) -> None:
        self.said = bytearray()
        self.heard = bytearray()
        self._to_say = bytearray()
        self._to_play = bytearray()
        self._playing = b""
        self._marks: deque[tuple[int, str]] = deque()
        self._queued = 0  # bytes ever queued; marks are positions on this scale
        self._played = 0
        self._reply_from = 0  # the next three count steps
        self._reply_audible = 0
        self._last_audible = -1

    @property
    def steps(self) -> int:
        """Steps done."""
        return len(self.said) // FRAME

    @property
    def now_ms(self) -> int:
        """The end of the last step."""
        return self.steps * FRAME_MS

    @property
    def saying(self) -> bool:
        """Whether the caller still has something to say."""
        return bool(self._to_say)

    @property
    def playing(self) -> bool:
        """Whether audio of the agent is being played."""
        return bool(self._playing or self._to_play)

    @property
    def reply_ms(self) -> int:
        """How much of the agent's reply was audible so far."""
        return self._reply_audible * FRAME_MS

    @property
    def quiet_ms(self) -> int:
        """How long the agent has been silent in the caller's ear."""
        return (self.steps - 1 - self._last_audible) * FRAME_MS

    def say(self, audio: bytes) -> None:
        """Queue what the caller says next; it fills whole frames."""
        padded = audio + MULAW_SILENCE * (-len(audio) % FRAME)
        frames = range(0, len(padded), FRAME)
        words = [at for at in frames if rms(padded[at : at + FRAME]) > _AUDIBLE]
        if words:
            last_word = (len(self._to_say) + words[-1]) // FRAME
            self._reply_from = self.steps + last_word + 1
            self._reply_audible = 0
        self._to_say += padded

    def play(self, payload: bytes) -> bool:
        """Queue the agent's audio; False if there is too much of it already."""
        if len(self._to_play) + len(payload) > MAX_QUEUED:
            return False
        self._to_play += payload
        self._queued += len(payload)
        return True

    def mark(self, name: str) -> tuple[str, ...]:
        """Note a mark after the audio queued so far; returned at once if nothing is queued."""
        self._marks.append((self._queued, name))
        return self._passed()

    def clear(self) -> tuple[str, ...]:
        """Drop the agent's queued audio; the marks in it count as passed."""
        self._to_play.clear()
        self._played = self._queued - len(self._playing)
        names = tuple(name for _, name in self._marks)
        self._marks.clear()
        return names

    def step(self) -> Step:
        """Let 20 ms pass in both directions.

        What is queued now begins to play now: it was heard, and its marks are passed, one step
        later.
        """
        heard = self._playing
        self._playing = bytes(self._to_play[:FRAME])
        del self._to_play[:FRAME]
        self._played += len(heard)
        if heard and rms(heard) > _AUDIBLE:
            self._last_audible = self.steps
            self._reply_audible += self.steps >= self._reply_from
        said = bytes(self._to_say[:FRAME]) or SILENCE
        del self._to_say[:FRAME]
        self.said += said
        self.heard += heard.ljust(FRAME, MULAW_SILENCE)
        return Step(said, self._passed())

    def _passed(self) -> tuple[str, ...]:
        passed = []
        while self._marks and self._marks[0][0] <= self._played:
            passed.append(self._marks.popleft()[1])
        return tuple(passed)

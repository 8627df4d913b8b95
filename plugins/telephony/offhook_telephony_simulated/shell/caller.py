"""The simulated caller: what is said, and what is waited for before it is said."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from offhook.events import MULAW_8K
from offhook.media.g711 import rms
from offhook_telephony_simulated.call import SimulatedCall
from offhook_telephony_simulated.handset import FRAME, FRAME_MS

PATIENCE_SECONDS = 60.0
"""How long the caller waits for the agent."""

_QUIET_MS = 700
_AUDIBLE = 150  # RMS of 16-bit samples, as the handset's
_PAUSE_MS = 1000
_EDGE_MS = 200

Cue = Callable[[SimulatedCall], bool]
"""Waits for the moment to speak; False if it did not come."""


@dataclass(frozen=True, slots=True)
class Line:
    """Something the caller says: mu-law 8 kHz ``audio``, and what to wait for before it."""

    text: str
    audio: bytes
    cue: Cue


def at_once(_: SimulatedCall) -> bool:
    """Do not wait."""
    return True


def agent_done(call: SimulatedCall) -> bool:
    """Wait until the agent has answered and then fallen silent."""
    return call.wait_agent_done(PATIENCE_SECONDS, _QUIET_MS)


def interrupting(seconds: float) -> Cue:
    """Wait until so much of the agent's answer was audible, or until it is over."""

    def cue(call: SimulatedCall) -> bool:
        return call.wait_agent_speaking(PATIENCE_SECONDS, seconds * 1000, _QUIET_MS)

    return cue


class Caller(threading.Thread):
    """Says its lines in order, hears the agent out, and hangs up if the agent has not.

    ``line`` is what is being said, or was said last. ``complaint`` is empty unless the call did
    not go as the lines had it.
    """

    def __init__(self, call: SimulatedCall, lines: Sequence[Line]) -> None:
        super().__init__(name=f"offhook-caller-{call.call_sid[-8:]}", daemon=True)
        self._call = call
        self._lines = lines
        self.line: Line | None = None
        self.complaint = ""

    def run(self) -> None:
        call = self._call
        for number, line in enumerate(self._lines):
            if not line.cue(call):
                left = len(self._lines) - number
                self.complaint = (
                    f"the call ended before the caller's last {left} of {len(self._lines)} lines"
                    if call.ended
                    else f"the agent said nothing for {PATIENCE_SECONDS:.0f} s"
                )
                break
            self.line = line
            call.say(line.audio)
            call.wait_said(MULAW_8K.duration_ms(len(line.audio)) / 1000 + PATIENCE_SECONDS)
        else:
            agent_done(call)
        call.hang_up()


def split_turns(audio: bytes) -> list[bytes]:
    """The pieces of a recording that stand between silences of a second or more.

    Each keeps 200 ms of what is around it. Audio is mu-law 8 kHz.
    """
    return [
        audio[max(0, first - _EDGE_MS // FRAME_MS) * FRAME : (last + _EDGE_MS // FRAME_MS) * FRAME]
        for first, last in _stretches(audio)
    ]


def _stretches(audio: bytes) -> Iterator[tuple[int, int]]:
    """The first frame of each piece, and the one after its last."""
    begin = end = -1
    for number in range(len(audio) // FRAME):
        if rms(audio[number * FRAME : (number + 1) * FRAME]) <= _AUDIBLE:
            continue
        if begin >= 0 and (number - end) * FRAME_MS >= _PAUSE_MS:
            yield begin, end
            begin = number
        begin, end = begin if begin >= 0 else number, number + 1
    if begin >= 0:
        yield begin, end

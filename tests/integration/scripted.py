"""Vendors that are quick and say the same in every run, and what tests ask of calls."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from offhook.events import (
    MULAW_8K,
    Final,
    RecognitionEvent,
    ReplyRequest,
    TextDelta,
)
from offhook.media.g711 import mulaw_to_pcm16, pcm16_to_mulaw, rms
from offhook.store.schema import CallRow
from offhook.web.server import EmbeddedServer

T = TypeVar("T")

FRAME = MULAW_8K.size(20)
LOUD = 1000
"""RMS above which a frame is speech; ``tone`` and the scripted voice are far above it."""
MS_PER_CHARACTER = 40


def tone(ms: float) -> bytes:
    """Loud mu-law noise."""
    noise = random.Random(7)
    samples = (noise.randrange(-12_000, 12_000) for _ in range(MULAW_8K.size(ms)))
    return pcm16_to_mulaw(b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples))


def voice(text: str) -> bytes:
    """What the scripted voice makes of a text: 40 ms of loud noise a character, the same for the
    same text only, so that a track shows whether the text was heard from end to end."""
    noise = random.Random(text).randbytes(MULAW_8K.size(len(text) * MS_PER_CHARACTER))
    return noise.replace(b"\x7f", b"\xff")  # both are 0, and come out of a recording as 0xFF


def onsets(track: bytes, quiet_ms: float = 200) -> list[float]:
    """Where speech begins in a mu-law track after ``quiet_ms`` of silence: milliseconds."""
    found: list[float] = []
    step = MULAW_8K.size(5)
    loud_until = -quiet_ms
    for at in range(0, len(track), step):
        if rms(track[at : at + step]) > LOUD:
            at_ms = MULAW_8K.duration_ms(at)
            if at_ms - loud_until >= quiet_ms:
                found.append(at_ms)
            loud_until = at_ms
    return found


def pcm_track(stereo: bytes, side: int) -> bytes:
    """One side (0 left, 1 right) of 16-bit stereo as mu-law."""
    left_right = memoryview(stereo).cast("h")[side::2]
    return pcm16_to_mulaw(left_right.tobytes())


def wait_for(condition: Callable[[], T], seconds: float) -> T:
    """Wait until the condition is true and return what it gave; fails after ``seconds``."""
    until = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < until, f"not within {seconds} s: {condition}"
        time.sleep(0.01)
    return value


def settled(server: EmbeddedServer, call_id: str, seconds: float = 10) -> CallRow:
    """The row of a call that is over; ``call_id`` is ours or the carrier's."""
    store = server.runtime.services.store

    def ended() -> CallRow | None:
        rows = (r for r in store.recent(1000) if call_id in (r.id, r.carrier_call_id))
        return next((row for row in rows if row.state == "ended"), None)

    row = wait_for(ended, seconds)
    assert row is not None
    return row


def no_threads_left(*call_ids: str) -> bool:
    """Whether every thread of these calls is gone; the ids are ours."""
    names = [thread.name for thread in threading.enumerate()]
    return not any(call_id in name for name in names for call_id in call_ids)


@dataclass
class Script:
    """What the scripted vendors of a server say.

    ``hears(n)`` is the recognizer's n-th final of a call (from 0), ``answers(text)`` the model's
    reply to the caller's latest words.
    """

    hears: Callable[[int], str] = "words {}".format
    answers: Callable[[str], str] = "You said {}.".format


class ScriptedStt:
    """Answers each flush with the script's next words, at once."""

    def __init__(self, script: Script, emit: Callable[[RecognitionEvent], None]) -> None:
        self._script = script
        self._emit = emit
        self._finals = 0

    def feed(self, audio: bytes) -> None:
        assert mulaw_to_pcm16(audio)

    def flush(self) -> None:
        number, self._finals = self._finals, self._finals + 1
        self._emit(Final(self._script.hears(number)))

    def close(self) -> None:
        pass


class ScriptedReply:
    """The words of a text, one delta each."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._cancelled = threading.Event()

    def __iter__(self) -> Iterator[TextDelta]:
        for number, word in enumerate(self._text.split(" ")):
            if self._cancelled.is_set():
                return
            yield TextDelta(f" {word}" if number else word)

    def cancel(self) -> None:
        self._cancelled.set()


class ScriptedLlm:
    """Answers the caller's latest words as the script says."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def reply(self, request: ReplyRequest) -> ScriptedReply:
        said = next(m.text for m in reversed(request.messages) if m.role == "user")
        return ScriptedReply(self._script.answers(said))

    def close(self) -> None:
        pass


class ScriptedSpeech:
    """A text's audio in pieces of 100 ms."""

    def __init__(self, text: str) -> None:
        self._audio = voice(text)
        self._cancelled = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        piece = MULAW_8K.size(100)
        for at in range(0, len(self._audio), piece):
            if self._cancelled.is_set():
                return
            yield self._audio[at : at + piece]

    def cancel(self) -> None:
        self._cancelled.set()


class ScriptedTts:
    """Speaks with ``voice``."""

    def synthesize(self, text: str) -> ScriptedSpeech:
        return ScriptedSpeech(text)

    def close(self) -> None:
        pass

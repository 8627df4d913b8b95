"""Vendors that do what a test says, and a line that keeps what was sent. No socket, no sleep."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from typing import Generic, TypeVar

from offhook.events import Final, RecognitionEvent, ReplyEvent, ReplyRequest, TextDelta, ToolCall
from offhook.providers import Emit


class Step(Enum):
    """What a scripted vendor does other than to answer."""

    HANG = "say nothing until cancelled"


HANG = Step.HANG
Reply = Sequence[str | ToolCall | Exception | Step]
"""A reply by script: text, tools, and at last perhaps a failure or silence for ever."""
Speech = Sequence[bytes | Exception | Step]

T = TypeVar("T")


class ScriptedStream(Generic[T]):
    """Yields what the script says; hangs where it says ``HANG``, until cancelled."""

    def __init__(self, script: Iterable[T | Exception | Step]) -> None:
        self._script = script
        self._cancelled = threading.Event()
        self.hanging = threading.Event()
        """Set once the stream has nothing more to say and waits to be cancelled."""

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def __iter__(self) -> Iterator[T]:
        for step in self._script:
            if self._cancelled.is_set():
                return
            if isinstance(step, Exception):
                raise step
            if isinstance(step, Step):
                self.hanging.set()
                self._cancelled.wait()
                return
            yield step

    def cancel(self) -> None:
        self._cancelled.set()


class FakeModel:
    """A language model that gives one scripted reply after the other, the last one for ever.

    ``requests`` are what it was asked, ``streams`` the replies it gave.
    """

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies) or [("Certainly.",)]
        self.requests: list[ReplyRequest] = []
        self.streams: list[ScriptedStream[ReplyEvent]] = []
        self.closed = False

    def reply(self, request: ReplyRequest) -> ScriptedStream[ReplyEvent]:
        script = self._replies[min(len(self.requests), len(self._replies) - 1)]
        self.requests.append(request)
        events = [TextDelta(step) if isinstance(step, str) else step for step in script]
        self.streams.append(ScriptedStream(events))
        return self.streams[-1]

    def close(self) -> None:
        self.closed = True


def _a_letter_is_10_ms(text: str) -> Speech:
    return [b"\x7f" * (80 * len(text))]


class FakeVoice:
    """A synthesizer that speaks what ``script`` makes of a text: by default 10 ms a letter of
    mu-law audio that is not silence. ``texts`` are what it was asked to say."""

    def __init__(self, script: Callable[[str], Speech] = _a_letter_is_10_ms) -> None:
        self._script = script
        self.texts: list[str] = []
        self.streams: list[ScriptedStream[bytes]] = []
        self.closed = False

    def synthesize(self, text: str) -> ScriptedStream[bytes]:
        self.texts.append(text)
        self.streams.append(ScriptedStream(self._script(text)))
        return self.streams[-1]

    def close(self) -> None:
        self.closed = True


class FakeRecognizer:
    """A recognizer that answers each ``flush`` with the next of ``answers``, then with nothing.

    ``heard`` is all the audio it was fed; ``hear`` makes it emit an event. With ``fails`` that is
    raised when it is fed.
    """

    def __init__(
        self, emit: Emit, answers: Iterable[str] = (), fails: Exception | None = None
    ) -> None:
        self._emit = emit
        self._answers = iter(answers)
        self._fails = fails
        self.heard = bytearray()
        self.flushes = 0
        self.closed = False

    def feed(self, audio: bytes) -> None:
        if self._fails is not None:
            raise self._fails
        self.heard += audio

    def flush(self) -> None:
        self.flushes += 1
        self.hear(Final(next(self._answers, "")))

    def hear(self, event: RecognitionEvent) -> None:
        """Emit an event, as the vendor would."""
        if not self.closed:
            self._emit(event)

    def close(self) -> None:
        self.closed = True


class RecordingLine:
    """A line to the caller that keeps what is sent. Implements ``offhook.call.line.Line``."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.sent: list[str] = []
        self.closed: tuple[int, str] | None = None

    def send(self, message: str) -> None:
        with self._changed:
            self.sent.append(message)
            self._changed.notify_all()

    def close(self, code: int = 1000, reason: str = "") -> None:
        with self._changed:
            self.closed = self.closed or (code, reason)
            self._changed.notify_all()

    def wait_for(self, wanted: Callable[[list[str]], bool], seconds: float = 10.0) -> list[str]:
        """What was sent, once ``wanted`` says yes to it. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: wanted(self.sent), seconds):
                raise TimeoutError(f"not seen on the line within {seconds:.0f} s: {self.sent[-5:]}")
            return list(self.sent)

"""A conversation on a virtual clock: it is told what a call's threads would find out."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from offhook.call import signals as s
from offhook.call.agent_side import Brief
from offhook.call.machine import Conversation
from offhook.config import Business
from offhook.events import Final, ToolCall, Turn

MS_PER_LETTER = 60.0
SYNTHESIS_MS = 100.0
TOKEN_MS = 100.0
Script = str | ToolCall | Exception | None
C = TypeVar("C", bound=s.Command)


def make(brief: dict[str, Any] | None = None, **tables: Any) -> Conversation:
    """A conversation of a business with those tables in its file."""
    file = {"name": "Test", "numbers": ["+14155550100"], **tables}
    opening = {"opening": ("Hello there friend.",)}
    return Conversation(
        Brief(business=Business.model_validate(file), **{**opening, **(brief or {})})
    )


class Call:
    """Plays a call. ``replies`` are the model's, in order: pieces of text, tools, a failure; None
    stands for a model that says no more. ``broken`` sentences cannot be synthesized."""

    def __init__(self, *replies: Iterable[Script], marks: bool = True, **how: Any) -> None:
        self.machine = make(**how)
        self.replies = [list(reply) for reply in replies]
        self.marks = marks
        self.broken: set[str] = set()
        self.now = 0.0
        self.log: list[tuple[float, s.Command]] = []
        self._due: list[tuple[float, int, Callable[[], bool], s.Input]] = []
        self._count = itertools.count()
        self._cancelled: set[int] = set()
        self._cleared = 0
        self._line_free_at = 0.0
        self.tell(s.Begin())

    def tell(self, signal: s.Input) -> list[s.Command]:
        """Give the machine an input now."""
        commands = self.machine.handle(signal, self.now)
        for command in commands:
            self.log.append((self.now, command))
            self._perform(command)
        return commands

    def at(self, when: float, signal: s.Input, valid: Callable[[], bool] = lambda: True) -> None:
        """Give the machine an input at that time."""
        heapq.heappush(self._due, (when, next(self._count), valid, signal))

    def says(self, text: str, at: float, ms: float = 800.0, final_after: float = 300.0) -> None:
        """The caller speaks from ``at`` on."""
        self.at(at + 100, s.CallerSpoke(at))
        self.at(at + ms + 250, s.CallerPaused(at + ms))
        self.at(at + ms + final_after, Final(text))

    def run(self, until: float = float("inf")) -> None:
        """Let time pass up to a moment, or to the end of the call."""
        while (deadline := self.machine.deadline()) is not None:
            event = self._due[0][0] if self._due else float("inf")
            if min(event, deadline) > until:
                self.now = until
                return
            self.now = max(self.now, min(event, deadline))
            if event > deadline:
                self.tell(s.Tick())
                continue
            _, _, valid, signal = heapq.heappop(self._due)
            if valid():
                self.tell(signal)

    def all(self, kind: type[C]) -> list[C]:
        return [command for _, command in self.log if isinstance(command, kind)]

    def times(self, kind: type[s.Command]) -> list[float]:
        return [at for at, command in self.log if isinstance(command, kind)]

    @property
    def spoken(self) -> list[str]:
        return [command.text for command in self.all(s.Speak)]

    @property
    def turns(self) -> list[Turn]:
        return [command.turn for command in self.all(s.ReportTurn)]

    @property
    def context(self) -> list[tuple[str, str]]:
        return [(message.role, message.text) for message in self.machine.context]

    @property
    def finish(self) -> s.Finish:
        (finish,) = self.all(s.Finish)
        assert self.log[-1][1] is finish
        return finish

    def _perform(self, command: s.Command) -> None:
        match command:
            case s.Speak(number, text):
                self._speak(number, text)
            case s.StopSpeaking():
                self._cleared += 1
                self._line_free_at = self.now
            case s.CancelReply(reply):
                self._cancelled.add(reply)
            case s.Think(reply):
                self._think(reply)

    def _think(self, reply: int) -> None:
        def wanted() -> bool:
            return reply not in self._cancelled

        at = self.now
        for step in self.replies.pop(0) if self.replies else ["All right."]:
            at += TOKEN_MS
            if step is None:
                return
            if isinstance(step, Exception):
                self.at(at, s.ReplyFailed(reply, str(step)), wanted)
                return
            if isinstance(step, str):
                self.at(at, s.ReplyText(reply, step), wanted)
            else:
                self.at(at, s.ReplyTool(reply, step), wanted)
        self.at(at, s.ReplyEnded(reply), wanted)

    def _speak(self, number: int, text: str) -> None:
        cleared = self._cleared

        def wanted() -> bool:
            return cleared == self._cleared

        if text in self.broken:
            self.broken.discard(text)
            self.at(self.now + SYNTHESIS_MS, s.SpeechFailed(number, "no voice"), wanted)
            return
        length = len(text) * MS_PER_LETTER
        starts = max(self.now + SYNTHESIS_MS, self._line_free_at)
        self._line_free_at = starts + length
        self.at(starts, s.AudioSent(number), wanted)
        self.at(starts, s.Synthesized(number, length), wanted)
        offset = 0.0
        while self.marks and offset < length:
            offset = min(offset + 500.0, length)
            self.at(starts + offset, s.Played(number, offset, offset == length), wanted)

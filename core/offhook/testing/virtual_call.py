"""A call on a virtual clock: the engine's state machine, with vendors and a carrier by script."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from offhook.call import signals as s
from offhook.call.agent_side import Brief
from offhook.call.machine import Conversation
from offhook.config import Business
from offhook.events import Final, ReplyRequest, ToolCall, Turn
from offhook.testing.fakes import HANG, Reply, Step

MS_PER_LETTER = 60.0
_MARK_EVERY_MS = 500.0
_EDGE_MS = 100.0  # of speech before it counts
_PAUSE_MS = 250.0

C = TypeVar("C", bound=s.Command)


@dataclass(slots=True)
class _Spoken:
    """A sentence on its way through the simulated carrier."""

    text: str
    starts: float
    ms: float
    stopped_at: float | None = None

    def played_ms(self, now: float) -> float:
        until = now if self.stopped_at is None else min(now, self.stopped_at)
        return min(max(until - self.starts, 0.0), self.ms)


@dataclass(slots=True)
class VirtualCall:
    """Runs a conversation; all times are milliseconds of the call.

    ``model`` makes a reply of a request and its number (from 1), ``voice`` the length of a sentence
    in milliseconds, or a failure, or ``HANG``; ``tools`` are functions of the arguments. ``marks``
    off: the carrier echoes none.
    """

    business: Mapping[str, Any] = field(default_factory=dict)
    brief: Mapping[str, Any] = field(default_factory=dict)
    model: Callable[[ReplyRequest, int], Reply] = lambda *_: ("Certainly.",)
    voice: Callable[[str], float | Exception | Step] = lambda text: len(text) * MS_PER_LETTER
    recognize: Callable[[str], str | Step] = lambda text: text
    tools: Mapping[str, Callable[[Mapping[str, Any]], str | Step]] = field(default_factory=dict)
    marks: bool = True
    token_ms: float = 100.0
    voice_ms: float = 100.0
    final_ms: float = 50.0
    tool_ms: float = 200.0
    now: float = 0.0
    log: list[tuple[float, s.Command]] = field(default_factory=list)
    machine: Conversation = field(init=False)
    spoken: dict[int, _Spoken] = field(default_factory=dict)
    _due: list[tuple[float, int, Callable[[], object]]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)
    _cancelled: set[int] = field(default_factory=set)
    _epoch: int = 0
    _line_free_at: float = 0.0
    _said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        file = {"name": "Test", "numbers": ["+14155550100"], **self.business}
        brief = {"opening": ("Hello.",), **self.brief}
        self.machine = Conversation(Brief(business=Business.model_validate(file), **brief))

    # ---- what the outside does ----

    def tell(self, signal: s.Input) -> list[s.Command]:
        """Give the machine an input now, and do what it commands."""
        commands = self.machine.handle(signal, self.now)
        for command in commands:
            self.log.append((self.now, command))
            self._perform(command)
        return commands

    def at(self, when: float, signal: s.Input) -> None:
        """Give the machine an input at that time."""
        self._later(when - self.now, lambda: self.tell(signal))

    def says(self, text: str, at: float | None = None, ms: float = 800.0) -> None:
        """The caller says something from ``at`` on, that lasts ``ms`` (to be run afterwards)."""
        at = self.now if at is None else at
        self.at(at + _EDGE_MS, s.CallerSpoke(at))
        self._later(at + ms - self.now, lambda: self._said.append(text))
        self.at(at + ms + _PAUSE_MS, s.CallerPaused(at + ms))

    # ---- running ----

    def run(self, until: float) -> None:
        """Let time pass up to a moment, or to the end of the call."""
        while not self.machine.finished:
            deadline = self.machine.deadline()
            assert deadline is not None
            event = self._due[0][0] if self._due else float("inf")
            if min(event, deadline) > until:
                self.now = max(self.now, until)
                return
            if event <= deadline:
                at, _, act = heapq.heappop(self._due)
                self.now = max(self.now, at)
                act()
            else:
                self.now = max(self.now, deadline)
                self.tell(s.Tick())

    def run_on(self, ms: float) -> None:
        """Let so much time pass."""
        self.run(self.now + ms)

    def run_to_end(self) -> s.Finish:
        """Let time pass until the call ends by itself."""
        self.run(float("inf"))
        return self.one(s.Finish)

    # ---- what came of it ----

    def all(self, kind: type[C]) -> list[C]:
        """All commands of a kind."""
        return [command for _, command in self.log if isinstance(command, kind)]

    def one(self, kind: type[C]) -> C:
        """The one command of a kind."""
        (command,) = self.all(kind)
        return command

    def times(self, kind: type[s.Command]) -> list[float]:
        """When commands of a kind came."""
        return [at for at, command in self.log if isinstance(command, kind)]

    @property
    def turns(self) -> list[Turn]:
        """The turns reported so far."""
        return [report.turn for report in self.all(s.ReportTurn)]

    @property
    def transcript(self) -> list[tuple[str, str]]:
        """Who was heard saying what, in the turns reported so far."""
        return [(turn.speaker, turn.heard) for turn in self.turns]

    @property
    def speaking(self) -> list[str]:
        """All sentences given to the synthesizer so far."""
        return [command.text for command in self.all(s.Speak)]

    # ---- the vendors and the carrier ----

    def _later(self, ms: float, act: Callable[[], object]) -> None:
        heapq.heappush(self._due, (self.now + max(ms, 0.0), next(self._order), act))

    def _perform(self, command: s.Command) -> None:
        match command:
            case s.Think(reply, request):
                self._think(reply, request)
            case s.CancelReply(reply):
                self._cancelled.add(reply)
            case s.RunTool(reply, call):
                self._run_tool(reply, call)
            case s.Speak(utterance, text):
                self._speak(utterance, text)
            case s.StopSpeaking():
                self._epoch += 1
                self._line_free_at = self.now
                for spoken in self.spoken.values():
                    if spoken.stopped_at is None:
                        spoken.stopped_at = self.now
            case s.FlushRecognizer():
                understood = self.recognize(" ".join(self._said))
                self._said.clear()
                if isinstance(understood, str):
                    self.at(self.now + self.final_ms, Final(understood))

    def _think(self, reply: int, request: ReplyRequest) -> None:
        wait = 0.0
        ended: s.Input = s.ReplyEnded(reply)
        for step in self.model(request, reply):
            if isinstance(step, Step):
                return
            wait += self.token_ms
            match step:
                case str():
                    self._tell_unless_cancelled(wait, reply, s.ReplyText(reply, step))
                case ToolCall():
                    self._tell_unless_cancelled(wait, reply, s.ReplyTool(reply, step))
                case Exception():
                    ended = s.ReplyFailed(reply, str(step))
                    break
        self._tell_unless_cancelled(wait, reply, ended)

    def _run_tool(self, reply: int, call: ToolCall) -> None:
        tool = self.tools.get(call.name)
        result = "error: no such tool" if tool is None else tool(call.arguments)
        if result is not HANG:
            returned = s.ToolReturned(reply, call.id, str(result))
            self._tell_unless_cancelled(self.tool_ms, reply, returned)

    def _tell_unless_cancelled(self, ms: float, reply: int, signal: s.Input) -> None:
        def tell() -> None:
            if reply not in self._cancelled:
                self.tell(signal)

        self._later(ms, tell)

    def _speak(self, utterance: int, text: str) -> None:
        made = self.voice(text)
        if isinstance(made, Exception):
            self._in_epoch(self.voice_ms, s.SpeechFailed(utterance, str(made)))
            return
        if isinstance(made, Step):
            return
        if made > 0:
            starts = max(self.now + self.voice_ms, self._line_free_at)
            self._line_free_at = starts + made
            self.spoken[utterance] = _Spoken(text, starts, made)
            self._in_epoch(starts - self.now, s.AudioSent(utterance))
            if self.marks:
                offset = 0.0
                while offset < made:
                    offset = min(offset + _MARK_EVERY_MS, made)
                    played = s.Played(utterance, offset, offset == made)
                    self._in_epoch(starts + offset - self.now, played)
        self._in_epoch(self.voice_ms, s.Synthesized(utterance, made))

    def _in_epoch(self, ms: float, signal: s.Input) -> None:
        epoch = self._epoch
        self._later(ms, lambda: epoch == self._epoch and self.tell(signal))

"""The conversation as a state machine: inputs in, commands out, no I/O, no thread, no clock.

The machine holds the floor's two sides (:class:`CallerTurn`, :class:`AgentSide`), the ledger of
what was said, and the reason the call will end once it is known. What it promises, whatever the
order of its inputs (``tests/core/call/test_machine_properties.py``):

* one agent turn at a time; after a ``StopSpeaking`` nothing of the stopped turn is spoken;
* the context holds only what the caller heard;
* it always ends, and ``Finish`` is the last command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from offhook.call import signals as s
from offhook.call.agent_side import END_CALL, TRANSFER_CALL, AgentSide, Brief
from offhook.call.agent_turn import AgentTurn
from offhook.call.caller_turn import CallerTurn
from offhook.call.ledger import Ledger
from offhook.events import (
    DtmfReceived,
    EndOfTurn,
    Final,
    Message,
    Partial,
    RecognizerFailed,
    SpeechStarted,
)

_CLOSING_GRACE_MS = 20_000.0


@dataclass(frozen=True, slots=True)
class _Closing:
    """The call ends for ``reason`` once the agent was heard out, by ``deadline`` at the latest."""

    reason: str
    deadline: float
    detail: str = ""
    transfer_to: str = ""


class Conversation:
    """One call's conversation. Not thread-safe: the call's handler thread owns it."""

    def __init__(self, brief: Brief) -> None:
        self._brief = brief
        self._file = brief.business
        self._out: list[s.Command] = []
        self._ledger = Ledger(self._out)
        self._agent = AgentSide(brief, self._ledger, self._out)
        self._caller = self._listen()
        self._closing: _Closing | None = None
        self._strikes: dict[str, int] = {}
        self._prompts_said = 0
        self._quiet_since = 0.0
        self._now = 0.0
        self.finished = False

    @property
    def context(self) -> tuple[Message, ...]:
        """The conversation so far as the model sees it, without the system prompt."""
        return tuple(self._ledger.context)

    def handle(self, signal: s.Input, now: float) -> list[s.Command]:
        """Take one input at call time ``now`` (milliseconds, never falling); return commands."""
        if self.finished:
            return []
        self._now = max(now, self._now)
        self._out.clear()
        self._take(signal)
        self._settle()
        return list(self._out)

    def deadline(self) -> float | None:
        """The call time at which the machine wants a ``Tick``, if nothing else comes before."""
        return None if self.finished else min(at for at, _ in self._timers())

    # ---- what happens ----

    def _take(self, signal: s.Input) -> None:
        match signal:
            case s.Begin():
                self._begin()
            case s.CallerSpoke() | s.CallerPaused() | SpeechStarted() | EndOfTurn():
                self._take_floor(signal)
            case Partial() | Final() | DtmfReceived():
                self._take_words(signal)
            case RecognizerFailed(error):
                self._recognizer_lost(str(error))
            case s.ReplyText() | s.ReplyTool() | s.ReplyEnded() | s.ReplyFailed():
                turn = self._agent.turn
                if turn is not None and turn.reply == signal.reply:
                    self._take_reply(turn, signal)
            case s.ToolReturned():
                self._agent.tool_returned(signal, self._now)
            case s.AudioSent() | s.Synthesized() | s.Played() | s.SpeechFailed():
                self._take_playout(signal)
            case s.AskedToEnd(reason, transfer_to):
                self._close(reason, transfer_to=transfer_to)
            case s.Draining():
                self._say_and_close("drained", self._file.phrases.time_up)
            case s.LineLost(reason, detail):
                self._finish(reason, detail)
            case s.Tick():
                pass

    def _begin(self) -> None:
        self._quiet_since = self._now
        if self._brief.opening:
            self._agent.say(self._brief.opening, self._now)
        if self._brief.closing_reason:
            self._close(self._brief.closing_reason)

    def _take_floor(
        self, signal: s.CallerSpoke | s.CallerPaused | SpeechStarted | EndOfTurn
    ) -> None:
        by_recognizer = self._file.turns.vad == "stt"
        match signal:
            case s.CallerSpoke(at_ms):
                self._caller.spoke(at_ms)
            case SpeechStarted() if by_recognizer:
                self._caller.spoke(self._now)
            case s.CallerPaused(at_ms):
                self._caller.paused(at_ms)
                self._caller.finals_due += 1
                self._out.append(s.FlushRecognizer())
            case EndOfTurn():
                self._caller.ended_by_recognizer = True
                if by_recognizer:
                    self._caller.paused(self._now)
        if self._caller.speaking and self._may_be_interrupted():
            self._give_way()

    def _take_words(self, signal: Partial | Final | DtmfReceived) -> None:
        match signal:
            case Partial(text):
                self._caller.partial = text
            case Final(text):
                self._caller.final(text, self._now)
                if text.strip():
                    self._strikes["stt"] = 0
                if self._file.turns.vad == "stt" and not self._brief.recognizer_ends_turns:
                    self._caller.paused(self._now)
            case DtmfReceived(digit):
                self._caller.press(digit, self._now)
                if self._may_be_interrupted():
                    self._give_way()

    def _take_reply(
        self, turn: AgentTurn, signal: s.ReplyText | s.ReplyTool | s.ReplyEnded | s.ReplyFailed
    ) -> None:
        match signal:
            case s.ReplyTool(_, call) if call.name == END_CALL.name:
                self._close("agent-ended")
            case s.ReplyTool(_, call) if call.name == TRANSFER_CALL.name:
                self._close("transferred", transfer_to=str(call.arguments.get("to_number", "")))
            case s.ReplyTool(_, call):
                self._agent.call_tool(call, self._now)
            case s.ReplyFailed(_, error):
                self._provider_failed(turn, "llm", error)
            case s.ReplyText() | s.ReplyEnded():
                self._agent.take_reply(signal, self._now)
                if isinstance(signal, s.ReplyEnded):
                    answered = len(turn.utterances) > turn.bridges or turn.rounds
                    if answered or self._closing is not None:
                        self._strikes["llm"] = 0
                    else:
                        self._provider_failed(turn, "llm", "an empty reply")

    def _take_playout(
        self, signal: s.AudioSent | s.Synthesized | s.Played | s.SpeechFailed
    ) -> None:
        turn = self._agent.turn
        utterance = None if turn is None else turn.find(signal.utterance)
        if turn is None or utterance is None:
            return
        if isinstance(signal, s.SpeechFailed):
            self._provider_failed(turn, "tts", signal.error)
            return
        if isinstance(signal, s.Synthesized):
            self._strikes["tts"] = 0
        self._agent.take_playout(signal, utterance, self._now)

    # ---- what time brings ----

    def _timers(self) -> Iterator[tuple[float, Callable[[], None]]]:
        """Everything that happens by itself: when, and what."""
        limits, turn, caller = self._file.limits, self._agent.turn, self._caller
        if turn is not None and not turn.over:
            playout = turn.playout_deadline()
            if playout is not None:
                yield playout, turn.assume_played
            elif not turn.tools_outstanding():
                yield turn.progress_at + limits.stall_seconds * 1000, self._stalled
        if self._closing is not None:
            yield self._closing.deadline, self._finish_closing
            return
        yield limits.max_call_seconds * 1000, self._time_up
        over_at = caller.deadline()
        if over_at is not None and caller.finals_due:
            yield over_at, self._recognizer_stalled
        elif over_at is not None and (turn is None or self._may_be_interrupted()):
            yield over_at, self._take_up_caller_turn
        if turn is None and not caller.open:
            yield self._quiet_since + limits.silence_seconds * 1000, self._silence

    def _settle(self) -> None:
        """Do all that is due, until nothing is."""
        for _ in range(32):  # each action moves its own deadline; the bound only guards a mistake
            if self.finished:
                return
            if self._agent.complete(self._now):
                self._quiet_since = self._now
            if self._closing is not None and self._agent.turn is None:
                self._finish_closing()
                return
            act = next((act for at, act in self._timers() if at <= self._now), None)
            if act is None:
                return
            act()

    def _take_up_caller_turn(self) -> None:
        """The caller's turn is over: answer it."""
        if self._caller.text:
            self._give_way()
        caller, self._caller = self._caller, self._listen()
        self._quiet_since = self._now
        if caller.text:
            self._prompts_said = 0
            self._ledger.caller_said(caller, self._now)
            end = self._now if caller.end_ms is None else caller.end_ms
            turn = self._agent.answer(self._now, end)
            turn.note(self._now, endpoint=self._now, transcript=caller.transcript_at or self._now)
        elif self._agent.unheard and self._agent.turn is None:
            self._agent.say((self._agent.unheard,), self._now)  # it was only a noise: go on

    def _silence(self) -> None:
        prompts = self._file.phrases.silence
        if self._prompts_said < len(prompts):
            self._agent.say((prompts[self._prompts_said],), self._now)
            self._prompts_said += 1
        else:
            self._say_and_close("silence", self._file.phrases.silence_goodbye)

    def _time_up(self) -> None:
        self._say_and_close("max-length", self._file.phrases.time_up)

    # ---- vendors that fail: bridge the gap, take the next one, try again; then goodbye ----

    def _stalled(self) -> None:
        assert self._agent.turn is not None
        kind = "llm" if self._agent.turn.reply else "tts"
        self._provider_failed(self._agent.turn, kind, "no answer in time")

    def _provider_failed(self, turn: AgentTurn, kind: str, error: str) -> None:
        if self._closing is not None:
            turn.reply = 0
            turn.assume_played()
        elif self._strike(kind, error):
            phrase = self._file.phrases.hold_on
            if kind == "tts":
                self._agent.say_again(phrase, self._now)
                return
            self._out.append(s.CancelReply(turn.reply))
            if not turn.utterances:
                self._agent.speak((phrase,), self._now)
                turn.bridges = len(turn.utterances)
            self._agent.think(self._now)

    def _recognizer_stalled(self) -> None:
        self._recognizer_lost("no final in time")

    def _recognizer_lost(self, error: str) -> None:
        words_lost = self._caller.open and not self._caller.text
        self._caller.finals_due = 0
        if self._strike("stt", error) and words_lost and not self._caller.speaking:
            self._caller = self._listen()
            if self._agent.turn is None:
                self._agent.say((self._file.phrases.again,), self._now)

    def _strike(self, kind: str, error: str) -> bool:
        """Count a failure; True if there is another try, else the call begins to end."""
        self._strikes[kind] = self._strikes.get(kind, 0) + 1
        if self._strikes[kind] == 1:
            self._out.append(s.ReplaceProvider(kind))
            return True
        detail = f"{kind}: {error}"
        self._say_and_close("provider-failed", self._file.phrases.failure, detail)
        return False

    # ---- the floor ----

    def _may_be_interrupted(self) -> bool:
        turn, rules = self._agent.turn, self._file.barge_in
        if turn is None or self._closing is not None:
            return False
        if turn.first_sent_at is None and not self._agent.greeting:
            return True  # nothing is heard yet, so nothing is interrupted
        return rules.enabled and (rules.greeting or not self._agent.greeting)

    def _give_way(self, *, hung_up: bool = False) -> None:
        unanswered = self._agent.give_way(self._now, hung_up=hung_up)
        if unanswered is not None:
            self._caller.finals.insert(0, unanswered.text)
            self._caller.start_ms = unanswered.start_ms
        self._quiet_since = self._now

    def _listen(self) -> CallerTurn:
        return CallerTurn(self._file.turns.endpoint_ms, self._file.turns.final_timeout_ms)

    # ---- the end ----

    def _say_and_close(self, reason: str, sentence: str, detail: str = "") -> None:
        if self._closing is None:
            self._give_way()
            self._agent.say((sentence,), self._now)
            self._close(reason, detail)

    def _close(self, reason: str, detail: str = "", transfer_to: str = "") -> None:
        if self._closing is None:
            deadline = self._now + _CLOSING_GRACE_MS
            self._closing = _Closing(reason, deadline, detail, transfer_to)

    def _finish_closing(self) -> None:
        assert self._closing is not None
        if self._closing.transfer_to:
            self._out.append(s.Transfer(self._closing.transfer_to))
        self._finish(self._closing.reason, self._closing.detail)

    def _finish(self, reason: str, detail: str) -> None:
        self._give_way(hung_up=True)
        if self._caller.text:
            self._ledger.caller_said(self._caller, self._now)
        self._ledger.tell_caller()
        self.finished = True
        self._out.append(s.Finish(reason, detail))

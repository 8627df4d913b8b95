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
from offhook.config.business import normalize_number
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
_NO_NUMBER = "error: to_number must be an international phone number, such as +14155550100"


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
        self._by_recognizer = brief.business.turns.vad == "stt"
        self._out: list[s.Command] = []
        self._ledger = Ledger(self._out)
        self._agent = AgentSide(brief, self._ledger, self._out)
        self._caller = self._listen()
        self._closing: _Closing | None = None
        self._recognizer_failures = 0
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
            self._agent.say(self._brief.opening, self._now, greeting=True)
        if self._brief.closing_reason:
            self._close(self._brief.closing_reason)

    def _take_floor(
        self, signal: s.CallerSpoke | s.CallerPaused | SpeechStarted | EndOfTurn
    ) -> None:
        match signal:
            case s.CallerSpoke(at_ms):
                self._caller.spoke(at_ms)
            case SpeechStarted() if self._by_recognizer:
                self._caller.spoke(self._now)
            case s.CallerPaused(at_ms):
                self._caller.paused(at_ms)
                self._flush()
            case EndOfTurn() if self._caller.open:
                self._caller.ended_by_recognizer = True
                if self._by_recognizer:
                    self._caller.paused(self._now)
        if self._caller.speaking and self._may_be_interrupted():
            self._give_way()

    def _take_words(self, signal: Partial | Final | DtmfReceived) -> None:
        caller = self._caller
        match signal:
            case Partial(text):
                caller.seems(text, self._now)
                if self._by_recognizer and caller.partial and not caller.speaking:
                    caller.spoke(self._now)  # not every recognizer says that speech started
            case Final(text):
                caller.final(text, self._now)
                if text.strip():
                    self._recognizer_failures = 0
                ends = self._by_recognizer and not self._brief.recognizer_ends_turns
                if ends and (caller.speaking or text.strip()):
                    caller.paused(self._now)
            case DtmfReceived(digit):
                caller.press(digit, self._now)
        if (caller.speaking or caller.text) and self._may_be_interrupted():
            self._give_way()

    def _take_reply(
        self, turn: AgentTurn, signal: s.ReplyText | s.ReplyTool | s.ReplyEnded | s.ReplyFailed
    ) -> None:
        match signal:
            case s.ReplyTool(_, call) if call.name == END_CALL.name:
                self._close("agent-ended")
            case s.ReplyTool(_, call) if call.name == TRANSFER_CALL.name:
                number = normalize_number(str(call.arguments.get("to_number", "")))
                if number is None:
                    self._agent.call_tool(call, self._now, refusal=_NO_NUMBER)
                else:
                    self._close("transferred", transfer_to=number)
            case s.ReplyTool(_, call):
                self._agent.call_tool(call, self._now)
            case s.ReplyFailed(_, error):
                self._provider_failed(turn, "llm", error)
            case s.ReplyText() | s.ReplyEnded():
                self._agent.take_reply(signal, self._now)
                if not (turn.reply or turn.answered or turn.rounds or self._closing):
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
        elif isinstance(signal, s.Synthesized) and signal.audio_ms <= 0 and not utterance.sent_at:
            # A sentence that cannot be spoken is left out, unless it is all there is to say.
            if len(turn.utterances) > 1 or turn.reply or turn.tools_outstanding():
                turn.utterances.remove(utterance)
            else:
                self._provider_failed(turn, "tts", "no audio came")
        else:
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
                yield turn.stall_deadline(limits.stall_seconds * 1000), self._stalled
        if self._closing is not None:
            yield self._closing.deadline, self._finish_closing
            return
        yield limits.max_call_seconds * 1000, self._time_up
        if self._by_recognizer and caller.speaking:
            yield caller.heard_at + self._file.turns.final_timeout_ms, self._ask_recognizer
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
        if caller.text:
            self._prompts_said = 0
            self._ledger.caller_said(caller, self._now)
            end = self._now if caller.end_ms is None else caller.end_ms
            turn = self._agent.answer(self._now, end)
            turn.note(self._now, endpoint=self._now, transcript=caller.transcript_at or self._now)
        elif self._agent.turn is None:
            self._agent.go_on(self._now)

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
        if kind == "llm" and turn.reply:
            self._out.append(s.CancelReply(turn.reply))
            turn.give_up_reply()
        turn.failures[kind] += 1
        if self._closing is not None:
            if kind == "tts":
                turn.keep_synthesized(self._now)
        elif turn.failures[kind] > 1:
            self._give_up(kind, error)
        else:
            self._out.append(s.ReplaceProvider(kind))
            phrase = self._file.phrases.hold_on
            if kind == "tts":
                self._agent.say_again(phrase, self._now)
                return
            if not turn.answered:
                self._agent.speak((phrase,), self._now)
            self._agent.think(self._now)

    def _ask_recognizer(self) -> None:
        """No word for long: it was a noise, or the recognizer missed where the speech ended."""
        self._caller.paused(self._now)
        self._flush()

    def _recognizer_stalled(self) -> None:
        self._recognizer_lost("no final in time")

    def _recognizer_lost(self, error: str) -> None:
        caller = self._caller
        caller.keep_partial(self._now)
        self._recognizer_failures += 1
        if self._closing is not None:
            return
        if self._recognizer_failures > 1:
            self._give_up("stt", error)
            return
        self._out.append(s.ReplaceProvider("stt"))
        if caller.open and not caller.text and not caller.speaking:
            self._caller = self._listen()
            if self._agent.turn is None:
                self._agent.say((self._file.phrases.again,), self._now)

    def _give_up(self, kind: str, error: str) -> None:
        self._say_and_close("provider-failed", self._file.phrases.failure, f"{kind}: {error}")

    # ---- the floor ----

    def _may_be_interrupted(self) -> bool:
        turn, rules = self._agent.turn, self._file.barge_in
        if turn is None or self._closing is not None:
            return False
        if turn.first_sent_at is None and not turn.greeting:
            return True  # nothing is heard yet, so nothing is interrupted
        return rules.enabled and (rules.greeting or not turn.greeting)

    def _give_way(self, *, hung_up: bool = False) -> None:
        unanswered = self._agent.give_way(self._now, hung_up=hung_up)
        if unanswered is not None:
            self._caller.finals.insert(0, unanswered.text)
            self._caller.start_ms = unanswered.start_ms
        self._quiet_since = self._now

    def _flush(self) -> None:
        self._caller.flushed(self._now)
        self._out.append(s.FlushRecognizer())

    def _listen(self) -> CallerTurn:
        return CallerTurn(self._file.turns.endpoint_ms, self._file.turns.final_timeout_ms)

    # ---- the end ----

    def _say_and_close(self, reason: str, sentence: str, detail: str = "") -> None:
        if self._closing is None:
            self._give_way()
            self._put_down_caller()
            self._agent.say((sentence,), self._now)
            self._close(reason, detail)

    def _close(self, reason: str, detail: str = "", transfer_to: str = "") -> None:
        if self._closing is None:
            deadline = self._now + _CLOSING_GRACE_MS
            self._closing = _Closing(reason, deadline, detail, transfer_to)

    def _finish_closing(self) -> None:
        assert self._closing is not None
        self._finish(self._closing.reason, self._closing.detail, self._closing.transfer_to)

    def _finish(self, reason: str, detail: str, transfer_to: str = "") -> None:
        self._give_way(hung_up=True)
        self._caller.keep_partial(self._now)
        self._put_down_caller()
        if transfer_to:
            self._out.append(s.Transfer(transfer_to))
        self.finished = True
        self._out.append(s.Finish(reason, detail))

    def _put_down_caller(self) -> None:
        """What the caller has said gets no answer any more."""
        if self._caller.text:
            caller, self._caller = self._caller, self._listen()
            self._ledger.caller_said(caller, self._now)
        self._ledger.tell_caller()

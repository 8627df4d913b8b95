"""The agent's half of the machine: it thinks, speaks, uses tools and gives way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from offhook.call import signals as s
from offhook.call.agent_turn import AgentTurn, Utterance
from offhook.call.ledger import Ledger
from offhook.config import Business
from offhook.events import Message, ReplyRequest, ToolCall, ToolSpec, Turn

END_CALL = ToolSpec(
    "end_call",
    "Hang up once the caller has heard what you said. Use it when the conversation is over.",
    {"type": "object", "properties": {}},
)
TRANSFER_CALL = ToolSpec(
    "transfer_call",
    "Hand the caller to another phone number once they have heard what you said.",
    {
        "type": "object",
        "properties": {"to_number": {"type": "string", "description": "such as +14155550100"}},
        "required": ["to_number"],
    },
)
_MAX_TOOL_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Brief:
    """What one conversation is to be: the business's file with this call's values filled in.

    ``opening`` are the first sentences; with ``closing_reason`` the call ends after them.
    ``recognizer_ends_turns``: the recognizer emits EndOfTurn.
    """

    business: Business
    opening: tuple[str, ...] = ()
    prompt: str = ""
    tools: tuple[ToolSpec, ...] = ()
    closing_reason: str = ""
    recognizer_ends_turns: bool = False


class AgentSide:
    """Holds the agent's one turn, if it has the floor. Appends to ``out``, the machine's commands.

    ``unheard`` is what the last barge-in cut off, in case it was only a noise.
    """

    def __init__(self, brief: Brief, ledger: Ledger, out: list[s.Command]) -> None:
        self._brief = brief
        self._ledger = ledger
        self._out = out
        self._replies = 0
        self._utterances = 0
        self.turn: AgentTurn | None = None
        self.greeting = True
        self.unheard = ""

    # ---- speaking ----

    def say(self, sentences: Iterable[str], now: float) -> None:
        """Say fixed sentences, in a turn of their own unless the agent has the floor."""
        if self.turn is None:
            self.turn = AgentTurn(now)
        self.speak(sentences, now)

    def speak(self, sentences: Iterable[str], now: float) -> None:
        """Add sentences to the turn."""
        assert self.turn is not None
        for sentence in sentences:
            if sentence:
                self._utterances += 1
                self.turn.utterances.append(Utterance(self._utterances, sentence))
                self.turn.progress_at = now
                self._out.append(s.Speak(self._utterances, sentence))

    def take_playout(
        self, signal: s.AudioSent | s.Synthesized | s.Played, utterance: Utterance, now: float
    ) -> None:
        """Something happened to a sentence of the turn."""
        assert self.turn is not None
        match signal:
            case s.AudioSent(number):
                self.turn.sent(number, now)
                self._ledger.tell_caller()
            case s.Synthesized(_, audio_ms):
                utterance.audio_ms = audio_ms
                if audio_ms <= 0 and not utterance.started:
                    self.turn.utterances.remove(utterance)  # it cannot be spoken
                self.turn.progress_at = now
            case s.Played(number, offset_ms, complete):
                self.turn.played(number, offset_ms, complete, now)

    def say_again(self, first: str, now: float) -> None:
        """The synthesizer failed: say ``first``, then what was not heard yet."""
        assert self.turn is not None
        self._out.append(s.StopSpeaking())
        left = self.turn.unspoken(now)
        self.speak((first, left) if left else (), now)

    # ---- thinking ----

    def answer(self, now: float, speech_end_ms: float) -> AgentTurn:
        """Take the floor to answer the caller, whose speech ended at ``speech_end_ms``."""
        self.unheard = ""
        self.turn = AgentTurn(now, speech_end_ms=speech_end_ms)
        self.think(now)
        return self.turn

    def think(self, now: float) -> None:
        """Ask the model, with all that was said in this turn so far."""
        assert self.turn is not None
        self._replies += 1
        self.turn.reply = self._replies
        self.turn.progress_at = now
        prompt = (Message("system", self._brief.prompt),) if self._brief.prompt else ()
        so_far = self.turn.messages(self.turn.text())
        self._out.append(
            s.Think(
                self._replies,
                ReplyRequest(
                    (*prompt, *self._ledger.context, *so_far),
                    (*self._brief.tools, END_CALL, TRANSFER_CALL),
                    self._brief.business.language,
                ),
            )
        )

    def take_reply(self, signal: s.ReplyText | s.ReplyEnded, now: float) -> None:
        """The model's words, or their end."""
        assert self.turn is not None
        if isinstance(signal, s.ReplyText):
            self.turn.note(now, first_token=now)
            self.speak(self.turn.splitter.feed(signal.text), now)
        else:
            self.speak(self.turn.splitter.flush(), now)
            self.turn.reply = 0
            self._continue_after_tools(now)

    def call_tool(self, call: ToolCall, now: float) -> None:
        """The model wants a tool."""
        assert self.turn is not None
        self.turn.tool_called(call)
        self.turn.progress_at = now
        self._out.append(s.RunTool(self.turn.reply, call))

    def tool_returned(self, signal: s.ToolReturned, now: float) -> None:
        """A tool is done; once all of a round are, the model goes on."""
        turn = self.turn
        if turn is None or not turn.rounds or turn.rounds[-1].reply != signal.reply:
            return
        turn.rounds[-1].results[signal.call_id] = signal.text
        turn.progress_at = now
        if not turn.reply:
            self._continue_after_tools(now)

    def _continue_after_tools(self, now: float) -> None:
        assert self.turn is not None
        rounds = self.turn.rounds
        if (
            rounds
            and rounds[-1].answered
            and not rounds[-1].told
            and len(rounds) <= _MAX_TOOL_ROUNDS
        ):
            rounds[-1].told = True
            self.think(now)

    # ---- leaving the floor ----

    def complete(self, now: float) -> bool:
        """Leave the floor if everything was said and heard; True if so."""
        if self.turn is None or not self.turn.over:
            return False
        self._ledger.agent_said(self.turn, now)
        self.turn = None
        self.greeting = False
        self.unheard = ""
        return True

    def give_way(self, now: float, *, hung_up: bool = False) -> Turn | None:
        """Fall silent at once, keeping what was heard.

        If nothing was heard yet the caller's turn that was to be answered is handed back (and is
        no longer in the context): what the caller says now belongs to it.
        """
        turn, self.turn = self.turn, None
        if turn is None:
            return None
        if turn.reply or turn.tools_outstanding():
            self._out.append(s.CancelReply(turn.reply))
        if turn.pending:
            self._out.append(s.StopSpeaking())
        if turn.first_sent_at is None and not turn.rounds:
            taken_back = self._ledger.take_back()
            if taken_back is not None:
                return taken_back
        self.greeting = False
        self.unheard = turn.unheard(now)
        self._ledger.agent_said(turn, now, hung_up=hung_up)
        return None

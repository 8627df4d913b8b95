"""The agent's half of the machine: it thinks, speaks, uses tools and gives way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from offhook.call import signals as s
from offhook.call.agent_turn import AgentTurn, Utterance
from offhook.call.ledger import Ledger
from offhook.call.text import SentenceSplitter, sentences
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
_MS_PER_LETTER = 80.0  # a slow voice, until this call's own is known


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

    What a barge-in cut off is kept until the agent speaks again, in case it was only a noise.
    """

    def __init__(self, brief: Brief, ledger: Ledger, out: list[s.Command]) -> None:
        self._brief = brief
        self._ledger = ledger
        self._out = out
        self._replies = 0
        self._utterances = 0
        self._letters = 0
        self._letters_ms = 0.0
        self._unsaid = ""
        self._unthought = False
        self.turn: AgentTurn | None = None

    # ---- speaking ----

    def say(self, lines: Iterable[str], now: float, *, greeting: bool = False) -> None:
        """Say fixed sentences, in a turn of their own unless the agent has the floor."""
        if self.turn is None:
            self._take_floor(AgentTurn(now, greeting=greeting))
        self.speak(lines, now)

    def speak(self, lines: Iterable[str], now: float) -> None:
        """Add sentences to the turn."""
        assert self.turn is not None
        for line in lines:
            self._utterances += 1
            pace = self._letters_ms / self._letters if self._letters else 0.0
            expected_ms = len(line) * max(pace, _MS_PER_LETTER)
            self.turn.utterances.append(
                Utterance(self._utterances, line, self.turn.last_reply, expected_ms)
            )
            self.turn.progress_at = now
            self._out.append(s.Speak(self._utterances, line))

    def take_playout(
        self, signal: s.AudioSent | s.Synthesized | s.Played, utterance: Utterance, now: float
    ) -> None:
        """Something happened to a sentence of the turn."""
        assert self.turn is not None
        match signal:
            case s.AudioSent():
                self.turn.sent(utterance, now)
                self._ledger.tell_caller()
            case s.Synthesized(_, audio_ms):
                utterance.audio_ms = audio_ms
                self._letters += len(utterance.text)
                self._letters_ms += audio_ms
                self.turn.progress_at = now
            case s.Played(_, offset_ms, complete):
                self.turn.played(utterance, offset_ms, complete, now)
                self._ledger.tell_caller()

    def say_again(self, first: str, now: float) -> None:
        """The synthesizer failed: say ``first``, then what was not heard yet."""
        assert self.turn is not None
        self._out.append(s.StopSpeaking())
        rest = self.turn.cut(now)
        self.speak((first, *sentences(rest)), now)

    # ---- thinking ----

    def answer(self, now: float, speech_end_ms: float) -> AgentTurn:
        """Take the floor to answer the caller, whose speech ended at ``speech_end_ms``."""
        turn = AgentTurn(now, speech_end_ms=speech_end_ms)
        self._take_floor(turn)
        self.think(now)
        return turn

    def think(self, now: float) -> None:
        """Ask the model, with all that was said in this turn so far."""
        turn = self.turn
        assert turn is not None
        self._replies += 1
        turn.reply = turn.last_reply = self._replies
        turn.splitter = SentenceSplitter()
        turn.progress_at = now
        prompt = (Message("system", self._brief.prompt),) if self._brief.prompt else ()
        messages = (*prompt, *self._ledger.context, *turn.messages())
        # After so many rounds the model must answer in words.
        tools = self._brief.tools if len(turn.rounds) < _MAX_TOOL_ROUNDS else ()
        request = ReplyRequest(
            messages, (*tools, END_CALL, TRANSFER_CALL), self._brief.business.language
        )
        self._out.append(s.Think(self._replies, request))

    def take_reply(self, signal: s.ReplyText | s.ReplyEnded, now: float) -> None:
        """The model's words, or their end."""
        assert self.turn is not None
        if isinstance(signal, s.ReplyText):
            self.turn.note(now, first_token=now)
            self._speak_reply(self.turn.splitter.feed(signal.text), now)
        else:
            self._speak_reply(self.turn.splitter.flush(), now)
            self.turn.progress_at = now
            self.turn.reply = 0
            self._continue_after_tools(now)

    def _speak_reply(self, lines: list[str], now: float) -> None:
        assert self.turn is not None
        self.turn.answered = self.turn.answered or bool(lines)
        self.speak(lines, now)

    def call_tool(self, call: ToolCall, now: float, refusal: str = "") -> None:
        """The model wants a tool; with ``refusal`` that is what it is told."""
        turn = self.turn
        assert turn is not None
        if len(turn.rounds) >= _MAX_TOOL_ROUNDS and turn.rounds[-1].reply != turn.reply:
            return  # it was not offered any
        turn.tool_called(call)
        turn.progress_at = now
        if refusal:
            turn.tool_returned(turn.reply, call.id, refusal)
        else:
            self._out.append(s.RunTool(turn.reply, call))

    def tool_returned(self, signal: s.ToolReturned, now: float) -> None:
        """A tool is done; once all of a round are, the model goes on."""
        turn = self.turn
        if turn is None or not turn.tool_returned(signal.reply, signal.call_id, signal.text):
            return
        turn.progress_at = now
        if not turn.reply:
            self._continue_after_tools(now)

    def _continue_after_tools(self, now: float) -> None:
        assert self.turn is not None
        rounds = self.turn.rounds
        if rounds and rounds[-1].answered and not rounds[-1].told:
            rounds[-1].told = True
            self.think(now)

    # ---- the floor ----

    def complete(self, now: float) -> bool:
        """Leave the floor if everything was said and heard; True if so."""
        if self.turn is None or not self.turn.over:
            return False
        self._ledger.agent_said(self.turn, now)
        self.turn = None
        return True

    def give_way(self, now: float, *, hung_up: bool = False) -> Turn | None:
        """Fall silent at once, keeping what was heard.

        If nothing was heard yet the caller's turn that was to be answered is handed back (and is
        no longer in the context): what the caller says now belongs to it.
        """
        turn, self.turn = self.turn, None
        if turn is None:
            return None
        thinking = bool(turn.reply) or turn.tools_outstanding()
        if thinking:
            self._out.append(s.CancelReply(turn.last_reply))
        if turn.pending:
            self._out.append(s.StopSpeaking())
        if turn.first_sent_at is None and not turn.rounds:
            taken_back = self._ledger.take_back()
            if taken_back is not None:
                return taken_back
        self._unsaid = turn.unheard(now)
        self._unthought = thinking
        self._ledger.agent_said(turn, now, hung_up=hung_up)
        return None

    def go_on(self, now: float) -> None:
        """It was only a noise: say what it cut off."""
        unsaid, unthought = self._unsaid, self._unthought
        if unsaid:
            self.say(sentences(unsaid), now)
        elif unthought:
            self._take_floor(AgentTurn(now))
            self.think(now)

    def _take_floor(self, turn: AgentTurn) -> None:
        self.turn = turn
        self._unsaid, self._unthought = "", False

"""The agent's side of the floor: what it is saying, and how much of that was heard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from offhook.call.text import SentenceSplitter, heard_part
from offhook.events import Latency, Message, ToolCall
from offhook.media.playout import MARK_EVERY_MS

_MARK_GRACE_MS = 2000.0


@dataclass(slots=True)
class Utterance:
    """One sentence given to the synthesizer, as part of (or after) the reply ``reply``.

    ``expected_ms`` is how long its audio should last, until ``audio_ms`` is known.
    """

    number: int
    text: str
    reply: int
    expected_ms: float
    audio_ms: float | None = None
    played_ms: float = 0.0
    sent_at: float | None = None
    complete: bool = False

    def heard(self, played_ms: float) -> str:
        """The words that were heard when ``played_ms`` of it had been played."""
        if self.complete:
            return self.text
        total = self.audio_ms or max(self.expected_ms, played_ms + 1)
        return heard_part(self.text, played_ms / total)


@dataclass(slots=True)
class ToolRound:
    """Tools a reply asked for in one go, and what they answered; ``told`` once the model knows."""

    reply: int
    told: bool = False
    calls: list[ToolCall] = field(default_factory=list)
    results: dict[str, str] = field(default_factory=dict)

    @property
    def answered(self) -> bool:
        return self.told or all(call.id in self.results for call in self.calls)

    def messages(self, said: str) -> list[Message]:
        """As the model must see them: its words and calls, then the results in their order."""
        asked = Message("assistant", said, tool_calls=tuple(self.calls))
        return [asked] + [
            Message("tool", self.results.get(call.id, "(no result)"), tool_call_id=call.id)
            for call in self.calls
        ]


class AgentTurn:
    """What the agent says between two turns of the caller: one answer, or fixed sentences.

    ``reply`` is the language model's reply that is awaited, 0 if none is; ``last_reply`` the
    newest it was asked for; ``answered``: words came of one. ``speech_end_ms`` is where the
    caller's words that it answers ended; latencies are counted from there. ``greeting``: these are
    the call's first sentences.
    """

    def __init__(
        self, now: float, *, speech_end_ms: float | None = None, greeting: bool = False
    ) -> None:
        self.greeting = greeting
        self.reply = 0
        self.last_reply = 0
        self.failures: Counter[str] = Counter()
        self.utterances: list[Utterance] = []
        self.answered = False
        self.rounds: list[ToolRound] = []
        self.splitter = SentenceSplitter()
        self.progress_at = now
        self.first_sent_at: float | None = None
        self._speech_end = speech_end_ms
        self._mark_at = now  # when the last mark came back
        self.latency = Latency()

    # ---- what is going on ----

    @property
    def pending(self) -> bool:
        """A sentence waits to be spoken or played."""
        return any(not u.complete for u in self.utterances)

    @property
    def over(self) -> bool:
        """Nothing is awaited from the model or a tool, and everything was played."""
        return not self.reply and not self.pending and not self.tools_outstanding()

    def find(self, number: int) -> Utterance | None:
        """The sentence, if there is still something to learn of it."""
        return next((u for u in self.utterances if u.number == number and not u.complete), None)

    # ---- tools ----

    def tools_outstanding(self) -> bool:
        return bool(self.rounds) and not self.rounds[-1].answered

    def tool_called(self, call: ToolCall) -> None:
        if not self.rounds or self.rounds[-1].reply != self.reply:
            self.rounds.append(ToolRound(self.reply))
        self.rounds[-1].calls.append(call)

    def tool_returned(self, reply: int, call_id: str, text: str) -> bool:
        """A result came; False if nobody waits for it (any more)."""
        if not self.tools_outstanding() or self.rounds[-1].reply != reply:
            return False
        self.rounds[-1].results.setdefault(call_id, text)
        return True

    def give_up_reply(self) -> None:
        """The reply that is awaited will not come, nor will the tools it asked for answer."""
        if self.tools_outstanding():
            self.rounds[-1].told = True
        self.reply = 0

    # ---- what happened ----

    def note(self, now: float, **step: float) -> None:
        """Record latency steps once each, measured from the end of the caller's speech."""
        self.progress_at = now
        if self._speech_end is None:
            return
        for name, at in step.items():
            if getattr(self.latency, name) is None:
                self.latency = replace(self.latency, **{name: max(at - self._speech_end, 0.0)})

    def sent(self, utterance: Utterance, now: float) -> None:
        """The first audio of an utterance left."""
        if utterance.sent_at is None:
            utterance.sent_at = now
        if self.first_sent_at is None:
            self.first_sent_at = now
        self.note(now, first_audio=now)

    def played(self, utterance: Utterance, offset_ms: float, complete: bool, now: float) -> None:
        """A mark came back."""
        self.sent(utterance, now)
        if self.first_sent_at is not None and utterance is self.utterances[0]:
            self.note(now, heard=max(now - offset_ms, self.first_sent_at))
        utterance.played_ms = max(utterance.played_ms, offset_ms)
        utterance.complete = utterance.complete or complete
        self._mark_at = now

    def assume_played(self) -> None:
        """The carrier sends no marks back: take what was sent as played."""
        self.utterances = [u for u in self.utterances if u.sent_at is not None]
        for utterance in self.utterances:
            utterance.complete = True

    def keep_synthesized(self, now: float) -> None:
        """The synthesizer is given up: only what is there already will be heard."""
        for utterance in self.utterances:
            if utterance.audio_ms is None and not utterance.complete:
                utterance.text = self._heard_of(utterance, now)
                utterance.complete = True
        self.utterances = [u for u in self.utterances if u.text]

    def cut(self, now: float) -> str:
        """End this turn's words at what was heard by ``now``; return those that are left."""
        rest = self.unheard(now)
        heard = self._heard(now)
        for utterance, words in heard:
            utterance.text = words
            utterance.complete = True
        self.utterances = [utterance for utterance, _ in heard]
        return rest

    # ---- when to give up waiting ----

    def playout_deadline(self) -> float | None:
        """When everything sent must have been played, or None while audio is still to come."""
        waiting = [u for u in self.utterances if not u.complete]
        if self.reply or not waiting or any(u.audio_ms is None for u in waiting):
            return None
        left = sum((u.audio_ms or 0.0) - u.played_ms for u in waiting)
        return self.progress_at + left + MARK_EVERY_MS + _MARK_GRACE_MS

    def stall_deadline(self, patience_ms: float) -> float:
        """When a vendor has been silent for too long."""
        # A carrier that sends no marks shows no progress while it plays what it has.
        unmarked = sum(
            u.audio_ms or u.expected_ms
            for u in self.utterances
            if u.sent_at is not None and not u.played_ms and not u.complete
        )
        return self.progress_at + patience_ms + unmarked

    # ---- what was heard ----

    def heard(self, now: float) -> str:
        """What the caller has heard by ``now``: what marks prove, and the time since the last one,
        never beyond the next mark (it would have come back)."""
        return " ".join(words for _, words in self._heard(now))

    def text(self) -> str:
        """All that it set out to say."""
        return " ".join(u.text for u in self.utterances)

    def unheard(self, now: float) -> str:
        """What is left to say after ``heard``."""
        return self.text()[len(self.heard(now)) :].strip()

    def messages(self, now: float | None = None) -> list[Message]:
        """This turn as the model must see it: all of it, or what was heard by ``now``."""
        spoken: Iterable[tuple[Utterance, str]]
        spoken = [(u, u.text) for u in self.utterances] if now is None else self._heard(now)
        messages: list[Message] = []
        for tools in self.rounds:
            said = [words for utterance, words in spoken if utterance.reply <= tools.reply]
            spoken = [pair for pair in spoken if pair[0].reply > tools.reply]
            messages += tools.messages(" ".join(said))
        rest = " ".join(words for _, words in spoken)
        return [*messages, Message("assistant", rest)] if rest else messages

    def _heard(self, now: float) -> list[tuple[Utterance, str]]:
        heard: list[tuple[Utterance, str]] = []
        for utterance in self.utterances:
            words = self._heard_of(utterance, now)
            if words:
                heard.append((utterance, words))
            if not utterance.complete:
                break
        return heard

    def _heard_of(self, utterance: Utterance, now: float) -> str:
        if utterance.complete:
            return utterance.text
        if utterance.sent_at is None:
            return ""
        since = min(max(now - max(self._mark_at, utterance.sent_at), 0.0), MARK_EVERY_MS)
        return utterance.heard(utterance.played_ms + since)

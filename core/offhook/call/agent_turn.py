"""The agent's side of the floor: what it is saying, and how much of that was heard."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from offhook.call.text import SentenceSplitter, heard_part
from offhook.events import Latency, Message, ToolCall
from offhook.media.playout import MARK_EVERY_MS

_MS_PER_LETTER = 65.0
_MARK_GRACE_MS = 2000.0


@dataclass(slots=True)
class Utterance:
    """One sentence given to the synthesizer."""

    number: int
    text: str
    audio_ms: float | None = None
    played_ms: float = 0.0
    started: bool = False
    complete: bool = False

    def heard(self, played_ms: float) -> str:
        """The words that were heard when ``played_ms`` of it had been played."""
        if self.complete:
            return self.text
        total = self.audio_ms or max(len(self.text) * _MS_PER_LETTER, played_ms + 1)
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
        return len(self.results) == len(self.calls)

    def messages(self) -> list[Message]:
        """As the model must see them: its calls, then the results in their order."""
        asked = Message("assistant", "", tool_calls=tuple(self.calls))
        return [asked] + [
            Message("tool", self.results.get(call.id, "(no result)"), tool_call_id=call.id)
            for call in self.calls
        ]


class AgentTurn:
    """What the agent says between two turns of the caller: one reply, or fixed sentences.

    ``reply`` is the language model's current reply, 0 when none is awaited. ``speech_end_ms`` is
    where the caller's words that it answers ended; latencies are counted from there.
    """

    def __init__(self, now: float, speech_end_ms: float | None = None) -> None:
        self.reply = 0
        self.bridges = 0  # sentences said only because a vendor failed
        self.utterances: list[Utterance] = []
        self.rounds: list[ToolRound] = []
        self.splitter = SentenceSplitter()
        self.progress_at = now
        self.first_sent_at: float | None = None
        self._speech_end = speech_end_ms
        self._anchor_at = now  # when the last thing known about playout was learned
        self.latency = Latency()

    # ---- what is going on ----

    @property
    def audible(self) -> bool:
        """Audio has left for the caller, and not all of it was played."""
        return any(u.started and not u.complete for u in self.utterances)

    @property
    def pending(self) -> bool:
        """A sentence waits to be spoken or played."""
        return any(not u.complete for u in self.utterances)

    @property
    def over(self) -> bool:
        """Nothing is awaited from the model or a tool, and everything was played."""
        return not self.reply and not self.pending and not self.tools_outstanding()

    def tools_outstanding(self) -> bool:
        return bool(self.rounds) and not self.rounds[-1].answered

    def tool_called(self, call: ToolCall) -> None:
        if not self.rounds or self.rounds[-1].reply != self.reply:
            self.rounds.append(ToolRound(self.reply))
        self.rounds[-1].calls.append(call)

    def find(self, number: int) -> Utterance | None:
        return next((u for u in self.utterances if u.number == number), None)

    # ---- what happened ----

    def note(self, now: float, **step: float) -> None:
        """Record latency steps once each, measured from the end of the caller's speech."""
        self.progress_at = now
        if self._speech_end is None:
            return
        for name, at in step.items():
            if getattr(self.latency, name) is None:
                self.latency = replace(self.latency, **{name: max(at - self._speech_end, 0.0)})

    def sent(self, number: int, now: float) -> None:
        """The first audio of an utterance left."""
        utterance = self.find(number)
        if utterance is None:
            return
        utterance.started = True
        if self.first_sent_at is None:
            self.first_sent_at = self._anchor_at = now
        self.note(now, first_audio=now)

    def played(self, number: int, offset_ms: float, complete: bool, now: float) -> None:
        """A mark came back."""
        utterance = self.find(number)
        if utterance is None:
            return
        if self.first_sent_at is not None and utterance is self.utterances[0]:
            self.note(now, heard=max(now - offset_ms, self.first_sent_at))
        utterance.started = True
        utterance.played_ms = max(utterance.played_ms, offset_ms)
        utterance.complete = utterance.complete or complete
        self._anchor_at = self.progress_at = now

    def assume_played(self) -> None:
        """The carrier sends no marks back: take what was sent as played."""
        self.utterances = [u for u in self.utterances if u.started or u.complete]
        for utterance in self.utterances:
            utterance.complete = True

    def unspoken(self, now: float) -> str:
        """Cut this turn at what was heard by ``now`` and return the words that are left, so that
        they can be said again."""
        rest = self.unheard(now)
        kept: list[Utterance] = []
        for utterance in self.utterances:
            if not utterance.complete:
                since = min(max(now - self._anchor_at, 0.0), MARK_EVERY_MS)
                utterance.text = (
                    utterance.heard(utterance.played_ms + since) if utterance.started else ""
                )
                utterance.complete = True
                if utterance.text:
                    kept.append(utterance)
                break
            kept.append(utterance)
        self.utterances = kept
        return rest

    # ---- when to give up waiting ----

    def playout_deadline(self) -> float | None:
        """When everything sent must have been played, or None while audio is still to come."""
        waiting = [u for u in self.utterances if not u.complete]
        if self.reply or not waiting or any(u.audio_ms is None for u in waiting):
            return None
        left = sum((u.audio_ms or 0.0) - u.played_ms for u in waiting)
        return self.progress_at + left + MARK_EVERY_MS + _MARK_GRACE_MS

    # ---- what was heard ----

    def heard(self, now: float) -> str:
        """What the caller has heard by ``now``: what marks prove, and the time since the last one,
        never beyond the next mark (it would have come back)."""
        words: list[str] = []
        for utterance in self.utterances:
            if utterance.complete:
                words.append(utterance.text)
                continue
            if utterance.started:
                since = min(max(now - self._anchor_at, 0.0), MARK_EVERY_MS)
                words.append(utterance.heard(utterance.played_ms + since))
            break
        return " ".join(word for word in words if word)

    def text(self) -> str:
        """All that it set out to say."""
        return " ".join(u.text for u in self.utterances)

    def unheard(self, now: float) -> str:
        """What is left to say after ``heard``."""
        return self.text()[len(self.heard(now)) :].strip()

    def start_ms(self, default: float) -> float:
        return default if self.first_sent_at is None else self.first_sent_at

    def messages(self, spoken: str) -> list[Message]:
        """This turn as the model must see it, with ``spoken`` as its words."""
        messages = [m for r in self.rounds for m in r.messages()]
        if spoken:
            messages.append(Message("assistant", spoken))
        return messages

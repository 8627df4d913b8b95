"""What goes into the conversation's state machine, and what comes out of it.

Inputs are facts that the call's threads found out; commands are what they must do next. All are
frozen, so a conversation can be logged, replayed and compared. Times are milliseconds of the call.
"""

from __future__ import annotations

from dataclasses import dataclass

from offhook.events import (
    DtmfReceived,
    EndOfTurn,
    Final,
    Partial,
    RecognizerFailed,
    ReplyRequest,
    SpeechStarted,
    ToolCall,
    Turn,
)

# ---- inputs -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begin:
    """The media stream is up: say the opening lines."""


@dataclass(frozen=True, slots=True)
class CallerSpoke:
    """The caller speaks, long enough to count; ``at_ms`` is where the speech began."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class CallerPaused:
    """The caller has been silent for the business's ``pause_ms``; ``at_ms`` ended the speech."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class ReplyText:
    """The next piece of a reply's text."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class ReplyTool:
    """A reply asks for a tool."""

    reply: int
    call: ToolCall


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """A reply is complete."""

    reply: int


@dataclass(frozen=True, slots=True)
class ReplyFailed:
    """The language model failed in this reply."""

    reply: int
    error: str


@dataclass(frozen=True, slots=True)
class ToolReturned:
    """A tool is done; ``text`` is what the model is told."""

    reply: int
    call_id: str
    text: str


@dataclass(frozen=True, slots=True)
class AudioSent:
    """The first audio of an utterance left for the carrier."""

    utterance: int


@dataclass(frozen=True, slots=True)
class Synthesized:
    """All audio of an utterance is there: it lasts ``audio_ms``."""

    utterance: int
    audio_ms: float


@dataclass(frozen=True, slots=True)
class SpeechFailed:
    """The synthesizer failed in this utterance."""

    utterance: int
    error: str


@dataclass(frozen=True, slots=True)
class Played:
    """The carrier played the utterance up to ``offset_ms`` (a mark came back)."""

    utterance: int
    offset_ms: float
    complete: bool


@dataclass(frozen=True, slots=True)
class AskedToEnd:
    """A tool wants the call to end once the caller has heard what is being said.

    ``reason`` is a word of :class:`~offhook.events.CallEnded`; with ``transfer_to`` the caller is
    handed to that number.
    """

    reason: str
    transfer_to: str = ""


@dataclass(frozen=True, slots=True)
class Draining:
    """The node is going down: say goodbye."""


@dataclass(frozen=True, slots=True)
class LineLost:
    """The call is over on the other side, or must stop at once; nothing more can be said."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """A deadline of the machine may have passed."""


Input = (
    Begin
    | CallerSpoke
    | CallerPaused
    | SpeechStarted
    | Partial
    | Final
    | EndOfTurn
    | RecognizerFailed
    | DtmfReceived
    | ReplyText
    | ReplyTool
    | ReplyEnded
    | ReplyFailed
    | ToolReturned
    | AudioSent
    | Synthesized
    | SpeechFailed
    | Played
    | AskedToEnd
    | Draining
    | LineLost
    | Tick
)

# ---- commands -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FlushRecognizer:
    """Ask the recognizer for its final."""


@dataclass(frozen=True, slots=True)
class Think:
    """Ask the language model; its events carry ``reply``."""

    reply: int
    request: ReplyRequest


@dataclass(frozen=True, slots=True)
class CancelReply:
    """Stop the language model (and its tools) of this reply."""

    reply: int


@dataclass(frozen=True, slots=True)
class RunTool:
    """Run a tool; its result carries ``reply``."""

    reply: int
    call: ToolCall


@dataclass(frozen=True, slots=True)
class Speak:
    """Say one sentence after those before it."""

    utterance: int
    text: str


@dataclass(frozen=True, slots=True)
class StopSpeaking:
    """Stop the sender, clear the carrier's buffer, cancel the synthesizer."""


@dataclass(frozen=True, slots=True)
class ReplaceProvider:
    """Give up the current provider of a kind for the next one the business names."""

    kind: str


@dataclass(frozen=True, slots=True)
class ReportTurn:
    """A turn is complete: store it, tell the observers."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class Transfer:
    """Hand the caller to another number."""

    to_number: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The conversation is over: close the line. Always the last command."""

    reason: str
    detail: str = ""


Command = (
    FlushRecognizer
    | Think
    | CancelReply
    | RunTool
    | Speak
    | StopSpeaking
    | ReplaceProvider
    | ReportTurn
    | Transfer
    | Finish
)

"""The words everything else speaks: small frozen dataclasses, no behaviour beyond arithmetic.

Times are in milliseconds of the call unless a name says otherwise; audio is raw ``bytes`` in the
:class:`AudioFormat` that was agreed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Encoding = Literal["mulaw", "pcm16"]


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How raw audio bytes are to be read: mono, ``encoding`` samples at ``sample_rate`` Hz.

    ``mulaw`` is G.711 mu-law, one byte a sample; ``pcm16`` is signed 16-bit little-endian.
    """

    encoding: Encoding
    sample_rate: int

    @property
    def bytes_per_ms(self) -> float:
        """Bytes that one millisecond takes (8 for telephone mu-law)."""
        return self.sample_rate * (1 if self.encoding == "mulaw" else 2) / 1000

    def duration_ms(self, size: int) -> float:
        """Milliseconds that ``size`` bytes last."""
        return size / self.bytes_per_ms

    def size(self, milliseconds: float) -> int:
        """Whole samples of ``milliseconds``, in bytes."""
        width = 1 if self.encoding == "mulaw" else 2
        return int(self.sample_rate * milliseconds / 1000) * width

    def __str__(self) -> str:
        return f"{self.encoding}/{self.sample_rate}"


MULAW_8K = AudioFormat("mulaw", 8000)
"""What a telephone line carries; a frame of 20 ms is 160 bytes, silence is ``0xFF``."""

Direction = Literal["inbound", "outbound"]


@dataclass(frozen=True, slots=True)
class CallInfo:
    """Who talks with whom; fixed for the life of a call.

    ``call_id`` is ours; ``carrier_call_id`` is the carrier's (Twilio's CallSid). ``variables``
    are the values that prompts and greetings may name.
    """

    call_id: str
    business_id: str
    telephony: str
    carrier_call_id: str
    from_number: str
    to_number: str
    direction: Direction = "inbound"
    language: str = "en"
    variables: Mapping[str, str] = field(default_factory=dict)


# ---- from a speech recognizer -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The recognizer hears the caller speak (only from those with the capability ``vad``)."""


@dataclass(frozen=True, slots=True)
class Partial:
    """What the caller seems to be saying in the current segment; replaces the Partial before it."""

    text: str


@dataclass(frozen=True, slots=True)
class Final:
    """A segment that will not change any more; ends the Partials before it.

    Finals of one turn are joined with spaces. An empty text is legal: it answers a ``flush`` in
    which nothing was said.
    """

    text: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class EndOfTurn:
    """The recognizer believes the caller is done (only with the capability ``end_of_turn``)."""


@dataclass(frozen=True, slots=True)
class RecognizerFailed:
    """The recognizer can hear no more; the engine replaces it. Emitted at most once, last."""

    error: Exception


RecognitionEvent = SpeechStarted | Partial | Final | EndOfTurn | RecognizerFailed


# ---- to and from a language model ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a tool; ``arguments`` is the parsed JSON object."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of the conversation as the model sees it.

    An ``assistant`` text holds only what the caller heard. A ``tool`` message answers the
    ToolCall named by ``tool_call_id``.
    """

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the model sees it; ``parameters`` is a JSON Schema of type object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReplyRequest:
    """What the model is asked: the conversation so far, oldest first, and the tools it may call."""

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    language: str = "en"


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the reply's text; pieces are joined without a separator."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a reply took."""

    input_tokens: int
    output_tokens: int


ReplyEvent = TextDelta | ToolCall | Usage


# ---- from the carrier's media socket ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StreamStarted:
    """The carrier's media stream begins; empty strings where the carrier said nothing."""

    stream_id: str
    carrier_call_id: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


class AudioReceived(NamedTuple):
    """Caller's audio in the line's format; ``timestamp_ms`` since stream start, or -1 if absent.

    A tuple, because each call gets 50 a second and a frozen dataclass takes four times as long.
    """

    payload: bytes
    timestamp_ms: int = -1


@dataclass(frozen=True, slots=True)
class MarkPlayed:
    """The carrier's playout reached the mark, or the mark was cleared (it does not tell which)."""

    name: str


@dataclass(frozen=True, slots=True)
class DtmfReceived:
    """The caller pressed a key: one of ``0-9*#A-D``."""

    digit: str


@dataclass(frozen=True, slots=True)
class StreamStopped:
    """The carrier says the stream ends; nothing follows."""


StreamEvent = StreamStarted | AudioReceived | MarkPlayed | DtmfReceived | StreamStopped


# ---- from the carrier's webhooks ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """A call rings; the carrier waits for instructions."""

    carrier_call_id: str
    from_number: str
    to_number: str


@dataclass(frozen=True, slots=True)
class CallStatus:
    """The carrier tells a call's progress; may come late, twice or out of order.

    ``status`` is one of queued, ringing, in-progress, completed, busy, no-answer, failed,
    canceled. ``sequence`` orders the reports of one call where the carrier numbers them.
    """

    carrier_call_id: str
    status: str
    to_number: str = ""
    sequence: int = -1


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """The carrier tells how a media stream fares: ``started``, ``stopped`` or ``error``."""

    carrier_call_id: str
    status: str
    error: str = ""


CarrierEvent = IncomingCall | CallStatus | StreamStatus


# ---- told to observers --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of one exchange, each measured from the end of the caller's speech.

    ``endpoint``: the turn was found to be over; ``transcript``: its final text was in hand;
    ``first_token``: the model's first text; ``first_audio``: the first packet left for the
    carrier; ``heard``: the carrier began to play it. None: that step did not happen in this turn.
    """

    endpoint: float | None = None
    transcript: float | None = None
    first_token: float | None = None
    first_audio: float | None = None
    heard: float | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One side's turn, as stored and as told to observers.

    ``heard`` is the part of an agent's ``text`` that the caller's ear got (equal to ``text``
    unless the caller barged in); for a caller's turn both are what was understood.
    """

    index: int
    speaker: Literal["caller", "agent"]
    text: str
    heard: str
    start_ms: float
    end_ms: float
    interrupted: bool = False
    latency: Latency = Latency()


@dataclass(frozen=True, slots=True)
class CallEnded:
    """How a call ended: ``reason`` is a short machine word, ``detail`` a sentence or empty.

    Reasons: ``caller-hung-up``, ``agent-ended``, ``transferred``, ``max-length``, ``silence``,
    ``drained``, ``closed``, ``provider-failed``, ``protocol-error``, ``media-lost``,
    ``never-started``, ``flooded``, ``stuck``, ``crashed``, ``orphaned``.
    """

    reason: str
    detail: str = ""
    duration_ms: float = 0.0
    recording: str = ""

"""What a plugin's objects must do: small Protocols, one page each, cancellation included.

Rules that hold for all of them:

* Methods marked *any thread* may be called at any moment from any thread, return at once, never
  raise, and may be called again.
* A failure is raised as (or mapped to) a :class:`~offhook.errors.ProviderError`.
* Nothing may outlive ``close()`` by more than a second: no thread, no socket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from offhook.events import (
    AudioFormat,
    CallInfo,
    RecognitionEvent,
    ReplyEvent,
    ReplyRequest,
    StreamEvent,
    ToolSpec,
)

Kind = Literal["telephony", "stt", "llm", "tts", "queue", "observer"]
KINDS: tuple[Kind, ...] = ("telephony", "stt", "llm", "tts", "queue", "observer")


class NoOptions(BaseModel, extra="forbid"):
    """The options model of a plugin that has no options."""


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """What a plugin says of itself, without importing its SDK.

    ``formats``: audio it takes (stt) or makes (tts), best first. ``languages``: BCP 47 tags it
    serves, empty for any. ``requires``: top-level modules it needs at work; if one cannot be
    found the plugin is listed as unavailable with ``pip install 'DISTRIBUTION[extra]'``.
    ``capabilities``: words the engine or ``offhook plugins`` understands, for example ``vad``,
    ``end_of_turn``, ``partials`` (stt), ``tools`` (llm), ``dial``, ``transfer`` (telephony).
    """

    kind: Kind
    name: str
    summary: str
    options: type[BaseModel] = NoOptions
    formats: tuple[AudioFormat, ...] = ()
    languages: tuple[str, ...] = ()
    capabilities: frozenset[str] = frozenset()
    requires: tuple[str, ...] = ()
    extra: str = ""


# ---- speech to text -----------------------------------------------------------------------------

Emit = Callable[[RecognitionEvent], None]
"""Takes a recognition event; *any thread*, returns at once, never raises."""


class SpeechToText(Protocol):
    """A recognizer that hears one call. Events come through the ``emit`` it was created with.

    Per segment: SpeechStarted? Partial* Final, then EndOfTurn where the plugin detects it. After
    ``close()`` nothing is emitted.
    """

    def feed(self, audio: bytes) -> None:
        """Hear the next audio, any length, in the agreed format; silence included.

        Called on the call's handler thread, about ten times a second: must not block on the
        vendor (queue it, bounded). Raises ProviderError only if the recognizer is beyond repair.
        """

    def flush(self) -> None:
        """The caller paused: finalize what was heard so far. *Any thread.*

        Answered by exactly one Final (its text may be empty), unless the recognizer fails.
        """

    def close(self) -> None:
        """The call is over; free everything. *Any thread.*"""


# ---- language model -----------------------------------------------------------------------------


class ReplyStream(Protocol):
    """One reply on its way. Iterated by one thread, once."""

    def __iter__(self) -> Iterator[ReplyEvent]:
        """Yield text and tool calls as the vendor sends them; ends when the reply is complete.

        Blocks while the vendor is silent. Raises ProviderError when the vendor fails.
        """

    def cancel(self) -> None:
        """Stop. *Any thread.* The iteration ends (no exception) within 50 ms, even while the
        vendor is silent, and yields nothing more."""


class LanguageModel(Protocol):
    """A model that speaks for one call."""

    def reply(self, request: ReplyRequest) -> ReplyStream:
        """Prepare a reply. Does no I/O: the vendor is asked when the stream is iterated."""

    def close(self) -> None:
        """The call is over; free everything. *Any thread.*"""


# ---- text to speech -----------------------------------------------------------------------------


class SpeechStream(Protocol):
    """The audio of one sentence on its way. Iterated by one thread, once."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield audio in the agreed format, whole samples, any length, as soon as it is there."""

    def cancel(self) -> None:
        """Stop. *Any thread.* The iteration ends (no exception) within 50 ms, even while the
        vendor is silent, and yields nothing more."""


class TextToSpeech(Protocol):
    """A voice for one call."""

    def synthesize(self, text: str) -> SpeechStream:
        """Prepare one sentence or clause. Does no I/O: that begins when it is iterated."""

    def close(self) -> None:
        """The call is over; free everything. *Any thread.*"""


# ---- telephony ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A carrier's HTTP request (or WebSocket handshake), as data.

    ``url`` is the public URL the carrier was given (scheme, host, path and query as the carrier
    signs it); header names are lower case; ``form`` holds the urlencoded body's pairs in order.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    form: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def value(self, name: str) -> str:
        """The first form value called ``name``, or an empty string."""
        return next((value for key, value in self.form if key == name), "")


@dataclass(frozen=True, slots=True)
class WebhookReply:
    """What the carrier gets back."""

    body: str = ""
    content_type: str = "text/xml"
    status: int = 200


class MediaCodec(Protocol):
    """The carrier's media socket as text frames; no I/O. One per call, used as stated.

    ``decode`` runs on the event loop for every frame (50 a second per call): keep it lean. The
    ``encode_*`` methods run on the call's own threads and need the stream's id, which ``decode``
    learns from the start message.
    """

    def decode(self, message: str) -> StreamEvent | None:
        """Read one text frame; None for one that carries nothing for us.

        Raises ProtocolError for a frame that is not the protocol's.
        """

    def encode_audio(self, payload: bytes) -> str:
        """A frame that queues ``payload`` (the line's format, any length) for playout."""

    def encode_mark(self, name: str) -> str:
        """A frame that asks to be told when playout reaches this point."""

    def encode_clear(self) -> str:
        """A frame that drops all audio queued for playout."""

    def encode_dtmf(self, digit: str) -> str | None:
        """A frame that plays a key's tone to the caller, or None where the carrier has none."""


class Telephony(Protocol):
    """A carrier account, as one business configures it. Shared by threads; holds no call."""

    def verify_webhook(self, request: WebhookRequest) -> None:
        """Raise WebhookRefused unless the carrier signed this request. Pure computation."""

    def verify_stream(self, request: WebhookRequest) -> None:
        """Raise WebhookRefused unless the carrier signed this media handshake, where it does."""

    def answer(self, order: AnswerOrder) -> WebhookReply:
        """Tell the carrier to connect the call's audio to ``order.stream_url``."""

    def refuse(self, reason: Literal["busy", "unavailable"]) -> WebhookReply:
        """Tell the carrier that nobody takes this call."""

    def codec(self) -> MediaCodec:
        """A fresh codec for one media socket."""

    def dial(self, order: DialOrder) -> str:
        """Place a call; returns the carrier's id for it. Blocks on the carrier's REST API.

        Raises ProviderRefused for a clean refusal, ProviderUnavailable if the request certainly
        never reached the carrier, ProviderTimeout if the outcome is unknown.
        """

    def hang_up(self, carrier_call_id: str) -> None:
        """End a call. Blocks on the carrier; a call that is over already is no error."""

    def transfer(self, carrier_call_id: str, to_number: str) -> None:
        """Hand the caller to another number; the media stream then stops. Blocks."""


@dataclass(frozen=True, slots=True)
class AnswerOrder:
    """What the carrier must be told to connect a call's audio to us."""

    carrier_call_id: str
    stream_url: str
    status_url: str


@dataclass(frozen=True, slots=True)
class DialOrder:
    """A call to place; all callback URLs carry the attempt's identity in their path."""

    to_number: str
    from_number: str
    answer_url: str
    status_url: str
    ring_seconds: int = 30


# ---- queue --------------------------------------------------------------------------------------


class JobQueue(Protocol):
    """A doorbell for background workers; the database holds the truth. Shared by threads."""

    def enqueue(
        self, function: str, arguments: Mapping[str, Any], *, job_id: str, timeout: str = "10m"
    ) -> bool:
        """Ask a worker to call ``module.function`` with keyword ``arguments`` (JSON values).

        Returns False if ``job_id`` is queued already. Raises ProviderError if the queue is away.
        """

    def work(self, *, burst: bool = False) -> None:
        """Run jobs on the calling thread until told to stop (``burst``: until none is left)."""

    def close(self) -> None:
        """Free the connection. *Any thread.*"""


# ---- tools --------------------------------------------------------------------------------------


class CallControl(Protocol):
    """What a tool may do to its call. *Any thread.*"""

    @property
    def call(self) -> CallInfo:
        """The call the tool serves."""

    def end_call(self) -> None:
        """Hang up once what the agent is saying has been heard."""

    def transfer(self, to_number: str) -> None:
        """Transfer the caller once what the agent is saying has been heard."""

    def send_dtmf(self, digits: str) -> None:
        """Play key tones to the caller, where the carrier can."""


@dataclass(frozen=True, slots=True)
class Tool:
    """Something the agent may do. ``run`` is called on a thread of its own, with the arguments
    the model gave and the call's control; it returns what the model is told. An exception is told
    to the model as a failure and never ends the call."""

    spec: ToolSpec
    run: Callable[[Mapping[str, Any], CallControl], str]

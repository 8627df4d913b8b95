"""The carrier's end of Media Streams: the messages it sends, and how strictly it reads ours."""

from __future__ import annotations

import json
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'


@dataclass(frozen=True, slots=True)
class Play:
    """Queue this mu-law audio for the caller's ear."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """Tell us when playout gets here."""

    name: str


@dataclass(frozen=True, slots=True)
class Clear:
    """Drop the audio that is queued."""


@dataclass(frozen=True, slots=True)
class Tone:
    """Play a key's tone to the caller (this carrier's addition to the protocol)."""

    digit: str


Command = Play | Mark | Clear | Tone


class InvalidMessage(ValueError):
    """A message that Twilio would not take (its errors 31950 and 31951)."""


class Wire:
    """One stream's messages, numbered and with every field as Twilio has it. Not thread-safe."""

    def __init__(
        self,
        account_sid: str,
        call_sid: str,
        stream_sid: str,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        self._account_sid = account_sid
        self._call_sid = call_sid
        self._stream_sid = stream_sid
        self._parameters = dict(parameters or {})
        self._sequence = 0

    def start(self) -> str:
        """The second message of a stream."""
        return self._message(
            "start",
            {
                "accountSid": self._account_sid,
                "streamSid": self._stream_sid,
                "callSid": self._call_sid,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": self._parameters,
            },
        )

    def minimal_start(self) -> str:
        """A start with the two fields nobody can do without."""
        start = {"streamSid": self._stream_sid, "callSid": self._call_sid}
        return json.dumps({"event": "start", "start": start})

    def media(self, chunk: int, timestamp_ms: int, audio: bytes) -> str:
        """20 ms of the caller's voice."""
        self._sequence += 1
        payload = b2a_base64(audio, newline=False).decode("ascii")
        return (
            f'{{"event":"media","sequenceNumber":"{self._sequence}","media":{{"track":"inbound",'
            f'"chunk":"{chunk}","timestamp":"{timestamp_ms}","payload":"{payload}"}},'
            f'"streamSid":"{self._stream_sid}"}}'
        )

    def mark(self, name: str) -> str:
        """Playout has reached the mark, or it was cleared."""
        return self._message("mark", {"name": name})

    def dtmf(self, digit: str) -> str:
        """The caller pressed a key."""
        return self._message("dtmf", {"track": "inbound_track", "digit": digit})

    def stop(self) -> str:
        """The last message of a stream."""
        return self._message("stop", {"accountSid": self._account_sid, "callSid": self._call_sid})

    def read(self, message: str | bytes) -> Command:
        """One of the engine's messages. Raises InvalidMessage for a field too many or too few."""
        if isinstance(message, bytes):
            raise InvalidMessage("31950: a binary message")
        try:
            fields = json.loads(message)
        except (ValueError, RecursionError):
            raise InvalidMessage("31951: a message that is not JSON") from None
        if not isinstance(fields, dict) or fields.get("streamSid") != self._stream_sid:
            raise InvalidMessage(f"31951: a message for another stream: {message:.80}")
        match fields:
            case {"event": "media", "media": {"payload": str(payload), **more}} if not more:
                command: Command = Play(_audio(payload))
            case {"event": "mark", "mark": {"name": str(name), **more}} if not more:
                command = Mark(name)
            case {"event": "dtmf", "dtmf": {"digit": str(digit), **more}} if not more:
                command = Tone(digit)
            case {"event": "clear"}:
                command = Clear()
            case _:
                raise InvalidMessage(f"31951: an unknown message: {message:.80}")
        if len(fields) != (2 if isinstance(command, Clear) else 3):
            raise InvalidMessage(f"31951: a message with fields too many: {message:.80}")
        return command

    def _message(self, event: str, body: Mapping[str, Any]) -> str:
        self._sequence += 1
        message = {
            "event": event,
            "sequenceNumber": str(self._sequence),
            event: body,
            "streamSid": self._stream_sid,
        }
        return json.dumps(message, separators=(",", ":"))


def bare_media(audio: bytes) -> str:
    """20 ms of the caller's voice and nothing else."""
    payload = b2a_base64(audio, newline=False).decode("ascii")
    return f'{{"event":"media","media":{{"payload":"{payload}"}}}}'


def _audio(payload: str) -> bytes:
    try:
        return a2b_base64(payload, strict_mode=True)
    except ValueError:
        raise InvalidMessage("31951: a payload that is not base64") from None

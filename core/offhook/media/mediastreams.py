"""Media Streams, the JSON protocol that Twilio and several other carriers speak on a call's socket.

Lenient in what it takes (fields may be missing or added, numbers may be strings), strict in what
it sends: a carrier may drop a stream for one field too many.
"""

from __future__ import annotations

import json
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping
from typing import Any

from offhook.errors import ProtocolError
from offhook.events import (
    AudioReceived,
    DtmfReceived,
    MarkPlayed,
    StreamEvent,
    StreamStarted,
    StreamStopped,
)

MAX_PAYLOAD = 64 * 1024
"""Decoded bytes that one media frame may carry: eight seconds, where carriers send 20 ms."""

MAX_MESSAGE = 2 * MAX_PAYLOAD
"""Characters a text frame may have; a longer one is not even parsed."""

_INVALID_DATA, _UNSUPPORTED, _TOO_BIG = 1007, 1003, 1009

# Twilio's own media frame up to the payload. ASCII digits only: int() takes more than JSON does.
_MEDIA_HEAD = re.compile(
    r'\{"event":"media","sequenceNumber":"[0-9]{1,15}",'
    r'"media":\{"track":"inbound","chunk":"[0-9]{1,15}","timestamp":"([0-9]{1,15})","payload":"'
).match
_TIMESTAMP = re.compile(r"[0-9]{1,15}").fullmatch
_ENCODINGS = frozenset({"audio/x-mulaw", "audio/mulaw", "mulaw", "pcmu"})
_KEYS = frozenset("0123456789*#ABCD")


class MediaStreamsCodec:
    """One call's media socket as text frames: a :class:`~offhook.providers.MediaCodec`.

    ``decode`` belongs to one thread; the ``encode_*`` methods may run on any thread once
    ``decode`` has returned the StreamStarted, and raise RuntimeError before that.
    """

    def __init__(self) -> None:
        self._tail = ""
        self._quoted_id = ""
        self._readers: Mapping[str, Callable[[dict[str, Any]], StreamEvent | None]] = {
            "media": self._media,
            "mark": self._mark,
            "dtmf": self._dtmf,
            "start": self._start,
            "stop": self._stop,
        }

    def decode(self, message: str) -> StreamEvent | None:
        """Read one text frame; None for one that carries nothing for us.

        Raises ProtocolError with the close code for the peer: 1002 for a frame that breaks the
        protocol, 1003 for audio that is no 8 kHz mu-law, 1007 for broken JSON or base64, 1009 for
        a frame beyond :data:`MAX_MESSAGE` or :data:`MAX_PAYLOAD`.
        """
        # This runs for every 20 ms of every call, and parsing JSON costs several times as much. A
        # message with exactly this head and tail and pure base64 between them means the same to
        # json.loads; for everything else json.loads decides.
        head = _MEDIA_HEAD(message)
        if head and self._tail and message.endswith(self._tail):
            encoded = message[head.end() : -len(self._tail)]
            try:
                payload = a2b_base64(encoded, strict_mode=True)
            except ValueError:
                payload = b""
            if 0 < len(payload) <= MAX_PAYLOAD:
                return AudioReceived(payload, int(head[1]))
        return self._decode_json(message)

    def encode_audio(self, payload: bytes) -> str:
        """A frame that queues ``payload`` (8 kHz mu-law, any length) for playout."""
        encoded = b2a_base64(payload, newline=False).decode("ascii")
        return f'{{"event":"media","streamSid":{self._id()},"media":{{"payload":"{encoded}"}}}}'

    def encode_mark(self, name: str) -> str:
        """A frame that asks to be told when playout reaches this point."""
        quoted = json.dumps(name)
        return f'{{"event":"mark","streamSid":{self._id()},"mark":{{"name":{quoted}}}}}'

    def encode_clear(self) -> str:
        """A frame that drops all audio queued for playout; the carrier then echoes its marks."""
        return f'{{"event":"clear","streamSid":{self._id()}}}'

    def encode_dtmf(self, digit: str) -> str | None:  # noqa: ARG002 - the protocol has no such frame
        """None: Media Streams cannot play key tones to the caller."""
        return None

    def _id(self) -> str:
        if not self._quoted_id:
            raise RuntimeError("the media stream has not started: there is no stream to send to")
        return self._quoted_id

    def _decode_json(self, message: str) -> StreamEvent | None:
        if len(message) > MAX_MESSAGE:
            raise ProtocolError(
                f"a media message of {len(message)} characters is more than {MAX_MESSAGE}",
                _TOO_BIG,
            )
        try:
            fields = json.loads(message)
        except (ValueError, RecursionError):
            raise ProtocolError("a media message is not valid JSON", _INVALID_DATA) from None
        if not isinstance(fields, dict):
            raise ProtocolError("a media message is not a JSON object")
        event = fields.get("event")
        if not isinstance(event, str):
            raise ProtocolError("a media message has no event")
        reader = self._readers.get(event)
        return reader(fields) if reader else None

    def _start(self, fields: dict[str, Any]) -> StreamStarted:
        if self._quoted_id:
            raise ProtocolError("a media stream was started twice")
        start = _object(fields, "start")
        stream_id = _text(start, "streamSid") or _text(fields, "streamSid")
        if not stream_id:
            raise ProtocolError("a start message names no streamSid")
        _check_format(start.get("mediaFormat"))
        parameters = start.get("customParameters")
        if not isinstance(parameters, dict):
            parameters = {}
        self._quoted_id = json.dumps(stream_id)
        self._tail = f'"}},"streamSid":{self._quoted_id}}}'
        return StreamStarted(
            stream_id=stream_id,
            carrier_call_id=_text(start, "callSid"),
            parameters={
                k: str(v) for k, v in parameters.items() if isinstance(v, str | int | float)
            },
        )

    def _media(self, fields: dict[str, Any]) -> AudioReceived | None:
        media = self._body(fields, "media")
        if media.get("track", "inbound") != "inbound":
            return None  # our own voice, on a stream that was asked for both tracks
        encoded = media.get("payload")
        if not isinstance(encoded, str):
            raise ProtocolError("a media message has no payload")
        payload = _payload(encoded)
        return AudioReceived(payload, _timestamp(media.get("timestamp"))) if payload else None

    def _mark(self, fields: dict[str, Any]) -> MarkPlayed:
        name = self._body(fields, "mark").get("name")
        if not isinstance(name, str):
            raise ProtocolError("a mark message has no name")
        return MarkPlayed(name)

    def _dtmf(self, fields: dict[str, Any]) -> DtmfReceived | None:
        digit = _text(self._body(fields, "dtmf"), "digit").upper()
        return DtmfReceived(digit) if digit in _KEYS else None

    def _stop(self, fields: dict[str, Any]) -> StreamStopped:  # noqa: ARG002 - the event says it all
        return StreamStopped()

    def _body(self, fields: dict[str, Any], name: str) -> dict[str, Any]:
        if not self._quoted_id:
            raise ProtocolError(f"a {name} message came before the start message")
        return _object(fields, name)


def _object(fields: dict[str, Any], name: str) -> dict[str, Any]:
    body = fields.get(name)
    if not isinstance(body, dict):
        raise ProtocolError(f"a {name} message has no {name} object")
    return body


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _payload(encoded: str) -> bytes:
    if len(encoded) > MAX_PAYLOAD * 4 // 3 + 4:
        raise ProtocolError(f"a media payload is longer than {MAX_PAYLOAD} bytes", _TOO_BIG)
    try:
        payload = a2b_base64(encoded, strict_mode=True)
    except ValueError:
        raise ProtocolError("a media payload is not valid base64", _INVALID_DATA) from None
    if len(payload) > MAX_PAYLOAD:
        raise ProtocolError(f"a media payload is longer than {MAX_PAYLOAD} bytes", _TOO_BIG)
    return payload


def _timestamp(value: object) -> int:
    """Twilio sends a string, others a number; anything else counts as absent."""
    text = str(value) if isinstance(value, str | int) else ""
    return int(text) if _TIMESTAMP(text) else -1


def _check_format(media_format: object) -> None:
    """Refuse audio that would be played and understood as noise; no format means the usual one."""
    if not isinstance(media_format, dict):
        return
    encoding = media_format.get("encoding", "audio/x-mulaw")
    known = isinstance(encoding, str) and encoding.lower() in _ENCODINGS
    if not known or media_format.get("sampleRate", 8000) not in (8000, "8000"):
        raise ProtocolError(
            "the carrier streams audio that is no 8 kHz mu-law, the only one we speak",
            _UNSUPPORTED,
        )

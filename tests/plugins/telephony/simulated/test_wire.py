"""The carrier's messages go through the engine's codec, and it reads ours as strictly as Twilio."""

from __future__ import annotations

import json

import pytest

from offhook.events import AudioReceived, DtmfReceived, MarkPlayed, StreamStarted, StreamStopped
from offhook_telephony_simulated.server import SimulatedCodec
from offhook_telephony_simulated.wire import (
    CONNECTED,
    Clear,
    InvalidMessage,
    Mark,
    Play,
    Tone,
    Wire,
    bare_media,
)

AUDIO = bytes(range(160))


@pytest.fixture
def wire() -> Wire:
    return Wire("AC1", "CA1", "MZ1", {"colour": "red"})


@pytest.fixture
def codec(wire: Wire) -> SimulatedCodec:
    codec = SimulatedCodec()
    codec.decode(wire.start())
    return codec


def test_the_engine_understands_the_carrier(wire: Wire) -> None:
    codec = SimulatedCodec()
    assert codec.decode(CONNECTED) is None
    assert codec.decode(wire.start()) == StreamStarted("MZ1", "CA1", {"colour": "red"})
    assert codec.decode(wire.media(1, 0, AUDIO)) == AudioReceived(AUDIO, 0)
    assert codec.decode(bare_media(AUDIO)) == AudioReceived(AUDIO, -1)
    assert codec.decode(wire.mark('a "mark"')) == MarkPlayed('a "mark"')
    assert codec.decode(wire.dtmf("5")) == DtmfReceived("5")
    assert codec.decode(wire.stop()) == StreamStopped()


def test_the_engine_understands_a_minimal_start(wire: Wire) -> None:
    assert SimulatedCodec().decode(wire.minimal_start()) == StreamStarted("MZ1", "CA1")


def test_messages_have_twilios_fields_and_types(wire: Wire) -> None:
    assert json.loads(wire.start()) == {
        "event": "start",
        "sequenceNumber": "1",
        "start": {
            "accountSid": "AC1",
            "streamSid": "MZ1",
            "callSid": "CA1",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"colour": "red"},
        },
        "streamSid": "MZ1",
    }
    media = json.loads(wire.media(7, 120, b"\xff"))
    assert media == {
        "event": "media",
        "sequenceNumber": "2",
        "media": {"track": "inbound", "chunk": "7", "timestamp": "120", "payload": "/w=="},
        "streamSid": "MZ1",
    }
    assert json.loads(wire.stop())["sequenceNumber"] == "3"


def test_the_carrier_understands_the_engine(wire: Wire, codec: SimulatedCodec) -> None:
    assert wire.read(codec.encode_audio(AUDIO)) == Play(AUDIO)
    assert wire.read(codec.encode_mark("m")) == Mark("m")
    assert wire.read(codec.encode_clear()) == Clear()
    assert wire.read(codec.encode_dtmf("#") or "") == Tone("#")


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (b"\x00", "31950"),
        ("{", "31951"),
        ("[" * 100_000, "31951"),
        ("[]", "31951"),
        ('{"event":"clear"}', "31951"),
        ('{"event":"clear","streamSid":"MZ2"}', "31951"),
        ('{"event":"clear","streamSid":"MZ1","x":1}', "31951"),
        ('{"event":"dance","streamSid":"MZ1"}', "31951"),
        ('{"event":"mark","streamSid":"MZ1"}', "31951"),
        ('{"event":"mark","streamSid":"MZ1","mark":{"name":"m","x":1}}', "31951"),
        ('{"event":"media","streamSid":"MZ1","media":{}}', "31951"),
        ('{"event":"media","streamSid":"MZ1","media":{"payload":"*"}}', "31951"),
        ('{"event":"media","streamSid":"MZ1","media":{"payload":"/w==","track":"x"}}', "31951"),
        ('{"event":"media","streamSid":"MZ1","media":{"payload":"/w=="},"x":1}', "31951"),
    ],
)
def test_the_carrier_objects_as_twilio_does(wire: Wire, message: str | bytes, error: str) -> None:
    with pytest.raises(InvalidMessage, match=error):
        wire.read(message)

"""The Media Streams codec: what Twilio sends, what lesser clients send, and what is refused."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from offhook.errors import ProtocolError
from offhook.events import (
    AudioReceived,
    DtmfReceived,
    MarkPlayed,
    StreamEvent,
    StreamStarted,
    StreamStopped,
)
from offhook.media.mediastreams import MAX_MESSAGE, MAX_PAYLOAD, MediaStreamsCodec

STREAM = "MZ0123456789abcdef0123456789abcdef"
CALL = "CA0123456789abcdef0123456789abcdef"
START = {
    "event": "start",
    "sequenceNumber": "1",
    "start": {
        "accountSid": "AC0123456789abcdef0123456789abcdef",
        "streamSid": STREAM,
        "callSid": CALL,
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"colour": "red"},
    },
    "streamSid": STREAM,
}


def media_text(payload: str, timestamp: str = "20", tail: str = STREAM) -> str:
    """A media frame, byte for byte as Twilio writes it."""
    return (
        '{"event":"media","sequenceNumber":"3","media":{"track":"inbound","chunk":"2",'
        f'"timestamp":"{timestamp}","payload":"{payload}"}},"streamSid":"{tail}"}}'
    )


def started() -> MediaStreamsCodec:
    codec = MediaStreamsCodec()
    codec.decode(json.dumps(START))
    return codec


def outcome(codec: MediaStreamsCodec, message: str) -> StreamEvent | int | None:
    """What decode makes of a message: an event, None, or the close code of its refusal."""
    try:
        return codec.decode(message)
    except ProtocolError as error:
        return error.close_code


class TestWhatTwilioSends:
    def test_connected_carries_nothing(self) -> None:
        message = '{"event":"connected","protocol":"Call","version":"1.0.0"}'
        assert MediaStreamsCodec().decode(message) is None

    def test_start(self) -> None:
        event = MediaStreamsCodec().decode(json.dumps(START))
        assert event == StreamStarted(STREAM, CALL, {"colour": "red"})

    def test_media(self) -> None:
        audio = bytes(range(160))
        message = media_text(b64encode(audio).decode(), "4980")
        assert started().decode(message) == AudioReceived(audio, 4980)

    def test_the_other_track_is_our_own_voice(self) -> None:
        message = media_text("/w==").replace("inbound", "outbound")
        assert started().decode(message) is None

    def test_mark_dtmf_and_stop(self) -> None:
        codec = started()
        mark = {"event": "mark", "sequenceNumber": "4", "streamSid": STREAM, "mark": {"name": "m"}}
        dtmf = {"event": "dtmf", "streamSid": STREAM, "dtmf": {"track": "inbound_track"}}
        dtmf["dtmf"]["digit"] = "#"  # type: ignore[index]
        stop = {"event": "stop", "streamSid": STREAM, "stop": {"accountSid": "AC", "callSid": CALL}}
        assert codec.decode(json.dumps(mark)) == MarkPlayed("m")
        assert codec.decode(json.dumps(dtmf)) == DtmfReceived("#")
        assert codec.decode(json.dumps(stop)) == StreamStopped()


class TestWhatOthersSend:
    @pytest.mark.parametrize(
        ("message", "event"),
        [
            ({"start": {"streamSid": "S", "callSid": "C"}}, StreamStarted("S", "C")),
            ({"start": {"callSid": "C"}, "streamSid": "S"}, StreamStarted("S", "C")),
            ({"start": {"streamSid": "S", "customParameters": None}}, StreamStarted("S")),
            ({"start": {"streamSid": "S", "customParameters": []}}, StreamStarted("S")),
            (
                {"start": {"streamSid": "S", "customParameters": {"n": 1, "deep": {}}}},
                StreamStarted("S", "", {"n": "1"}),
            ),
            (
                {"start": {"streamSid": "S", "mediaFormat": {"encoding": "PCMU"}, "extra": 1}},
                StreamStarted("S"),
            ),
            (
                {"start": {"streamSid": "S", "mediaFormat": {"sampleRate": "8000"}}},
                StreamStarted("S"),
            ),
        ],
    )
    def test_a_small_or_odd_start(self, message: dict[str, Any], event: StreamEvent) -> None:
        assert MediaStreamsCodec().decode(json.dumps({"event": "start"} | message)) == event

    @pytest.mark.parametrize(
        ("media", "timestamp"),
        [
            ({}, -1),
            ({"timestamp": 40}, 40),
            ({"timestamp": "40"}, 40),
            ({"timestamp": "soon"}, -1),
            ({"timestamp": "٤"}, -1),
            ({"timestamp": -5}, -1),
            ({"timestamp": 1.5}, -1),
            ({"timestamp": True}, -1),
            ({"timestamp": None}, -1),
        ],
    )
    def test_media_with_or_without_a_time(self, media: dict[str, Any], timestamp: int) -> None:
        message = {"event": "media", "media": media | {"payload": "f/8="}, "new": []}
        assert started().decode(json.dumps(message)) == AudioReceived(b"\x7f\xff", timestamp)

    def test_an_escaped_slash_in_a_payload(self) -> None:
        assert started().decode(media_text("f\\/8=")) == AudioReceived(b"\x7f\xff", 20)

    @pytest.mark.parametrize(
        "message",
        [
            '{"event":"from-the-future","media":{}}',
            '{"event":"media","media":{"payload":""}}',
            '{"event":"dtmf","dtmf":{"digit":"flash"}}',
            '{"event":"dtmf","dtmf":{"digit":7}}',
        ],
    )
    def test_what_means_nothing_to_us_is_passed_over(self, message: str) -> None:
        assert started().decode(message) is None

    def test_a_stop_before_the_start_is_an_end_too(self) -> None:
        assert MediaStreamsCodec().decode('{"event":"stop"}') == StreamStopped()


class TestRefusals:
    @pytest.mark.parametrize(
        ("message", "code"),
        [
            ("", 1007),
            ("{not json", 1007),
            (media_text("/w==")[:-1], 1007),
            ("9" * 5000, 1007),
            ("[" * 100_000, 1007),
            (media_text("not base64"), 1007),
            (media_text("AAA"), 1007),
            (media_text("ÿÿÿÿ"), 1007),
            (media_text("AAAA====AAAA"), 1007),
            ('{"event":"media","media":{"payload":"*"}}', 1007),
            ("[]", 1002),
            ("null", 1002),
            ("{}", 1002),
            ('{"event":7}', 1002),
            ('{"event":"media"}', 1002),
            ('{"event":"media","media":{}}', 1002),
            ('{"event":"mark","mark":{}}', 1002),
            ('{"event":"dtmf","dtmf":"1"}', 1002),
            (json.dumps(START), 1002),
            (media_text("A" * (MAX_PAYLOAD * 4 // 3 + 8)), 1009),
            (media_text(b64encode(bytes(MAX_PAYLOAD + 1)).decode()), 1009),
            (" " * (MAX_MESSAGE + 1), 1009),
        ],
    )
    def test_of_a_started_stream(self, message: str, code: int) -> None:
        assert outcome(started(), message) == code

    @pytest.mark.parametrize(
        ("message", "code"),
        [
            (media_text("/w=="), 1002),
            ('{"event":"mark","mark":{"name":"m"}}', 1002),
            ('{"event":"dtmf","dtmf":{"digit":"1"}}', 1002),
            ('{"event":"start"}', 1002),
            ('{"event":"start","start":{}}', 1002),
            (
                '{"event":"start","start":{"streamSid":"S","mediaFormat":{"encoding":"opus"}}}',
                1003,
            ),
            ('{"event":"start","start":{"streamSid":"S","mediaFormat":{"encoding":[]}}}', 1003),
            (
                '{"event":"start","start":{"streamSid":"S","mediaFormat":{"sampleRate":16000}}}',
                1003,
            ),
        ],
    )
    def test_before_the_start(self, message: str, code: int) -> None:
        assert outcome(MediaStreamsCodec(), message) == code

    def test_a_payload_of_exactly_the_bound_is_taken(self) -> None:
        audio = bytes(MAX_PAYLOAD)
        assert started().decode(media_text(b64encode(audio).decode())) == AudioReceived(audio, 20)

    def test_a_refused_start_does_not_start_the_stream(self) -> None:
        codec = MediaStreamsCodec()
        assert outcome(codec, '{"event":"start","start":{}}') == 1002
        assert outcome(codec, media_text("/w==")) == 1002


class TestWhatWeSend:
    """Exactly Twilio's fields: one too many or too few and it drops the stream (31951)."""

    def test_audio(self) -> None:
        audio = bytes(range(256))
        assert json.loads(started().encode_audio(audio)) == {
            "event": "media",
            "streamSid": STREAM,
            "media": {"payload": b64encode(audio).decode()},
        }

    def test_mark(self) -> None:
        name = 'turn 1 "ä"'
        assert json.loads(started().encode_mark(name)) == {
            "event": "mark",
            "streamSid": STREAM,
            "mark": {"name": name},
        }

    def test_clear(self) -> None:
        assert json.loads(started().encode_clear()) == {"event": "clear", "streamSid": STREAM}

    def test_there_is_no_dtmf(self) -> None:
        assert started().encode_dtmf("1") is None

    def test_nothing_can_be_sent_before_the_start(self) -> None:
        with pytest.raises(RuntimeError, match="has not started"):
            MediaStreamsCodec().encode_clear()

    def test_a_stream_id_that_needs_quoting(self) -> None:
        codec = MediaStreamsCodec()
        codec.decode(json.dumps({"event": "start", "start": {"streamSid": 'a"b\\'}}))
        assert json.loads(codec.encode_clear())["streamSid"] == 'a"b\\'
        assert codec.decode(media_text("/w==", tail='a\\"b\\\\')) == AudioReceived(b"\xff", 20)


# Text near the protocol: whole frames, and frames with pieces cut out, put in or swapped.
_pieces = st.sampled_from(
    [
        '{"event":"media","sequenceNumber":"3","media":{"track":"inbound","chunk":"2",',
        '"timestamp":"20","payload":"',
        "/w==",
        "AAAA",
        '"},"streamSid":"' + STREAM + '"}',
        '"}',
        '"',
        "\\",
        "\n",
        ",",
        '"media":{"payload":"AQID"}',
        '{"event":"start","start":{"streamSid":"S"}}',
        '{"event":"mark","mark":{"name":"m"}}',
        "ÿ",
        "{",
        "}",
        "[",
    ]
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
_objects = st.fixed_dictionaries(
    {"event": st.sampled_from(["media", "mark", "dtmf", "start", "stop", "connected"]) | _json},
    optional={
        name: _json
        | st.dictionaries(
            st.sampled_from(["payload", "timestamp", "name", "digit", "streamSid", "mediaFormat"]),
            _json,
        )
        for name in ("media", "mark", "dtmf", "start", "stop", "streamSid")
    },
).map(json.dumps)
_messages = st.text() | st.lists(_pieces, max_size=8).map("".join) | _objects


@given(_messages, st.booleans())
def test_decode_raises_nothing_but_protocol_errors(message: str, is_started: bool) -> None:
    codec = started() if is_started else MediaStreamsCodec()
    outcome(codec, message)


@given(_messages | st.binary(max_size=400).map(lambda b: media_text(b64encode(b).decode())))
@example(media_text("").replace('""}', '"}'))
@example(media_text('AAAA"},"media":{"payload":"AQID'))
@example(media_text('AAAA","payload":"AQID'))
@example(media_text("AAAA\n"))
@example(media_text("/w==", timestamp="007"))
def test_the_fast_way_and_the_json_way_agree(message: str) -> None:
    slow = started()
    slow._tail = ""  # no message can take the fast way without it
    assert outcome(started(), message) == outcome(slow, message)

"""Whole calls: the carrier rings a minimal engine over real sockets and in real time."""

from __future__ import annotations

import json
import threading
import wave
from base64 import b64decode
from pathlib import Path

import pytest
from websockets.sync.server import ServerConnection

from offhook.events import CallStatus, IncomingCall, StreamStatus
from offhook.providers import MediaCodec, WebhookReply
from offhook_telephony_simulated.carrier import (
    CallEvent,
    CallFailed,
    Misbehaviour,
    SimulatedCall,
    SimulatedCarrier,
)
from offhook_telephony_simulated.handset import FRAME, SILENCE
from offhook_telephony_simulated.misbehaviour import BINARY, MALFORMED, OVERSIZED

from .engine import KEY, Engine

TO = "+14155550100"
TONE = b"\x80\x00" * 80  # full scale, 20 ms
SECONDS = 10.0  # none of the waits below takes that long


def kinds(call: SimulatedCall) -> list[str]:
    return [event.kind for event in call.events]


def end(call: SimulatedCall) -> str:
    ended = call.wait_ended(SECONDS)
    assert ended is not None
    return ended.reason


class TestConversation:
    def test_a_call_from_ring_to_hang_up(
        self, engine: Engine, carrier: SimulatedCarrier, tmp_path: Path
    ) -> None:
        def agent(connection: ServerConnection, codec: MediaCodec) -> None:
            connection.send(codec.encode_audio(TONE * 5))
            connection.send(codec.encode_mark("greeting"))

        engine.agent = agent
        call = carrier.ring(TO, "+14155550142")
        assert call.wait_agent_speaking(SECONDS)
        assert call.wait_agent_done(SECONDS, quiet_ms=60)
        assert call.agent_spoke_ms == 100
        call.say(TONE * 4)
        assert call.wait_said(SECONDS)
        call.dtmf("1#")
        engine.wait(lambda: len([m for m in engine.messages if '"dtmf"' in str(m)]) == 2)
        call.hang_up()
        assert end(call) == "caller-hung-up"
        carrier.close()

        assert engine.refused == []
        assert engine.closed == [1000]
        assert engine.events == [
            IncomingCall(call.call_sid, "+14155550142", TO),
            CallStatus(call.call_sid, "in-progress", TO, 0),
            StreamStatus(call.call_sid, "started"),
            StreamStatus(call.call_sid, "stopped"),
            CallStatus(call.call_sid, "completed", TO, 1),
        ]
        assert engine.forms[0]["Direction"] == "inbound"
        (start,) = engine.texts("start")
        assert start["start"]["callSid"] == call.call_sid
        assert [key["dtmf"]["digit"] for key in engine.texts("dtmf")] == ["1", "#"]
        assert [mark["mark"]["name"] for mark in engine.texts("mark")] == ["greeting"]
        media = engine.texts("media")
        assert [int(frame["media"]["chunk"]) for frame in media] == list(range(1, len(media) + 1))
        assert [int(frame["media"]["timestamp"]) for frame in media] == [
            20 * number for number in range(len(media))
        ]
        sequence = [message.get("sequenceNumber") for message in engine.texts_all()]
        assert sequence == [None, *map(str, range(1, len(sequence)))]
        assert engine.texts_all()[-1]["event"] == "stop"
        said = b"".join(b64decode(frame["media"]["payload"]) for frame in media)
        assert said == call.said
        assert TONE * 4 in said
        assert call.heard.strip(b"\xff") == (TONE * 5).strip(b"\xff")
        assert len(call.heard) == len(call.said)
        assert kinds(call) == ["agent-audio", "mark", "caller-speaks", "caller-done"]

        call.save(tmp_path / "call.wav")
        with wave.open(str(tmp_path / "call.wav")) as file:
            assert (file.getnchannels(), file.getframerate()) == (2, 8000)
            assert file.getnframes() == len(call.said)

    def test_clear_drops_the_agents_audio_and_echoes_its_marks(
        self, engine: Engine, carrier: SimulatedCarrier
    ) -> None:
        def agent(connection: ServerConnection, codec: MediaCodec) -> None:
            for name in "abc":
                connection.send(codec.encode_audio(TONE * 1000))
                connection.send(codec.encode_mark(name))
            while TONE not in _audio(connection):
                pass
            connection.send(codec.encode_clear())

        engine.agent = agent
        call = carrier.ring(TO)
        assert call.wait_agent_speaking(SECONDS, for_ms=60)
        call.say(TONE)
        assert call.wait_event("clear", SECONDS)
        engine.wait(lambda: len([m for m in engine.messages if '"mark"' in str(m)]) == 3)
        call.hang_up()
        assert end(call) == "caller-hung-up"
        assert [mark["mark"]["name"] for mark in engine.texts("mark")] == ["a", "b", "c"]
        assert len(call.heard.replace(SILENCE, b"")) < len(TONE) * 1000

    def test_the_agent_hangs_up(self, engine: Engine, carrier: SimulatedCarrier) -> None:
        engine.agent = lambda connection, codec: connection.close(1000, "done")
        call = carrier.ring(TO)
        ended = call.wait_ended(SECONDS)
        assert ended is not None
        assert (ended.reason, ended.close_code, ended.detail) == ("agent-hung-up", 1000, "done")
        assert not call.wait_agent_done(SECONDS), "the call is over: there is nothing to wait for"
        assert not call.wait_agent_speaking(SECONDS)
        assert call.wait_event("clear", SECONDS) is None

    def test_a_stream_that_breaks(self, engine: Engine, carrier: SimulatedCarrier) -> None:
        engine.agent = lambda connection, codec: connection.close(1011, "out of order")
        call = carrier.ring(TO)
        ended = call.wait_ended(SECONDS)
        assert ended is not None
        assert (ended.reason, ended.close_code) == ("stream-broken", 1011)
        carrier.close()
        assert StreamStatus(call.call_sid, "error", "out of order") in engine.events

    def test_a_connection_that_is_cut(self, engine: Engine, carrier: SimulatedCarrier) -> None:
        engine.agent = lambda connection, codec: connection.close_socket()
        ended = carrier.ring(TO).wait_ended(SECONDS)
        assert ended is not None
        assert (ended.reason, ended.close_code) == ("stream-broken", 1006)

    def test_tones_of_the_agent_and_messages_twilio_would_not_take(
        self, engine: Engine, carrier: SimulatedCarrier
    ) -> None:
        def agent(connection: ServerConnection, codec: MediaCodec) -> None:
            connection.send(codec.encode_dtmf("7") or "")
            connection.send("nonsense")
            connection.send(b"\x00")

        engine.agent = agent
        call = carrier.ring(TO)
        tone = call.wait_event("tone", SECONDS)
        assert tone is not None
        assert tone.detail == "7"
        invalid = [e.detail[:5] for e in wait_events(call, "invalid", 2)]
        assert invalid == ["31951", "31950"]

    def test_the_engine_orders_a_transfer(self, engine: Engine, carrier: SimulatedCarrier) -> None:
        call = carrier.ring(TO)
        engine.telephony.transfer(call.call_sid, "+14155550177")
        ended = call.wait_ended(SECONDS)
        assert ended is not None
        assert (ended.reason, ended.detail) == ("transferred", "+14155550177")
        engine.wait(lambda: engine.closed)
        assert engine.texts_all()[-1]["event"] == "stop"

    def test_the_engine_orders_a_hang_up(self, engine: Engine, carrier: SimulatedCarrier) -> None:
        call = carrier.ring(TO)
        engine.telephony.hang_up(call.call_sid)
        assert end(call) == "agent-hung-up"

    def test_closing_the_carrier_hangs_up(self, engine: Engine, carrier: SimulatedCarrier) -> None:
        call = carrier.ring(TO)
        carrier.close()
        assert call.ended is not None
        assert call.ended.reason == "caller-hung-up"

    def test_an_engine_that_stops_reading_is_cut_off(
        self, engine: Engine, carrier: SimulatedCarrier
    ) -> None:
        over = threading.Event()
        engine.agent = lambda connection, codec: over.wait(SECONDS) and None
        faults = Misbehaviour(messages=(OVERSIZED,) * 100, messages_after_ms=0)
        call = carrier.ring(TO, misbehaviour=faults)
        engine.wait(lambda: engine.messages)
        call.join(0.2)
        over.set()
        assert end(call) == "stream-broken"

    def test_many_calls_at_once(self, engine: Engine, carrier: SimulatedCarrier) -> None:
        engine.agent = lambda connection, codec: connection.send(codec.encode_audio(TONE * 5))
        calls = [carrier.ring(TO) for _ in range(20)]
        assert all(call.wait_agent_speaking(SECONDS, for_ms=100) for call in calls)
        names = [t.name for t in threading.enumerate() if t.name.startswith("offhook-carrier")]
        assert len(names) == 2 * 20 + 1
        for call in calls:
            call.hang_up()
        assert {end(call) for call in calls} == {"caller-hung-up"}
        assert all(call.lag_ms >= 0 for call in calls)


class TestEnginesThatDoNotTakeTheCall:
    @pytest.mark.parametrize(
        ("body", "status", "reason"),
        [
            ("full", 503, "http"),
            ('<Response><Reject reason="busy"/></Response>', 200, "busy"),
            ("<Response><Reject/></Response>", 200, "rejected"),
            ("nonsense", 200, "bad-answer"),
        ],
    )
    def test_an_answer_without_a_stream(
        self, engine: Engine, carrier: SimulatedCarrier, body: str, status: int, reason: str
    ) -> None:
        engine.reply = WebhookReply(body, status=status)
        with pytest.raises(CallFailed) as failure:
            carrier.ring(TO)
        assert failure.value.reason == reason
        assert failure.value.status == (status if reason != "bad-answer" else 0)
        carrier.close()
        told = engine.events[-1]
        assert isinstance(told, CallStatus)
        assert told.status == ("busy" if reason == "busy" else "failed")

    def test_a_stream_that_is_refused(self, engine: Engine, carrier: SimulatedCarrier) -> None:
        engine.stream_status = 403
        with pytest.raises(CallFailed, match="31920") as failure:
            carrier.ring(TO)
        assert (failure.value.reason, failure.value.status) == ("stream-refused", 403)
        carrier.close()
        assert [type(event) for event in engine.events] == [IncomingCall, StreamStatus, CallStatus]

    def test_a_stream_where_nobody_listens(self, engine: Engine, carrier: SimulatedCarrier) -> None:
        engine.media_url = "ws://127.0.0.1:1/media/token"
        with pytest.raises(CallFailed, match="31901") as failure:
            carrier.ring(TO)
        assert failure.value.reason == "stream-refused"

    def test_nobody_there(self, tmp_path: Path) -> None:
        with (
            SimulatedCarrier("http://127.0.0.1:1/voice", key=KEY, data=tmp_path) as carrier,
            pytest.raises(CallFailed, match="is it running") as failure,
        ):
            carrier.ring(TO)
        assert failure.value.reason == "unreachable"

    def test_another_key(self, engine: Engine, tmp_path: Path) -> None:
        url = engine.url + "/voice"
        with (
            SimulatedCarrier(url, key="another", data=tmp_path) as carrier,
            pytest.raises(CallFailed, match="does not fit") as failure,
        ):
            carrier.ring(TO)
        assert failure.value.status == 403

    def test_callbacks_that_fail_are_noted(self, engine: Engine, carrier: SimulatedCarrier) -> None:
        engine.answer_status_with = 500
        call = carrier.ring(TO)
        event = call.wait_event("callback-failed", SECONDS)
        assert event is not None
        assert "500" in event.detail

    def test_callbacks_nobody_listens_for_are_noted(self, engine: Engine, tmp_path: Path) -> None:
        with SimulatedCarrier(
            engine.url + "/voice", status_url="http://127.0.0.1:1/status", key=KEY, data=tmp_path
        ) as carrier:
            call = carrier.ring(TO)
            event = call.wait_event("callback-failed", SECONDS)
        assert event is not None
        assert event.detail.startswith("http://127.0.0.1:1/status: ")


class TestAnotherAddress:
    def test_urls_keep_their_public_name_while_connections_go_elsewhere(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        local, engine.url = engine.url, "https://agents.example.com"
        carrier = SimulatedCarrier(
            "https://agents.example.com/voice", key=KEY, data=tmp_path, connect_to=local
        )
        # The engine's media socket has a port of its own, where connect_to does not lead.
        with carrier, pytest.raises(CallFailed) as failure:
            carrier.ring(TO)
        assert failure.value.reason == "stream-refused"
        assert engine.refused == []
        assert isinstance(engine.events[0], IncomingCall)


class TestMisbehaviour:
    def test_frames_that_are_late_and_bunched_all_arrive_in_order(
        self, engine: Engine, carrier: SimulatedCarrier
    ) -> None:
        call = carrier.ring(TO, misbehaviour=Misbehaviour(jitter_ms=60, burst_frames=5, seed=1))
        call.say(TONE * 10)
        assert call.wait_said(SECONDS)
        call.hang_up()
        assert end(call) == "caller-hung-up"
        engine.wait(lambda: engine.closed)
        media = engine.texts("media")
        assert b"".join(b64decode(frame["media"]["payload"]) for frame in media) == call.said

    def test_lost_frames_leave_holes_in_the_time(
        self, engine: Engine, carrier: SimulatedCarrier
    ) -> None:
        call = carrier.ring(TO, misbehaviour=Misbehaviour(lost=0.5, seed=1))
        call.say(TONE * 30)
        assert call.wait_said(SECONDS)
        call.hang_up()
        end(call)
        engine.wait(lambda: engine.closed)
        times = [int(frame["media"]["timestamp"]) for frame in engine.texts("media")]
        assert times == sorted(times)
        assert 0 < len(times) < len(call.said) // FRAME

    def test_the_caller_hangs_up_early(self, engine: Engine, carrier: SimulatedCarrier) -> None:
        call = carrier.ring(TO, misbehaviour=Misbehaviour(hang_up_after_ms=100))
        call.say(TONE * 1000)
        assert end(call) == "caller-hung-up"
        engine.wait(lambda: engine.closed == [1000])
        assert engine.texts_all()[-1]["event"] == "stop"

    def test_no_stop(self, engine: Engine, carrier: SimulatedCarrier) -> None:
        call = carrier.ring(TO, misbehaviour=Misbehaviour(no_stop=True))
        call.hang_up()
        end(call)
        engine.wait(lambda: engine.closed == [1000])
        assert engine.texts("stop") == []

    def test_a_reset(self, engine: Engine, carrier: SimulatedCarrier) -> None:
        call = carrier.ring(TO, misbehaviour=Misbehaviour(reset=True))
        engine.wait(lambda: len(engine.messages) > 3)
        call.hang_up()
        assert end(call) == "caller-hung-up"
        engine.wait(lambda: engine.closed == [1006])
        assert engine.texts("stop") == []

    def test_no_start(self, engine: Engine, carrier: SimulatedCarrier) -> None:
        call = carrier.ring(TO, misbehaviour=Misbehaviour(no_start=True, hang_up_after_ms=100))
        end(call)
        engine.wait(lambda: engine.closed)
        assert [message["event"] for message in engine.texts_all()] == ["connected"]

    def test_messages_out_of_place(self, engine: Engine, carrier: SimulatedCarrier) -> None:
        faults = Misbehaviour(media_before_start=True, second_start=True)
        call = carrier.ring(TO, misbehaviour=faults)
        engine.wait(lambda: len(engine.messages) > 4)
        call.hang_up()
        end(call)
        events = [message["event"] for message in engine.texts_all()]
        assert events[:5] == ["connected", "media", "start", "start", "media"]

    def test_the_least_a_client_can_send(self, engine: Engine, carrier: SimulatedCarrier) -> None:
        call = carrier.ring(TO, misbehaviour=Misbehaviour(minimal_start=True, bare_media=True))
        engine.wait(lambda: len(engine.messages) > 3)
        call.hang_up()
        end(call)
        (start,) = engine.texts("start")
        assert start.keys() == {"event", "start"}
        assert start["start"].keys() == {"streamSid", "callSid"}
        assert engine.texts("media")[0].keys() == {"event", "media"}
        assert engine.texts("media")[0]["media"].keys() == {"payload"}

    def test_marks_that_never_come(self, engine: Engine, carrier: SimulatedCarrier) -> None:
        engine.agent = lambda connection, codec: connection.send(codec.encode_mark("m"))
        call = carrier.ring(TO, misbehaviour=Misbehaviour(no_marks=True))
        assert call.wait_event("mark", SECONDS)
        call.hang_up()
        end(call)
        engine.wait(lambda: engine.closed)
        assert engine.texts("mark") == []

    @pytest.mark.parametrize("junk", [MALFORMED, BINARY, OVERSIZED], ids=["text", "binary", "big"])
    def test_messages_that_are_none(
        self, engine: Engine, carrier: SimulatedCarrier, junk: str | bytes
    ) -> None:
        faults = Misbehaviour(messages=(junk,), messages_after_ms=40)
        call = carrier.ring(TO, misbehaviour=faults)
        engine.wait(lambda: junk in engine.messages)
        call.hang_up()
        assert end(call) == "caller-hung-up"


def wait_events(call: SimulatedCall, kind: str, count: int) -> list[CallEvent]:
    """Wait for so many events of a kind."""
    after = 0.0
    for _ in range(count):
        event = call.wait_event(kind, SECONDS, after)
        assert event is not None
        after = event.at_ms + 1e-9
    return [event for event in call.events if event.kind == kind]


def _audio(connection: ServerConnection) -> bytes:
    media = json.loads(connection.recv()).get("media", {})
    return b64decode(media.get("payload", ""))

"""Log lines tell how a call went and keep what was said to themselves."""

from __future__ import annotations

from structlog.testing import capture_logs

from offhook.events import CallEnded, CallInfo, Latency, Turn
from offhook_observer_log import (
    offhook_call_ended,
    offhook_call_started,
    offhook_plugin,
    offhook_turn_finished,
)

CALL = CallInfo("c1", "trattoria", "simulated", "CA1", "+14155550111", "+14155550100")
WHO = {"call": "c1", "business": "trattoria", "log_level": "info"}


def test_the_plugin_describes_itself() -> None:
    info = offhook_plugin()
    assert (info.kind, info.name) == ("observer", "log")


def test_a_call_begins() -> None:
    with capture_logs() as lines:
        offhook_call_started(CALL)
    assert lines == [
        {
            "event": "call-started",
            **WHO,
            "direction": "inbound",
            "telephony": "simulated",
            "carrier_call": "CA1",
        }
    ]


def test_a_turn_gives_latencies_and_words_only_at_debug() -> None:
    turn = Turn(
        2,
        "agent",
        "We open at noon.",
        "We open",
        1000,
        2500.4,
        interrupted=True,
        latency=Latency(endpoint=612.34, first_audio=700),
    )
    with capture_logs() as lines:
        offhook_turn_finished(CALL, turn)
    told, words = lines
    assert told == {
        "event": "turn-finished",
        **WHO,
        "turn": 2,
        "speaker": "agent",
        "length_ms": 1500,
        "interrupted": True,
        "endpoint_ms": 612.3,
        "first_audio_ms": 700,
    }
    assert words["log_level"] == "debug"
    assert (words["said"], words["was_heard"]) == ("We open at noon.", "We open")


def test_a_call_ends() -> None:
    with capture_logs() as lines:
        offhook_call_ended(CALL, CallEnded("caller-hung-up", duration_ms=60000.4))
        offhook_call_ended(CALL, CallEnded("media-lost", "The socket fell silent."))
    assert lines == [
        {"event": "call-ended", **WHO, "reason": "caller-hung-up", "duration_ms": 60000},
        {
            "event": "call-ended",
            **WHO,
            "reason": "media-lost",
            "duration_ms": 0,
            "detail": "The socket fell silent.",
        },
    ]


def test_no_line_above_debug_holds_a_number_or_a_word_of_the_caller() -> None:
    with capture_logs() as lines:
        offhook_call_started(CALL)
        offhook_turn_finished(CALL, Turn(1, "caller", "my secret", "my secret", 0, 900))
        offhook_call_ended(CALL, CallEnded("agent-ended"))
    above = str([line for line in lines if line["log_level"] != "debug"])
    assert "secret" not in above
    assert CALL.from_number not in above

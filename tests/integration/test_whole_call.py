"""A call from the first ring to the row, the turns and the recording it leaves."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest

from offhook.events import MULAW_8K
from offhook.store.schema import CallRow
from offhook_telephony_simulated.carrier import Misbehaviour

from .conftest import NUMBER, MakeCarrier, MakeServer
from .scripted import Script, no_threads_left, onsets, pcm_track, settled, tone


def recorded(row: CallRow) -> tuple[bytes, bytes]:
    """The two sides of a call's recording as mu-law: the caller, the agent."""
    assert row.recording_path is not None
    with wave.open(row.recording_path, "rb") as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        stereo = file.readframes(file.getnframes())
    return pcm_track(stereo, 0), pcm_track(stereo, 1)


def test_a_whole_call(server: MakeServer, carrier: MakeCarrier) -> None:
    running = server()
    call = carrier(running).ring(NUMBER)
    assert call.wait_agent_done(timeout=10)
    for _ in range(2):
        call.say(tone(400))
        assert call.wait_agent_done(timeout=10)
    call.hang_up()
    assert call.wait_ended(timeout=5)
    row = settled(running, call.call_sid)

    acme = running.runtime.services.directory.get("acme")
    assert acme is not None
    assert (row.end_reason, row.config_hash) == ("caller-hung-up", acme.config_hash)
    turns = running.runtime.services.store.turns(row.id)
    assert [(t.speaker, t.heard, t.interrupted) for t in turns] == [
        ("agent", "Hello.", False),
        ("caller", "words 0", False),
        ("agent", "You said words 0.", False),
        ("caller", "words 1", False),
        ("agent", "You said words 1.", False),
    ]
    for turn in turns[2::2]:
        steps = turn.latency
        assert None not in (steps.endpoint, steps.transcript, steps.first_token, steps.heard)
        assert steps.endpoint <= steps.first_token <= steps.first_audio <= steps.heard

    assert [e for e in call.events if e.kind == "invalid"] == []
    caller, agent = recorded(row)
    assert onsets(caller) == pytest.approx(onsets(call.said), abs=80)
    assert onsets(agent) == pytest.approx(onsets(call.heard), abs=80)
    assert Path(row.recording_path).name == f"{row.id}.wav"


def test_the_caller_interrupts(server: MakeServer, carrier: MakeCarrier, script: Script) -> None:
    long_reply = "This is the first sentence of it. " + "And here comes yet another one. " * 8
    script.answers = {"words 0": long_reply.strip()}.get
    running = server()
    call = carrier(running).ring(NUMBER)
    assert call.wait_agent_done(timeout=10)
    call.say(tone(400))
    assert call.wait_agent_speaking(timeout=10, for_ms=1200)
    script.answers = "Sorry, I am listening to {}.".format
    interrupted_at = call.moment.at_ms
    call.say(tone(1000))
    assert call.wait_agent_done(timeout=10)
    call.hang_up()
    row = settled(running, call.call_sid)

    def first(kind: str, after_ms: float) -> float:
        event = call.wait_event(kind, timeout=1, after_ms=after_ms)
        assert event is not None, kind
        return event.at_ms

    spoke_at = first("caller-speaks", interrupted_at)
    cleared_at = first("clear", interrupted_at)
    # The simulation's own lateness is not the engine's.
    assert cleared_at - spoke_at < 300 + call.lag_ms
    done_at = first("caller-done", cleared_at)
    replied_at = first("agent-audio", cleared_at)
    assert replied_at > done_at
    silence = call.heard[MULAW_8K.size(cleared_at + 40) : MULAW_8K.size(replied_at - 20)]
    assert onsets(silence) == []
    agent = recorded(row)[1]
    assert onsets(agent) == pytest.approx(onsets(call.heard), abs=80)
    assert onsets(agent[MULAW_8K.size(cleared_at + 80) : MULAW_8K.size(replied_at - 80)]) == []

    turns = running.runtime.services.store.turns(row.id)
    interrupted = [turn for turn in turns if turn.interrupted]
    assert [turn.text for turn in interrupted] == [turns[2].text]
    heard = interrupted[0].heard
    assert heard
    assert interrupted[0].text.startswith(heard)
    assert len(heard) < len(interrupted[0].text)
    assert [turn.heard for turn in turns[3:]] == ["words 1", "Sorry, I am listening to words 1."]


def test_a_server_that_stops_ends_its_calls(server: MakeServer, carrier: MakeCarrier) -> None:
    running = server()
    call = carrier(running).ring(NUMBER)
    assert call.wait_agent_speaking(timeout=10)
    running.stop()
    assert call.wait_ended(timeout=5)
    row = settled(running, call.call_sid)
    assert row.end_reason == "drained"
    assert no_threads_left(row.id)


def test_a_poor_line_carries_a_call(server: MakeServer, carrier: MakeCarrier) -> None:
    lines = {
        "jitter": Misbehaviour(jitter_ms=60),
        "bursts": Misbehaviour(burst_frames=5),
        "loss": Misbehaviour(lost=0.03),
        "minimal start": Misbehaviour(minimal_start=True),
        "bare media": Misbehaviour(bare_media=True),
        "no marks": Misbehaviour(no_marks=True),
    }
    running = server()
    exchange = carrier(running)
    calls = {name: exchange.ring(NUMBER, misbehaviour=line) for name, line in lines.items()}
    for call in calls.values():
        assert call.wait_agent_done(timeout=10)
        call.say(tone(400))
    for call in calls.values():
        assert call.wait_agent_done(timeout=10)
        call.hang_up()
    store = running.runtime.services.store
    for name, call in calls.items():
        row = settled(running, call.call_sid)
        assert (name, row.end_reason) == (name, "caller-hung-up")
        # Not what was heard: without marks, the end of the last words is never proven.
        said = [turn.text for turn in store.turns(row.id)]
        assert (name, said) == (name, ["Hello.", "words 0", "You said words 0."])

"""A call from the first ring to the row, the turns and the recording it leaves."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest

from .conftest import NUMBER, MakeCarrier, MakeServer
from .scripted import onsets, pcm_track, settled, tone


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
    with wave.open(row.recording_path, "rb") as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        stereo = file.readframes(file.getnframes())
    assert onsets(pcm_track(stereo, 0)) == pytest.approx(onsets(call.said), abs=80)
    assert onsets(pcm_track(stereo, 1)) == pytest.approx(onsets(call.heard), abs=80)
    assert Path(row.recording_path).name == f"{row.id}.wav"

"""What a business's file bounds: how many calls, how long, when, and from which version on."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from offhook.web.server import EmbeddedServer
from offhook_telephony_simulated.carrier import CallFailed, SimulatedCarrier

from .conftest import BUSINESS, NUMBER, MakeCarrier, MakeServer
from .scripted import settled, tone, voice, wait_for

PHRASES = """
[phrases]
silence = ["Hello?", "Anyone there?"]
silence_goodbye = "Bye then."
time_up = "Time is up."
closed = "We are closed."
"""


def texts(server: EmbeddedServer, call_id: str) -> list[str]:
    """What was said in a call, of either side, in order."""
    return [turn.text for turn in server.runtime.services.store.turns(call_id)]


def busy(carrier: SimulatedCarrier) -> bool:
    """Whether a new call is turned away as busy; any other refusal fails."""
    with pytest.raises(CallFailed) as failed:
        carrier.ring(NUMBER)
    return failed.value.reason == "busy"


def test_a_full_server_answers_busy(server: MakeServer, carrier: MakeCarrier) -> None:
    running = server(max_calls=2)
    exchange = carrier(running)
    calls = [exchange.ring(NUMBER) for _ in range(2)]
    assert busy(exchange)
    assert httpx.get(f"{running.url}/readyz").json() == {
        "status": "full",
        "calls": 2,
        "capacity": 2,
    }
    calls[0].hang_up()
    settled(running, calls[0].call_sid)
    wait_for(lambda: httpx.get(f"{running.url}/readyz").status_code == 200, 10)
    assert exchange.ring(NUMBER).wait_agent_speaking(timeout=10)
    assert calls[1].ended is None


def test_a_business_at_its_limit_answers_busy(server: MakeServer, carrier: MakeCarrier) -> None:
    running = server(BUSINESS.replace("concurrent_calls = 1000", "concurrent_calls = 1"))
    exchange = carrier(running)
    call = exchange.ring(NUMBER)
    assert busy(exchange)
    call.hang_up()
    settled(running, call.call_sid)
    assert exchange.ring(NUMBER).wait_agent_speaking(timeout=10)


def test_a_closed_business_says_so(server: MakeServer, carrier: MakeCarrier) -> None:
    running = server(f"{BUSINESS}{PHRASES}[hours]\ntimezone = 'UTC'\n")  # no day is named
    call = carrier(running).ring(NUMBER)
    ended = call.wait_ended(timeout=10)
    assert ended is not None
    assert ended.reason == "agent-hung-up"
    row = settled(running, call.call_sid)
    assert row.end_reason == "closed"
    assert texts(running, row.id) == ["We are closed."]
    assert voice("We are closed.") in call.heard


def test_a_call_that_is_too_long_is_ended(server: MakeServer, carrier: MakeCarrier) -> None:
    running = server(BUSINESS.replace("[limits]", "[limits]\nmax_call_seconds = 1.5") + PHRASES)
    call = carrier(running).ring(NUMBER)
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    call.say(tone(4000))  # it is ended whoever speaks
    assert call.wait_ended(timeout=10)
    row = settled(running, call.call_sid)
    assert row.end_reason == "max-length"
    assert texts(running, row.id)[-1] == "Time is up."
    assert voice("Time is up.") in call.heard


def test_a_silent_caller_is_asked_and_then_left(server: MakeServer, carrier: MakeCarrier) -> None:
    running = server(BUSINESS.replace("[limits]", "[limits]\nsilence_seconds = 0.5") + PHRASES)
    call = carrier(running).ring(NUMBER)
    assert call.wait_ended(timeout=20)
    row = settled(running, call.call_sid)
    assert row.end_reason == "silence"
    said = ["Hello.", "Hello?", "Anyone there?", "Bye then."]
    assert texts(running, row.id) == said
    assert all(voice(text) in call.heard for text in said)


def test_a_caller_who_answers_the_prompt_goes_on(server: MakeServer, carrier: MakeCarrier) -> None:
    running = server(BUSINESS.replace("[limits]", "[limits]\nsilence_seconds = 2") + PHRASES)
    call = carrier(running).ring(NUMBER)
    assert call.wait_agent_speaking(timeout=10, for_ms=240 + 100)  # the greeting, and the prompt
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    call.say(tone(400))
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    call.hang_up()
    row = settled(running, call.call_sid)
    assert texts(running, row.id) == ["Hello.", "Hello?", "words 0", "You said words 0."]


def test_without_recording_there_is_no_file(
    server: MakeServer, carrier: MakeCarrier, tmp_path: Path
) -> None:
    running = server(BUSINESS.replace("enabled = true", "enabled = false"))
    call = carrier(running).ring(NUMBER)
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    call.hang_up()
    row = settled(running, call.call_sid)
    assert row.recording_path is None
    assert list(tmp_path.rglob("*.wav")) == []


def test_a_recorded_caller_is_told(server: MakeServer, carrier: MakeCarrier) -> None:
    told = "enabled = true\nconsent = 'We record.'"
    running = server(BUSINESS.replace("enabled = true", told))
    call = carrier(running).ring(NUMBER)
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    call.hang_up()
    row = settled(running, call.call_sid)
    assert texts(running, row.id) == ["We record. Hello."]
    assert voice("We record.") in call.heard


def test_a_changed_file_serves_the_next_call(
    server: MakeServer, carrier: MakeCarrier, tmp_path: Path
) -> None:
    file = tmp_path / "businesses" / "acme.toml"
    running = server()
    exchange = carrier(running)
    before = exchange.ring(NUMBER)
    assert before.wait_agent_done(timeout=10, quiet_ms=200)

    changed = BUSINESS.replace("Hello.", "Good day.") + PHRASES
    file.write_text(changed.replace("[limits]", "[limits]\nsilence_seconds = 1"))
    after = exchange.ring(NUMBER)
    assert after.wait_agent_done(timeout=10, quiet_ms=200)
    assert voice("Good day.") in after.heard
    file.write_text("name = 'Broken'\n[limits")
    still = exchange.ring(NUMBER)
    assert still.wait_agent_done(timeout=10, quiet_ms=200)
    assert voice("Good day.") in still.heard
    (problem,) = running.runtime.services.directory.problems()
    assert problem.file.endswith("acme.toml")

    assert after.wait_ended(timeout=20)  # silence, as its version says
    before.say(tone(400))
    assert before.wait_agent_done(timeout=10, quiet_ms=200)
    before.hang_up()
    rows = [settled(running, call.call_sid) for call in (before, after)]
    assert [row.end_reason for row in rows] == ["caller-hung-up", "silence"]
    assert texts(running, rows[0].id) == ["Hello.", "words 0", "You said words 0."]
    assert rows[0].config_hash != rows[1].config_hash

"""Calls through the Twilio plugin: the simulated carrier signs as Twilio does, with its token."""

from __future__ import annotations

import pytest

from offhook_telephony_simulated.carrier import CallFailed

from .conftest import BUSINESS, NUMBER, MakeCarrier, MakeServer
from .scripted import settled, tone, voice

TOKEN, OLD_TOKEN = "0123456789abcdef", "fedcba9876543210"
ACCOUNT = f"AC{'0' * 32}"
TOML = f"""
{BUSINESS.replace('telephony = "simulated"', 'telephony = "twilio"')}
[options.telephony.twilio]
account_sid = "{ACCOUNT}"
auth_token = "env:TEST_TWILIO_TOKEN"
auth_tokens = ["env:TEST_TWILIO_OLD_TOKEN"]
"""


@pytest.fixture(autouse=True)
def tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TWILIO_TOKEN", TOKEN)
    monkeypatch.setenv("TEST_TWILIO_OLD_TOKEN", OLD_TOKEN)


@pytest.mark.parametrize("key", [TOKEN, OLD_TOKEN], ids=["token", "rotated-token"])
def test_a_whole_call_through_twilio(server: MakeServer, carrier: MakeCarrier, key: str) -> None:
    running = server(TOML)
    status_url = f"{running.url}/webhooks/twilio/status"
    call = carrier(running, "twilio", key=key, status_url=status_url).ring(NUMBER)
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    call.say(tone(400))
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    assert voice("You said words 0.") in call.heard
    call.hang_up()
    row = settled(running, call.call_sid)
    assert (row.telephony, row.end_reason) == ("twilio", "caller-hung-up")
    turns = running.runtime.services.store.turns(row.id)
    assert [turn.heard for turn in turns] == ["Hello.", "words 0", "You said words 0."]
    # Neither a message Twilio would object to nor a callback that was refused.
    assert {e.kind for e in call.events}.isdisjoint({"invalid", "callback-failed"})


def test_another_accounts_signature_is_refused(server: MakeServer, carrier: MakeCarrier) -> None:
    running = server(TOML)
    with pytest.raises(CallFailed) as failed:
        carrier(running, "twilio", key="another account's").ring(NUMBER)
    assert (failed.value.reason, failed.value.status) == ("http", 403)
    assert running.runtime.services.store.recent() == []


def test_the_public_url_is_what_twilio_signs(server: MakeServer, carrier: MakeCarrier) -> None:
    public_url = "https://agents.example.com"
    running = server(TOML, public_url=public_url)
    behind_a_proxy = carrier(running, "twilio", key=TOKEN, root=public_url, connect_to=running.url)
    call = behind_a_proxy.ring(NUMBER)
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    assert {e.kind for e in call.events}.isdisjoint({"invalid", "callback-failed"})

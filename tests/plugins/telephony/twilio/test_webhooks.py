"""What Twilio's webhooks mean, before their signature is checked."""

from __future__ import annotations

import pytest

from offhook.events import CallStatus, CarrierEvent, IncomingCall, StreamStatus
from offhook.providers import WebhookRequest
from offhook_telephony_twilio import offhook_read_webhook

CALL = "CA" + "1" * 32
NUMBERS = {"From": "+14155550100", "To": "+14155550123"}


def read(**form: str) -> CarrierEvent | None:
    request = WebhookRequest("POST", "https://example.com/voice", form=tuple(form.items()))
    return offhook_read_webhook(request)


def test_an_incoming_call() -> None:
    event = read(CallSid=CALL, CallStatus="ringing", Direction="inbound", **NUMBERS)
    assert event == IncomingCall(CALL, "+14155550100", "+14155550123")


def test_an_outbound_call_that_was_answered_waits_for_instructions_too() -> None:
    event = read(CallSid=CALL, CallStatus="in-progress", Direction="outbound-api", **NUMBERS)
    assert event == IncomingCall(CALL, "+14155550100", "+14155550123")


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("initiated", "queued"),
        ("ringing", "ringing"),
        ("in-progress", "in-progress"),
        ("completed", "completed"),
        ("busy", "busy"),
        ("no-answer", "no-answer"),
        ("failed", "failed"),
        ("canceled", "canceled"),
    ],
)
def test_a_calls_progress(status: str, meaning: str) -> None:
    event = read(
        CallSid=CALL,
        CallStatus=status,
        CallbackSource="call-progress-events",
        SequenceNumber="3",
        **NUMBERS,
    )
    assert event == CallStatus(CALL, meaning, "+14155550123", 3)


@pytest.mark.parametrize("sequence", ["", "-1", "x", "³", "9" * 5000])
def test_progress_without_a_usable_number(sequence: str) -> None:
    event = read(CallSid=CALL, CallStatus="completed", SequenceNumber=sequence)
    assert event == CallStatus(CALL, "completed", "", -1)


def test_how_a_stream_fares() -> None:
    assert read(CallSid=CALL, StreamEvent="stream-started") == StreamStatus(CALL, "started")
    assert read(CallSid=CALL, StreamEvent="stream-error", StreamError="cut") == StreamStatus(
        CALL, "error", "cut"
    )


@pytest.mark.parametrize(
    "form",
    [{}, {"CallSid": CALL}, {"CallStatus": "ringing"}, {"CallSid": CALL, "CallStatus": "dreaming"}],
)
def test_what_twilio_does_not_send(form: dict[str, str]) -> None:
    assert read(**form) is None

"""The simulated carrier speaks Twilio's protocol: what it sends and reads fits that plugin."""

from __future__ import annotations

import pytest

from offhook.errors import WebhookRefused
from offhook.providers import AnswerOrder, WebhookRequest
from offhook_telephony_simulated.signing import HEADER, sign
from offhook_telephony_simulated.twiml import Rejected, Stream, read_answer
from offhook_telephony_twilio.account import TwilioTelephony
from offhook_telephony_twilio.options import TwilioOptions

FORM = (("CallSid", "CA1"), ("To", "+1415"), ("Empty", ""))
URL = "https://example.com/telephony/twilio/voice?a=1"
STREAM = "wss://example.com/media/token"


@pytest.fixture
def twilio(monkeypatch: pytest.MonkeyPatch) -> TwilioTelephony:
    monkeypatch.setenv("TWILIO_TOKEN", "token")
    options = {"account_sid": "AC" + "0" * 32, "auth_token": "env:TWILIO_TOKEN"}
    return TwilioTelephony(TwilioOptions.model_validate(options))


def test_its_signatures_are_twilios(twilio: TwilioTelephony) -> None:
    signed = {HEADER.lower(): sign("token", URL, FORM)}
    twilio.verify_webhook(WebhookRequest("POST", URL, signed, FORM))
    twilio.verify_stream(WebhookRequest("GET", STREAM, {HEADER.lower(): sign("token", STREAM)}))
    with pytest.raises(WebhookRefused):
        twilio.verify_webhook(WebhookRequest("POST", URL, signed, FORM[1:]))


def test_it_reads_the_plugins_twiml(twilio: TwilioTelephony) -> None:
    order = AnswerOrder("CA1", STREAM, "https://example.com/status?a=1&b=2")
    assert read_answer(twilio.answer(order).body) == Stream(STREAM, order.status_url)
    assert read_answer(twilio.refuse("busy").body) == Rejected("busy")
    assert read_answer(twilio.refuse("unavailable").body) == Rejected("rejected")

"""Signatures on webhooks and on the media socket's handshake."""

from __future__ import annotations

import pytest
from twilio.request_validator import RequestValidator

from offhook.errors import WebhookRefused
from offhook.providers import WebhookRequest
from offhook_telephony_twilio.account import TwilioTelephony

from .conftest import OLD_TOKEN, TOKEN

VOICE = "https://example.com/telephony/twilio/voice"
STREAM = "wss://example.com/telephony/twilio/media/one-time-token"
FORM = (("To", "+1415"), ("CallSid", "CA1"), ("Empty", ""), ("Event", "b"), ("Event", "a"))


def sign(token: str, url: str, form: tuple[tuple[str, str], ...] = ()) -> str:
    """As Twilio's documentation says: the URL, then each name and value, sorted."""
    text = url + "".join(name + value for name, value in sorted(form))
    signature: str = RequestValidator(token).compute_signature(text, {})
    return signature


def webhook(
    signed_url: str, url: str = VOICE, *, token: str = TOKEN, form: tuple[tuple[str, str], ...] = ()
) -> WebhookRequest:
    headers = {"x-twilio-signature": sign(token, signed_url, form)}
    return WebhookRequest("POST", url, headers, form)


@pytest.mark.parametrize("token", [TOKEN, OLD_TOKEN])
def test_any_of_the_tokens_will_do(twilio: TwilioTelephony, token: str) -> None:
    twilio.verify_webhook(webhook(VOICE, token=token, form=FORM))


@pytest.mark.parametrize(
    ("signed", "ours"),
    [
        ("https://example.com/v?a=1", "https://example.com/v?a=1"),
        ("https://example.com:443/v", "https://example.com/v"),
        ("https://example.com/v", "https://example.com:443/v"),
        ("http://example.com:80/v", "http://example.com/v"),
        ("https://example.com/v", "https://example.com:8443/v"),
        ("https://[::1]:443/v", "https://[::1]/v"),
    ],
)
def test_a_port_may_be_written_or_not(twilio: TwilioTelephony, signed: str, ours: str) -> None:
    twilio.verify_webhook(webhook(signed, ours))


@pytest.mark.parametrize(
    "forged",
    [
        webhook(VOICE, token="another", form=FORM),
        webhook(VOICE + "x", form=FORM),
        webhook(VOICE.replace("https", "http"), form=FORM),
        WebhookRequest("POST", VOICE, {"x-twilio-signature": sign(TOKEN, VOICE, FORM)}),
        WebhookRequest(
            "POST", VOICE, {"x-twilio-signature": sign(TOKEN, VOICE, FORM)}, (*FORM, ("To", "x"))
        ),
        WebhookRequest("POST", VOICE, {"x-twilio-signature": "ÿ"}, FORM),
    ],
)
def test_a_forged_webhook_is_refused(twilio: TwilioTelephony, forged: WebhookRequest) -> None:
    with pytest.raises(WebhookRefused, match="does not fit a request to https:") as e:
        twilio.verify_webhook(forged)
    assert e.value.status == 403


@pytest.mark.parametrize("headers", [{}, {"x-twilio-signature": ""}])
def test_an_unsigned_request_is_refused(twilio: TwilioTelephony, headers: dict[str, str]) -> None:
    request = WebhookRequest("POST", VOICE, headers, FORM)
    for verify in (twilio.verify_webhook, twilio.verify_stream):
        with pytest.raises(WebhookRefused, match="no X-Twilio-Signature header"):
            verify(request)


@pytest.mark.parametrize(
    "signed",
    [
        STREAM,
        STREAM + "/",
        STREAM.replace("example.com", "example.com:443"),
        STREAM.replace("example.com", "example.com:443") + "/",
    ],
)
def test_a_signed_handshake(twilio: TwilioTelephony, signed: str) -> None:
    twilio.verify_stream(webhook(signed, STREAM))


@pytest.mark.parametrize("signed", [STREAM + "//", STREAM[:-1], STREAM.replace("wss", "https")])
def test_a_forged_handshake_is_refused_without_telling_its_token(
    twilio: TwilioTelephony, signed: str
) -> None:
    with pytest.raises(WebhookRefused) as error:
        twilio.verify_stream(webhook(signed, STREAM))
    assert "one-time-token" not in str(error.value)

"""A Twilio account as the engine's Telephony."""

from __future__ import annotations

from typing import Literal

from twilio.twiml.voice_response import VoiceResponse

from offhook.errors import ProviderRefused
from offhook.media.mediastreams import MediaStreamsCodec
from offhook.providers import AnswerOrder, DialOrder, MediaCodec, WebhookReply, WebhookRequest
from offhook_telephony_twilio.options import TwilioOptions
from offhook_telephony_twilio.rest import NAME, Rest
from offhook_telephony_twilio.signature import SignatureCheck


class TwilioTelephony:
    """One business's Twilio account: a :class:`~offhook.providers.Telephony`. Any thread."""

    def __init__(self, options: TwilioOptions) -> None:
        secrets = (options.auth_token, *options.auth_tokens)
        self._signatures = SignatureCheck(secret.reveal() for secret in secrets)
        self._rest = Rest(options)

    def verify_webhook(self, request: WebhookRequest) -> None:
        """Raise WebhookRefused unless one of the account's tokens signed the URL and form."""
        self._signatures.webhook(request)

    def verify_stream(self, request: WebhookRequest) -> None:
        """Raise WebhookRefused unless one of the account's tokens signed the handshake's URL."""
        self._signatures.stream(request)

    def answer(self, order: AnswerOrder) -> WebhookReply:
        """TwiML that connects both directions of the call's audio to ``order.stream_url``."""
        response = VoiceResponse()
        response.connect().stream(url=order.stream_url, status_callback=order.status_url)
        # Reached once we close the socket; without it the caller would be left in silence.
        response.hangup()
        return WebhookReply(str(response))

    def refuse(self, reason: Literal["busy", "unavailable"]) -> WebhookReply:
        """TwiML that turns the caller away, unanswered and so uncharged."""
        response = VoiceResponse()
        response.reject(reason="busy" if reason == "busy" else None)
        return WebhookReply(str(response))

    def codec(self) -> MediaCodec:
        """A fresh codec for one media socket."""
        return MediaStreamsCodec()

    def dial(self, order: DialOrder) -> str:
        """Place a call; the CallSid. Never repeats a request.

        Raises ProviderRefused where Twilio refuses, ProviderUnavailable where the request never
        arrived or Twilio asks for fewer, ProviderTimeout where a telephone may be ringing.
        """
        return self._rest.create_call(
            to=order.to_number,
            from_=order.from_number,
            url=order.answer_url,
            method="POST",
            status_callback=order.status_url,
            status_callback_method="POST",
            status_callback_event=["initiated", "ringing", "answered", "completed"],
            timeout=order.ring_seconds,
        )

    def hang_up(self, carrier_call_id: str) -> None:
        """End a call; one that is over already is no error. Raises ProviderError."""
        self._rest.update_call(carrier_call_id, status="completed")

    def transfer(self, carrier_call_id: str, to_number: str) -> None:
        """Hand the caller to another number. Raises ProviderRefused if the call is over."""
        response = VoiceResponse()
        response.dial(to_number)
        if not self._rest.update_call(carrier_call_id, twiml=str(response)):
            raise ProviderRefused(NAME, "the call is over, so it cannot be transferred")

"""The engine's side of the simulated carrier: Twilio's protocol without Twilio's SDK."""

from __future__ import annotations

import hmac
import json
from pathlib import Path
from typing import Literal
from xml.sax.saxutils import quoteattr

from offhook.errors import ProviderRefused, WebhookRefused
from offhook.media.mediastreams import MediaStreamsCodec
from offhook.providers import AnswerOrder, DialOrder, MediaCodec, WebhookReply, WebhookRequest
from offhook_telephony_simulated.orders import Orders
from offhook_telephony_simulated.signing import HEADER, sign

NAME = "simulated"


class SimulatedCodec(MediaStreamsCodec):
    """Media Streams with one message more: this carrier plays key tones to the caller."""

    def encode_dtmf(self, digit: str) -> str | None:
        """A frame that plays a key's tone to the caller."""
        return f'{{"event":"dtmf","streamSid":{self._id()},"dtmf":{{"digit":{json.dumps(digit)}}}}}'


class SimulatedTelephony:
    """The carrier as the engine sees it: a :class:`~offhook.providers.Telephony`. Any thread.

    ``key`` signs what the carrier sends; ``data`` is the folder it shares with the engine.
    """

    def __init__(self, key: str, data: Path) -> None:
        self._key = key
        self._orders = Orders(data)

    def verify_webhook(self, request: WebhookRequest) -> None:
        """Raise WebhookRefused unless the key signed the URL and the form."""
        given = request.headers.get(HEADER.lower(), "")
        expected = sign(self._key, request.url, request.form)
        if not hmac.compare_digest(expected.encode(), given.encode()):
            raise WebhookRefused(
                f"the {HEADER} is missing or does not fit: the simulated carrier must use the "
                "engine's public URL and the same data folder or secret"
            )

    def verify_stream(self, request: WebhookRequest) -> None:
        """Raise WebhookRefused unless the key signed the handshake's URL."""
        self.verify_webhook(request)

    def answer(self, order: AnswerOrder) -> WebhookReply:
        """Connect the call's audio to ``order.stream_url``, and hang up once that is closed."""
        url, status_url = quoteattr(order.stream_url), quoteattr(order.status_url)
        return _twiml(
            f"<Connect><Stream url={url} statusCallback={status_url}/></Connect><Hangup/>"
        )

    def refuse(self, reason: Literal["busy", "unavailable"]) -> WebhookReply:
        """Turn the caller away."""
        return _twiml('<Reject reason="busy"/>' if reason == "busy" else "<Reject/>")

    def codec(self) -> MediaCodec:
        """A fresh codec for one media socket."""
        return SimulatedCodec()

    def dial(self, order: DialOrder) -> str:
        """Raises ProviderRefused: on this carrier callers ring the engine, never the reverse."""
        raise ProviderRefused(
            NAME, f"the simulated carrier cannot call {order.to_number}: it only rings the agent"
        )

    def hang_up(self, carrier_call_id: str) -> None:
        """End a call; one that is over already is no error."""
        self._orders.give(carrier_call_id, "hang-up")

    def transfer(self, carrier_call_id: str, to_number: str) -> None:
        """Hand the caller to another number. Raises ProviderRefused if the call is over."""
        if not self._orders.give(carrier_call_id, "transfer", to_number):
            raise ProviderRefused(NAME, "the call is over, so it cannot be transferred")


def _twiml(verbs: str) -> WebhookReply:
    return WebhookReply(f'<?xml version="1.0" encoding="UTF-8"?><Response>{verbs}</Response>')

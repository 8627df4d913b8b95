"""Twilio's webhooks as events: incoming calls, their progress, and how a media stream fares."""

from __future__ import annotations

from offhook.events import CallStatus, CarrierEvent, IncomingCall, StreamStatus
from offhook.providers import WebhookRequest

_ENDED = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
_STATUSES = {status: status for status in _ENDED | {"queued", "ringing", "in-progress"}} | {
    "initiated": "queued"  # only callbacks say this: the call has left Twilio's own queue
}


def read_webhook(request: WebhookRequest) -> CarrierEvent | None:
    """The event of a webhook's form, not yet verified; None if Twilio sends no such thing."""
    call_sid = request.value("CallSid")
    if not call_sid:
        return None
    if stream_event := request.value("StreamEvent"):
        return StreamStatus(
            carrier_call_id=call_sid,
            status=stream_event.removeprefix("stream-"),
            error=request.value("StreamError"),
        )
    status = _STATUSES.get(request.value("CallStatus"))
    if status is None:
        return None
    sequence = request.value("SequenceNumber")
    # A number's own status callback may lack the source, but its call is over by then, and a call
    # that is over asks for no instructions.
    if request.value("CallbackSource") == "call-progress-events" or status in _ENDED:
        return CallStatus(
            carrier_call_id=call_sid,
            status=status,
            to_number=request.value("To"),
            sequence=int(sequence) if _is_count(sequence) else -1,
        )
    return IncomingCall(
        carrier_call_id=call_sid,
        from_number=request.value("From"),
        to_number=request.value("To"),
    )


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10

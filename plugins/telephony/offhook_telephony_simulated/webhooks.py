"""The simulated carrier's webhooks as events: the same forms as Twilio's."""

from __future__ import annotations

from offhook.events import CallStatus, CarrierEvent, IncomingCall, StreamStatus
from offhook.providers import WebhookRequest

_STATUSES = frozenset({"ringing", "in-progress", "completed", "busy", "failed", "no-answer"})


def read_webhook(request: WebhookRequest) -> CarrierEvent | None:
    """The event of a webhook's form, not yet verified; None if the carrier sends no such thing."""
    call_sid, status = request.value("CallSid"), request.value("CallStatus")
    if not call_sid:
        return None
    if stream_event := request.value("StreamEvent"):
        error = request.value("StreamError")
        return StreamStatus(call_sid, stream_event.removeprefix("stream-"), error)
    if status not in _STATUSES:
        return None
    if request.value("CallbackSource"):
        sequence = request.value("SequenceNumber")
        number = int(sequence) if sequence.isascii() and sequence.isdigit() else -1
        return CallStatus(call_sid, status, request.value("To"), number)
    return IncomingCall(call_sid, request.value("From"), request.value("To"))

"""The simulated carrier: rings the engine as Twilio does, over HTTP and a real WebSocket.

::

    with SimulatedCarrier("http://127.0.0.1:8000/telephony/simulated/voice") as carrier:
        call = carrier.ring("+14155550100")
        call.wait_agent_done(timeout=10)          # the greeting
        call.say(mulaw)
        call.wait_agent_done(timeout=20)          # the reply
        call.hang_up()
        call.wait_ended(timeout=5)
        call.save(Path("call.wav"))
"""

from __future__ import annotations

import http.client
import secrets
import threading
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from types import TracebackType

from websockets.exceptions import InvalidHandshake, InvalidStatus

from offhook.config import Settings
from offhook.errors import OffhookError
from offhook_telephony_simulated.call import SimulatedCall
from offhook_telephony_simulated.driver import Driver
from offhook_telephony_simulated.misbehaviour import WELL_BEHAVED, Misbehaviour
from offhook_telephony_simulated.network import Callback, Callbacks, Form, Network
from offhook_telephony_simulated.orders import Orders
from offhook_telephony_simulated.signing import shared_key
from offhook_telephony_simulated.talk import CallEvent, Ended, Talk
from offhook_telephony_simulated.twiml import Rejected, Stream, read_answer
from offhook_telephony_simulated.wire import Wire

__all__ = [
    "CallEvent",
    "CallFailed",
    "Ended",
    "Misbehaviour",
    "SimulatedCall",
    "SimulatedCarrier",
]

ACCOUNT_SID = "AC" + "0" * 32
ANY_CALLER = "+14155550199"


class CallFailed(OffhookError):
    """The engine did not take the call.

    ``reason``: ``unreachable`` (no HTTP answer), ``http`` (an answer of ``status``), ``busy`` or
    ``rejected`` (it turned the caller away), ``bad-answer`` (instructions this carrier cannot
    follow), ``stream-refused`` (the media socket was not accepted; ``status`` if there was one).
    """

    def __init__(self, reason: str, message: str, status: int = 0) -> None:
        self.reason = reason
        self.status = status
        super().__init__(message)


class SimulatedCarrier:
    """A telephone network with one number plan and as many callers as wanted. Any thread.

    ``voice_url`` is the engine's webhook under its public URL; ``status_url``, if given, hears of
    each call's progress. ``key`` signs; by default it is the one in the data folder, which is
    where the engine on this machine looks as well. ``connect_to`` is the http(s) root that gets
    the connections where that is not what the public URL names. Two threads per call.
    """

    def __init__(
        self,
        voice_url: str,
        *,
        status_url: str = "",
        key: str = "",
        connect_to: str = "",
        data: Path | None = None,
    ) -> None:
        data = data or Settings().data
        self._voice_url = voice_url
        self._status_url = status_url
        self._network = Network(key or shared_key(data), connect_to)
        self._orders = Orders(data)
        self._callbacks = Callbacks(self._network)
        self._lock = threading.Lock()
        self._live: set[SimulatedCall] = set()

    def ring(
        self,
        to_number: str,
        from_number: str = ANY_CALLER,
        misbehaviour: Misbehaviour = WELL_BEHAVED,
    ) -> SimulatedCall:
        """Ring a number; the call, once its media stream is open.

        Blocks on the engine, for 30 seconds at most. Raises CallFailed.
        """
        leg = _Leg(self._callbacks, self._status_url, from_number, to_number)
        try:
            stream = self._ask(leg)
        except CallFailed as failure:
            leg.progress("busy" if failure.reason == "busy" else "failed")
            raise
        self._orders.open(leg.call_sid)
        try:
            call = self._connect(leg, stream, misbehaviour)
        except CallFailed as failure:
            self._orders.close(leg.call_sid)
            leg.stream_status(stream.status_url, "stream-error", str(failure))
            leg.progress("completed", "0")
            raise
        return call

    def close(self) -> None:
        """Hang up every call and post the last callbacks; about five seconds at most."""
        with self._lock:
            live = list(self._live)
        for call in live:
            call.hang_up()
        deadline = time.monotonic() + 3
        for call in live:
            call.join(max(0.0, deadline - time.monotonic()))
        self._callbacks.close(2)

    def __enter__(self) -> SimulatedCarrier:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, leg: _Leg) -> Stream:
        """Post the voice webhook and follow what it says."""
        try:
            status, body = self._network.post(self._voice_url, leg.form("ringing"))
        except (OSError, http.client.HTTPException) as error:
            raise CallFailed(
                "unreachable", f"nobody answers at {self._voice_url} ({error}): is it running?"
            ) from error
        if status != 200:
            raise CallFailed("http", f"{self._voice_url} answered {status}: {body:.200}", status)
        try:
            answer = read_answer(body)
        except ValueError as error:
            raise CallFailed("bad-answer", str(error)) from error
        if isinstance(answer, Rejected):
            reason = "busy" if answer.reason == "busy" else "rejected"
            raise CallFailed(reason, f"the agent does not take the call: {reason}", status)
        return answer

    def _connect(self, leg: _Leg, stream: Stream, faults: Misbehaviour) -> SimulatedCall:
        name = leg.call_sid[-8:]
        talk = Talk()
        leg.talk = talk

        def settle(ended: Ended) -> None:
            self._orders.close(leg.call_sid)
            broken = ended.reason == "stream-broken"
            event, error = ("stream-error", ended.detail) if broken else ("stream-stopped", "")
            leg.stream_status(stream.status_url, event, error)
            leg.progress("completed", str(round(ended.duration_ms / 1000)))
            with self._lock:
                self._live.discard(call)

        try:
            connection = self._network.open_stream(stream.url, f"offhook-carrier-read-{name}")
        except InvalidStatus as error:
            status = error.response.status_code
            raise CallFailed(
                "stream-refused", f"31920: {stream.url} answered {status}", status
            ) from error
        except (OSError, InvalidHandshake) as error:
            raise CallFailed("stream-refused", f"31901: {stream.url}: {error}") from error
        wire = Wire(ACCOUNT_SID, leg.call_sid, leg.stream_sid, stream.parameters)
        driver = Driver(
            f"offhook-carrier-{name}",
            talk,
            wire,
            connection,
            faults,
            take_order=lambda: self._orders.take(leg.call_sid),
            settle=settle,
        )
        call = SimulatedCall(leg.call_sid, talk, driver)
        with self._lock:
            self._live.add(call)
        leg.progress("in-progress")
        leg.stream_status(stream.status_url, "stream-started")
        driver.start()
        return call


class _Leg:
    """One call's identity, and the forms that tell of it."""

    def __init__(
        self, callbacks: Callbacks, status_url: str, from_number: str, to_number: str
    ) -> None:
        self.call_sid = "CA" + secrets.token_hex(16)
        self.stream_sid = "MZ" + secrets.token_hex(16)
        self.talk: Talk | None = None
        self._callbacks = callbacks
        self._status_url = status_url
        self._from, self._to = from_number, to_number
        self._reports = 0

    def form(self, status: str) -> Form:
        """The fields that every webhook about a call has."""
        return (
            ("CallSid", self.call_sid),
            ("AccountSid", ACCOUNT_SID),
            ("From", self._from),
            ("Caller", self._from),
            ("To", self._to),
            ("Called", self._to),
            ("CallStatus", status),
            ("Direction", "inbound"),
            ("ApiVersion", "2010-04-01"),
        )

    def progress(self, status: str, duration: str = "") -> None:
        """Tell the status URL, if there is one, how the call goes."""
        form = (
            *self.form(status),
            ("Timestamp", format_datetime(datetime.now(UTC))),
            ("CallbackSource", "call-progress-events"),
            ("SequenceNumber", str(self._reports)),
        )
        self._reports += 1
        self._post(self._status_url, (*form, ("CallDuration", duration)) if duration else form)

    def stream_status(self, url: str, event: str, error: str = "") -> None:
        """Tell the stream's status callback, if there is one, how the stream fares."""
        form = (
            ("AccountSid", ACCOUNT_SID),
            ("CallSid", self.call_sid),
            ("StreamSid", self.stream_sid),
            ("StreamName", self.stream_sid),
            ("StreamEvent", event),
            ("Timestamp", datetime.now(UTC).isoformat()),
        )
        self._post(url, (*form, ("StreamError", error)) if error else form)

    def _post(self, url: str, form: Form) -> None:
        if url:
            self._callbacks.post(Callback(url, form, self._failed))

    def _failed(self, sentence: str) -> None:
        if self.talk is not None:
            self.talk.note("callback-failed", sentence)

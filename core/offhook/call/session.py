"""One call: its parts, its threads, and the one way in which it ends."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from offhook.businesses import Loaded
from offhook.call import signals
from offhook.call.brief import collect_tools, make_brief
from offhook.call.handler import Ears, MediaStreamHandler
from offhook.call.inbox import AUDIO, Inbox
from offhook.call.line import CallClock, Line
from offhook.call.machine import Conversation
from offhook.call.performer import Performer
from offhook.call.recorder import Recorder
from offhook.call.services import Services
from offhook.call.sessions import Sessions
from offhook.call.threads import CallThread, join_all
from offhook.call.watchdog import Pulse, Watchdog
from offhook.errors import ProtocolError
from offhook.events import AudioReceived, CallEnded, CallInfo, StreamStarted
from offhook.media.caller_audio import CallerAudio
from offhook.media.vad import LoudnessGate, SileroModel, SpeechDetector
from offhook.providers import Telephony

log = structlog.get_logger(__name__)

START_SECONDS = 10.0
_JOIN_SECONDS = 3.0


class Session:
    """Owns one call's threads from the media socket's acceptance to the settled row.

    ``on_text`` and ``on_closed`` run on the event loop and never block. The handler thread begins
    and settles the call. ``abandon`` is for the watchdog and the reaper, when that thread cannot be
    trusted any more.
    """

    def __init__(
        self,
        call: CallInfo,
        loaded: Loaded,
        services: Services,
        sessions: Sessions,
        telephony: Telephony,
        line: Line,
    ) -> None:
        self.call = call
        self._loaded = loaded
        self._services = services
        self._sessions = sessions
        self._codec = telephony.codec()
        self._line = line
        self._created = Pulse()
        self._closed: Pulse | None = None
        self._transition = threading.Lock()  # a call starts or settles, never both at once
        self._settled = False
        self._audio_pulse = Pulse()
        self.clock = CallClock()
        self.inbox = Inbox()
        turns, rules = loaded.business.turns, loaded.business.barge_in
        by_audio = turns.vad != "stt"
        self.audio = CallerAudio(LoudnessGate() if by_audio else None)
        detector: SpeechDetector | None = None
        if by_audio:
            model = SileroModel() if turns.vad == "silero" else None
            detector = SpeechDetector(model, rules.min_speech_ms, turns.pause_ms)
        self.recorder: Recorder | None = None
        if loaded.business.recording.enabled:
            folder = services.settings.data / "recordings" / call.business_id
            self.recorder = Recorder(call.call_id, folder / f"{call.call_id}.wav", self.clock)
        tools = collect_tools(call, services.registry)
        brief = make_brief(call, loaded, services.registry, tools, datetime.now(UTC))
        self.performer = Performer(
            call, loaded, services, telephony, self._codec, line, self.clock,
            self.recorder, tools, self.inbox.put, self.crashed,
        )  # fmt: skip
        self._handler = MediaStreamHandler(
            call.call_id, Conversation(brief), self.inbox, self.clock,
            Ears(self.audio, detector, self.recorder), self.performer,
            self._begin, self._settle, self.crashed,
        )  # fmt: skip
        self._watchdog = Watchdog(
            call.call_id, self._audio_pulse, self._handler.pulse, self.end, self.abandon
        )

    # ---- on the event loop ----

    def on_text(self, message: str) -> None:
        """A text frame of the media socket."""
        try:
            event = self._codec.decode(message)
            if event.__class__ is AudioReceived:
                self._hear(event)
            elif isinstance(event, StreamStarted):
                self._start(event)
            elif event is not None:
                self.inbox.put(event)  # type: ignore[arg-type]
        except ProtocolError as error:
            self.on_protocol_error(error)

    def on_protocol_error(self, error: ProtocolError) -> None:
        """The peer broke the protocol: say so to it, and end this call only."""
        log.warning("media.protocol_error", call_id=self.call.call_id, error=str(error))
        self._line.close(error.close_code, str(error))
        self._lost("protocol-error", str(error))

    def on_closed(self, clean: bool) -> None:
        """The media socket is closed, by whichever side."""
        self._closed = Pulse()
        if clean:
            self._lost("caller-hung-up", "")
        else:
            self._lost("media-lost", "the media socket broke off")

    def _hear(self, event: AudioReceived) -> None:
        self._audio_pulse.beat()
        if self.audio.push(event.payload, event.timestamp_ms, self.clock.now()):
            self.inbox.put(AUDIO)

    def _start(self, event: StreamStarted) -> None:
        if event.carrier_call_id not in ("", self.call.carrier_call_id):
            raise ProtocolError("this stream is of another call than its token", 1008)
        with self._transition:
            if not self._settled:  # else nobody would be left to stop what begins now
                self.clock.restart()
                self._handler.start()

    def _lost(self, reason: str, detail: str) -> None:
        if self._handler.ident is None:
            self._settle(CallEnded("never-started", detail or "the media socket had no start"))
        else:
            self.inbox.put(signals.LineLost(reason, detail))

    # ---- on the handler thread ----

    def _begin(self) -> None:
        """The stream has started: start everything else."""
        if self.recorder is not None:
            self.recorder.start()
        self.performer.start()
        self._watchdog.start()
        # The path from the first: if the process is killed, the recording can still be found.
        path = self._recording_path()
        self._services.writer.start(self.call.call_id, self._loaded.config_hash, path)
        self._services.observers.call_started(self.call)

    # ---- any thread ----

    def end(self, reason: str, detail: str = "") -> None:
        """End the call soon, in order."""
        self.inbox.put(signals.LineLost(reason, detail))

    def drain(self) -> None:
        """Say goodbye and end the call."""
        self.inbox.put(signals.Draining())

    def crashed(self, role: str, error: Exception) -> None:
        """A thread of the call died of an error."""
        self.end("crashed", f"the thread {role} failed: {error}")

    def abandon(self, reason: str, detail: str = "") -> None:
        """End the call without its handler thread, which is stuck or gone."""
        self.inbox.put(signals.LineLost(reason, detail))
        self._settle(CallEnded(reason, detail))

    def left_behind(self) -> CallEnded | None:
        """Why the reaper must close this session, or None."""
        if self._handler.ident is None:
            if self._created.age > START_SECONDS:
                return CallEnded("never-started", f"no start came within {START_SECONDS:.0f} s")
        elif not self._handler.is_alive():
            return CallEnded("crashed", "the call's handler thread is gone")
        elif self._closed is not None and self._closed.age > START_SECONDS:
            return CallEnded("stuck", "the socket is closed but the call did not end")
        return None

    def _recording_path(self) -> str:
        return "" if self.recorder is None else str(self.recorder.path)

    def _settle(self, ended: CallEnded) -> None:
        """The call is over: stop, join, close, write it down. Once; any thread."""
        with self._transition:
            if self._settled:
                return
            self._settled = True
            started = self._handler.ident is not None
        duration = self.clock.now() if started else 0.0
        try:
            self._line.close()
            if started:
                self._stop_threads()
        finally:
            path = self._recording_path() if started else ""
            ended = replace(ended, duration_ms=duration, recording=path)
            self._services.writer.end(self.call.call_id, ended)
            if started:
                self._services.observers.call_ended(self.call, ended)
            self._sessions.remove(self)
            log.info("call.settled", call_id=self.call.call_id, reason=ended.reason)

    def _stop_threads(self) -> None:
        release = _Release(self.call.call_id, self.performer)
        release.start()
        self._watchdog.stop()
        threads: list[threading.Thread] = [release, self._watchdog]
        if self.recorder is not None:
            self.recorder.stop()
            threads.append(self.recorder)
        until = time.monotonic() + _JOIN_SECONDS
        release.join(_JOIN_SECONDS)
        for thread in join_all([*threads, *release.threads], until - time.monotonic()):
            log.error("thread.left", call_id=self.call.call_id, thread=thread.name)


class _Release(CallThread):
    """Stops the performer and lets go of the call's vendors: one that does not return from its
    ``cancel`` or ``close`` must not keep the call from being settled."""

    def __init__(self, call_id: str, performer: Performer) -> None:
        super().__init__("release", call_id)
        self._performer = performer
        self.threads: list[threading.Thread] = []

    def work(self) -> None:
        self.threads = self._performer.stop()

    def stop(self) -> None:
        """Ends by itself, or with the vendor."""

"""The frame loop: one thread per call that hears, asks the machine, and does what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offhook.call import signals
from offhook.call.inbox import Audio, Item
from offhook.call.machine import Conversation
from offhook.call.threads import CallThread
from offhook.call.watchdog import Pulse
from offhook.events import CallEnded, MarkPlayed, StreamStopped

if TYPE_CHECKING:
    from offhook.call.session import Session

_LONGEST_WAIT_MS = 5000.0


class MediaStreamHandler(CallThread):
    """Owns the call's state machine. Wakes for an input, for a deadline of the machine, for the
    caller's audio ten times a second, and at once when the caller begins to speak."""

    def __init__(self, session: Session, conversation: Conversation) -> None:
        super().__init__("call", session.call.call_id, session.crashed)
        self._session = session
        self._conversation = conversation
        self._ended = CallEnded("crashed", "an internal error ended the call")
        self.pulse = Pulse()

    def work(self) -> None:
        session, conversation = self._session, self._conversation
        try:
            session.begin()
            self._do(signals.Begin())
            while not conversation.finished:
                self._take(session.inbox.get(self._wait_seconds()))
                self.pulse.beat()
                if session.inbox.flooded:
                    self._do(signals.LineLost("flooded", "more came in than could be handled"))
        finally:
            session.finish(self._ended)

    def stop(self) -> None:
        self._session.inbox.put(signals.LineLost("stopped"))

    def _wait_seconds(self) -> float:
        deadline = self._conversation.deadline()
        now = self._session.clock.now()
        wait = _LONGEST_WAIT_MS if deadline is None else min(deadline - now, _LONGEST_WAIT_MS)
        return wait / 1000

    def _take(self, item: Item | None) -> None:
        match item:
            case None:
                self._do(signals.Tick())
            case Audio():
                self._hear()
            case MarkPlayed(name):
                played = self._session.performer.transmitter.played(name)
                if played is not None:
                    self._do(played)
            case StreamStopped():
                self._do(signals.LineLost("caller-hung-up"))
            case _:
                self._do(item)

    def _hear(self) -> None:
        session = self._session
        frames = session.audio.take()
        if not frames:
            return
        payload = b"".join(frame.payload for frame in frames)
        session.performer.listener.feed(payload)
        if session.recorder is not None:
            session.recorder.add_caller(frames[0].start_ms, payload)
        detector = session.detector
        if detector is None:
            return
        for edge in detector.process(frames):
            speech = signals.CallerSpoke if edge.started else signals.CallerPaused
            self._do(speech(edge.at_ms))
        session.audio.wake_at = detector.alarm(frames[-1].end_ms)
        session.audio.wake_on_voice = detector.idle

    def _do(self, signal: signals.Input) -> None:
        for command in self._conversation.handle(signal, self._session.clock.now()):
            if isinstance(command, signals.Finish):
                self._ended = CallEnded(command.reason, command.detail)
            else:
                self._session.performer.perform(command)

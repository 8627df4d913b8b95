"""The frame loop: one thread per call that hears, asks the machine, and does what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from offhook.call import signals
from offhook.call.inbox import Audio, Inbox, Item
from offhook.call.line import CallClock
from offhook.call.machine import Conversation
from offhook.call.performer import Performer
from offhook.call.recorder import Recorder
from offhook.call.threads import CallThread
from offhook.call.watchdog import Pulse
from offhook.events import CallEnded, MarkPlayed, StreamStopped
from offhook.media.caller_audio import CallerAudio
from offhook.media.vad import SpeechDetector

_LONGEST_WAIT_MS = 5000.0


@dataclass(frozen=True, slots=True)
class Ears:
    """Where the caller's audio comes from, what finds speech in it, and who keeps it."""

    audio: CallerAudio
    detector: SpeechDetector | None
    recorder: Recorder | None


class MediaStreamHandler(CallThread):
    """Owns the call's state machine. Wakes for an input, for a deadline of the machine, for the
    caller's audio a few times a second, and at once when the caller begins to speak.

    ``begin`` and ``finish`` run on this thread, first and last.
    """

    def __init__(
        self,
        call_id: str,
        conversation: Conversation,
        inbox: Inbox,
        clock: CallClock,
        ears: Ears,
        performer: Performer,
        begin: Callable[[], None],
        finish: Callable[[CallEnded], None],
        crashed: Callable[[str, Exception], None],
    ) -> None:
        super().__init__("call", call_id, crashed)
        self._conversation = conversation
        self._inbox = inbox
        self._clock = clock
        self._ears = ears
        self._performer = performer
        self._begin = begin
        self._finish = finish
        self._ended = CallEnded("crashed", "an internal error ended the call")
        self.pulse = Pulse()

    def work(self) -> None:
        try:
            self._begin()
            self._do(signals.Begin())
            while not self._conversation.finished:
                self._take(self._inbox.get(self._wait_seconds()))
                self.pulse.beat()
                if self._inbox.flooded:
                    self._do(signals.LineLost("flooded", "more came in than could be handled"))
        finally:
            self._finish(self._ended)

    def stop(self) -> None:
        self._inbox.put(signals.LineLost("stopped"))

    def _wait_seconds(self) -> float:
        deadline = self._conversation.deadline()
        now = self._clock.now()
        wait = _LONGEST_WAIT_MS if deadline is None else min(deadline - now, _LONGEST_WAIT_MS)
        return wait / 1000

    def _take(self, item: Item | None) -> None:
        match item:
            case None:
                self._do(signals.Tick())
            case Audio():
                self._hear()
            case MarkPlayed(name):
                played = self._performer.transmitter.played(name)
                if played is not None:
                    self._do(played)
            case StreamStopped():
                self._do(signals.LineLost("caller-hung-up"))
            case _:
                self._do(item)

    def _hear(self) -> None:
        ears = self._ears
        frames = ears.audio.take()
        if not frames:
            return
        payload = b"".join(frame.payload for frame in frames)
        self._performer.listener.feed(payload)
        if ears.recorder is not None:
            ears.recorder.add_caller(frames[0].start_ms, payload)
        detector = ears.detector
        if detector is None:
            return
        for edge in detector.process(frames):
            speech = signals.CallerSpoke if edge.started else signals.CallerPaused
            self._do(speech(edge.at_ms))
        ears.audio.wake_at = detector.alarm(frames[-1].end_ms)
        ears.audio.wake_on_voice = detector.idle

    def _do(self, signal: signals.Input) -> None:
        for command in self._conversation.handle(signal, self._clock.now()):
            if isinstance(command, signals.Finish):
                self._ended = CallEnded(command.reason, command.detail)
            else:
                self._performer.perform(command)

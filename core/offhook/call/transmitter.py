"""The TX loop: sends the agent's audio at the pace of the line, and falls silent at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

from offhook.call import signals
from offhook.call.line import CallClock, Line
from offhook.call.recorder import Recorder
from offhook.call.threads import CallThread
from offhook.events import AudioFormat
from offhook.media.playout import Packet, Playout
from offhook.providers import MediaCodec

MAX_BUFFERED_MS = 2000.0


class Transmitter(CallThread):
    """Paces one call's audio out. Sleeps while there is none, else wakes ten times a second.

    Every write belongs to an epoch; ``stop_speaking`` begins a new one, and audio and marks of an
    older epoch are dropped wherever they turn up. A writer that is 2 s ahead is held (that is the
    bounded queue's policy), until there is room or its epoch ends.
    """

    def __init__(
        self,
        call_id: str,
        codec: MediaCodec,
        line: Line,
        clock: CallClock,
        audio: AudioFormat,
        tell: Callable[[signals.Input], None],
        recorder: Recorder | None,
        on_crash: Callable[[str, Exception], None],
    ) -> None:
        super().__init__("tx", call_id, on_crash)
        self._codec = codec
        self._line = line
        self._clock = clock
        self._tell = tell
        self._recorder = recorder
        self._playout = Playout(audio)
        self._format = audio
        self._lock = threading.Lock()
        self._due = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._stopped = False
        self._asleep = False  # the loop waits without a time of its own
        self.epoch = 0

    # ---- writing, any thread ----

    def write(self, epoch: int, utterance: int, audio: bytes) -> bool:
        """Queue audio of an utterance; False if its epoch is over. Waits while 2 s are queued."""
        with self._lock:
            while self._is_on(epoch) and self._playout.buffered_ms >= MAX_BUFFERED_MS:
                self._room.wait()
            if not self._is_on(epoch):
                return False
            self._playout.write(utterance, audio)
            self._advance()
            return True

    def finish(self, epoch: int, utterance: int) -> bool:
        """The utterance has no more audio; False if its epoch is over."""
        with self._lock:
            if not self._is_on(epoch):
                return False
            self._playout.finish(utterance)
            self._advance()
            return True

    def write_all(self, epoch: int, utterance: int, audio: bytes) -> None:
        """Queue a whole utterance at once, however much is queued already. Never waits."""
        with self._lock:
            if self._is_on(epoch):
                self._playout.write(utterance, audio)
                self._playout.finish(utterance)
                self._advance()

    def stop_speaking(self) -> None:
        """Stop the sender, then clear the carrier's buffer: nothing of this epoch follows."""
        with self._lock:
            self.epoch += 1
            self._playout.clear()
            # Sent under the lock (it only queues): no packet can slip in behind the clear.
            self._line.send(self._codec.encode_clear())
            if self._recorder is not None:
                self._recorder.cut_agent(self._clock.now())
            self._room.notify_all()
            self._due.notify()  # what is written next must not wait for the stopped packet's time

    def played(self, mark: str) -> signals.Played | None:
        """What a mark that came back says; None if it is of an older epoch, or not ours."""
        match mark.split(":"):
            case [epoch, number, offset, complete] if (
                epoch == str(self.epoch) and number.isdecimal() and offset.isdecimal()
            ):
                return signals.Played(int(number), float(offset), complete == "1")
        return None

    # ---- the loop ----

    def work(self) -> None:
        with self._lock:
            while not self._stopped:
                again_at = self._send_due()
                self._asleep = again_at is None
                wait = None if again_at is None else max(again_at - self._clock.now(), 0.0) / 1000
                self._due.wait(wait)
                self._asleep = False

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            self._due.notify_all()
            self._room.notify_all()

    def _is_on(self, epoch: int) -> bool:
        return epoch == self.epoch and not self._stopped

    def _advance(self) -> None:
        """There is more to send. What is due leaves from the writer's own thread, which saves the
        first packet of a reply a change of threads; the loop is woken only if nothing else will."""
        if self._asleep and self._send_due() is not None:
            self._due.notify()

    def _send_due(self) -> float | None:
        """Send every packet that is due; when to look again (None: when there is more)."""
        while True:
            packet, again_at = self._playout.next(self._clock.now())
            if packet is None:
                self._room.notify_all()
                return again_at
            self._send(packet)

    def _send(self, packet: Packet) -> None:
        if packet.payload:
            self._line.send(self._codec.encode_audio(packet.payload))
            if packet.first:
                self._tell(signals.AudioSent(packet.utterance))
            if self._recorder is not None:
                self._recorder.add_agent(packet.heard_at_ms, packet.payload)
        mark = packet.mark
        if mark is not None:
            name = f"{self.epoch}:{mark.utterance}:{mark.offset_ms:.0f}:{mark.complete:d}"
            self._line.send(self._codec.encode_mark(name))

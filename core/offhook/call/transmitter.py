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

MAX_BUFFERED_MS = 4000.0


class Transmitter(CallThread):
    """Paces one call's audio out. Sleeps while there is none, else wakes ten times a second.

    Every write belongs to an epoch; ``stop_speaking`` begins a new one, and audio and marks of an
    older epoch are dropped wherever they turn up. A writer that is 4 s ahead is held (that is the
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
        self._changed = threading.Condition()
        self._stopped = False
        self.epoch = 0

    # ---- writing, any thread ----

    def write(self, epoch: int, utterance: int, audio: bytes) -> bool:
        """Queue audio of an utterance; False if its epoch is over. Waits while 4 s are queued."""
        with self._changed:
            while (
                epoch == self.epoch
                and not self._stopped
                and self._playout.buffered_ms >= MAX_BUFFERED_MS
            ):
                self._changed.wait()
            if epoch != self.epoch or self._stopped:
                return False
            self._playout.write(utterance, audio)
            self._changed.notify_all()
            return True

    def finish(self, epoch: int, utterance: int) -> bool:
        """The utterance has no more audio; False if its epoch is over."""
        with self._changed:
            if epoch != self.epoch or self._stopped:
                return False
            self._playout.finish(utterance)
            self._changed.notify_all()
            return True

    def write_all(self, epoch: int, utterance: int, audio: bytes) -> None:
        """Queue a whole utterance at once, however much is queued already. Never waits."""
        with self._changed:
            if epoch == self.epoch and not self._stopped:
                self._playout.write(utterance, audio)
                self._playout.finish(utterance)
                self._changed.notify_all()

    def stop_speaking(self) -> None:
        """Stop the sender, then clear the carrier's buffer: nothing of this epoch follows."""
        with self._changed:
            self.epoch += 1
            self._playout.clear()
            # Sent under the lock (it only queues): no packet can slip in behind the clear.
            self._line.send(self._codec.encode_clear())
            if self._recorder is not None:
                self._recorder.cut_agent(self._clock.now())
            self._changed.notify_all()

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
        with self._changed:
            while not self._stopped:
                packet, again_at = self._playout.next(self._clock.now())
                if packet is not None:
                    self._send(packet)
                elif again_at is None:
                    self._changed.wait()
                else:
                    self._changed.wait(max(again_at - self._clock.now(), 0.0) / 1000)

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

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
        self._changed.notify_all()  # a writer may have been waiting for room

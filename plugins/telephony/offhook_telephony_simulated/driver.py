"""The thread of one simulated call: the carrier's clock, and its end of the media socket."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from offhook_telephony_simulated.handset import FRAME_MS, SILENCE
from offhook_telephony_simulated.misbehaviour import Misbehaviour
from offhook_telephony_simulated.orders import Order
from offhook_telephony_simulated.talk import Ended, Talk
from offhook_telephony_simulated.wire import (
    CONNECTED,
    Clear,
    InvalidMessage,
    Mark,
    Play,
    Tone,
    Wire,
    bare_media,
)

_STEPS_PER_ORDER = 10  # how often it looks whether the engine has an order for the call


class Driver(threading.Thread):
    """Steps the handset every 20 ms by the monotonic clock, so that no delay adds up, and reads
    the engine's messages in between.

    ``take_order`` looks for an order of the engine; ``settle`` is told how the call ended, on
    this thread, before ``talk.ended`` is set.
    """

    def __init__(
        self,
        name: str,
        talk: Talk,
        wire: Wire,
        connection: ClientConnection,
        faults: Misbehaviour,
        take_order: Callable[[], Order | None],
        settle: Callable[[Ended], None],
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._talk = talk
        self._wire = wire
        self._connection = connection
        self._faults = faults
        self._take_order = take_order
        self._settle = settle
        self._random = random.Random(faults.seed)
        self._outbox: deque[tuple[float, str]] = deque()
        self._junk = deque(faults.messages)
        self._saying = False

    def cut(self) -> None:
        """Cut the connection; the thread then ends. Any thread."""
        with suppress(OSError):
            self._connection.socket.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        ended = Ended("carrier-failed", "the simulation broke", 1006)
        try:
            with self._connection:
                try:
                    ended = self._talk_on()
                except ConnectionClosed as closed:
                    ended = _closed(closed)
        finally:
            ended = replace(ended, duration_ms=self._talk.elapsed_ms)
            self._settle(ended)
            with self._talk.changed:
                self._talk.ended = ended
                self._talk.changed.notify_all()

    def _begin(self) -> None:
        """Send what comes before the audio."""
        faults, send = self._faults, self._connection.send
        send(CONNECTED)
        if faults.media_before_start:
            send(self._wire.media(1, 0, SILENCE))
        if not faults.no_start:
            start = self._wire.minimal_start if faults.minimal_start else self._wire.start
            for _ in range(2 if faults.second_start else 1):
                send(start())
        self._talk.begun = time.monotonic()

    def _talk_on(self) -> Ended:
        talk = self._talk
        self._begin()
        next_ms = float(FRAME_MS)
        while True:
            now_ms = talk.elapsed_ms
            if now_ms >= next_ms:
                talk.lag_ms = max(talk.lag_ms, now_ms - next_ms)
                if ended := self._wants_to_end(now_ms):
                    return self._finish(ended)
                self._step(next_ms)
                next_ms += FRAME_MS
            self._send_due(now_ms)
            next_due = min(next_ms, self._outbox[0][0]) if self._outbox else next_ms
            try:
                message = self._connection.recv(max(0.0, next_due - talk.elapsed_ms) / 1000)
            except TimeoutError:
                continue
            self._receive(message)

    # ---- the caller's side ----------------------------------------------------------------------

    def _step(self, at_ms: float) -> None:
        talk, phone = self._talk, self._talk.handset
        with talk.changed:
            number, saying = phone.steps, phone.saying
            step = phone.step()
            keys = list(talk.keys)
            talk.keys.clear()
            talk.changed.notify_all()
        if saying != self._saying:
            self._saying = saying
            talk.note("caller-speaks" if saying else "caller-done")
        self._queue_frame(number, at_ms, step.said)
        self._echo(step.marks)
        for key in keys:
            self._queue(at_ms, self._wire.dtmf(key))
        while self._junk and at_ms >= self._faults.messages_after_ms:
            self._connection.send(self._junk.popleft())

    def _queue_frame(self, number: int, at_ms: float, audio: bytes) -> None:
        faults = self._faults
        if faults.no_start or self._random.random() < faults.lost:
            return
        due = at_ms + (faults.burst_frames - 1 - number % faults.burst_frames) * FRAME_MS
        due += self._random.uniform(0, faults.jitter_ms)
        if faults.bare_media:
            message = bare_media(audio)
        else:
            message = self._wire.media(number + 1, number * FRAME_MS, audio)
        self._queue(due, message)

    def _echo(self, marks: Iterable[str]) -> None:
        if not self._faults.no_marks:
            for name in marks:
                self._queue(0, self._wire.mark(name))

    def _queue(self, due_ms: float, message: str) -> None:
        """One stream of bytes: what is late holds up what comes after it."""
        last = self._outbox[-1][0] if self._outbox else due_ms
        self._outbox.append((max(due_ms, last), message))

    def _send_due(self, now_ms: float) -> None:
        while self._outbox and self._outbox[0][0] <= now_ms:
            self._connection.send(self._outbox.popleft()[1])

    # ---- the engine's side ----------------------------------------------------------------------

    def _receive(self, message: str | bytes) -> None:
        talk, phone = self._talk, self._talk.handset
        try:
            command = self._wire.read(message)
        except InvalidMessage as error:
            talk.note("invalid", str(error))
            return
        marks: tuple[str, ...] = ()
        match command:
            case Play(payload):
                with talk.changed:
                    was_playing = phone.playing
                    kept = phone.play(payload)
                if not kept:
                    talk.note("invalid", "31931: ten minutes of audio are queued already")
                elif not was_playing:
                    talk.note("agent-audio")
            case Mark(name):
                talk.note("mark", name)
                with talk.changed:
                    marks = phone.mark(name)
            case Clear():
                talk.note("clear")
                with talk.changed:
                    marks = phone.clear()
            case Tone(digit):
                talk.note("tone", digit)
        self._echo(marks)

    # ---- the end --------------------------------------------------------------------------------

    def _wants_to_end(self, now_ms: float) -> Ended | None:
        after_ms = self._faults.hang_up_after_ms
        if self._talk.hanging_up or (after_ms is not None and now_ms >= after_ms):
            return Ended("caller-hung-up")
        if self._talk.handset.steps % _STEPS_PER_ORDER == 0 and (order := self._take_order()):
            if order.verb == "transfer":
                return Ended("transferred", order.to_number)
            return Ended("agent-hung-up", "by order")
        return None

    def _finish(self, ended: Ended) -> Ended:
        faults = self._faults
        if faults.reset:
            no_lingering = struct.pack("ii", 1, 0)  # the kernel then resets instead of closing
            self._connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_lingering)
            self._connection.close_socket()
            return ended
        self._send_due(float("inf"))
        if not (faults.no_stop or faults.no_start):
            self._connection.send(self._wire.stop())
        return ended


def _closed(closed: ConnectionClosed) -> Ended:
    code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
    if code in (1000, 1001):
        return Ended("agent-hung-up", reason, code)
    return Ended("stream-broken", reason, code)

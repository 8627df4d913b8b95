"""The call's threads on one side, the event loop's socket on the other."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from starlette.websockets import WebSocket, WebSocketState

from offhook.web.fastpath import EXTENSION, MediaProtocol

_CAPACITY = 256
_CLOSE_SECONDS = 3.0


class SocketLine:
    """Implements :class:`~offhook.call.line.Line` over a Starlette WebSocket.

    Frames of all threads go into one queue. The loop is woken once for whatever waits; it sends at
    once through ``fast`` where there is one, else (and while the peer reads slowly, and to close)
    by the task that runs ``pump``.
    """

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self.fast: MediaProtocol | None = (
            socket.scope.get("extensions", {}).get(EXTENSION, {}).get("protocol")
        )
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._queue: deque[str] = deque()
        self._woken = False
        self._closing: tuple[int, str] | None = None
        self._ready = asyncio.Event()
        self._sending = False
        self.closed = asyncio.Event()

    def send(self, message: str) -> None:
        with self._lock:
            if self._closing is not None:
                return
            if len(self._queue) >= _CAPACITY:
                self._queue.clear()
                self._closing = (1008, "the peer does not read")
            else:
                self._queue.append(message)
        self._wake()

    def close(self, code: int = 1000, reason: str = "") -> None:
        with self._lock:
            if self._closing is not None:
                return
            self._closing = (code, reason)
        self._wake()

    async def pump(self) -> None:
        """Send what is queued until the line is closed."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            self._sending = True
            while batch := self._take():
                for message in batch:
                    await self._socket.send_text(message)
            self._sending = False
            if self._closing is not None:
                if self._socket.application_state is WebSocketState.CONNECTED:
                    code, reason = self._closing
                    await self._socket.close(code, reason[:120])
                return

    def _take(self) -> list[str]:
        with self._lock:
            batch = list(self._queue)
            self._queue.clear()
            return batch

    def _wake(self) -> None:
        with self._lock:
            if self._woken:
                return
            self._woken = True
        try:
            self._loop.call_soon_threadsafe(self._on_wake)
        except RuntimeError:
            return  # the loop is closed: the process goes down, and the socket with it

    def _on_wake(self) -> None:
        """On the loop: send what waits."""
        with self._lock:
            self._woken = False
            closing = self._closing is not None
        pumping = self._ready.is_set() or self._sending
        if self.fast is not None and self.fast.writable.is_set() and not (closing or pumping):
            self.fast.send_texts(self._take())
            return
        self._ready.set()
        if closing:
            # A peer that does not read must not hold the socket open.
            self._loop.call_later(_CLOSE_SECONDS, self.closed.set)

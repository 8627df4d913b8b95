"""The call's threads on one side, the event loop's socket on the other."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from starlette.websockets import WebSocket, WebSocketState

_CAPACITY = 256
_CLOSE_SECONDS = 3.0


class SocketLine:
    """Implements :class:`~offhook.call.line.Line` over a Starlette WebSocket.

    Frames of all threads go into one queue; one task on the loop (``pump``) sends them. A wake-up
    of the loop is asked for once, not per frame.
    """

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._queue: deque[str] = deque()
        self._woken = False
        self._closing: tuple[int, str] | None = None
        self._ready = asyncio.Event()
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
            with self._lock:
                self._woken = False
            while self._queue:
                await self._socket.send_text(self._queue.popleft())
            if self._closing is not None:
                if self._socket.application_state is WebSocketState.CONNECTED:
                    code, reason = self._closing
                    await self._socket.close(code, reason[:120])
                return

    def _wake(self) -> None:
        with self._lock:
            if self._woken:
                return
            self._woken = True
        try:
            self._loop.call_soon_threadsafe(self._set_ready)
        except RuntimeError:
            return  # the loop is closed: the process goes down, and the socket with it

    def _set_ready(self) -> None:
        self._ready.set()
        if self._closing is not None:
            # A peer that does not read must not hold the socket open.
            self._loop.call_later(_CLOSE_SECONDS, self.closed.set)

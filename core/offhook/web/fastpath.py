"""A shortcut for the frames of a media socket, past the ASGI queue: a third of the CPU of a call.

A media socket gets 50 small, masked, unfragmented text frames a second. ``MediaProtocol`` is
uvicorn's own protocol, which reads exactly those itself and leaves everything else (fragments,
control frames, binary, oversized, broken or partial data) to its base class and to ASGI, with all
their checks: the size limit, UTF-8, masking. It looks at one attribute of websockets that is not
public; ``protocol()`` checks that it is there and falls back to uvicorn's class otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

try:
    from websockets.speedups import apply_mask
except ImportError:  # no compiled wheel for this machine
    from websockets.utils import apply_mask

EXTENSION = "offhook.media"
"""The key under the scope's ``extensions`` by which the application finds its MediaProtocol."""

_TEXT_FINAL = 0x81
_MASKED = 0x80
_TWO_BYTES = 126


class MediaProtocol(WebSocketsSansIOProtocol):
    """One connection. Everything runs on the event loop."""

    _on_text: Callable[[str], None] | None = None

    def take_over(self, on_text: Callable[[str], None]) -> None:
        """From now on give text messages to ``on_text`` instead of ASGI, in order, at once."""
        self._on_text = on_text

    def send_texts(self, messages: Iterable[str]) -> None:
        """Send text messages now; nothing if the connection is closing."""
        if self.conn.state is OPEN and not self.transport.is_closing():
            self.transport.write(b"".join(_frame(message.encode()) for message in messages))

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self.scope["extensions"][EXTENSION] = {"protocol": self}

    def connection_lost(self, exc: Exception | None) -> None:
        if self.handshake_complete and self.conn.close_rcvd is None:
            # uvicorn says 1005, as of a peer that closed in order; the first report counts.
            self.queue.put_nowait({"type": "websocket.disconnect", "code": 1006})
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._on_text is not None:
            data = self._read_frames(self._on_text, data)
        if data:
            super().data_received(data)

    def send_receive_event_to_app(self) -> None:
        # A text message the shortcut left over must not be overtaken by the next one.
        if self._on_text is None or self.curr_msg_data_type != "text" or self.close_sent:
            super().send_receive_event_to_app()
            return
        frames, self.frames = self.frames, []
        try:
            text = b"".join(frames).decode()
        except UnicodeDecodeError:
            self.conn.fail(1007, "a text message must be UTF-8")
            self.handle_parser_exception()
            return
        self._on_text(text)

    def _read_frames(self, on_text: Callable[[str], None], data: bytes) -> bytes:
        """Handle the plain frames at the start of ``data``; return what is left of it."""
        connection = self.conn
        if (
            connection.reader.buffer
            or self.frames  # inside a fragmented message
            or connection.state is not OPEN
            or self.close_sent
        ):
            return data
        start, size, limit = 0, len(data), self.config.ws_max_size
        while size - start > 8 and data[start] == _TEXT_FINAL and data[start + 1] & _MASKED:
            length = data[start + 1] & 0x7F
            body = start + 6
            if length == _TWO_BYTES:
                length = data[start + 2] << 8 | data[start + 3]
                body = start + 8
            end = body + length
            if end > size or length > limit:
                break
            try:
                text = apply_mask(data[body:end], data[body - 4 : body]).decode()
            except UnicodeDecodeError:
                break
            on_text(text)
            start = end
        return data[start:] if start else data


def protocol() -> type[WebSocketsSansIOProtocol]:
    """The protocol class for uvicorn's ``ws`` setting."""
    usable = hasattr(getattr(ServerProtocol(), "reader", None), "buffer")
    return MediaProtocol if usable else WebSocketsSansIOProtocol


def _frame(payload: bytes) -> bytes:
    """An unmasked, final text frame (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < _TWO_BYTES:
        return bytes((_TEXT_FINAL, size)) + payload
    if size < 1 << 16:
        return bytes((_TEXT_FINAL, _TWO_BYTES)) + size.to_bytes(2, "big") + payload
    return bytes((_TEXT_FINAL, 127)) + size.to_bytes(8, "big") + payload

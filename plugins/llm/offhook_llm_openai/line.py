"""Connections that can be broken from another thread, at whatever they are waiting for.

The SDK's ``stream.close()`` does not wake a reader that a silent server keeps waiting, and there is
no stream to close before the server has answered. So the sockets are ours: each reply holds a
:class:`Line`, which knows the socket that works for it, from the connect on.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore2
import httpx2

_STEP_SECONDS = 0.02
"""How often a wait that no socket can end (name look-up, connect) looks for a cancellation."""
_TAIL_SECONDS = 0.1
_DONE = re.compile(rb"^data: ?\[DONE\]", re.MULTILINE)

_held = threading.local()


class Line:
    """One reply's hold on the connection that serves it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stream: _Stream | None = None
        self._cancelled = threading.Event()
        self.complete = False
        """Whether the server said that this was all."""

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Within it, whatever this thread sends belongs to this line."""
        _held.line = self
        try:
            yield
        finally:
            _held.line = None

    def wait(self, seconds: float) -> None:
        """Sleep, unless cancelled."""
        self._cancelled.wait(seconds)

    def cancel(self) -> None:
        """Break the connection. *Any thread*; returns at once."""
        self._cancelled.set()
        with self._lock:
            if self._stream is not None:
                self._stream.break_off(self)

    def let_go(self) -> None:
        """The reply is over; its connection may serve others, and is no more ours to break."""
        with self._lock:
            self._stream = None

    def attach(self, stream: _Stream) -> None:
        with self._lock:
            self._stream = stream
            stream.serve(self)
            if self.cancelled:
                stream.break_off(self)

    def hurry(self) -> None:
        """All has been said: what is left of the response is worth a moment's wait only."""
        self.complete = True
        with self._lock:
            if self._stream is not None:
                self._stream.hurried = True


class Backend(httpcore2.NetworkBackend):
    """Connects like the standard one, but stops when the line that waits for it is cancelled.

    Only the name server cannot be hurried: its look-up runs on a thread of its own, which ends
    when the look-up does.
    """

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 (the interface's)
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        line: Line | None = getattr(_held, "line", None)
        deadline = time.monotonic() + (timeout or 3600)
        failure: Exception = httpcore2.ConnectError(f"{host} has no address")
        for family, address in _addresses(host, port, line, deadline):
            try:
                sock = _connect(family, address, line, deadline)
            except OSError as error:
                failure = httpcore2.ConnectError(str(error))
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = _Stream(sock)
            if line is not None:
                line.attach(stream)
            return stream
        raise failure


class _Stream(httpcore2.NetworkStream):
    """A connected socket. ``holder`` is the line it works for now, or worked for last."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._lock = threading.Lock()
        self.holder: Line | None = None
        self.hurried = False

    def serve(self, line: Line) -> None:
        with self._lock:
            self.holder = line
            self.hurried = False

    def break_off(self, line: Line) -> None:
        with self._lock, contextlib.suppress(OSError):
            # A pooled connection may serve another call by now.
            if self.holder is line:
                # Not SSLSocket's own method: that one takes the TLS layer from under the reader.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            self._socket.settimeout(_TAIL_SECONDS if self.hurried else timeout)
            return self._socket.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore2.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore2.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        line: Line | None = getattr(_held, "line", None)
        if line is not None and self.holder is not line:
            line.attach(self)
        try:
            self._socket.settimeout(timeout)
            self._socket.sendall(buffer)
        except TimeoutError as error:
            raise httpcore2.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore2.WriteError(str(error)) from error

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        try:
            self._socket.settimeout(timeout)
            with self._lock:
                # The handshake comes after, so that it can be broken off too.
                self._socket = secured = ssl_context.wrap_socket(
                    self._socket, server_hostname=server_hostname, do_handshake_on_connect=False
                )
            if self.holder is not None and self.holder.cancelled:
                raise OSError("cancelled")
            secured.do_handshake()
        except TimeoutError as error:
            self.close()
            raise httpcore2.ConnectTimeout(str(error)) from error
        except OSError as error:
            self.close()
            raise httpcore2.ConnectError(str(error)) from error
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "socket":
            return self._socket
        if info == "is_readable":
            descriptor = self._socket.fileno()
            return descriptor < 0 or bool(_ready(descriptor, select.POLLIN, 0))
        if info == "ssl_object" and isinstance(self._socket, ssl.SSLSocket):
            return self._socket
        return None


class Transport(httpx2.HTTPTransport):
    """httpx's own, over connections that can be broken off."""

    def __init__(self, limits: httpx2.Limits) -> None:
        context = httpx2.create_ssl_context()
        super().__init__(verify=context, limits=limits)
        # httpx passes every argument on to the pool but this one.
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=Backend(),
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = super().handle_request(request)
        line: Line | None = getattr(_held, "line", None)
        if line is not None and isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _Body(response.stream, line)
        return response


class _Body(httpx2.SyncByteStream):
    """The answer's bytes, read to their very end.

    The SDK stops reading at ``[DONE]``, a few bytes before the response ends, which would cost the
    connection, and with it a new handshake in every turn of every call.
    """

    def __init__(self, body: httpx2.SyncByteStream, line: Line) -> None:
        self._body = body
        self._line = line

    def __iter__(self) -> Iterator[bytes]:
        chunks = iter(self._body)
        for chunk in chunks:
            done = _DONE.search(chunk)
            if done is None:
                yield chunk
                continue
            yield chunk[: done.start()]
            self._line.hurry()
            with contextlib.suppress(httpx2.HTTPError):
                for _ in chunks:
                    pass
            yield b"data: [DONE]\n\n"
            return

    def close(self) -> None:
        self._body.close()


def _addresses(
    host: str, port: int, line: Line | None, deadline: float
) -> list[tuple[socket.AddressFamily, Any]]:
    try:
        found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    except OSError:
        found = _look_up(host, port, line, deadline)
    return [(family, address) for family, _, _, _, address in found]


def _look_up(host: str, port: int, line: Line | None, deadline: float) -> list[Any]:
    found: list[Any] = []
    failed: list[OSError] = []
    finished = threading.Event()

    def run() -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
        except OSError as error:
            failed.append(error)
        finally:
            finished.set()

    threading.Thread(target=run, name="offhook-openai-lookup", daemon=True).start()
    while not finished.wait(_STEP_SECONDS):
        _check(line, deadline)
    if failed:
        raise httpcore2.ConnectError(str(failed[0]))
    return found


def _connect(
    family: socket.AddressFamily, address: Any, line: Line | None, deadline: float
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.connect_ex(address)
        while not _ready(sock.fileno(), select.POLLOUT, _STEP_SECONDS):
            _check(line, deadline)
        if error := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, "cannot connect")
        sock.setblocking(True)
    except BaseException:
        sock.close()
        raise
    return sock


def _check(line: Line | None, deadline: float) -> None:
    if line is not None and line.cancelled:
        raise httpcore2.ConnectError("cancelled")
    if time.monotonic() > deadline:
        raise httpcore2.ConnectTimeout("no connection in time")


def _ready(descriptor: int, event: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(seconds * 1000))

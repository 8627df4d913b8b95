"""A server of the chat completions' protocol, on raw sockets so that it can misbehave exactly."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def event(payload: dict[str, Any] | str) -> bytes:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return chunk(f"data: {text}\n\n".encode())


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "model": "m",
        "choices": [{"index": 0, "delta": fields, "finish_reason": finish}],
    }


def answer(*payloads: dict[str, Any] | str) -> bytes:
    """A whole, correct response."""
    return HEAD + b"".join(event(p) for p in payloads) + event("[DONE]") + END


def refusal(status: int, error: dict[str, Any] | None = None, headers: str = "") -> bytes:
    body = json.dumps({"error": error or {"message": "no"}}).encode()
    return (
        f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{headers}"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


Script = Callable[["Connection"], None]


@dataclass
class Connection:
    """What a script may do with one request's connection."""

    socket: socket.socket
    server: ChatServer
    keep: bool = True

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def silence(self) -> None:
        """Say nothing until the client breaks off (or the test ends)."""
        self.server.silent.release()
        self.socket.settimeout(30)
        with contextlib.suppress(OSError):
            while self.socket.recv(4096):
                pass
        self.server.broken_off.release()
        self.keep = False

    def drop(self) -> None:
        """Close without a word more, mid-sentence."""
        self.keep = False


def always(data: bytes) -> Script:
    return lambda connection: connection.send(data)


@dataclass
class ChatServer:
    """Answers the n-th request with the n-th script, further ones with the last."""

    scripts: list[Script]
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    connections: int = 0
    silent: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    broken_off: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __enter__(self) -> ChatServer:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, name="chat-server")]
        self._open: list[socket.socket] = []
        self._threads[0].start()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        for sock in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()
        for sock in self._open:
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,), name="chat-connection")
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            while self._serve_one(sock):
                pass
        except OSError:
            pass
        finally:
            sock.close()

    def _serve_one(self, sock: socket.socket) -> bool:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = sock.recv(65536)
            if not piece:
                return False
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        length = next(int(h.split(":")[1]) for h in lines if h.lower().startswith("content-length"))
        while len(body) < length:
            body += sock.recv(65536)
        self.headers.append(head.decode())
        self.requests.append(json.loads(body))
        connection = Connection(sock, self)
        self.scripts[min(len(self.requests), len(self.scripts)) - 1](connection)
        return connection.keep


def send_each(pieces: Iterable[bytes]) -> Script:
    def run(connection: Connection) -> None:
        for piece in pieces:
            connection.send(piece)

    return run

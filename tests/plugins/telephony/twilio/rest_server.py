"""A Twilio REST API on loopback that answers, refuses or fails as a test tells it to."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

CALL = "CA" + "1" * 32


@dataclass
class Received:
    path: str
    authorization: str
    form: list[tuple[str, str]]
    peer: tuple[str, int]

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.form if key == name]


def twilio_error(status: int, code: int, message: str) -> tuple[int, str]:
    """An error body as Twilio writes it."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    body = {"code": code, "message": message, "more_info": more, "status": status}
    return status, json.dumps(body)


class RestServer:
    """``answer`` is what the next requests get; None: the connection is cut without a word."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: tuple[int, str] | None = (201, json.dumps({"sid": CALL, "status": "queued"}))
        self.hold = threading.Event()  # set: requests are answered; clear: they wait for it
        self.hold.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="rest-server"
        )
        self._thread.start()

    def close(self) -> None:
        self.hold.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        rest = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                rest.received.append(
                    Received(
                        self.path,
                        self.headers.get("Authorization", ""),
                        parse_qsl(body, keep_blank_values=True),
                        self.client_address,
                    )
                )
                rest.hold.wait(20)
                self.close_connection = True
                if rest.answer is None:
                    return
                status, text = rest.answer
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def handle(self) -> None:
                with suppress(ConnectionError):  # a test's client may give up on us
                    super().handle()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler

"""A minimal engine: webhooks over HTTP and a media socket, on two ports of loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from offhook.errors import WebhookRefused
from offhook.events import CarrierEvent, IncomingCall
from offhook.providers import AnswerOrder, MediaCodec, WebhookReply, WebhookRequest
from offhook_telephony_simulated import read_webhook
from offhook_telephony_simulated.server import SimulatedTelephony

KEY = "a shared key"
Agent = Callable[[ServerConnection, MediaCodec], None]


class Engine:
    """``agent`` talks on each media socket, from the start message on; ``messages`` is what came
    in, ``events`` what the webhooks said. ``reply`` replaces the answer to a ringing call."""

    def __init__(self, data: Path) -> None:
        self.telephony = SimulatedTelephony(KEY, data)
        self.agent: Agent = lambda connection, codec: None
        self.reply: WebhookReply | None = None
        self.stream_status = 101
        self.answer_status_with = 200
        self.messages: list[str | bytes] = []
        self.events: list[CarrierEvent] = []
        self.forms: list[dict[str, str]] = []
        self.refused: list[str] = []
        self.closed: list[int] = []
        self.changed = threading.Condition()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._webhooks())
        self._media = serve(
            self._talk,
            "127.0.0.1",
            0,
            process_request=self._handshake,
            compression=None,
            ping_interval=None,
        )
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.media_url = f"ws://127.0.0.1:{self._media.socket.getsockname()[1]}/media/token"
        self._threads = [
            threading.Thread(target=self._http.serve_forever, args=(0.02,), name="engine-http"),
            threading.Thread(target=self._media.serve_forever, name="engine-media"),
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._media.shutdown()
        for thread in self._threads:
            thread.join()
        self._http.server_close()

    def texts_all(self) -> list[dict[str, Any]]:
        """The messages so far, parsed."""
        with self.changed:
            return [json.loads(text) for text in self.messages if isinstance(text, str)]

    def texts(self, event: str) -> list[dict[str, Any]]:
        """The messages of one kind so far, parsed."""
        return [message for message in self.texts_all() if message["event"] == event]

    def wait(self, condition: Callable[[], Any]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, 10), "the engine waited in vain"

    def _note(self, where: list[Any], what: Any) -> None:
        with self.changed:
            where.append(what)
            self.changed.notify_all()

    # ---- media ----------------------------------------------------------------------------------

    def _handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        if self.stream_status != 101:
            return connection.respond(HTTPStatus(self.stream_status), "no")
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        url = self.media_url.removesuffix("/media/token") + request.path
        self.telephony.verify_stream(WebhookRequest("GET", url, headers))
        return None

    def _talk(self, connection: ServerConnection) -> None:
        codec = self.telephony.codec()
        try:
            for message in connection:
                self._note(self.messages, message)
                if isinstance(message, str) and message.startswith('{"event":"start"'):
                    codec.decode(message)
                    break
            self.agent(connection, codec)
            for message in connection:
                self._note(self.messages, message)
        except ConnectionClosed:
            pass
        self._note(self.closed, connection.close_code)

    # ---- webhooks -------------------------------------------------------------------------------

    def _answer(self, request: WebhookRequest) -> WebhookReply:
        try:
            self.telephony.verify_webhook(request)
        except WebhookRefused as refusal:
            self._note(self.refused, str(refusal))
            return WebhookReply(str(refusal), status=refusal.status)
        event = read_webhook(request)
        self._note(self.forms, dict(request.form))
        self._note(self.events, event)
        if not isinstance(event, IncomingCall):
            return WebhookReply(status=self.answer_status_with)
        order = AnswerOrder(event.carrier_call_id, self.media_url, f"{self.url}/stream-status")
        return self.reply or self.telephony.answer(order)

    def _webhooks(self) -> type[BaseHTTPRequestHandler]:
        engine = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                headers = {name.lower(): value for name, value in self.headers.items()}
                form = tuple(parse_qsl(body, keep_blank_values=True))
                request = WebhookRequest("POST", engine.url + self.path, headers, form)
                reply = engine._answer(request)
                self.send_response(reply.status)
                self.send_header("Content-Length", str(len(reply.body.encode())))
                self.end_headers()
                self.wfile.write(reply.body.encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler

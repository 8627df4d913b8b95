"""How the carrier reaches the engine: signed form posts, and the media socket's handshake."""

from __future__ import annotations

import http.client
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from websockets.sync.client import ClientConnection, connect

from offhook_telephony_simulated.signing import HEADER, sign

Form = tuple[tuple[str, str], ...]

_AGENT = "offhook-simulated-carrier"
_HTTP_SECONDS = 15.0  # Twilio's own limit for a webhook
_MOST_CALLBACKS = 4096


class Network:
    """Signs with ``key``. ``connect_to`` is the http(s) root that really gets the connections,
    where it is not the one that the URLs name. Any thread."""

    def __init__(self, key: str, connect_to: str = "") -> None:
        self._key = key
        self._connect_to = connect_to

    def post(self, url: str, form: Form) -> tuple[int, str]:
        """POST a form; the answer's status and text. Raises OSError or HTTPException."""
        target = urlsplit(self._through(url))
        kind = http.client.HTTPSConnection if target.scheme == "https" else _PlainConnection
        connection = kind(target.netloc, timeout=_HTTP_SECONDS)
        try:
            path = target._replace(scheme="", netloc="", fragment="").geturl() or "/"
            headers = {
                "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
                "User-Agent": _AGENT,
                HEADER: sign(self._key, url, form),
            }
            connection.request("POST", path, urlencode(form), headers)
            response = connection.getresponse()
            return response.status, response.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def open_stream(self, url: str, name: str) -> ClientConnection:
        """Open a media socket; ``name`` names its reading thread.

        Raises OSError or websockets' InvalidHandshake.
        """
        socket = connect(
            self._through(url),
            additional_headers={HEADER: sign(self._key, url)},
            user_agent_header=_AGENT,
            compression=None,
            proxy=None,
            open_timeout=_HTTP_SECONDS,
            ping_interval=None,  # it would cost a third thread per call
            close_timeout=2,
            max_queue=1024,
        )
        socket.recv_events_thread.name = name
        return socket

    def _through(self, url: str) -> str:
        if not self._connect_to:
            return url
        parts, to = urlsplit(url), urlsplit(self._connect_to)
        scheme = to.scheme
        if parts.scheme in ("ws", "wss"):
            scheme = "wss" if to.scheme == "https" else "ws"
        return parts._replace(scheme=scheme, netloc=to.netloc).geturl()


_PlainConnection = http.client.HTTPConnection


@dataclass(frozen=True, slots=True)
class Callback:
    """A status report; ``failed`` is told a sentence if the engine does not take it."""

    url: str
    form: Form
    failed: Callable[[str], None]


class Callbacks:
    """Posts status callbacks in order on one thread, so that no call waits for the engine."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._queue: queue.Queue[Callback | None] = queue.Queue(_MOST_CALLBACKS)
        self._thread = threading.Thread(
            target=self._run, name="offhook-carrier-callbacks", daemon=True
        )
        self._thread.start()

    def post(self, callback: Callback) -> None:
        """Post it when its turn comes; any thread, returns at once."""
        try:
            self._queue.put_nowait(callback)
        except queue.Full:
            callback.failed(f"{callback.url}: dropped, the engine takes callbacks too slowly")

    def close(self, timeout: float) -> None:
        """Post what is queued, for ``timeout`` seconds at most."""
        self._queue.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while (callback := self._queue.get()) is not None:
            try:
                status, _ = self._network.post(callback.url, callback.form)
            except (OSError, http.client.HTTPException) as error:
                callback.failed(f"{callback.url}: {error}")
            else:
                if status >= 400:
                    callback.failed(f"{callback.url}: answered with status {status}")

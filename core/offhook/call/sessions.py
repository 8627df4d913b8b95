"""The live sessions of a process, and the reaper that closes what was left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Protocol

import structlog

from offhook.errors import CallRefused
from offhook.events import CallEnded, CallInfo
from offhook.store.calls import CallStore, Node

log = structlog.get_logger(__name__)

KEPT_SECONDS = 10.0
_EVERY_SECONDS = 2.0
_ORPHAN_SECONDS = 20.0


class Live(Protocol):
    """A session as the table and the reaper see it."""

    @property
    def call(self) -> CallInfo: ...

    def left_behind(self) -> CallEnded | None:
        """Why the session must be closed by the reaper, or None."""

    def end(self, reason: str, detail: str = "") -> None:
        """End the call soon, in order."""

    def abandon(self, reason: str, detail: str = "") -> None:
        """End the call without its handler thread."""

    def drain(self) -> None:
        """Say goodbye and end the call."""


class Sessions:
    """Who is on the line, and who is about to be. *Any thread.*

    ``capacity`` bounds the calls of this process. A call is admitted when its webhook is answered
    and has its place kept until its socket opens. A socket whose webhook another worker answered
    (they share one port) may go a tenth above the bound rather than cut off a caller.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._lock = threading.Lock()
        self._live: dict[str, Live] = {}
        self._kept: dict[str, float] = {}  # carrier's call id -> until when
        self._draining = False

    @property
    def draining(self) -> bool:
        """No new call is taken."""
        return self._draining

    def __len__(self) -> int:
        return len(self._live)

    def __iter__(self) -> Iterator[Live]:
        with self._lock:
            return iter(list(self._live.values()))

    def expected(self) -> int:
        """Calls on the line, and admitted ones whose socket is still to open."""
        with self._lock:
            return len(self._live) + len(self._still_kept())

    def admit(self, carrier_call_id: str) -> None:
        """Keep a place for a call that rings. Raises CallRefused if there is none."""
        with self._lock:
            if self._draining:
                raise CallRefused("this node is going down and takes no new call")
            kept = self._still_kept()
            if len(self._live) + len(kept) >= self.capacity and carrier_call_id not in kept:
                raise CallRefused(f"this node is full with {self.capacity} calls")
            kept[carrier_call_id] = time.monotonic() + KEPT_SECONDS

    def add(self, session: Live) -> None:
        """The call's socket opens. Raises CallRefused if there is no room for one more."""
        with self._lock:
            kept = self._still_kept().pop(session.call.carrier_call_id, None)
            if kept is None and self._draining:
                raise CallRefused("this node is going down and takes no new call")
            if kept is None and len(self._live) >= self.capacity * 1.1:
                raise CallRefused(f"this node is full with {len(self._live)} calls")
            self._live[session.call.call_id] = session

    def remove(self, session: Live) -> None:
        with self._lock:
            self._live.pop(session.call.call_id, None)

    def drain(self) -> None:
        """Admit no call from now on."""
        self._draining = True

    def _still_kept(self) -> dict[str, float]:
        now = time.monotonic()
        for call_id in [call_id for call_id, until in self._kept.items() if until < now]:
            del self._kept[call_id]
        return self._kept


class Reaper(threading.Thread):
    """One thread per process, ``offhook-reaper``: sends the node's heartbeat, closes sessions
    whose start never came or whose line or thread is gone, and settles the rows of dead nodes."""

    def __init__(self, sessions: Sessions, store: CallStore, node: Node) -> None:
        super().__init__(name="offhook-reaper", daemon=True)
        self._sessions = sessions
        self._store = store
        self._node = node
        self._stop_event = threading.Event()

    def run(self) -> None:
        while True:
            try:
                self.look()
            except Exception:
                log.exception("reaper.failed")
            if self._stop_event.wait(_EVERY_SECONDS):
                return

    def look(self) -> None:
        """One round."""
        self._store.heartbeat(self._node)
        for session in self._sessions:
            reason = session.left_behind()
            if reason is not None:
                log.warning("reaper.closed", call_id=session.call.call_id, reason=reason.reason)
                session.abandon(reason.reason, reason.detail)
        for call_id in self._store.settle_orphans(_ORPHAN_SECONDS):
            log.warning("reaper.settled", call_id=call_id)

    def stop(self, seconds: float = 5.0) -> None:
        self._stop_event.set()
        self.join(seconds)

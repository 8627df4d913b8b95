"""The live sessions of a process, and the reaper that closes what was left behind."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from offhook.errors import CallRefused
from offhook.store.calls import CallStore, Node

if TYPE_CHECKING:
    from offhook.call.session import Session

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 2.0
_ORPHAN_SECONDS = 20.0


class Sessions:
    """Who is on the line. *Any thread.* ``capacity`` bounds the calls of this process."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._lock = threading.Lock()
        self._live: dict[str, Session] = {}
        self.draining = False

    def __len__(self) -> int:
        return len(self._live)

    def __iter__(self):  # type: ignore[no-untyped-def]
        with self._lock:
            return iter(list(self._live.values()))

    def check_room(self) -> None:
        """Raise CallRefused if no call can be taken now."""
        if self.draining:
            raise CallRefused("this node is going down and takes no new call")
        if len(self._live) >= self.capacity:
            raise CallRefused(f"this node is full with {self.capacity} calls")

    def add(self, session: Session) -> None:
        """Raises CallRefused if there is no room."""
        with self._lock:
            self.check_room()
            self._live[session.call.call_id] = session

    def remove(self, session: Session) -> None:
        with self._lock:
            self._live.pop(session.call.call_id, None)

    def drain(self) -> None:
        """Take no new call from now on."""
        self.draining = True


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

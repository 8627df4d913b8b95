"""One thread that writes for all calls, so that no call's thread ever waits for the disk."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from offhook.events import CallEnded, Turn
from offhook.store import writes
from offhook.store.calls import CallStore
from offhook.store.writes import Write

log = structlog.get_logger(__name__)

_BATCH = 500  # bounds how long one transaction holds SQLite's write lock
_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class _Entry:
    what: str
    call_id: str
    write: Write


class StoreWriter:
    """Starts, turns and ends of all calls of this process, committed in groups.

    Everything submitted within ``linger_s`` shares one transaction. A database that fails is
    retried with growing pauses, in order, for as long as the process lives; a write that the
    database refuses for what it is gets logged and dropped, alone.

    Policy when ``capacity`` entries wait (only while the database is away): starts and ends are
    still taken, turns are dropped with an error in the log. No method but ``flush`` and ``close``
    ever waits.

    The submitting methods may be called on *any thread*. The writing thread is called
    ``offhook-store``.
    """

    def __init__(self, store: CallStore, *, capacity: int = 10_000, linger_s: float = 0.25) -> None:
        self._store = store
        self._capacity = capacity
        self._linger_s = linger_s
        self._entries: deque[_Entry] = deque()
        self._changed = threading.Condition()
        self._submitted = 0
        self._settled = 0
        self._flushing = 0
        self._closing = False
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, name="offhook-store", daemon=True)
        self._thread.start()

    def start(self, call_id: str, config_hash: str | None = None, recording: str = "") -> None:
        """The call's audio flows, since now, under that configuration, recorded to that path."""
        write = writes.start(call_id, self._store.clock(), config_hash, recording)
        self._submit(_Entry("start", call_id, write))

    def add_turn(self, call_id: str, turn: Turn) -> None:
        """Store a turn; one of the same index is replaced."""
        self._submit(_Entry("turn", call_id, writes.add_turn(call_id, turn)))

    def end(self, call_id: str, ended: CallEnded) -> None:
        """The call is over, since now; only the first end counts."""
        self._submit(_Entry("end", call_id, writes.end(call_id, ended, self._store.clock())))

    def submit(self, call_id: str, write: Write) -> None:
        """Any other change that belongs to a call; never dropped for lack of room."""
        self._submit(_Entry("write", call_id, write))

    def flush(self, timeout: float) -> bool:
        """Wait until all that was submitted so far is in the database; False if it took longer."""
        with self._changed:
            target = self._submitted
            self._flushing += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(lambda: self._settled >= target, timeout)
            finally:
                self._flushing -= 1

    def close(self, timeout: float) -> bool:
        """Write what is left and end the thread; False, with an error logged, if time ran out.

        What is submitted afterwards is logged and lost: close the calls first.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._settled >= self._submitted, timeout)
            self._abandoned = True
            self._changed.notify_all()
            lost = self._submitted - self._settled
        if lost:
            log.error("store.lost", writes=lost, reason="the database did not answer in time")
            return False
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _submit(self, entry: _Entry) -> None:
        with self._changed:
            if self._closing:
                lost = "the writer is closed"
            elif entry.what == "turn" and len(self._entries) >= self._capacity:
                lost = "too much waits for the database"
            else:
                self._entries.append(entry)
                self._submitted += 1
                if len(self._entries) == 1:
                    self._changed.notify_all()
                return
        log.error("store.lost", write=entry.what, call_id=entry.call_id, reason=lost)

    def _run(self) -> None:
        while batch := self._take():
            self._commit(batch)

    def _take(self) -> list[_Entry]:
        """The next group to write; empty when there is nothing left to do, ever."""
        with self._changed:
            self._changed.wait_for(lambda: self._entries or self._closing)
            self._changed.wait_for(lambda: self._flushing or self._closing, self._linger_s)
            if self._abandoned:
                return []
            size = min(len(self._entries), _BATCH)
            return [self._entries.popleft() for _ in range(size)]

    def _commit(self, batch: list[_Entry]) -> None:
        together = len(batch)
        wait = _FIRST_WAIT_S
        while batch:
            group = batch[:together]
            try:
                self._store.apply([entry.write for entry in group])
            except Exception as error:
                if _passes(error):
                    log.warning("store.retry", error=_first_line(error), waiting=len(batch))
                    if not self._pause(wait):
                        return
                    wait = min(2 * wait, _LONGEST_WAIT_S)
                    continue
                if len(group) > 1:
                    together = 1  # one of them is refused: part it from the others
                    continue
                (entry,) = group
                log.error(
                    "store.lost",
                    write=entry.what,
                    call_id=entry.call_id,
                    reason=_first_line(error),
                )
            del batch[: len(group)]
            wait = _FIRST_WAIT_S
            with self._changed:
                self._settled += len(group)
                self._changed.notify_all()

    def _pause(self, seconds: float) -> bool:
        """Wait before another try; False if there is none because time ran out."""
        with self._changed:
            if not self._closing:
                self._changed.wait_for(lambda: self._closing, seconds)
            else:  # little time is left: try often
                self._changed.wait_for(lambda: self._abandoned, _FIRST_WAIT_S)
            return not self._abandoned


def _passes(error: Exception) -> bool:
    """Whether the same write may succeed later: it is the database that fails, not the write."""
    if isinstance(error, OperationalError | InterfaceError | PoolTimeout):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]

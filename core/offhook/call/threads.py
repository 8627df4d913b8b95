"""The base of every thread of a call: named, stoppable, joined with a deadline, never silent."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


class CallThread(threading.Thread, ABC):
    """A daemon thread called ``offhook-<role>-<call id>`` with one readable ``work`` method.

    An exception that leaves ``work`` is logged and handed to ``on_crash``, on this thread; it
    never goes further.
    """

    def __init__(
        self, role: str, call_id: str, on_crash: Callable[[str, Exception], None] | None = None
    ) -> None:
        super().__init__(name=f"offhook-{role}-{call_id}", daemon=True)
        self.role = role
        self.call_id = call_id
        self._on_crash = on_crash

    @abstractmethod
    def work(self) -> None:
        """What the thread does; returns when done or told to stop."""

    @abstractmethod
    def stop(self) -> None:
        """Ask the thread to end soon. *Any thread*, returns at once."""

    def run(self) -> None:
        try:
            self.work()
        except Exception as error:
            log.exception("thread.crashed", role=self.role, call_id=self.call_id)
            if self._on_crash is not None:
                self._on_crash(self.role, error)


def join_all(threads: list[threading.Thread], seconds: float) -> list[threading.Thread]:
    """Join threads with one common deadline; return those that are still alive."""
    deadline = time.monotonic() + seconds
    current = threading.current_thread()
    for thread in threads:
        if thread is not current and thread.ident is not None:
            thread.join(max(0.0, deadline - time.monotonic()))
    return [t for t in threads if t is not current and t.is_alive()]

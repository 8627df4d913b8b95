"""Tells plugins what happens in calls, on threads of their own: no observer can harm a call."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import structlog

from offhook.events import CallEnded, CallInfo, Turn
from offhook.registry import Registry

log = structlog.get_logger(__name__)

_CAPACITY = 1000
_HOOKS = ("offhook_call_started", "offhook_turn_finished", "offhook_call_ended")
Notice = tuple[str, dict[str, Any]]
"""A hook's name and its arguments."""


class _Observer(threading.Thread):
    """One observer's queue. Policy when 1,000 notices wait: the new one is dropped and counted."""

    def __init__(self, name: str, deliver: Callable[[Notice], None]) -> None:
        super().__init__(name=f"offhook-observer-{name}", daemon=True)
        self._deliver = deliver
        self._queue: queue.Queue[Notice | None] = queue.Queue(_CAPACITY)
        self.dropped = 0
        self.start()

    def tell(self, notice: Notice) -> None:
        try:
            self._queue.put_nowait(notice)
        except queue.Full:
            self.dropped += 1
            if self.dropped == 1:
                log.warning("observer.behind", thread=self.name)

    def run(self) -> None:
        while (notice := self._queue.get()) is not None:
            try:
                self._deliver(notice)
            except Exception:
                log.exception("observer.failed", thread=self.name, hook=notice[0])

    def close(self, seconds: float) -> None:
        try:
            self._queue.put(None, timeout=seconds)
        except queue.Full:
            return  # it hangs; being a daemon it ends with the process
        self.join(seconds)


class Observers:
    """All observers of this process. The methods may be called on *any thread*, never wait."""

    def __init__(self, registry: Registry) -> None:
        callers: dict[str, dict[str, Any]] = {}
        for hook in _HOOKS:
            for plugin, caller in registry.each(hook):
                callers.setdefault(plugin.entry_point, {})[hook] = caller
        self._observers = [
            _Observer(name, lambda notice, hooks=hooks: _deliver(hooks, notice))  # type: ignore[misc]
            for name, hooks in callers.items()
        ]
        self._lock = threading.Lock()

    def subscribe(self, name: str, callback: Callable[[Notice], None]) -> None:
        """Tell a function of this process as well, as if it were a plugin."""
        with self._lock:
            self._observers = [*self._observers, _Observer(name, callback)]

    def call_started(self, call: CallInfo) -> None:
        self._tell("offhook_call_started", call=call)

    def turn_finished(self, call: CallInfo, turn: Turn) -> None:
        self._tell("offhook_turn_finished", call=call, turn=turn)

    def call_ended(self, call: CallInfo, ended: CallEnded) -> None:
        self._tell("offhook_call_ended", call=call, ended=ended)

    def close(self, seconds: float = 1.0) -> None:
        """Deliver what waits, for ``seconds`` at most per observer, and end the threads."""
        for observer in self._observers:
            observer.close(seconds)

    def _tell(self, hook: str, **arguments: Any) -> None:
        for observer in self._observers:
            observer.tell((hook, arguments))


def _deliver(hooks: dict[str, Any], notice: Notice) -> None:
    hook, arguments = notice
    if hook in hooks:
        hooks[hook](**arguments)

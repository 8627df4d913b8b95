"""The plugins of one kind that a business names: one serves the call, the next steps in for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

import structlog

from offhook.errors import ProviderUnavailable

log = structlog.get_logger(__name__)


class _Closable(Protocol):
    def close(self) -> None: ...


P = TypeVar("P", bound=_Closable)


class ProviderChain(Generic[P]):
    """Makes a call's provider when it is first needed. *Any thread.*

    ``create`` gets a plugin's name and may return None ("not for this call"). No lock is held
    while it works.
    """

    def __init__(self, kind: str, names: Sequence[str], create: Callable[[str], P | None]) -> None:
        self._kind = kind
        self._names = names
        self._create = create
        self._lock = threading.Lock()
        self._index = 0
        self._current: tuple[str, P] | None = None
        self._closed = False

    @property
    def names(self) -> Sequence[str]:
        """The plugins in the order in which they step in."""
        return self._names

    @property
    def name(self) -> str:
        """The plugin that serves now."""
        return self._names[self._index]

    def get(self) -> P:
        """The provider that serves now. Raises ProviderError if none can."""
        _, provider = self.get_named()
        return provider

    def get_named(self) -> tuple[str, P]:
        """The same with its plugin's name, which ``name`` may have left behind by now."""
        while True:
            with self._lock:
                if self._closed:
                    raise ProviderUnavailable(self.name, "the call is over")
                if self._current is not None:
                    return self._current
                index = self._index
            name = self._names[index]
            made = self._create(name)
            with self._lock:
                wanted = index == self._index and self._current is None and not self._closed
                if made is not None and wanted:
                    self._current = name, made
                    return self._current
                if made is None and index == self._index:
                    if index + 1 >= len(self._names):
                        raise ProviderUnavailable(name, f"no {self._kind} serves this call")
                    self._index += 1
            if made is not None:  # somebody else was faster, or the call ended meanwhile
                self._close(made)

    def replace(self) -> None:
        """Give up the current provider: the next of the list serves, or the last one anew."""
        with self._lock:
            old, self._current = self._current, None
            self._index = min(self._index + 1, len(self._names) - 1)
        if old is not None:
            self._close(old[1])

    def close(self) -> None:
        """The call is over."""
        with self._lock:
            self._closed = True
            old, self._current = self._current, None
        if old is not None:
            self._close(old[1])

    def _close(self, provider: P) -> None:
        try:
            provider.close()
        except Exception:
            log.exception("provider.close_failed", kind=self._kind)

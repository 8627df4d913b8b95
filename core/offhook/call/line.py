"""The line to the caller as the call's threads see it, and the call's clock."""

from __future__ import annotations

import time
from typing import Protocol


class Line(Protocol):
    """The socket to the carrier. All methods: *any thread*, at once, never raise."""

    def send(self, message: str) -> None:
        """Queue a text frame. A peer that does not read is cut off once 256 frames wait."""

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the socket after what is queued."""


class CallClock:
    """Milliseconds since the media stream started, on the monotonic clock.

    It never jumps once audio flows: the pace of what is sent hangs on it.
    """

    def __init__(self) -> None:
        self._zero = time.monotonic()

    def restart(self) -> None:
        """The stream starts now."""
        self._zero = time.monotonic()

    def now(self) -> float:
        return (time.monotonic() - self._zero) * 1000

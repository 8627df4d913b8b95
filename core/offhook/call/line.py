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
    """Milliseconds since the first sample of the stream, on the monotonic clock.

    Aligned by the first audio frame, so that a media timestamp and ``now`` mean the same.
    """

    def __init__(self) -> None:
        self._zero = time.monotonic()

    def align(self, media_ms: float) -> None:
        """What the stream calls ``media_ms`` is now."""
        self._zero = time.monotonic() - media_ms / 1000

    def now(self) -> float:
        return (time.monotonic() - self._zero) * 1000

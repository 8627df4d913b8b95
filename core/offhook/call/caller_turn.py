"""The caller's side of the floor: what was said, and when the turn is over."""

from __future__ import annotations

from dataclasses import dataclass, field

_KEYS = "[pressed "


@dataclass(slots=True)
class CallerTurn:
    """The caller's words since the last turn was taken up.

    ``finals_due`` counts flushes that the recognizer has not answered yet; ``heard_at`` is when
    the recognizer was last heard of.
    """

    endpoint_ms: float
    final_timeout_ms: float
    speaking: bool = False
    start_ms: float | None = None
    end_ms: float | None = None
    finals: list[str] = field(default_factory=list)
    partial: str = ""
    finals_due: int = 0
    ended_by_recognizer: bool = False
    transcript_at: float | None = None
    heard_at: float = 0.0
    _flushed_at: float = 0.0

    def spoke(self, at_ms: float) -> None:
        """Speech began at ``at_ms``."""
        self.speaking = True
        self.ended_by_recognizer = False
        self.heard_at = max(self.heard_at, at_ms)
        if self.start_ms is None:
            self.start_ms = at_ms

    def paused(self, at_ms: float) -> None:
        """Speech paused at ``at_ms``."""
        self.speaking = False
        self.end_ms = at_ms

    def flushed(self, now: float) -> None:
        """The recognizer was asked for a final."""
        self.finals_due += 1
        self._flushed_at = now

    def seems(self, text: str, now: float) -> None:
        """A partial came."""
        self.partial = text.strip()
        self.heard_at = now

    def final(self, text: str, now: float) -> None:
        """A final came."""
        self.finals_due = max(self.finals_due - 1, 0)
        self.partial = ""
        self.transcript_at = self.heard_at = now
        if text.strip():
            self.finals.append(text.strip())

    def keep_partial(self, now: float) -> None:
        """No final will come: the last partial is the best there is."""
        if self.partial:
            self.finals.append(self.partial)
            self.partial = ""
            self.transcript_at = now
        self.finals_due = 0

    def press(self, digit: str, now: float) -> None:
        """A key was pressed; keys in a row become one entry."""
        self.transcript_at = now
        if self.finals and self.finals[-1].startswith(_KEYS):
            self.finals[-1] = f"{self.finals[-1][:-1]}{digit}]"
        else:
            self.finals.append(f"{_KEYS}{digit}]")

    @property
    def text(self) -> str:
        return " ".join(self.finals)

    @property
    def open(self) -> bool:
        """Something was said (or is being said) that no reply has taken up yet."""
        return self.speaking or self.end_ms is not None or bool(self.finals)

    def deadline(self) -> float | None:
        """When the turn is over, or with a final due, when the recognizer has stalled.

        None while the caller speaks, and before they have.
        """
        if self.speaking or not self.open:
            return None
        if self.finals_due:
            return self._flushed_at + self.final_timeout_ms
        # Words without a pause (a late final, a key pressed) count from when they came.
        since = self.end_ms if self.end_ms is not None else (self.transcript_at or 0.0)
        if self.ended_by_recognizer:
            return since
        if self.finals and self.finals[-1].startswith(_KEYS):
            since = max(since, self.transcript_at or 0.0)
        return since + self.endpoint_ms

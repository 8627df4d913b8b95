"""The caller's side of the floor: what was said, and whether the turn is over."""

from __future__ import annotations

from dataclasses import dataclass, field

_KEYS = "[pressed "


@dataclass(slots=True)
class CallerTurn:
    """The caller's words since the last turn was taken up.

    ``finals_due`` counts flushes that the recognizer has not answered yet. A turn ``is_over`` when
    the silence after it is long enough (or the recognizer says so) and no final is due.
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

    def spoke(self, at_ms: float) -> None:
        self.speaking = True
        self.ended_by_recognizer = False
        if self.start_ms is None:
            self.start_ms = at_ms

    def paused(self, at_ms: float) -> None:
        self.speaking = False
        self.end_ms = at_ms

    def final(self, text: str, now: float) -> None:
        text = text.strip()
        self.finals_due = max(self.finals_due - 1, 0)
        self.partial = ""
        self.transcript_at = now
        if text:
            self.finals.append(text)

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
        """When ``is_over`` or ``recognizer_stalled`` may next become true."""
        if self.speaking or not self.open:
            return None
        # The recognizer knows better than the silence whether the caller is done.
        endpoint = (self.end_ms or 0.0) if self.ended_by_recognizer else self._endpoint()
        return endpoint if not self.finals_due else max(endpoint, self._final_deadline())

    def is_over(self, now: float) -> bool:
        if self.speaking or not self.open or self.finals_due:
            return False
        return self.ended_by_recognizer or now >= self._endpoint()

    def recognizer_stalled(self, now: float) -> bool:
        """The final is overdue."""
        return (
            self.open
            and not self.speaking
            and bool(self.finals_due)
            and now >= max(self._endpoint(), self._final_deadline())
        )

    def _endpoint(self) -> float:
        # Words without a pause (a late final, a key pressed) count from when they came.
        since = self.end_ms if self.end_ms is not None else (self.transcript_at or 0.0)
        if self.finals and self.finals[-1].startswith(_KEYS):
            since = max(since, self.transcript_at or 0.0)
        return since + self.endpoint_ms

    def _final_deadline(self) -> float:
        return (self.end_ms or 0.0) + self.final_timeout_ms

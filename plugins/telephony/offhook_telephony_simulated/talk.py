"""What a call's script and its thread share."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field

from offhook_telephony_simulated.handset import Handset


@dataclass(frozen=True, slots=True)
class CallEvent:
    """Something that happened ``at_ms`` after the stream's start.

    Kinds: ``caller-speaks``, ``caller-done`` (what was given to ``say``); ``agent-audio`` (audio
    arrived while none was queued); ``clear``; ``mark`` (detail: its name, as it arrived);
    ``tone`` (detail: the key the agent pressed); ``invalid`` (detail: what Twilio would object
    to); ``callback-failed``.
    """

    at_ms: float
    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the call ended, as the carrier sees it.

    Reasons: ``caller-hung-up``; ``agent-hung-up`` (the engine closed the socket normally, or
    ordered it); ``transferred`` (detail: the number); ``stream-broken`` (it closed with another
    code, 1006 for a connection that was cut); ``carrier-failed`` (a fault in the simulation).
    """

    reason: str
    detail: str = ""
    close_code: int = 1000
    duration_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Moment:
    """The call ``at_ms`` after the stream's start: whether the caller speaks, and the agent."""

    at_ms: int
    caller_speaks: bool
    agent_speaks: bool


@dataclass(slots=True)
class Talk:
    """Guarded by ``changed``, which is notified of every change."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    handset: Handset = field(default_factory=Handset)
    events: list[CallEvent] = field(default_factory=list)
    keys: deque[str] = field(default_factory=deque)
    hanging_up: bool = False
    ended: Ended | None = None
    lag_ms: float = 0.0
    begun: float = field(default_factory=time.monotonic)

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds since the stream's start."""
        return (time.monotonic() - self.begun) * 1000

    def note(self, kind: str, detail: str = "") -> None:
        """Record an event that happens now. Any thread."""
        with self.changed:
            self.events.append(CallEvent(self.elapsed_ms, kind, detail))
            self.changed.notify_all()

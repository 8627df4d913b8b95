"""What the tests of a call's threads share: a plain codec, and an ear for what threads tell."""

from __future__ import annotations

import threading
from typing import TypeVar

from offhook.call.signals import Input
from offhook.events import CallInfo, StreamEvent

CALL = CallInfo("c1", "bistro", "fake", "CA1", "+14155550123", "+14155550100")
T = TypeVar("T", bound=Input)


class PlainCodec:
    """A media protocol that can be read."""

    def decode(self, message: str) -> StreamEvent | None:
        return None

    def encode_audio(self, payload: bytes) -> str:
        return f"audio {len(payload)} {payload[:1].hex()}"

    def encode_mark(self, name: str) -> str:
        return f"mark {name}"

    def encode_clear(self) -> str:
        return "clear"

    def encode_dtmf(self, digit: str) -> str | None:
        return f"dtmf {digit}"


class Told:
    """Keeps what was told; ``wait`` waits for something of a kind."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.signals: list[Input] = []

    def __call__(self, signal: Input) -> None:
        with self._changed:
            self.signals.append(signal)
            self._changed.notify_all()

    def all(self, kind: type[T]) -> list[T]:
        with self._changed:
            return [signal for signal in self.signals if isinstance(signal, kind)]

    def wait(self, kind: type[T], count: int = 1, seconds: float = 10.0) -> T:
        """The last of so many signals of a kind, once they are there."""

        def found() -> list[T]:
            return [signal for signal in self.signals if isinstance(signal, kind)]

        with self._changed:
            if not self._changed.wait_for(lambda: len(found()) >= count, seconds):
                raise TimeoutError(f"no {kind.__name__} among {self.signals}")
            return found()[count - 1]

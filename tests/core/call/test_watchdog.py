"""The guard that trusts neither the line nor the handler."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from offhook.call import watchdog as module
from offhook.call.watchdog import AUDIO_LOST_SECONDS, STUCK_SECONDS, Pulse, Watchdog


class FakePulse(Pulse):
    """Beats where the test says so."""

    def __init__(self, age: float = 0.0) -> None:
        self._age = age
        self.beats = 0

    def beat(self) -> None:
        self.beats += 1
        self._age = 0.0

    @property
    def age(self) -> float:
        return self._age


class Ends:
    """Keeps how the call was ended."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.happened = threading.Event()

    def __call__(self, reason: str, detail: str) -> None:
        self.calls.append((reason, detail))
        self.happened.set()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EVERY_SECONDS", 0.001)


def guard(audio: Pulse, handler: Pulse) -> tuple[Watchdog, Ends, Ends]:
    end, abandon = Ends(), Ends()
    return Watchdog("c1", audio, handler, end, abandon), end, abandon


def test_a_line_without_audio_is_ended_in_order_once() -> None:
    audio = FakePulse(AUDIO_LOST_SECONDS + 1)
    watchdog, end, abandon = guard(audio, FakePulse())
    watchdog.start()
    assert end.happened.wait(10)
    watchdog.stop()
    watchdog.join(10)
    assert end.calls == [("media-lost", "no audio came for 15 s")]
    assert (audio.beats, abandon.calls) == (1, [])


def test_a_stuck_handler_is_given_up_and_the_guard_is_done() -> None:
    watchdog, end, abandon = guard(FakePulse(60), FakePulse(STUCK_SECONDS + 1))
    watchdog.start()
    watchdog.join(10)
    assert not watchdog.is_alive()
    assert abandon.calls == [("stuck", "the call's handler was stuck for 30 s")]
    assert end.calls == []


def test_a_call_that_fares_well_is_left_alone() -> None:
    looked = threading.Semaphore(0)

    class Watched(FakePulse):
        @property
        def age(self) -> float:
            looked.release()
            return AUDIO_LOST_SECONDS

    watchdog, end, abandon = guard(Watched(), FakePulse(STUCK_SECONDS))
    watchdog.start()
    for _ in range(3):
        assert looked.acquire(timeout=10)
    watchdog.stop()
    watchdog.join(10)
    assert not watchdog.is_alive()
    assert (end.calls, abandon.calls) == ([], [])


def test_a_pulse_tells_how_long_ago_it_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [5.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    pulse = Pulse()
    now[0] = 8.0
    assert pulse.age == 3.0
    pulse.beat()
    assert pulse.age == 0.0

"""The ear: connecting in the background, keeping audio meanwhile, failing and being replaced."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from offhook.call.listener import Listener
from offhook.call.provider_chain import ProviderChain
from offhook.call.threads import join_all
from offhook.errors import ProviderUnavailable
from offhook.events import Final, RecognitionEvent, RecognizerFailed
from offhook.providers import SpeechToText
from offhook.testing import FakeRecognizer

from .limbs import Told


class Ear:
    """A listener whose recognizers connect when ``let`` says so."""

    def __init__(self) -> None:
        self.told = Told()
        self.made: list[FakeRecognizer] = []
        self.fails: Exception | None = None
        self.refuses: Exception | None = None
        self.gate = threading.Semaphore(0)
        self.listener = Listener("c1", self._chain, self.told)

    def let(self) -> None:
        """Let one recognizer connect, and wait until it has."""
        self.gate.release()
        assert join_all([*self.listener.threads], 10) == []

    def _chain(self, emit: Callable[[RecognitionEvent], None]) -> ProviderChain[SpeechToText]:
        def create(name: str) -> SpeechToText:
            self.gate.acquire()
            if self.refuses is not None:
                raise self.refuses
            self.made.append(FakeRecognizer(emit, ["yes", "no"], self.fails))
            return self.made[-1]

        return ProviderChain("stt", ("one", "two"), create)


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear()
    ear.listener.start()
    yield ear
    ear.listener.close()
    ear.gate.release(5)
    assert join_all([*ear.listener.threads], 10) == []


def test_audio_reaches_the_recognizer_and_its_events_the_machine(ear: Ear) -> None:
    ear.let()
    ear.listener.feed(b"abc")
    ear.listener.flush()
    assert bytes(ear.made[0].heard) == b"abc"
    assert ear.told.signals == [Final("yes")]


def test_what_comes_while_it_connects_is_kept_and_each_flush_answered(ear: Ear) -> None:
    ear.listener.feed(b"abc")
    ear.listener.flush()
    ear.listener.feed(b"def")
    ear.listener.flush()
    assert ear.told.signals == []
    ear.let()
    assert bytes(ear.made[0].heard) == b"abcdef"
    assert ear.told.signals == [Final("yes"), Final("no")]


def test_ten_seconds_are_kept(ear: Ear) -> None:
    for number in range(12):
        ear.listener.feed(bytes([number]) * 8000)
    ear.let()
    assert len(ear.made[0].heard) == 80_000
    assert ear.made[0].heard[0] == 2


def test_a_failure_is_told_once_and_audio_kept_for_the_next(ear: Ear) -> None:
    ear.fails = ProviderUnavailable("one", "gone")
    ear.let()
    for _ in range(3):
        ear.listener.feed(b"abc")
    ear.made[0].hear(RecognizerFailed(OSError("gone as well")))
    assert len(ear.told.all(RecognizerFailed)) == 1
    ear.fails = None
    ear.listener.replace()
    ear.let()
    assert ear.made[0].closed
    assert bytes(ear.made[1].heard) == b"abcabc"
    ear.listener.flush()
    assert ear.told.signals[1:] == [Final("yes")]


def test_the_next_recognizer_may_fail_as_well(ear: Ear) -> None:
    ear.refuses = ProviderUnavailable("one", "no route")
    ear.let()
    ear.listener.replace()
    ear.let()
    assert len(ear.told.all(RecognizerFailed)) == 2


def test_a_recognizer_that_connects_after_it_was_replaced_hears_nothing(ear: Ear) -> None:
    ear.listener.feed(b"abc")
    ear.listener.replace()
    ear.gate.release(3)
    assert join_all([*ear.listener.threads], 10) == []
    ear.listener.feed(b"def")
    heard = [bytes(made.heard) for made in ear.made if not made.closed]
    assert heard == [b"abcdef"]


def test_a_call_that_ends_while_it_connects_leaves_no_recognizer(ear: Ear) -> None:
    ear.listener.close()
    ear.let()
    assert all(made.closed for made in ear.made)

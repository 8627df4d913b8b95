"""The sender: packets and marks, barge-in, and writers that are too far ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from offhook.call import signals as s
from offhook.call.line import CallClock
from offhook.call.transmitter import MAX_BUFFERED_MS, Transmitter
from offhook.events import MULAW_8K
from offhook.testing import RecordingLine

from .limbs import PlainCodec, Told


class StandingClock(CallClock):
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.ms = 0.0

    def now(self) -> float:
        return self.ms


class Sender:
    def __init__(self) -> None:
        self.clock = StandingClock()
        self.line = RecordingLine()
        self.told = Told()
        self.crashes: list[Exception] = []
        self.transmitter = Transmitter(
            "c1", PlainCodec(), self.line, self.clock, MULAW_8K, self.told, None,
            lambda role, error: self.crashes.append(error),
        )  # fmt: skip


@pytest.fixture
def sender() -> Iterator[Sender]:
    sender = Sender()
    sender.transmitter.start()
    yield sender
    sender.transmitter.stop()
    sender.transmitter.join(10)
    assert not sender.transmitter.is_alive()
    assert sender.crashes == []


def test_the_first_packets_leave_at_once_with_word_of_it(sender: Sender) -> None:
    sender.transmitter.write_all(0, 1, b"\x01" * 4000)
    assert sender.line.wait_for(lambda sent: len(sent) == 2) == ["audio 800 01", "audio 800 01"]
    assert sender.told.wait(s.AudioSent) == s.AudioSent(1)


def test_a_mark_names_epoch_sentence_and_offset_and_is_read_back(sender: Sender) -> None:
    sender.transmitter.write_all(0, 7, b"\x01" * 400)
    mark = sender.line.wait_for(lambda sent: len(sent) == 2)[1]
    assert mark == "mark 0:7:50:1"
    assert sender.transmitter.played("0:7:50:1") == s.Played(7, 50.0, True)


@pytest.mark.parametrize("mark", ["", "0:7:50", "1:7:50:1", "0:x:50:1", "0:7:-5:1", "0:7:5:1:1"])
def test_marks_of_others_say_nothing(sender: Sender, mark: str) -> None:
    assert sender.transmitter.played(mark) is None


def test_barge_in_is_the_last_word_of_its_epoch(sender: Sender) -> None:
    sender.transmitter.write(0, 1, b"\x01" * 1600)
    sender.line.wait_for(lambda sent: len(sent) == 2)
    sender.transmitter.stop_speaking()
    assert not sender.transmitter.write(0, 1, b"\x01" * 800)
    assert not sender.transmitter.finish(0, 1)
    sender.transmitter.write_all(0, 2, b"\x01" * 800)
    assert sender.transmitter.played("0:1:100:0") is None
    assert sender.transmitter.write(1, 3, b"\x02" * 160)
    assert sender.line.wait_for(lambda sent: len(sent) == 4)[2:] == ["clear", "audio 160 02"]


def test_a_writer_far_ahead_waits_until_the_epoch_ends(sender: Sender) -> None:
    sender.transmitter.write(0, 1, bytes(MULAW_8K.size(MAX_BUFFERED_MS + 400)))
    results: list[bool] = []
    writer = threading.Thread(
        target=lambda: results.append(sender.transmitter.write(0, 1, bytes(800)))
    )
    writer.start()
    sender.line.wait_for(lambda sent: len(sent) == 2)
    assert writer.is_alive()
    sender.transmitter.stop_speaking()
    writer.join(10)
    assert results == [False]


def test_a_writer_far_ahead_goes_on_once_there_is_room(sender: Sender) -> None:
    sender.transmitter.write(0, 1, bytes(MULAW_8K.size(MAX_BUFFERED_MS + 200)))
    results: list[bool] = []
    writer = threading.Thread(
        target=lambda: results.append(sender.transmitter.write(0, 1, bytes(800)))
    )
    writer.start()
    sender.clock.ms = 5000.0
    writer.join(10)
    assert results == [True]


def test_stop_frees_a_waiting_writer() -> None:
    sender = Sender()
    sender.transmitter.write(0, 1, bytes(MULAW_8K.size(MAX_BUFFERED_MS)))
    results: list[bool] = []
    writer = threading.Thread(
        target=lambda: results.append(sender.transmitter.write(0, 1, bytes(800)))
    )
    writer.start()
    sender.transmitter.stop()
    writer.join(10)
    assert results == [False]

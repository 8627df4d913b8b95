"""The recording: both sides where they were said, and what was cleared is not in it."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from offhook.call.recorder import Recorder
from offhook.media.g711 import mulaw_to_pcm16

from .test_transmitter import StandingClock

SPEECH = b"\x10"
LEVEL = int(np.frombuffer(mulaw_to_pcm16(SPEECH), np.int16)[0])


class Recording:
    def __init__(self, tmp_path: Path, now_ms: float) -> None:
        self.clock = StandingClock()
        self.clock.ms = now_ms
        self.crashes: list[str] = []
        self.recorder = Recorder(
            "c1",
            tmp_path / "calls" / "c1.wav",
            self.clock,
            lambda role, _: self.crashes.append(role),
        )

    def tracks(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Where the caller and the agent speak, for each millisecond."""
        self.recorder.start()
        self.recorder.stop()
        self.recorder.join(10)
        with wave.open(str(self.recorder.path)) as wav:
            assert (wav.getnchannels(), wav.getframerate(), wav.getsampwidth()) == (2, 8000, 2)
            samples = np.frombuffer(wav.readframes(wav.getnframes()), np.int16).reshape(-1, 2)
        caller, agent = (samples[::8, side] == LEVEL for side in (0, 1))
        return caller, agent


def spans(track: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], track.astype(int), [0]))))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def test_both_sides_stand_where_they_were_said(tmp_path: Path) -> None:
    recording = Recording(tmp_path, 2000)
    recording.recorder.add_agent(100, SPEECH * 8 * 300)
    recording.recorder.add_caller(600, SPEECH * 8 * 200)
    recording.recorder.add_caller(1000, SPEECH * 8 * 200)
    caller, agent = recording.tracks()
    assert spans(caller) == [(600, 800), (1000, 1200)]
    assert spans(agent) == [(100, 400)]
    assert len(caller) == 1200


def test_what_a_barge_in_cleared_is_not_recorded(tmp_path: Path) -> None:
    recording = Recording(tmp_path, 2000)
    recording.recorder.add_agent(100, SPEECH * 8 * 500)
    recording.recorder.cut_agent(350)
    recording.recorder.add_agent(900, SPEECH * 8 * 100)
    _, agent = recording.tracks()
    assert spans(agent) == [(100, 350), (900, 1000)]


def test_what_was_sent_but_not_yet_played_at_the_end_is_not_recorded(tmp_path: Path) -> None:
    recording = Recording(tmp_path, 250)
    recording.recorder.add_agent(100, SPEECH * 8 * 500)
    _, agent = recording.tracks()
    assert spans(agent) == [(100, 250)]


def test_audio_that_overlaps_replaces_what_was_there(tmp_path: Path) -> None:
    recording = Recording(tmp_path, 1000)
    recording.recorder.add_caller(0, SPEECH * 8 * 200)
    recording.recorder.add_caller(100, b"\xff" * 8 * 50)
    caller, _ = recording.tracks()
    assert spans(caller) == [(0, 100), (150, 200)]


def test_a_call_without_a_sound_is_an_empty_recording(tmp_path: Path) -> None:
    caller, agent = Recording(tmp_path, 1000).tracks()
    assert len(caller) == len(agent) == 0


def test_a_recording_that_cannot_be_written_is_reported_and_given_up(tmp_path: Path) -> None:
    (tmp_path / "calls").write_text("a file where the folder should be")
    recording = Recording(tmp_path, 1000)
    recording.recorder.start()
    recording.recorder.join(10)
    assert recording.crashes == ["recorder"]

"""Recordings that are valid at every moment, and recordings of all kinds read."""

from __future__ import annotations

import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from offhook.errors import OffhookError
from offhook.events import MULAW_8K
from offhook.media.g711 import mulaw_to_pcm16, pcm16_to_mulaw
from offhook.media.wav import DualChannelWav, read_wav, write_stereo

SPEECH = pcm16_to_mulaw(
    (8000 * np.sin(2 * np.pi * 300 * np.arange(800) / 8000)).astype(np.int16).tobytes()
)
SILENCE = b"\xff" * 800


def channels(path: Path) -> tuple[bytes, bytes]:
    with wave.open(str(path), "rb") as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (2, 2, 8000)
        samples = np.frombuffer(wav.readframes(wav.getnframes()), np.int16).reshape(-1, 2)
    return samples[:, 0].tobytes(), samples[:, 1].tobytes()


def make(path: Path, samples: bytes, width: int = 2, count: int = 1, rate: int = 8000) -> Path:
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(count)
        wav.setsampwidth(width)
        wav.setframerate(rate)
        wav.writeframes(samples)
    return path


def test_each_side_has_its_channel(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    with DualChannelWav(path) as wav:
        wav.write(SPEECH, SILENCE)
        wav.write(SILENCE, SPEECH)
    caller, agent = channels(path)
    assert caller == mulaw_to_pcm16(SPEECH + SILENCE)
    assert agent == mulaw_to_pcm16(SILENCE + SPEECH)


def test_the_file_plays_after_every_write(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    wav = DualChannelWav(path)
    assert channels(path) == (b"", b"")
    for count in (1, 2, 3):
        wav.write(SPEECH, SILENCE)
        assert len(channels(path)[0]) == count * 1600
    wav.close()


def test_a_killed_process_leaves_a_file_that_plays(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    program = (
        "import os, sys; from pathlib import Path; from offhook.media.wav import DualChannelWav\n"
        "wav = DualChannelWav(Path(sys.argv[1])); wav.write(b'\\x10' * 800, b'\\xff' * 800)\n"
        "os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)]).returncode == 9
    assert channels(path)[0] == mulaw_to_pcm16(b"\x10" * 800)


def test_sides_of_unequal_length_are_refused(tmp_path: Path) -> None:
    with (
        DualChannelWav(tmp_path / "call.wav") as wav,
        pytest.raises(ValueError, match="the same stretch"),
    ):
        wav.write(SPEECH, b"")
    assert channels(tmp_path / "call.wav") == (b"", b"")


def test_stereo_is_written_with_the_shorter_side_padded(tmp_path: Path) -> None:
    path = tmp_path / "new" / "both.wav"
    write_stereo(path, SPEECH, SPEECH[:400])
    caller, agent = channels(path)
    assert caller == mulaw_to_pcm16(SPEECH)
    assert agent == mulaw_to_pcm16(SPEECH[:400] + b"\xff" * 400)


def test_reading_telephone_quality_changes_nothing(tmp_path: Path) -> None:
    assert read_wav(make(tmp_path / "in.wav", mulaw_to_pcm16(SPEECH))) == SPEECH


def test_reading_mixes_channels(tmp_path: Path) -> None:
    samples = np.array([[1000, 3000], [-500, 500]], np.int16)
    path = make(tmp_path / "in.wav", samples.tobytes(), count=2)
    assert read_wav(path) == pcm16_to_mulaw(np.array([2000, 0], np.int16).tobytes())


@pytest.mark.parametrize("rate", [11025, 16000, 22050, 44100, 48000])
def test_reading_resamples(tmp_path: Path, rate: int) -> None:
    path = make(tmp_path / "in.wav", bytes(2 * rate), rate=rate)
    assert MULAW_8K.duration_ms(len(read_wav(path))) == pytest.approx(1000, abs=1)


def test_reading_eight_bits(tmp_path: Path) -> None:
    path = make(tmp_path / "in.wav", bytes([128, 192, 64]), width=1)
    expected = np.array([0, 64 << 8, -(64 << 8)], np.int16)
    assert read_wav(path) == pcm16_to_mulaw(expected.tobytes())


def test_a_recording_that_breaks_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = make(tmp_path / "in.wav", mulaw_to_pcm16(SPEECH) * 2, count=2)
    path.write_bytes(path.read_bytes()[:-401])
    assert len(read_wav(path)) == (44 + 3200 - 401 - 44) // 4


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cannot be read as WAV"),
        (b"ID3 an mp3 file, really", "cannot be read as WAV"),
        (None, "cannot be opened: No such file"),
    ],
)
def test_what_is_no_wav_is_named(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "in.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OffhookError, match=says) as caught:
        read_wav(path)
    assert str(path) in str(caught.value)


def test_samples_that_are_too_wide_are_named(tmp_path: Path) -> None:
    with pytest.raises(OffhookError, match="24-bit samples: convert it to 16-bit"):
        read_wav(make(tmp_path / "in.wav", bytes(300), width=3))


def test_an_impossible_rate_is_named(tmp_path: Path) -> None:
    with pytest.raises(OffhookError, match="has 7 samples a second"):
        read_wav(make(tmp_path / "in.wav", bytes(300), rate=7))

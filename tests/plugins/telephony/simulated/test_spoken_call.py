"""``offhook call`` spoken and played: a real voice, the real media socket, the real recognizer."""

from __future__ import annotations

import shutil
import signal
import wave
from pathlib import Path

import numpy as np
import pytest

from offhook.config import Settings
from offhook.events import Turn
from offhook.media.wav import read_wav
from offhook.registry import Registry
from offhook.web.server import EmbeddedServer
from offhook_telephony_simulated.shell.caller import split_turns

from .shell import Stored, lag_ms, levels, offhook, start_offhook, write_shop

AUDIBLE = 0.01  # of full scale, -40 dBFS
TOLERANCE_MS = 100


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a call in which the caller interrupted, and what the command printed."""
    folder = tmp_path_factory.mktemp("said")
    write_shop(folder / "businesses")
    done = offhook(
        folder, "call", "--business", "shop", "--save", "saved.wav",
        "--say", "When are you open?", "--say", "@1.5 That's all, thank you. Goodbye!",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture(scope="module")
def played(
    tmp_path_factory: pytest.TempPathFactory, said: tuple[Path, str]
) -> tuple[Path, str, Path]:
    """The same caller again, from the recording: folder, print, and the recording."""
    folder = tmp_path_factory.mktemp("played")
    write_shop(folder / "businesses")
    caller = folder / "caller.wav"
    with wave.open(str(said[0] / "saved.wav"), "rb") as both, wave.open(str(caller), "wb") as one:
        one.setparams((1, 2, 8000, 0, "NONE", ""))
        stereo = np.frombuffer(both.readframes(both.getnframes()), np.int16).reshape(-1, 2)
        one.writeframes(stereo[:, 0].tobytes())
    done = offhook(folder, "call", "--audio", "caller.wav", "--save", "saved.wav")
    assert done.returncode == 0, done.stderr
    return folder, done.stdout, caller


def interrupted(stored: Stored) -> Turn:
    (turn,) = [turn for turn in stored.turns if turn.interrupted]
    return turn


def check_interruption(stored: Stored) -> None:
    """Only the beginning of the answer was heard, and the next answer knows it."""
    turn = interrupted(stored)
    assert turn.speaker == "agent"
    assert turn.text.startswith(turn.heard)
    assert 0 < len(turn.heard) < len(turn.text) / 2
    assert stored.turns[-1].text == "Goodbye!"
    assert stored.row.end_reason == "agent-ended"


def check_recording(folder: Path, stored: Stored) -> None:
    """Each side of the recording stands where the carrier had it, and where the turns say."""
    recorded, carried = stored.recording(folder), levels(folder / "saved.wav")
    assert abs(lag_ms(recorded[:, 0], carried[:, 0])) <= TOLERANCE_MS
    assert abs(lag_ms(recorded[:, 1], carried[:, 1])) <= TOLERANCE_MS
    for turn in stored.turns:
        side = 0 if turn.speaker == "caller" else 1
        own = recorded[int(turn.start_ms / 20) : int(turn.end_ms / 20), side]
        assert (own > AUDIBLE).mean() > 0.5, turn
    cut = interrupted(stored)
    after = next(
        turn for turn in stored.turns if turn.index > cut.index and turn.speaker == "agent"
    )
    hush = recorded[int((cut.end_ms + TOLERANCE_MS) / 20) : int(after.start_ms / 20), 1]
    assert len(hush) > 25
    assert hush.max() < AUDIBLE


def test_what_was_said_is_understood_and_interrupts(said: tuple[Path, str]) -> None:
    stored = Stored.newest(said[0])
    check_interruption(stored)
    assert [turn.speaker for turn in stored.turns] == [
        "agent", "caller", "agent", "caller", "agent",
    ]  # fmt: skip
    assert "open" in stored.turns[1].text


def test_the_recording_of_what_was_said(said: tuple[Path, str]) -> None:
    check_recording(said[0], Stored.newest(said[0]))


def test_the_interruption_came_when_it_was_asked_for(said: tuple[Path, str]) -> None:
    stored = Stored.newest(said[0])
    cut, interrupting = interrupted(stored), stored.turns[3]
    assert interrupting.start_ms - cut.start_ms > 1400
    # The agent fell silent while the caller was still speaking.
    assert cut.end_ms < interrupting.end_ms


def test_the_transcript_is_printed(said: tuple[Path, str]) -> None:
    folder, printed = said
    stored = Stored.newest(folder)
    for turn in stored.turns:
        assert turn.heard in printed
    cut = interrupted(stored)
    unheard = cut.text.removeprefix(cut.heard).strip()
    assert f"interrupted; not heard: {unheard[:20]}" in printed
    for step in ("endpoint", "transcript", "first token", "first audio", "heard"):
        assert f"{step} " in printed
    assert "agent-ended after" in printed
    assert f"recording  {stored.row.recording_path}" in printed
    assert "saved      saved.wav" in printed
    assert (folder / "offhook-data" / "call.log").stat().st_size > 0


def test_a_played_recording_keeps_its_own_pauses(played: tuple[Path, str, Path]) -> None:
    folder, _, caller = played
    stored = Stored.newest(folder)
    check_interruption(stored)
    check_recording(folder, stored)
    with wave.open(str(caller), "rb") as wav:
        given = np.frombuffer(wav.readframes(wav.getnframes()), np.int16) / 32768
    loudness = np.sqrt((given[: len(given) // 160 * 160].reshape(-1, 160) ** 2).mean(axis=1))
    assert abs(lag_ms(stored.recording(folder)[:, 0], loudness)) <= TOLERANCE_MS


def test_a_recording_is_cut_into_its_turns(played: tuple[Path, str, Path]) -> None:
    audio = read_wav(played[2])
    pieces = split_turns(audio)
    assert len(pieces) == 2
    assert all(piece in audio for piece in pieces)
    assert sum(map(len, pieces)) < len(audio) / 2


# ---- without anybody speaking -------------------------------------------------------------------


def write_silence(file: Path, seconds: int) -> Path:
    with wave.open(str(file), "wb") as wav:
        wav.setparams((1, 2, 8000, 0, "NONE", ""))
        wav.writeframes(bytes(16000 * seconds))
    return file


def test_a_server_that_runs_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shop(tmp_path / "businesses")
    write_silence(tmp_path / "hush.wav", 1)
    settings = Settings(businesses=tmp_path / "businesses", data=tmp_path / "offhook-data")
    monkeypatch.setenv("OFFHOOK_DATA", str(settings.data))
    with EmbeddedServer(settings, Registry()) as server:
        done = offhook(tmp_path, "call", "--audio", "hush.wav", "--url", server.url)
        assert done.returncode == 0, done.stderr
        stored = Stored.newest(tmp_path)
        assert stored.row.end_reason == "caller-hung-up"
        assert [turn.heard for turn in stored.turns] == ["Corner Shop, good day."]
        # The same server, but another database than the command looks into.
        (tmp_path / "elsewhere").mkdir()
        shutil.copy(settings.data / "simulated.key", tmp_path / "elsewhere")
        astray = offhook(
            tmp_path, "call", "--audio", "hush.wav", "--url", server.url, data="elsewhere"
        )
    assert astray.returncode == 1
    assert "set OFFHOOK_DATA and OFFHOOK_DATABASE_URL as the server has them" in astray.stderr
    assert "Traceback" not in astray.stderr


def test_without_a_recording_it_says_so(tmp_path: Path) -> None:
    file = write_shop(tmp_path / "businesses")
    file.write_text(file.read_text(encoding="utf-8").replace("enabled = true", "enabled = false"))
    write_silence(tmp_path / "hush.wav", 1)
    done = offhook(tmp_path, "call", "--audio", "hush.wav")
    assert done.returncode == 0, done.stderr
    assert "recording  none: businesses/shop.toml has recording off" in done.stdout


def test_interrupting_the_command_hangs_up(tmp_path: Path) -> None:
    write_shop(tmp_path / "businesses")
    write_silence(tmp_path / "hush.wav", 100)
    with start_offhook(tmp_path, "call", "--audio", "hush.wav") as running:
        assert running.stdout is not None
        printed = ""
        while "good day" not in printed:
            line = running.stdout.readline()
            assert line, printed
            printed += line
        running.send_signal(signal.SIGINT)
        rest, errors = running.communicate(timeout=60)
    assert running.returncode == 0, errors
    assert "caller-hung-up" in rest
    assert Stored.newest(tmp_path).row.end_reason == "caller-hung-up"

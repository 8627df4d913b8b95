"""``offhook demo``: a whole call in an empty folder, and how its goal is judged."""

from __future__ import annotations

import socket
import wave
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from offhook.config import Settings
from offhook.errors import OffhookError
from offhook.events import Turn
from offhook.store.schema import CallRow
from offhook_telephony_simulated.shell import goal
from offhook_telephony_simulated.shell.demo import business_folder

from .shell import Stored, offhook, write_shop

PACKAGED = files("offhook_telephony_simulated").joinpath("trattoria.toml").read_bytes()


def test_the_demo_reaches_its_goal(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = offhook(tmp_path, "demo", "--once", "--port", str(port))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Port {port} is taken, so the server took" in done.stdout
    assert (tmp_path / "businesses" / "trattoria.toml").read_bytes() == PACKAGED
    stored = Stored.newest(tmp_path)
    (cut,) = [turn for turn in stored.turns if turn.interrupted]
    assert cut.text.startswith(cut.heard)
    assert 0 < len(cut.heard) < len(cut.text) / 2
    assert any("booked tomorrow at 7" in turn.heard for turn in stored.turns)
    assert (stored.recording(tmp_path) > 0.01).sum(axis=0).min() > 150  # 3 s of each side
    assert stored.row.recording_path in done.stdout
    transcript = (tmp_path / stored.row.recording_path).with_suffix(".txt")
    written = " ".join(transcript.read_text(encoding="utf-8").split())
    assert all(" ".join(turn.heard.split()[:4]) in written for turn in stored.turns)


def test_the_repository_has_the_packaged_file() -> None:
    """Who clones edits ``businesses/``, who installs gets the package's: they are the same."""
    repository = Path(__file__).parents[4]
    assert (repository / "businesses" / "trattoria.toml").read_bytes() == PACKAGED


# ---- where the business file comes from ---------------------------------------------------------


def settings(folder: Path) -> Settings:
    return Settings(businesses=folder / "businesses", data=folder / "data")


def test_an_empty_folder_gets_the_restaurant(tmp_path: Path) -> None:
    assert business_folder(settings(tmp_path)) == tmp_path / "businesses"
    assert (tmp_path / "businesses" / "trattoria.toml").read_bytes() == PACKAGED


def test_a_restaurant_that_was_changed_stays(tmp_path: Path) -> None:
    write_shop(tmp_path / "businesses", name="trattoria")
    before = (tmp_path / "businesses" / "trattoria.toml").read_bytes()
    assert business_folder(settings(tmp_path)) == tmp_path / "businesses"
    assert (tmp_path / "businesses" / "trattoria.toml").read_bytes() == before


def test_other_businesses_are_left_alone(tmp_path: Path) -> None:
    write_shop(tmp_path / "businesses")
    assert business_folder(settings(tmp_path)) == tmp_path / "data" / "demo"
    assert [file.name for file in (tmp_path / "businesses").iterdir()] == ["shop.toml"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OffhookError, match="cannot write its business file"):
        business_folder(settings(tmp_path / "file"))


# ---- the goal -----------------------------------------------------------------------------------

TURNS = [
    Turn(0, "agent", "Good day.", "Good day.", 0, 900),
    Turn(1, "agent", "We are open all day.", "We are open", 2000, 3000, interrupted=True),
    Turn(2, "agent", *["Anna, your table for four is booked tomorrow at 7 pm."] * 2, 5000, 9000),
]


@pytest.fixture
def row(tmp_path: Path) -> CallRow:
    return CallRow(end_reason="agent-ended", recording_path=str(record(tmp_path, 2)))


def record(folder: Path, channels: int, loud: bytes = b"\x00\x20") -> Path:
    """Four seconds of a full-scale rectangle on the first side; ``loud`` on the others."""
    file = folder / f"{channels}.wav"
    with wave.open(str(file), "wb") as wav:
        wav.setparams((channels, 2, 8000, 0, "NONE", ""))
        wav.writeframes((b"\x00\x20" + loud * (channels - 1)) * 32000)
    return file


def test_nothing_is_missing(row: CallRow) -> None:
    assert goal.missing(row, TURNS) == []


@pytest.mark.parametrize(
    ("word", "lack"),
    [
        ("four", "for four"),
        ("tomorrow", "for tomorrow"),
        ("7", "at seven"),
        ("Anna", "for Anna"),
    ],
)
def test_a_booking_that_is_not_the_callers(row: CallRow, word: str, lack: str) -> None:
    booked = replace(TURNS[2], heard=TURNS[2].heard.replace(word, "x"))
    assert goal.missing(row, [*TURNS[:2], booked]) == [
        f"the agent did not confirm the booking {lack}"
    ]


def test_a_confirmation_that_was_not_heard(row: CallRow) -> None:
    lacks = goal.missing(row, [*TURNS[:2], replace(TURNS[2], heard="Anna,", interrupted=True)])
    assert "the agent did not confirm a booking" in lacks
    assert "one answer of the agent was to be interrupted, not 2" in lacks


@pytest.mark.parametrize("heard", ["", "We are closed", "We are open all day."])
def test_what_was_heard_must_be_a_beginning(row: CallRow, heard: str) -> None:
    turns = [TURNS[0], replace(TURNS[1], heard=heard), TURNS[2]]
    (lack,) = goal.missing(row, turns)
    assert "is not the beginning of it" in lack


def test_another_end(row: CallRow) -> None:
    row.end_reason = "caller-hung-up"
    (lack,) = goal.missing(row, TURNS)
    assert "ended as caller-hung-up" in lack


def test_recordings_that_do_not_do(row: CallRow, tmp_path: Path) -> None:
    row.recording_path = None
    assert goal.missing(row, TURNS) == ["the call was not recorded"]
    row.recording_path = str(record(tmp_path, 1))
    assert goal.missing(row, TURNS) == ["the recording has 1 channel, not two"]
    row.recording_path = str(record(tmp_path, 2, loud=b"\x00\x00"))
    assert goal.missing(row, TURNS) == ["only 0.0 s of the agent can be heard in the recording"]

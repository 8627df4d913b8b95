"""The command line in a process of its own, in a folder of its own, and what it left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from offhook.events import Turn
from offhook.store.calls import CallStore
from offhook.store.engine import open_engine
from offhook.store.schema import CallRow

FRAME = 160  # 20 ms

SHOP = '''
name = "Corner Shop"
numbers = ["+14155550107"]
greeting = "Corner Shop, good day."
{more}
[recording]
enabled = true

[options.llm.script]
matching = "words"
fallback = "Pardon?"

[[options.llm.script.intents]]
name = "hours"
examples = ["What are your opening hours?", "When are you open?"]
replies = """We are open from Monday to Saturday, from nine in the morning until half past eight, \\
and on Sundays from ten until noon. In summer we close a little later than that."""

[[options.llm.script.intents]]
name = "goodbye"
examples = ["Goodbye.", "That's all, thank you."]
replies = "Goodbye!"
action = "end_call"
'''


def write_shop(folder: Path, more: str = "", name: str = "shop") -> Path:
    """A small business that keeps to words, and can be interrupted in a long answer."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.toml"
    file.write_text(SHOP.format(more=more), encoding="utf-8")
    return file


def start_offhook(folder: Path, *arguments: str, data: str = "") -> subprocess.Popen[str]:
    """Start a command in a folder; the data folder is its own unless ``data`` names another."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("OFFHOOK_")}
    extra = {"COLUMNS": "200"} | ({"OFFHOOK_DATA": data} if data else {})
    return subprocess.Popen(
        [sys.executable, "-m", "offhook.cli", *arguments],
        cwd=folder,
        env=ours | extra,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def offhook(folder: Path, *arguments: str, data: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    with start_offhook(folder, *arguments, data=data) as running:
        try:
            printed, errors = running.communicate(timeout=110)
        except subprocess.TimeoutExpired:
            running.kill()
            raise
    return subprocess.CompletedProcess(arguments, running.returncode, printed, errors)


@dataclass(frozen=True)
class Stored:
    """The newest call in a folder's database."""

    row: CallRow
    turns: list[Turn]

    @classmethod
    def newest(cls, folder: Path) -> Stored:
        engine = open_engine(f"sqlite:///{folder / 'offhook-data' / 'offhook.db'}")
        try:
            store = CallStore(engine)
            (row,) = store.recent(1)
            return cls(row, store.turns(row.id))
        finally:
            engine.dispose()

    def recording(self, folder: Path) -> npt.NDArray[np.float64]:
        assert self.row.recording_path
        return levels(folder / self.row.recording_path)


def levels(file: Path) -> npt.NDArray[np.float64]:
    """The loudness of each 20 ms of a stereo file: one column the caller, one the agent."""
    with wave.open(str(file), "rb") as wav:
        assert (wav.getnchannels(), wav.getframerate(), wav.getsampwidth()) == (2, 8000, 2)
        samples = np.frombuffer(wav.readframes(wav.getnframes()), np.int16).reshape(-1, 2)
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME, 2) / 32768
    loudness: npt.NDArray[np.float64] = np.sqrt((frames**2).mean(axis=1))
    return loudness


def lag_ms(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """How much later the same sound stands in ``one`` than in ``other``."""
    size = max(len(one), len(other))
    a, b = (np.pad(side - side.mean(), (0, size - len(side))) for side in (one, other))
    likeness = np.correlate(a, b, "full")
    assert likeness.max() > 0.9 * np.linalg.norm(a) * np.linalg.norm(b), "not the same sound"
    return float(likeness.argmax() - (size - 1)) * 20

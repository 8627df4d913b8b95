"""Whether the demo's call reached its goal, judged by what the server stored."""

from __future__ import annotations

import re
import wave
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from offhook.events import Turn
from offhook.store.schema import CallRow

_WHAT = {
    "for four": r"\b(four|4)\b",
    "for tomorrow": r"\btomorrow\b",
    "at seven": r"\b(seven|7)\b",
    "for Anna": r"\banna\b",
}
_AUDIBLE = 0.005  # of full scale, -46 dBFS
_AUDIBLE_SECONDS = 3.0


def missing(row: CallRow, turns: Sequence[Turn]) -> list[str]:
    """What the call lacks, one sentence each; empty if it reached its goal."""
    return [*_booking(turns), *_interruption(turns), *_end(row), *_recording(row)]


def _booking(turns: Sequence[Turn]) -> Iterator[str]:
    answers = [turn.heard.lower() for turn in turns if turn.speaker == "agent"]
    confirmed = next((text for text in answers if re.search(r"\bbooked\b", text)), "")
    if not confirmed:
        yield "the agent did not confirm a booking"
        return
    for what, pattern in _WHAT.items():
        if not re.search(pattern, confirmed):
            yield f"the agent did not confirm the booking {what}"


def _interruption(turns: Sequence[Turn]) -> Iterator[str]:
    cut = [turn for turn in turns if turn.interrupted]
    if len(cut) != 1 or cut[0].speaker != "agent":
        yield f"one answer of the agent was to be interrupted, not {len(cut)}"
    elif not (
        cut[0].heard and cut[0].text.startswith(cut[0].heard) and cut[0].heard != cut[0].text
    ):
        yield "what was heard of the interrupted answer is not the beginning of it"


def _end(row: CallRow) -> Iterator[str]:
    if row.end_reason != "agent-ended":
        yield f"the agent was to end the call, but it ended as {row.end_reason}"


def _recording(row: CallRow) -> Iterator[str]:
    if not row.recording_path:
        yield "the call was not recorded"
        return
    with wave.open(row.recording_path, "rb") as file:
        channels, rate = file.getnchannels(), file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, channels)
    if channels != 2:
        yield f"the recording has {channels} channel, not two"
        return
    for side, name in enumerate(("caller", "agent")):
        seconds = _audible_seconds(samples[:, side] / 32768, rate)
        if seconds < _AUDIBLE_SECONDS:
            yield f"only {seconds:.1f} s of the {name} can be heard in the recording"


def _audible_seconds(samples: npt.NDArray[np.float64], rate: int) -> float:
    frame = rate // 50
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame)
    return float((np.sqrt((frames**2).mean(axis=1)) > _AUDIBLE).sum()) / 50

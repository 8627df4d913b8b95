"""What a voice activity detector takes by itself, to be told apart from what the server adds."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from mediabench import speech
from mediabench.build import PEERS, VENDORS, pipecat_python
from offhook_bench_vendors import timing


@dataclass(frozen=True)
class Detector:
    """Milliseconds from the first frame of speech to the start, from the last one to the stop."""

    start: float
    stop: float

    @property
    def scripted_ms(self) -> float:
        """From the end of speech to the first audio when the server adds nothing."""
        return self.stop + (timing.SCRIPTED_MS - timing.ENDPOINT_MS)


ENERGY = Detector(start=timing.MIN_SPEECH_MS - 20, stop=timing.ENDPOINT_MS)
"""Decides on the frame that completes the time: of 60 ms, the third, sent 40 ms after the first."""


def _probe(python: Path, script: Path) -> Detector:
    done = subprocess.run(
        [python, "-W", "ignore::DeprecationWarning", script, speech.clip()],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(VENDORS)},
    )
    return Detector(**json.loads(done.stdout))


@functools.cache
def pipecat_silero() -> Detector:
    """Pipecat's Silero analyzer on the clip the callers say."""
    return _probe(pipecat_python(), PEERS / "pipecat_vad_probe.py")


@functools.cache
def offhook_silero() -> Detector:
    """offhook's detector with Silero on the same clip."""
    return _probe(Path(sys.executable), PEERS / "offhook_vad_probe.py")

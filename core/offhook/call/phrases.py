"""Fixed sentences, synthesized ahead: the greeting is on the line before a vendor could answer."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

import structlog

from offhook.call.provider_chain import ProviderChain
from offhook.errors import OffhookError
from offhook.events import AudioFormat
from offhook.media.convert import Converter
from offhook.providers import SpeechStream, TextToSpeech

log = structlog.get_logger(__name__)

Key = tuple[str, ...]
"""What makes two syntheses the same: plugin, its options, the line's format; then the text."""

_MAX_BYTES = 64 * 1024 * 1024


class PhraseCache:
    """Audio of sentences in the line's format, shared by all calls of a process. *Any thread.*

    Holds 64 MB; then the least recently used goes.
    """

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._lock = threading.Lock()
        self._audio: OrderedDict[Key, bytes] = OrderedDict()
        self._bytes = 0
        self._max_bytes = max_bytes

    def get(self, key: Key) -> bytes | None:
        with self._lock:
            audio = self._audio.get(key)
            if audio is not None:
                self._audio.move_to_end(key)
            return audio

    def put(self, key: Key, audio: bytes) -> None:
        with self._lock:
            self._bytes += len(audio) - len(self._audio.pop(key, b""))
            self._audio[key] = audio
            while self._bytes > self._max_bytes:
                _, dropped = self._audio.popitem(last=False)
                self._bytes -= len(dropped)


class Voice:
    """A business's voice in the line's format: the cache first, then the synthesizer.

    ``describe`` gives the key and the audio format of a plugin of the chain by its name.
    """

    def __init__(
        self,
        chain: ProviderChain[TextToSpeech],
        line: AudioFormat,
        describe: Callable[[str], tuple[Key, AudioFormat]],
        cache: PhraseCache,
    ) -> None:
        self._chain = chain
        self._line = line
        self._describe = describe
        self._cache = cache

    def cached(self, text: str) -> bytes | None:
        """All the audio of a sentence that was prepared, by this synthesizer if it was, else by
        another that the business names: a change of voice is better than silence."""
        for name in (self._chain.name, *self._chain.names):
            audio = self._cache.get(self._key(name, text))
            if audio is not None:
                return audio
        return None

    def synthesize(self, text: str) -> SpeechStream:
        """A sentence in the line's format. Raises ProviderError if no plugin serves."""
        name, provider = self._chain.get_named()
        _, made = self._describe(name)
        converter = None if made == self._line else Converter(made, self._line)
        return _Sentence(provider.synthesize(text), converter)

    def prepare(self, texts: Iterable[str]) -> None:
        """Synthesize sentences into the cache. Blocks; a failure is logged, not raised."""
        for text in texts:
            if not text or self._cache.get(self._key(self._chain.name, text)) is not None:
                continue
            try:
                audio = b"".join(self.synthesize(text))
            except OffhookError as error:
                log.warning("phrases.failed", error=str(error))
                return
            except Exception:
                log.exception("phrases.failed")
                return
            if audio:
                self._cache.put(self._key(self._chain.name, text), audio)

    def replace(self) -> None:
        """Give up this synthesizer for the next one the business names."""
        self._chain.replace()

    def close(self) -> None:
        self._chain.close()

    def _key(self, name: str, text: str) -> Key:
        key, _ = self._describe(name)
        return (*key, text)


class _Sentence:
    """A speech stream in the line's format; ``cancel`` never raises, whatever the vendor's does."""

    def __init__(self, stream: SpeechStream, converter: Converter | None) -> None:
        self._stream = stream
        self._converter = converter

    def __iter__(self) -> Iterator[bytes]:
        converter = self._converter
        if converter is None:
            yield from self._stream
            return
        for audio in self._stream:
            yield converter.convert(audio)
        rest = converter.flush()
        if rest:
            yield rest

    def cancel(self) -> None:
        try:
            self._stream.cancel()
        except Exception:
            log.exception("tts.cancel_failed")

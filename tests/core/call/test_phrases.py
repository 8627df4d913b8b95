"""Fixed sentences: made once, bounded, in the line's format, and never another voice's."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from offhook.call.phrases import PhraseCache, Voice
from offhook.call.provider_chain import ProviderChain
from offhook.errors import ProviderRefused
from offhook.events import MULAW_8K, AudioFormat
from offhook.media.g711 import rms
from offhook.providers import TextToSpeech
from offhook.testing import FakeVoice

PCM_16K = AudioFormat("pcm16", 16_000)


def voice(
    voices: Mapping[str, FakeVoice | None],
    cache: PhraseCache | None = None,
    audio: AudioFormat = MULAW_8K,
) -> Voice:
    """A voice of those plugins, which all make the same format."""
    chain: ProviderChain[TextToSpeech] = ProviderChain("tts", list(voices), voices.__getitem__)
    return Voice(chain, MULAW_8K, lambda name: ((name,), audio), cache or PhraseCache())


# ---- the cache ----------------------------------------------------------------------------------


def test_the_least_recently_used_goes_first() -> None:
    cache = PhraseCache(max_bytes=300)
    for name in ("a", "b", "c"):
        cache.put((name,), bytes(100))
    assert cache.get(("a",)) is not None
    cache.put(("d",), bytes(100))
    assert [cache.get((name,)) is not None for name in "abcd"] == [True, False, True, True]


def test_a_sentence_made_again_counts_once() -> None:
    cache = PhraseCache(max_bytes=300)
    cache.put(("a",), bytes(100))
    for _ in range(5):
        cache.put(("b",), bytes(200))
    assert cache.get(("a",)) is not None


def test_what_is_larger_than_the_cache_is_not_kept() -> None:
    cache = PhraseCache(max_bytes=300)
    cache.put(("a",), bytes(301))
    assert cache.get(("a",)) is None
    cache.put(("b",), bytes(300))
    assert cache.get(("b",)) is not None


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 150))))
def test_the_bound_holds(puts: list[tuple[str, int]]) -> None:
    cache = PhraseCache(max_bytes=300)
    for name, size in puts:
        cache.put((name,), bytes(size))
        kept = sum(len(cache.get((name,)) or b"") for name in "abcdef")
        assert kept == cache._bytes <= 300
        assert cache.get((name,)) == bytes(size)


# ---- the voice ----------------------------------------------------------------------------------


def test_a_prepared_sentence_is_made_once_for_all_calls() -> None:
    cache, fake = PhraseCache(), FakeVoice()
    voice({"one": fake}, cache).prepare(["Hello.", "", "Hello.", "Bye."])
    assert fake.texts == ["Hello.", "Bye."]
    assert voice({"one": FakeVoice()}, cache).cached("Hello.") == b"\x7f" * 480


def test_only_what_was_prepared_is_kept() -> None:
    fake = voice({"one": FakeVoice()})
    assert b"".join(fake.synthesize("Hello.")) == b"\x7f" * 480
    assert fake.cached("Hello.") is None


def test_each_voice_has_its_own_and_another_steps_in_with_what_it_has() -> None:
    both = voice({"one": FakeVoice(), "two": FakeVoice(lambda _: [b"two"])})
    both.prepare(["Hello."])
    both.replace()
    assert both.cached("Hello.") == b"\x7f" * 480
    both.prepare(["Hello."])
    assert both.cached("Hello.") == b"two"


def test_a_voice_that_does_not_serve_leaves_the_key_to_the_next() -> None:
    cache = PhraseCache()
    voice({"one": None, "two": FakeVoice()}, cache).prepare(["Hello."])
    assert cache.get(("two", "Hello.")) is not None
    assert cache.get(("one", "Hello.")) is None


def test_another_format_is_converted_once_and_kept_converted() -> None:
    second = bytes(2 * 16_000)
    fake = FakeVoice(lambda _: [second[:10_002], second[10_002:]])
    spoken = voice({"one": fake}, audio=PCM_16K)
    audio = b"".join(spoken.synthesize("Hello."))
    assert abs(len(audio) - 8000) <= 1
    assert rms(audio) < 10
    spoken.prepare(["Hello."])
    assert spoken.cached("Hello.") == audio


def test_a_converted_stream_can_be_cancelled() -> None:
    fake = FakeVoice()
    voice({"one": fake}, audio=PCM_16K).synthesize("Hello.").cancel()
    assert fake.streams[0].cancelled


def test_a_failure_while_preparing_is_no_trouble_and_nothing_of_it_is_kept() -> None:
    for error in (ProviderRefused("one", "no credit"), RuntimeError("broken")):
        fake = FakeVoice(lambda _, error=error: [b"\x01" * 80, error])  # type: ignore[misc]
        spoken = voice({"one": fake})
        spoken.prepare(["Hello.", "Bye."])
        assert fake.texts == ["Hello."]
        assert spoken.cached("Hello.") is None


def test_silence_is_not_kept() -> None:
    spoken = voice({"one": FakeVoice(lambda _: [])})
    spoken.prepare(["Hello."])
    assert spoken.cached("Hello.") is None


def test_the_voice_ends_with_its_call() -> None:
    fake = FakeVoice()
    spoken = voice({"one": fake})
    spoken.synthesize("Hello.")
    spoken.close()
    assert fake.closed

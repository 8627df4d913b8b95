"""The mouth: sentences in their order, from the cache or the voice, and silence when told."""

from __future__ import annotations

import pytest

from offhook.call import signals as s
from offhook.call.phrases import PhraseCache, Voice
from offhook.call.provider_chain import ProviderChain
from offhook.call.speaker import Speaker
from offhook.call.transmitter import Transmitter
from offhook.errors import ProviderUnavailable
from offhook.events import MULAW_8K, AudioFormat
from offhook.testing import HANG, FakeVoice, RecordingLine

from .limbs import PlainCodec, Told
from .test_transmitter import StandingClock

PCM_16K = AudioFormat("pcm16", 16_000)


def make_voice(
    fake: FakeVoice, cache: PhraseCache | None = None, made: AudioFormat = MULAW_8K
) -> Voice:
    chain = ProviderChain("tts", ("fake",), lambda _: fake)
    return Voice(chain, MULAW_8K, lambda name: ((name,), made), cache or PhraseCache())


class Mouth:
    def __init__(self, voice: Voice) -> None:
        self.told = Told()
        self.line = RecordingLine()
        self.transmitter = Transmitter(
            "c1", PlainCodec(), self.line, StandingClock(), MULAW_8K, self.told, None,
            lambda role, error: None,
        )  # fmt: skip
        self.speaker = Speaker("c1", voice, self.transmitter, MULAW_8K, self.told)

    def join(self) -> None:
        if self.speaker.thread is not None:
            self.speaker.thread.join(10)
            assert not self.speaker.thread.is_alive()


def test_sentences_are_synthesized_in_their_order() -> None:
    fake = FakeVoice()
    mouth = Mouth(make_voice(fake))
    mouth.speaker.say(1, "One.")
    mouth.speaker.say(2, "Twenty.")
    assert mouth.told.wait(s.Synthesized, 2) == s.Synthesized(2, 70.0)
    assert fake.texts == ["One.", "Twenty."]
    mouth.join()


def test_a_cached_sentence_needs_neither_thread_nor_voice() -> None:
    fake = FakeVoice()
    voice = make_voice(fake)
    voice.prepare(["Hello."])
    mouth = Mouth(voice)
    mouth.speaker.say(1, "Hello.")
    assert mouth.told.signals[-1] == s.Synthesized(1, 60.0)
    assert mouth.speaker.thread is None
    assert fake.texts == ["Hello."]


def test_a_cached_sentence_does_not_overtake() -> None:
    fake = FakeVoice(lambda text: [HANG] if text == "Slow." else [bytes(80)])
    voice = make_voice(fake)
    voice.prepare(["Hello."])
    mouth = Mouth(voice)
    mouth.speaker.say(1, "Slow.")
    mouth.speaker.say(2, "Hello.")
    assert mouth.told.all(s.Synthesized) == []
    mouth.speaker.stop()
    mouth.join()


def test_a_voice_that_fails_is_told() -> None:
    mouth = Mouth(make_voice(FakeVoice(lambda _: [bytes(80), ProviderUnavailable("fake", "no")])))
    mouth.speaker.say(1, "One.")
    assert mouth.told.wait(s.SpeechFailed) == s.SpeechFailed(1, "fake: no")
    mouth.join()


def test_a_sentence_without_audio_is_told_as_such() -> None:
    mouth = Mouth(make_voice(FakeVoice(lambda _: [])))
    mouth.speaker.say(1, "One.")
    assert mouth.told.wait(s.Synthesized) == s.Synthesized(1, 0.0)
    mouth.join()


def test_stop_cancels_a_voice_that_hangs_and_nothing_is_told() -> None:
    fake = FakeVoice(lambda _: [HANG])
    mouth = Mouth(make_voice(fake))
    mouth.speaker.say(1, "One.")
    mouth.speaker.say(2, "Two.")
    while not fake.streams:
        assert mouth.speaker.thread is not None
        mouth.speaker.thread.join(0.001)
    assert fake.streams[0].hanging.wait(10)
    mouth.speaker.stop()
    mouth.join()
    assert fake.texts == ["One."]
    assert mouth.told.signals == []


def test_too_many_sentences_fail() -> None:
    fake = FakeVoice(lambda _: [HANG])
    mouth = Mouth(make_voice(fake))
    for number in range(202):
        mouth.speaker.say(number, "More.")
    assert mouth.told.wait(s.SpeechFailed).error == "too many sentences wait"
    mouth.speaker.stop()
    mouth.join()


# ---- the voice and its cache --------------------------------------------------------------------


def test_another_format_is_converted() -> None:
    voice = make_voice(FakeVoice(lambda _: [bytes(3200), bytes(3200)]), made=PCM_16K)
    audio = b"".join(voice.synthesize("One."))
    assert len(audio) == pytest.approx(1600, abs=2)


def test_a_sentence_is_prepared_once() -> None:
    fake, cache = FakeVoice(), PhraseCache()
    for _ in range(2):
        make_voice(fake, cache).prepare(["Hello.", ""])
    assert fake.texts == ["Hello."]


@pytest.mark.parametrize("error", [ProviderUnavailable("fake", "no"), RuntimeError("no")])
def test_a_voice_that_cannot_prepare_harms_nobody(error: Exception) -> None:
    voice = make_voice(FakeVoice(lambda _: [error]))
    voice.prepare(["Hello."])
    assert voice.cached("Hello.") is None


def test_a_full_cache_drops_what_was_used_longest_ago() -> None:
    cache = PhraseCache(max_bytes=30)
    for name in "abc":
        cache.put((name,), bytes(10))
    assert cache.get(("a",)) is not None
    cache.put(("d",), bytes(10))
    assert cache.get(("b",)) is None
    assert all(cache.get((name,)) is not None for name in "acd")

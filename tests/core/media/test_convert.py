"""Streams from one format to another, and which format to agree on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offhook.events import MULAW_8K, AudioFormat
from offhook.media.convert import Converter, negotiate

PCM_8K = AudioFormat("pcm16", 8000)
PCM_16K = AudioFormat("pcm16", 16000)
PCM_22K = AudioFormat("pcm16", 22050)
PCM_24K = AudioFormat("pcm16", 24000)
MULAW_16K = AudioFormat("mulaw", 16000)


def tone(audio: AudioFormat, hertz: float, seconds: float = 1.0) -> bytes:
    t = np.arange(int(audio.sample_rate * seconds)) / audio.sample_rate
    return (10_000 * np.sin(2 * np.pi * hertz * t)).astype(np.int16).tobytes()


def convert(source: AudioFormat, target: AudioFormat, audio: bytes, size: int = 320) -> bytes:
    converter = Converter(source, target)
    pieces = [converter.convert(audio[at : at + size]) for at in range(0, len(audio), size)]
    return b"".join(pieces) + converter.flush()


def loudness(samples: bytes) -> float:
    return float(np.sqrt(np.mean(np.frombuffer(samples, np.int16).astype(float) ** 2)))


def test_equal_formats_pass_untouched() -> None:
    audio = bytes(range(160))
    converter = Converter(MULAW_8K, MULAW_8K)
    assert converter.convert(audio) is audio
    assert converter.flush() == b""


def test_mulaw_survives_the_way_through_pcm() -> None:
    everything = bytes(range(256))
    there = Converter(MULAW_8K, PCM_8K).convert(everything)
    assert len(there) == 512
    back = Converter(PCM_8K, MULAW_8K).convert(there)
    # mu-law has two zeros; the negative one comes back as the positive one.
    assert back == everything.replace(b"\x7f", b"\xff")


@pytest.mark.parametrize(
    ("source", "target"),
    [(PCM_22K, MULAW_8K), (PCM_24K, MULAW_8K), (MULAW_8K, PCM_16K), (PCM_16K, PCM_8K)],
    ids=str,
)
def test_resampling_keeps_the_length(source: AudioFormat, target: AudioFormat) -> None:
    samples = source.sample_rate
    audio = b"\xff" * samples if source.encoding == "mulaw" else bytes(2 * samples)
    out = convert(source, target, audio)
    assert target.duration_ms(len(out)) == pytest.approx(1000, abs=0.5)


@pytest.mark.parametrize("source", [PCM_22K, PCM_24K, PCM_16K], ids=str)
def test_speech_stays_and_what_cannot_be_carried_goes(source: AudioFormat) -> None:
    kept = convert(source, PCM_8K, tone(source, 1000))
    gone = convert(source, PCM_8K, tone(source, 6000))
    assert loudness(kept) == pytest.approx(loudness(tone(PCM_8K, 1000)), rel=0.05)
    assert loudness(gone) < 100


@pytest.mark.parametrize("target", [MULAW_8K, PCM_8K], ids=str)
def test_little_is_held_back(target: AudioFormat) -> None:
    converter = Converter(PCM_22K, target)
    out = converter.convert(tone(PCM_22K, 440, 1.0))
    assert 1000 - target.duration_ms(len(out)) <= 70


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=20))
def test_pieces_of_any_size_make_the_same_stream(sizes: list[int]) -> None:
    audio = tone(PCM_22K, 440, 0.1)
    converter = Converter(PCM_22K, PCM_8K)
    out, at = b"", 0
    while at < len(audio):
        size = sizes[at % len(sizes)]
        out += converter.convert(audio[at : at + size])
        at += size
    made = np.frombuffer(out + converter.flush(), np.int16)
    whole = np.frombuffer(convert(PCM_22K, PCM_8K, audio, len(audio)), np.int16)
    # The resampler dithers as it rounds, so the last bit may differ.
    assert np.allclose(made, whole, rtol=0, atol=2)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ((PCM_24K, MULAW_8K), MULAW_8K),
        ((PCM_16K, PCM_8K), PCM_8K),
        ((PCM_22K, PCM_16K), PCM_16K),
        ((PCM_24K, PCM_16K), PCM_24K),
        ((PCM_22K, AudioFormat("pcm16", 11025)), PCM_22K),
        ((MULAW_16K, PCM_16K), MULAW_16K),
        ((), MULAW_8K),
    ],
    ids=str,
)
def test_negotiation(offered: tuple[AudioFormat, ...], chosen: AudioFormat) -> None:
    assert negotiate(MULAW_8K, offered) == chosen

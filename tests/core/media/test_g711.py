"""G.711 mu-law: against the standard's formula, and the recording's two channels."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from offhook.media.g711 import MULAW_SILENCE, interleave, mulaw_to_pcm16, pcm16_to_mulaw, rms

ALL_CODES = bytes(range(256))


def expand(code: int) -> int:
    """ITU-T G.711's mu-law, scaled to 16 bits."""
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 0x07)) - 0x84
    return -magnitude if code & 0x80 else magnitude


def test_all_codes_mean_what_the_standard_says() -> None:
    samples = np.frombuffer(mulaw_to_pcm16(ALL_CODES), np.int16)
    assert samples.tolist() == [expand(code) for code in range(256)]


def test_what_was_decoded_is_encoded_as_it_was() -> None:
    encoded = pcm16_to_mulaw(mulaw_to_pcm16(ALL_CODES))
    assert encoded == ALL_CODES.replace(b"\x7f", b"\xff")  # there are two codes for zero


@given(st.integers(-32768, 32767))
def test_the_error_is_a_thirtieth_of_the_sample(sample: int) -> None:
    pcm = np.array([sample], np.int16).tobytes()
    (back,) = np.frombuffer(mulaw_to_pcm16(pcm16_to_mulaw(pcm)), np.int16).tolist()
    assert abs(back - sample) <= max(abs(sample) / 30 + 8, abs(sample) - 32124)


def test_silence_is_silent() -> None:
    assert mulaw_to_pcm16(MULAW_SILENCE) == b"\0\0"
    assert rms(MULAW_SILENCE * 160) == 0


def test_loudness_is_the_root_mean_square() -> None:
    samples = (np.sin(np.arange(160) / 160 * 2 * np.pi * 10) * 10_000).astype(np.int16)
    assert abs(rms(pcm16_to_mulaw(samples.tobytes())) - 10_000 / np.sqrt(2)) < 100


def test_both_sides_keep_to_their_channel() -> None:
    left, right = bytes([0x00, 0x80, 0xFF]), bytes([0xFF, 0x12, 0x34])
    stereo = np.frombuffer(interleave(left, right), np.int16).reshape(-1, 2)
    assert stereo[:, 0].tobytes() == mulaw_to_pcm16(left)
    assert stereo[:, 1].tobytes() == mulaw_to_pcm16(right)

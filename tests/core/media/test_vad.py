"""Where speech begins and pauses: by loudness, and by Silero on a natural voice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.events import MULAW_8K, CallInfo
from offhook.media.g711 import mulaw_to_pcm16, pcm16_to_mulaw
from offhook.media.vad import Frame, LoudnessGate, SileroModel, SpeechDetector, SpeechEdge

SPEECH = "I would like to book a table for four people on Friday evening."
PAUSE_MS, MIN_SPEECH_MS = 250.0, 100.0
Samples = npt.NDArray[np.int16]


def noise(ms: float, level: float, seed: int = 1) -> Samples:
    random = np.random.default_rng(seed)
    return np.clip(random.normal(0, level, int(ms * 8)), -32000, 32000).astype(np.int16)


def silence(ms: float) -> Samples:
    return noise(ms, 5)


def frames(*pieces: Samples) -> list[Frame]:
    """Audio as the line brings it: 20 ms each, through the gate."""
    payload = pcm16_to_mulaw(np.concatenate(pieces).tobytes())
    gate = LoudnessGate()
    cut = [payload[at : at + 160] for at in range(0, len(payload), 160)]
    return [Frame(number * 20.0, part, gate.is_loud(part)) for number, part in enumerate(cut)]


class CountingModel(SileroModel):
    """Counts the audio it is asked about."""

    heard_ms = 0.0

    def hear(self, payload: bytes) -> list[float]:
        self.heard_ms += MULAW_8K.duration_ms(len(payload))
        return super().hear(payload)


class Says:
    """A model that always says the same."""

    def __init__(self, voice: float) -> None:
        self.voice = voice
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1

    def hear(self, payload: bytes) -> list[float]:
        return [self.voice]


def detect(model: SileroModel | Says | None, *pieces: Samples) -> list[SpeechEdge]:
    return SpeechDetector(model, MIN_SPEECH_MS, PAUSE_MS).process(frames(*pieces))


@pytest.fixture(scope="session")
def utterance() -> tuple[Samples, float, float]:
    """A sentence by the local voice at 8 kHz, and where in it the speech begins and ends (ms)."""
    from offhook_tts_local import LocalVoiceOptions, offhook_create_tts

    call = CallInfo("c", "b", "simulated", "CA", "+14155550123", "+14155550100")
    voice = offhook_create_tts(options=LocalVoiceOptions(), call=call, audio=MULAW_8K)
    payload = b"".join(voice.synthesize(SPEECH))
    samples = np.frombuffer(mulaw_to_pcm16(payload), np.int16)
    level = np.array([np.abs(samples[at : at + 80]).max() for at in range(0, len(samples), 80)])
    loud = np.flatnonzero(level > 600) * 10.0
    return samples, float(loud[0]), float(loud[-1] + 10)


# ---- by loudness --------------------------------------------------------------------------------


def test_a_loud_stretch_is_speech_until_it_has_paused() -> None:
    edges = detect(None, silence(400), noise(600, 3000), silence(600))
    assert edges == [SpeechEdge(True, 400.0), SpeechEdge(False, 1000.0)]


def test_a_click_is_no_speech() -> None:
    assert detect(None, silence(400), noise(60, 8000), silence(600)) == []


def test_clicks_far_apart_do_not_add_up() -> None:
    click = (noise(60, 8000), silence(200))
    assert detect(None, silence(400), *click, *click, *click) == []


def test_a_hole_between_syllables_is_no_pause() -> None:
    edges = detect(
        None, silence(400), noise(200, 3000), silence(140), noise(200, 3000), silence(400)
    )
    assert edges == [SpeechEdge(True, 400.0), SpeechEdge(False, 940.0)]


def test_speech_is_known_after_its_least_length_and_its_pause_after_the_pause() -> None:
    detector = SpeechDetector(None, MIN_SPEECH_MS, PAUSE_MS)
    known: list[tuple[bool, float]] = []
    for frame in frames(silence(400), noise(600, 3000), silence(600)):
        known += [(edge.started, frame.end_ms) for edge in detector.process([frame])]
    assert known == [(True, 500.0), (False, 1260.0)]


def test_a_gap_in_the_line_is_a_pause() -> None:
    detector = SpeechDetector(None, MIN_SPEECH_MS, PAUSE_MS)
    detector.process(frames(silence(200), noise(400, 3000)))
    edges = detector.process([Frame(600.0, b"\xff" * 8 * 1000, False)])
    assert edges == [SpeechEdge(False, 600.0)]


def test_the_gate_learns_a_steady_noise_and_still_hears_speech_in_it() -> None:
    heard = frames(noise(20_000, 700), noise(500, 5000, 2), noise(1000, 700, 3))
    assert not any(frame.loud for frame in heard[500:1000])
    assert all(frame.loud for frame in heard[1000:1025])


def test_speech_does_not_raise_its_own_threshold() -> None:
    syllables = [piece for _ in range(40) for piece in (noise(200, 3000), silence(100))]
    assert all(frame.loud for frame in frames(*syllables)[40 * 15 - 15 : 40 * 15 - 6])


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 30)), max_size=30))
def test_edges_alternate_and_time_never_falls(stretches: list[tuple[bool, int]]) -> None:
    detector = SpeechDetector(None, MIN_SPEECH_MS, PAUSE_MS)
    at, edges = 0.0, []
    for loud, count in stretches:
        for _ in range(count):
            edges += detector.process([Frame(at, b"\xff" * 160, loud)])
            at += 20
    assert [edge.started for edge in edges] == [n % 2 == 0 for n in range(len(edges))]
    assert [edge.at_ms for edge in edges] == sorted(edge.at_ms for edge in edges)
    assert detector.speaking == (len(edges) % 2 == 1)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 30)), max_size=20), st.integers(1, 10))
def test_how_frames_are_batched_makes_no_difference(
    stretches: list[tuple[bool, int]], batch: int
) -> None:
    stretch = [loud for loud, count in stretches for _ in range(count)]
    all_of_it = [Frame(n * 20.0, b"\xff" * 160, loud) for n, loud in enumerate(stretch)]
    at_once = SpeechDetector(None, MIN_SPEECH_MS, PAUSE_MS).process(all_of_it)
    detector = SpeechDetector(None, MIN_SPEECH_MS, PAUSE_MS)
    edges = []
    for at in range(0, len(all_of_it), batch):
        edges += detector.process(all_of_it[at : at + batch])
    assert edges == at_once


# ---- when to look again -------------------------------------------------------------------------


def test_the_handler_may_sleep_in_silence_and_not_while_speech_may_begin() -> None:
    detector = SpeechDetector(None, MIN_SPEECH_MS, PAUSE_MS)
    detector.process(frames(silence(200)))
    assert detector.idle
    assert detector.alarm(200.0) == 400.0
    detector.process([Frame(200.0, b"\x00" * 160, True)])
    assert not detector.idle
    assert detector.alarm(220.0) == 220.0


def test_in_speech_the_handler_wakes_for_the_pause() -> None:
    detector = SpeechDetector(None, MIN_SPEECH_MS, PAUSE_MS)
    detector.process([Frame(n * 20.0, b"\x00" * 160, True) for n in range(10)])
    assert detector.alarm(200.0) == 300.0
    detector.process([Frame(n * 20.0, b"\xff" * 160, False) for n in range(10, 20)])
    assert detector.alarm(400.0) == 200.0 + PAUSE_MS


# ---- with a model -------------------------------------------------------------------------------


def test_what_the_model_calls_noise_is_no_speech() -> None:
    assert detect(Says(0.1), silence(400), noise(2000, 3000), silence(600)) == []


def test_what_the_model_calls_voice_is_speech_only_while_it_is_loud() -> None:
    edges = detect(Says(0.9), silence(400), noise(600, 3000), silence(1000))
    started, paused = edges
    assert started == SpeechEdge(True, 400.0)
    assert paused == SpeechEdge(False, 1000.0)


def test_an_unrelated_stretch_is_heard_without_the_one_before() -> None:
    model = Says(0.9)
    stretch = (noise(300, 3000), silence(2000))
    detect(model, silence(400), *stretch, *stretch)
    assert model.resets == 2


def test_silence_never_asks_the_model() -> None:
    model = CountingModel()
    assert detect(model, silence(10_000)) == []
    assert model.heard_ms == 0


def test_steady_noise_seldom_asks_the_model() -> None:
    model = CountingModel()
    assert detect(model, noise(60_000, 600)) == []
    assert model.heard_ms < 6_000


def test_a_natural_voice_is_found_where_it_begins_and_pauses(
    utterance: tuple[Samples, float, float],
) -> None:
    samples, begins, ends = utterance
    edges = detect(SileroModel(), silence(1000), samples, silence(1500))
    assert edges[0].started
    assert abs(edges[0].at_ms - (1000 + begins)) <= 150
    assert not edges[-1].started
    assert abs(edges[-1].at_ms - (1000 + ends)) <= 150
    assert len(edges) == 2


def test_a_natural_voice_is_found_in_noise(utterance: tuple[Samples, float, float]) -> None:
    samples, begins, _ = utterance
    line = np.concatenate((silence(1000), samples, silence(1500))) // 2
    loud = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) / 2
    babble = noise(len(line) / 8 + 8000, loud / 10)  # 20 dB below
    mixed = babble.copy()
    mixed[8000 * 8 : 8000 * 8 + len(line)] += line
    edges = detect(SileroModel(), mixed)
    assert abs(edges[0].at_ms - (8000 + 1000 + begins)) <= 200
    assert not edges[-1].started


def test_calls_share_the_network_and_keep_their_own_state(
    utterance: tuple[Samples, float, float],
) -> None:
    samples, _, _ = utterance
    payload = pcm16_to_mulaw(samples.tobytes())
    alone = SileroModel().hear(payload)
    one, other = SileroModel(), SileroModel()
    together: list[float] = []
    for at in range(0, len(payload), 160):
        together += one.hear(payload[at : at + 160])
        other.hear(b"\xff" * 160)
    assert together == pytest.approx(alone, abs=1e-5)

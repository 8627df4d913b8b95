"""The offline voices with their real engines."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pydantic import ValidationError

import offhook_tts_local
from offhook.errors import ProviderRefused, ProviderUnavailable
from offhook.events import MULAW_8K, AudioFormat, CallInfo
from offhook.media import g711
from offhook_tts_local import LocalVoiceOptions
from offhook_tts_local.audio import for_line
from offhook_tts_local.piper import clauses
from offhook_tts_local.synthesizer import LocalTextToSpeech

PIPER = LocalVoiceOptions()
ESPEAK = LocalVoiceOptions(engine="espeak")
PCM_16K = AudioFormat("pcm16", 16000)


def call(language: str = "en") -> CallInfo:
    return CallInfo("c", "b", "simulated", "x", "+1", "+2", language=language)


def open_tts(
    options: LocalVoiceOptions, audio: AudioFormat = MULAW_8K, language: str = "en"
) -> LocalTextToSpeech:
    tts = offhook_tts_local.offhook_create_tts(options, call(language), audio)
    assert isinstance(tts, LocalTextToSpeech)
    return tts


def samples(payload: bytes, audio: AudioFormat = MULAW_8K) -> npt.NDArray[np.float64]:
    pcm = g711.mulaw_to_pcm16(payload) if audio.encoding == "mulaw" else payload
    return np.frombuffer(pcm, "<i2").astype(np.float64) / 32768


class StuckVoice:
    """Speaks one clause, then computes until it is let go."""

    sample_rate = 8000

    def __init__(self) -> None:
        self.computing = threading.Event()
        self.let_go = threading.Event()

    def speak(self, text: str) -> Iterator[npt.NDArray[np.float32]]:
        clause = np.sin(np.arange(8000, dtype=np.float32))
        yield clause
        self.computing.set()
        assert self.let_go.wait(30)
        yield clause


@pytest.fixture
def stuck() -> Iterator[StuckVoice]:
    voice = StuckVoice()
    yield voice
    voice.let_go.set()


@pytest.mark.parametrize("options", [PIPER, ESPEAK], ids=["piper", "espeak"])
@pytest.mark.parametrize("audio", [MULAW_8K, PCM_16K], ids=str)
def test_speaks_at_the_lines_level(options: LocalVoiceOptions, audio: AudioFormat) -> None:
    payload = b"".join(open_tts(options, audio).synthesize("What can I do for you today?"))
    assert 1000 < audio.duration_ms(len(payload)) < 4000
    heard = samples(payload, audio)
    frames = heard[: len(heard) // 160 * 160].reshape(-1, 160)
    levels = np.sqrt((frames**2).mean(axis=1))
    active = levels[levels > levels.max() / 30]
    assert -24 < 20 * np.log10(np.sqrt((active**2).mean())) < -18
    assert np.abs(heard).max() < 0.95
    assert np.abs(heard[: int(audio.sample_rate * 0.15)]).max() > 0.05, "no wait before the voice"


@pytest.mark.parametrize("options", [PIPER, ESPEAK], ids=["piper", "espeak"])
@pytest.mark.parametrize("text", ["", " ", "...", "—"])
def test_a_text_without_words_is_no_audio(options: LocalVoiceOptions, text: str) -> None:
    assert b"".join(open_tts(options).synthesize(text)) == b""


def test_a_long_sentence_comes_clause_by_clause() -> None:
    text = "Certainly, I have booked a table for four people on Friday; can I do anything else?"
    assert len(list(open_tts(PIPER).synthesize(text))) == 3


def test_clauses_keep_every_phoneme_and_are_never_tiny() -> None:
    sentence = list("wɛl, aɪ hæv bʊkt ɪt fɔː juː, sɜː.")
    cut = list(clauses(sentence))
    assert [p for clause in cut for p in clause] == sentence
    assert len(cut) == 1
    assert len(list(clauses(list("aɪ hæv bʊkt ɪt, ænd aɪ hæv tɔʊld juː.")))) == 2
    assert list(clauses(list("..."))) == []


@pytest.mark.parametrize("engine", ["piper", "espeak"])
def test_speed_changes_the_duration(engine: str) -> None:
    text = "We are open from noon to ten in the evening."
    slow, fast = (
        len(b"".join(open_tts(LocalVoiceOptions(engine=engine, speed=speed)).synthesize(text)))
        for speed in (0.7, 1.6)
    )
    assert slow > 1.5 * fast


def test_resampling_keeps_the_tail() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(22050) / 22050).astype(np.float32)
    line = samples(for_line(tone, 22050, PCM_16K), PCM_16K)
    assert len(line) == pytest.approx(16000, abs=10)
    assert np.abs(line[-100:]).max() > 0.5 * np.abs(line).max()


def test_cancel_before_iterating_yields_nothing() -> None:
    stream = open_tts(PIPER).synthesize("Hello.")
    stream.cancel()
    stream.cancel()
    assert list(stream) == []


def test_cancel_frees_a_waiting_iterator(stuck: StuckVoice) -> None:
    stream = LocalTextToSpeech(stuck, MULAW_8K).synthesize("Anything.")
    chunks: list[bytes] = []
    reader = threading.Thread(target=lambda: chunks.extend(stream))
    reader.start()
    assert stuck.computing.wait(10)
    stream.cancel()
    # The voice still computes: only the cancel can have freed the reader.
    reader.join(10)
    assert not reader.is_alive()
    assert len(chunks) <= 1


def test_no_audio_after_cancel(stuck: StuckVoice) -> None:
    stream = LocalTextToSpeech(stuck, MULAW_8K).synthesize("Anything.")
    audio = iter(stream)
    assert next(audio)
    stuck.let_go.set()
    stream.cancel()
    assert list(audio) == []


def test_close_cancels_what_is_under_way(stuck: StuckVoice) -> None:
    tts = LocalTextToSpeech(stuck, MULAW_8K)
    audio = iter(tts.synthesize("Anything."))
    assert next(audio)
    tts.close()
    tts.close()
    assert list(audio) == []
    assert list(tts.synthesize("More.")) == []


def test_a_failing_engine_is_a_provider_error() -> None:
    class Broken(StuckVoice):
        def speak(self, text: str) -> Iterator[npt.NDArray[np.float32]]:
            raise RuntimeError("no memory")
            yield

    with pytest.raises(ProviderUnavailable, match="no memory"):
        list(LocalTextToSpeech(Broken(), MULAW_8K).synthesize("Anything."))


def test_many_calls_at_once_share_the_threads_and_keep_their_words() -> None:
    texts = ["One.", "Twenty three.", "I would like to book a table.", "Thank you very much, bye."]
    espeak = open_tts(ESPEAK)
    alone = {text: b"".join(espeak.synthesize(text)) for text in texts}
    together: dict[tuple[int, str], bytes] = {}

    def speaker(number: int) -> None:
        options = ESPEAK if number % 2 else PIPER
        tts = open_tts(options)
        for text in texts:
            together[number, text] = b"".join(tts.synthesize(text))

    threads = [threading.Thread(target=speaker, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(together) == 8 * len(texts)
    for (number, text), payload in together.items():
        if number % 2:
            # espeak-ng never says a thing twice alike, but its length hardly varies.
            assert len(payload) == pytest.approx(len(alone[text]), rel=0.03)
        else:
            assert len(payload) > 2000
    names = [t.name for t in threading.enumerate() if t.name.startswith("offhook-tts-local")]
    assert 1 <= len(names) <= 8


def test_languages() -> None:
    create = offhook_tts_local.offhook_create_tts
    assert create(PIPER, call("en-GB"), MULAW_8K) is not None
    assert create(PIPER, call("de"), MULAW_8K) is None
    assert create(ESPEAK, call("xx-YY"), MULAW_8K) is None
    for language in ("de-AT", "he", "en-US"):
        assert list(open_tts(ESPEAK, language=language).synthesize("Hotel 2."))
    with pytest.raises(ProviderRefused, match="no voice 'nobody'"):
        create(LocalVoiceOptions(engine="espeak", voice="nobody"), call(), MULAW_8K)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "festival"}, "piper"),
        ({"speed": 3}, "less than or equal to 2"),
        ({"speed": 0.1}, "greater than or equal to 0.5"),
        ({"pitch": 50}, "Piper has no pitch"),
        ({"engine": "espeak", "pitch": 100}, "less than or equal to 99"),
        ({"voice": "missing.onnx"}, "there is no file missing.onnx"),
        ({"volume": 1}, "Extra inputs"),
    ],
)
def test_options_are_checked(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LocalVoiceOptions.model_validate(options)


def test_a_file_that_is_no_voice_is_refused(tmp_path: Path) -> None:
    voice = tmp_path / "joe.onnx"
    voice.write_bytes(b"not a network")
    (tmp_path / "joe.onnx.json").write_text("{}")
    with pytest.raises(ProviderRefused, match="is no Piper voice"):
        offhook_tts_local.warm_up(LocalVoiceOptions(voice=str(voice)))


def test_describes_itself_without_the_engines() -> None:
    program = (
        "import sys, offhook_tts_local as p; p.offhook_plugin(); "
        "print([m for m in ('piper', 'onnxruntime', 'soxr', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr

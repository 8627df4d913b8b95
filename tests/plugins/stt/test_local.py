"""The offline recognizer with its real model, hearing Piper's voice over a telephone line."""

from __future__ import annotations

import queue
import re
import subprocess
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest

import offhook_stt_local
import offhook_tts_local
from offhook.errors import ProviderUnavailable
from offhook.events import (
    MULAW_8K,
    AudioFormat,
    CallInfo,
    Final,
    RecognitionEvent,
    RecognizerFailed,
)
from offhook.media import g711
from offhook_stt_local import model
from offhook_stt_local.recognizer import LocalRecognizer
from offhook_stt_local.speech import pieces

CALL = CallInfo("call-1", "trattoria", "simulated", "CA1", "+14155550100", "+14155550101")
SILENCE = g711.MULAW_SILENCE
SENTENCES = (
    "I would like to book a table for four people on Friday.",
    "What are your opening hours?",
    "Do you have vegetarian dishes on the menu?",
    "Yes, please.",
    "No, thank you.",
    "Four people at seven.",
    "Could you tell me where your restaurant is?",
    "I need to cancel my reservation for tomorrow.",
    "That's all, thank you very much.",
    "Are you open on Sunday?",
)


@pytest.fixture(scope="module")
def spoken() -> dict[str, bytes]:
    """Each sentence in mu-law at 8 kHz."""
    tts = offhook_tts_local.offhook_create_tts(
        offhook_tts_local.LocalVoiceOptions(), CALL, MULAW_8K
    )
    assert tts is not None
    return {text: b"".join(tts.synthesize(text)) for text in SENTENCES}


class Ear:
    """A recognizer and the events that come out of it."""

    def __init__(self, audio: AudioFormat = MULAW_8K) -> None:
        self.events: queue.SimpleQueue[RecognitionEvent] = queue.SimpleQueue()
        stt = offhook_stt_local.offhook_create_stt(None, CALL, audio, self.events.put)
        assert isinstance(stt, LocalRecognizer)
        self.stt = stt

    def hear(self, audio: bytes) -> str:
        for start in range(0, len(audio), 800):
            self.stt.feed(audio[start : start + 800])
        self.stt.flush()
        return self.final()

    def final(self) -> str:
        event = self.events.get(timeout=30)
        assert isinstance(event, Final)
        return event.text


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear()
    yield ear
    ear.stt.close()
    settle()
    assert ear.events.empty()


def settle() -> None:
    """Wait until the model's thread has done all it was given."""
    done = threading.Event()
    assert model.submit(done.set)
    assert done.wait(30)


def hold_model() -> threading.Event:
    """Occupy the model's thread until the event is set."""
    busy, go_on = threading.Event(), threading.Event()

    def job() -> None:
        busy.set()
        assert go_on.wait(30)

    assert model.submit(job)
    assert busy.wait(30)
    return go_on


def words(text: str) -> list[str]:
    return re.sub(r"[^a-z0-9' ]", " ", text.lower()).replace("7", "seven").split()


def errors(said: str, heard: str) -> int:
    """Word edits that turn what was heard into what was said."""
    a, b = words(said), words(heard)
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        corner, row[0] = row[0], i
        for j, right in enumerate(b, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (left != right))
    return row[-1]


def test_understands_telephone_speech(ear: Ear, spoken: dict[str, bytes]) -> None:
    heard = {
        text: ear.hear(SILENCE * 4000 + audio + SILENCE * 2000) for text, audio in spoken.items()
    }
    wrong = sum(errors(text, heard[text]) for text in SENTENCES)
    assert wrong / sum(len(words(text)) for text in SENTENCES) < 0.15, heard


@pytest.mark.parametrize("rate", [8000, 16000])
def test_understands_linear_samples(spoken: dict[str, bytes], rate: int) -> None:
    pcm = g711.mulaw_to_pcm16(spoken["What are your opening hours?"])
    samples = np.repeat(np.frombuffer(pcm, "<i2"), rate // 8000)
    ear = Ear(AudioFormat("pcm16", rate))
    heard = ear.hear(samples.tobytes() + bytes(rate // 2))
    ear.stt.close()
    assert errors("What are your opening hours?", heard) <= 1, heard


def test_each_flush_gets_one_final_of_its_own_segment(ear: Ear, spoken: dict[str, bytes]) -> None:
    first, second = "What are your opening hours?", "Are you open on Sunday?"
    assert "hours" in ear.hear(spoken[first] + SILENCE * 2000)
    assert "hours" not in (heard := ear.hear(spoken[second] + SILENCE * 2000))
    assert "open" in heard.lower()
    assert ear.hear(b"") == ""


@pytest.mark.parametrize("lead", [0, 8000])
def test_what_is_not_speech_is_no_words(ear: Ear, lead: int) -> None:
    time = np.arange(8000) / 8000
    noise = np.random.default_rng(7).normal(0, 1000, 16000)
    click = np.concatenate((np.zeros(3000), np.full(60, 20000), np.zeros(3000)))
    key = 6000 * (np.sin(2 * np.pi * 770 * time) + np.sin(2 * np.pi * 1336 * time))
    before = SILENCE * lead
    for sound in (np.zeros(16000), noise, click, key):
        payload = g711.pcm16_to_mulaw(sound.clip(-32000, 32000).astype("<i2").tobytes())
        assert ear.hear(before + payload) == ""
    for size in (1, 159, 161):
        assert ear.hear(SILENCE * size) == ""


def test_long_segment_keeps_its_newest_half_minute(ear: Ear, spoken: dict[str, bytes]) -> None:
    first, last = spoken["What are your opening hours?"], spoken["Are you open on Sunday?"]
    heard = ear.hear(first + SILENCE * (30 * 8000 - len(last)) + last).lower()
    assert "open" in heard
    assert "hours" not in heard


def test_long_speech_is_cut_where_it_is_quiet() -> None:
    speech = np.ones(30 * 16000, np.float32)
    speech[8 * 16000 : 9 * 16000] = 0
    cut = pieces(speech)
    assert sum(map(len, cut)) == len(speech)
    assert max(map(len, cut)) <= 12 * 16000
    assert 8 * 16000 <= len(cut[0]) <= 9 * 16000


def test_many_calls_at_once_keep_their_words(spoken: dict[str, bytes]) -> None:
    alone = {}
    for text, audio in spoken.items():
        ear = Ear()
        alone[text] = ear.hear(audio + SILENCE * 2000)
    together: dict[tuple[int, str], str] = {}

    def caller(number: int) -> None:
        ear = Ear()
        for text in SENTENCES[number:] + SENTENCES[:number]:
            together[number, text] = ear.hear(spoken[text] + SILENCE * 2000)
        ear.stt.close()

    threads = [threading.Thread(target=caller, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == {(number, text): alone[text] for number in range(6) for text in SENTENCES}
    assert sum(thread.name.startswith("offhook-stt-local") for thread in threading.enumerate()) == 1


def test_a_closed_recognizer_says_nothing(spoken: dict[str, bytes]) -> None:
    ear = Ear()
    go_on = hold_model()
    ear.stt.feed(spoken["Yes, please."])
    ear.stt.flush()
    ear.stt.close()
    ear.stt.close()
    ear.stt.feed(b"\x00" * 800)
    ear.stt.flush()
    go_on.set()
    settle()
    assert ear.events.empty()


def test_too_many_waiting_segments_fail_the_recognizer() -> None:
    ear = Ear()
    go_on, done = hold_model(), threading.Event()
    for _ in range(model.MAX_WAITING - 1):
        assert model.submit(lambda: None)
    assert model.submit(done.set)
    ear.stt.flush()
    ear.stt.flush()
    failed = ear.events.get(timeout=5)
    assert isinstance(failed, RecognizerFailed)
    assert isinstance(failed.error, ProviderUnavailable)
    assert "64 segments" in str(failed.error)
    go_on.set()
    assert done.wait(30)
    assert ear.events.empty()


def test_a_failing_model_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(samples: object) -> str:
        raise RuntimeError("out of memory")

    ear = Ear()
    monkeypatch.setattr(model, "transcribe", broken)
    tone = np.concatenate((np.zeros(4000), 9000 * np.sin(np.arange(8000))))
    for _ in range(2):
        ear.stt.feed(g711.pcm16_to_mulaw(tone.astype("<i2").tobytes()))
        ear.stt.flush()
    settle()
    failed = ear.events.get(timeout=5)
    assert isinstance(failed, RecognizerFailed)
    assert "out of memory" in str(failed.error)
    assert ear.events.empty()


def test_other_languages_are_left_to_other_plugins() -> None:
    for language, served in (("en", True), ("en-GB", True), ("he", False), ("de-AT", False)):
        call = CallInfo("c", "b", "simulated", "x", "+1", "+2", language=language)
        stt = offhook_stt_local.offhook_create_stt(None, call, MULAW_8K, lambda event: None)
        assert (stt is not None) is served


def test_describes_itself_without_the_model() -> None:
    program = (
        "import sys, offhook_stt_local as p; p.offhook_plugin(); "
        "print([m for m in ('moonshine_voice', 'soxr', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr

"""Vendors that fail, hang or talk nonsense in one call while another runs on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from offhook.errors import ProviderUnavailable
from offhook.events import (
    MULAW_8K,
    Final,
    RecognitionEvent,
    RecognizerFailed,
    ReplyRequest,
    TextDelta,
    ToolCall,
)
from offhook.web.server import EmbeddedServer
from offhook_telephony_simulated.carrier import SimulatedCall, SimulatedCarrier

from .conftest import BUSINESS, NUMBER, MakeCarrier, MakeServer
from .scripted import (
    Script,
    ScriptedSpeech,
    ScriptedStt,
    ScriptedTts,
    no_threads_left,
    settled,
    tone,
    voice,
    wait_for,
)

OTHER_NUMBER = "+14155550101"
PHRASES = """
[phrases]
hold_on = "Wait."
again = "Again?"
failure = "Sorry, bye."
"""
QUICK = BUSINESS.replace("[limits]", "[limits]\nsilence_seconds = 60\nstall_seconds = 0.7").replace(
    "[turns]", "[turns]\nfinal_timeout_ms = 500"
)
HUNG_UP = "caller-hung-up"
TRANSCRIPT = ["Hello.", "words 0", "You said words 0."]
ASKED_AGAIN = ["Hello.", "Again?", "words 0", "You said words 0."]
HELD_ON = ["Hello.", "words 0", "Wait. You said words 0."]
WELL = (HUNG_UP, TRANSCRIPT)


def unavailable() -> ProviderUnavailable:
    return ProviderUnavailable("broken", "the vendor is away")


@pytest.fixture
def stuck() -> Iterator[threading.Event]:
    """What vendors that cannot be stopped wait for, until the end of the test."""
    event = threading.Event()
    yield event
    event.set()


class Stage:
    """One server with a business for each way to fail, and ``beta`` whose vendors are well.

    All of them are called at once; ``calls`` are those with a broken vendor, by its name.
    """

    def __init__(self, server: EmbeddedServer, carrier: SimulatedCarrier, names: list[str]) -> None:
        self.server = server
        self.names = names
        self.other = carrier.ring(OTHER_NUMBER)
        self.calls = {name: carrier.ring(number(index)) for index, name in enumerate(names)}

    def say(self, *names: str) -> None:
        """These callers say something, and each hears an answer."""
        for name in names:
            self.calls[name].say(tone(300))
        for name in names:
            assert self.calls[name].wait_agent_done(timeout=15), name

    def talk(self) -> None:
        """All hear the greeting; those with a broken vendor say something and hear an answer."""
        for call in (self.other, *self.calls.values()):
            assert call.wait_agent_done(timeout=15, quiet_ms=100)
        self.say(*self.names)

    def finish(self) -> dict[str, tuple[str | None, list[str]]]:
        """All hang up: how each call ended and what was said in it. Beta's went well."""
        self.other.say(tone(300))
        assert self.other.wait_agent_done(timeout=15)
        for call in (self.other, *self.calls.values()):
            call.hang_up()
        assert self._outcome(self.other) == WELL
        return {name: self._outcome(call) for name, call in self.calls.items()}

    def leaves_nothing(self) -> None:
        """Waits until no session and no thread of any call is left."""
        wait_for(lambda: len(self.server.runtime.sessions) == 0, 10)
        rows = self.server.runtime.services.store.recent(1000)
        wait_for(lambda: no_threads_left(*(row.id for row in rows)), 10)

    def _outcome(self, call: SimulatedCall) -> tuple[str | None, list[str]]:
        row = settled(self.server, call.call_sid)
        turns = self.server.runtime.services.store.turns(row.id)
        return row.end_reason, [turn.text for turn in turns]


MakeStage = Callable[..., Stage]


@pytest.fixture
def stage(server: MakeServer, carrier: MakeCarrier, make_plugin: Any, tmp_path: Path) -> MakeStage:
    """Makes a stage: ``stage("stt", {"hangs": create, ...})``.

    ``create`` is the hook of a plugin whose name stands before ``scripted`` in its business's
    file; ``alone``: the business has no other vendor of that kind.
    """

    def make(kind: str, broken: dict[str, Callable[..., Any]], *, alone: bool = False) -> Stage:
        folder = tmp_path / "businesses"
        (folder / "beta.toml").write_text(BUSINESS.replace(NUMBER, OTHER_NUMBER))
        info = {"formats": (MULAW_8K,)} if kind != "llm" else {}
        plugins = []
        for index, (name, create) in enumerate(broken.items()):
            plugins.append(make_plugin(kind, name, info=info, **{f"offhook_create_{kind}": create}))
            names = f'["{name}"]' if alone else f'["{name}", "scripted"]'
            toml = QUICK.replace(f'{kind} = "scripted"', f"{kind} = {names}") + PHRASES
            (folder / f"{name}.toml").write_text(toml.replace(NUMBER, number(index)))
        running = server(plugins=plugins)
        for loaded in running.runtime.services.directory.all():
            assert running.runtime.phrases.prepare(loaded).wait(10)
        return Stage(running, carrier(running), list(broken))

    return make


def number(index: int) -> str:
    """The number of a stage's business."""
    return f"+141555502{index:02}"


# ---- recognizers --------------------------------------------------------------------------------

Emit = Callable[[RecognitionEvent], None]


class Recognizer(ScriptedStt):
    def __init__(self, emit: Emit, fed: Callable[[], None], flushed: Callable[[], None]) -> None:
        super().__init__(Script(), emit)
        self._fed, self._flushed = fed, flushed

    def feed(self, audio: bytes) -> None:
        self._fed()

    def flush(self) -> None:
        self._flushed()


def nothing() -> None:
    """What a vendor does that is deaf."""


def fail() -> Any:
    raise unavailable()


def breaks_off(emit: Emit) -> Recognizer:
    return Recognizer(emit, nothing, lambda: emit(RecognizerFailed(unavailable())))


def talks_nonsense(emit: Emit) -> Recognizer:
    final: Any = Final(None)  # type: ignore[arg-type]
    return Recognizer(emit, nothing, lambda: emit(final))


RECOGNIZERS: dict[str, tuple[Callable[[Emit], Any], list[str]]] = {
    "declines": (lambda emit: None, TRANSCRIPT),
    "cannot-connect": (lambda emit: fail(), TRANSCRIPT),
    "feed-raises": (lambda emit: Recognizer(emit, fail, nothing), TRANSCRIPT),
    "flush-raises": (lambda emit: Recognizer(emit, nothing, fail), ASKED_AGAIN),
    "deaf": (lambda emit: Recognizer(emit, nothing, nothing), ASKED_AGAIN),
    "breaks-off": (breaks_off, ASKED_AGAIN),
    "nonsense": (talks_nonsense, ASKED_AGAIN),
}


def test_a_recognizer_that_fails_is_replaced(stage: MakeStage, stuck: threading.Event) -> None:
    closed = threading.Event()

    class Late(ScriptedStt):
        def close(self) -> None:
            closed.set()

    def connects_late(emit: Emit) -> Late:
        stuck.wait(60)
        return Late(Script(), emit)

    def creates(make: Callable[[Emit], Any]) -> Callable[..., Any]:
        return lambda options, call, audio, emit: make(emit)

    cases = {**RECOGNIZERS, "connects-late": (connects_late, ASKED_AGAIN)}
    on = stage("stt", {name: creates(make) for name, (make, _) in cases.items()})
    on.talk()
    asked = [name for name, (_, transcript) in cases.items() if transcript is ASKED_AGAIN]
    assert [name for name, call in on.calls.items() if voice("Again?") in call.heard] == asked
    on.say(*asked)
    assert on.finish() == {name: (HUNG_UP, transcript) for name, (_, transcript) in cases.items()}
    stuck.set()
    on.leaves_nothing()
    assert closed.wait(10)


# ---- language models ----------------------------------------------------------------------------


class Reply:
    """A reply that ``produce`` makes; it is given what tells it to stop."""

    def __init__(self, produce: Callable[[threading.Event], Iterator[Any]]) -> None:
        self._produce = produce
        self._cancelled = threading.Event()

    def __iter__(self) -> Iterator[Any]:
        return self._produce(self._cancelled)

    def cancel(self) -> None:
        self._cancelled.set()


class Model:
    def __init__(self, reply: Callable[[], Any]) -> None:
        self._reply = reply

    def reply(self, request: ReplyRequest) -> Any:
        return self._reply()

    def close(self) -> None:
        pass


def model(*events: Any, then: Callable[[threading.Event], Any] = lambda _: None) -> Model:
    """A model that yields events, and then does something."""

    def produce(cancelled: threading.Event) -> Iterator[Any]:
        yield from events
        then(cancelled)

    return Model(lambda: Reply(produce))


MODELS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "declines": (lambda: None, TRANSCRIPT),
    "cannot-be-made": (fail, HELD_ON),
    "refuses": (lambda: Model(fail), HELD_ON),
    "raises": (lambda: model(then=lambda _: fail()), HELD_ON),
    "says-nothing": (model, HELD_ON),
    "hangs": (lambda: model(then=lambda cancelled: cancelled.wait(60)), HELD_ON),
    "breaks-off": (lambda: model(TextDelta("I was about to"), then=lambda _: fail()), HELD_ON),
    "hangs-in-mid-reply": (
        lambda: model(TextDelta("First. "), then=lambda cancelled: cancelled.wait(60)),
        ["Hello.", "words 0", "First. You said words 0."],
    ),
    "garbage": (lambda: model(None, 42, b"bytes", "text"), HELD_ON),
    "no-text": (lambda: model(TextDelta(None)), HELD_ON),  # type: ignore[arg-type]
    "no-tool": (lambda: model(ToolCall(None, [], None)), HELD_ON),  # type: ignore[arg-type]
}


def test_a_model_that_fails_is_replaced(stage: MakeStage, stuck: threading.Event) -> None:
    class Defiant(Reply):
        """Cannot be stopped, and says so."""

        def __init__(self) -> None:
            super().__init__(lambda _: iter([stuck.wait(60)]))

        def cancel(self) -> None:
            fail()

    def creates(make: Callable[[], Any]) -> Callable[..., Any]:
        return lambda options, call: make()

    cases = {**MODELS, "cannot-be-cancelled": (lambda: Model(Defiant), HELD_ON)}
    on = stage("llm", {name: creates(make) for name, (make, _) in cases.items()})
    on.talk()
    assert on.finish() == {name: (HUNG_UP, transcript) for name, (_, transcript) in cases.items()}
    held_on = {name for name, call in on.calls.items() if voice("Wait.") in call.heard}
    assert held_on == {name for name, (_, transcript) in cases.items() if transcript is HELD_ON}
    stuck.set()
    on.leaves_nothing()


# ---- voices -------------------------------------------------------------------------------------


class Speech(ScriptedSpeech):
    """A sentence's audio up to ``good_ms``, then whatever ``then`` does."""

    def __init__(
        self, text: str, good_ms: float, then: Callable[[threading.Event], Iterator[Any]]
    ) -> None:
        super().__init__(text)
        self._audio = self._audio[: MULAW_8K.size(good_ms)]
        self._then = then

    def __iter__(self) -> Iterator[bytes]:
        yield from super().__iter__()
        yield from self._then(self._cancelled)


class BadVoice(ScriptedTts):
    """Speaks every sentence well but the agent's replies."""

    def __init__(self, good_ms: float, then: Callable[[threading.Event], Iterator[Any]]) -> None:
        self._good_ms, self._then = good_ms, then

    def synthesize(self, text: str) -> ScriptedSpeech:
        if text.startswith("You said"):
            return Speech(text, self._good_ms, self._then)
        return ScriptedSpeech(text)


def hangs(cancelled: threading.Event) -> Iterator[bytes]:
    cancelled.wait(60)
    yield from ()


def raises(_: threading.Event) -> Iterator[bytes]:
    yield fail()


def ends(_: threading.Event) -> Iterator[bytes]:
    yield b""


def babbles(_: threading.Event) -> Iterator[Any]:
    yield "no audio"


VOICES = {
    "declines": None,
    "raises": (0, raises),
    "hangs": (0, hangs),
    "empty": (0, ends),
    "babbles": (0, babbles),
    "raises-in-mid-sentence": (300, raises),
    "hangs-in-mid-sentence": (300, hangs),
}


def test_a_voice_that_fails_is_replaced(stage: MakeStage) -> None:
    def creates(fault: Any) -> Callable[..., Any]:
        return lambda options, call, audio: fault and BadVoice(*fault)

    on = stage("tts", {name: creates(fault) for name, fault in VOICES.items()})
    on.talk()
    outcomes = on.finish()
    assert outcomes.pop("declines") == WELL
    for name, (reason, texts) in outcomes.items():
        assert (name, reason, texts[:2]) == (name, HUNG_UP, TRANSCRIPT[:2])
        before, _, rest = texts[2].partition("Wait. ")
        assert f"{before}{rest}" == "You said words 0.", name
        assert before or name != "hangs-in-mid-sentence"
        heard = on.calls[name].heard
        assert voice("Wait.") in heard, name
        assert voice(rest) in heard, name
    on.leaves_nothing()


# ---- no vendor is left --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "create"),
    [
        ("stt", lambda options, call, audio, emit: Recognizer(emit, fail, nothing)),
        ("llm", lambda options, call: Model(fail)),
        ("tts", lambda options, call, audio: BadVoice(0, raises)),
    ],
    ids=["stt", "llm", "tts"],
)
def test_without_a_vendor_the_call_ends_politely(
    stage: MakeStage, kind: str, create: Callable[..., Any]
) -> None:
    on = stage(kind, {"broken": create}, alone=True)
    call = on.calls["broken"]
    assert call.wait_agent_speaking(timeout=10)
    call.say(tone(300))
    ended = call.wait_ended(timeout=20)
    assert ended is not None
    assert ended.reason == "agent-hung-up"
    row = settled(on.server, call.call_sid)
    assert row.end_detail == f"{kind}: broken: the vendor is away"
    reason, texts = on.finish()["broken"]
    assert reason == "provider-failed"
    assert texts[-1].endswith("Sorry, bye.")
    assert voice("Sorry, bye.") in call.heard
    on.leaves_nothing()


def test_a_recognizer_that_stays_deaf_ends_the_call_politely(stage: MakeStage) -> None:
    def create(options: Any, call: Any, audio: Any, emit: Emit) -> Recognizer:
        return Recognizer(emit, nothing, nothing)

    on = stage("stt", {"deaf": create}, alone=True)
    on.talk()
    call = on.calls["deaf"]
    assert voice("Again?") in call.heard
    call.say(tone(300))
    ended = call.wait_ended(timeout=20)
    assert ended is not None
    assert ended.reason == "agent-hung-up"
    assert settled(on.server, call.call_sid).end_detail == "stt: no final in time"
    assert on.finish() == {"deaf": ("provider-failed", ["Hello.", "Again?", "Sorry, bye."])}
    assert voice("Sorry, bye.") in call.heard
    on.leaves_nothing()


def test_the_last_words_need_no_vendor(
    server: MakeServer, carrier: MakeCarrier, make_plugin: Any
) -> None:
    class Mute(ScriptedTts):
        def synthesize(self, text: str) -> ScriptedSpeech:
            return Speech(text, 0, raises)

    voices = {"first": BadVoice(0, raises), "second": Mute()}
    plugins = [
        make_plugin(
            "tts",
            name,
            info={"formats": (MULAW_8K,)},
            offhook_create_tts=lambda options, call, audio, made=made: made,
        )
        for name, made in voices.items()
    ]
    toml = QUICK.replace('tts = "scripted"', 'tts = ["first", "second"]') + PHRASES
    running = server(toml, plugins)
    call = carrier(running).ring(NUMBER)
    assert call.wait_agent_done(timeout=10)
    call.say(tone(300))
    assert call.wait_ended(timeout=20)
    assert settled(running, call.call_sid).end_reason == "provider-failed"
    assert voice("Sorry, bye.") in call.heard

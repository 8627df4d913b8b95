"""Plugins around a call: observers, tools, and vendors that do not let go."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from offhook.call import performer, watchdog
from offhook.events import MULAW_8K, ReplyRequest, ToolCall, ToolSpec
from offhook.providers import CallControl, Tool
from offhook.web import media, runtime
from offhook_telephony_simulated.carrier import CallFailed, Misbehaviour

from .conftest import BUSINESS, NUMBER, MakeCarrier, MakeServer
from .scripted import (
    Script,
    ScriptedLlm,
    ScriptedSpeech,
    ScriptedStt,
    ScriptedTts,
    no_threads_left,
    settled,
    tone,
    voice,
    wait_for,
)


@pytest.fixture
def stuck() -> Iterator[threading.Event]:
    """What plugins that hang wait for, until the end of the test."""
    event = threading.Event()
    yield event
    event.set()


# ---- observers ----------------------------------------------------------------------------------


def test_observers_hear_of_a_call_and_cannot_harm_it(
    server: MakeServer, carrier: MakeCarrier, make_plugin: Any, stuck: threading.Event
) -> None:
    heard: list[str] = []

    def started(call: Any) -> None:
        heard.append("started")

    def turn_finished(call: Any, turn: Any) -> None:
        heard.append(turn.text)

    def ended(call: Any, ended: Any) -> None:
        heard.append(ended.reason)

    def hangs(call: Any) -> None:
        stuck.wait(60)

    def faulty(call: Any, turn: Any) -> None:
        raise RuntimeError("an observer's own fault")

    plugins = [
        make_plugin("observer", "hangs", offhook_call_started=hangs),
        make_plugin("observer", "raises", offhook_turn_finished=faulty),
        make_plugin(
            "observer",
            "attentive",
            offhook_call_started=started,
            offhook_turn_finished=turn_finished,
            offhook_call_ended=ended,
        ),
    ]
    running = server(plugins=plugins)
    call = carrier(running).ring(NUMBER)
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    call.say(tone(300))
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    call.hang_up()
    row = settled(running, call.call_sid)
    story = ["started", "Hello.", "words 0", "You said words 0.", "caller-hung-up"]
    wait_for(lambda: heard == story, 10)
    assert no_threads_left(row.id)


# ---- tools --------------------------------------------------------------------------------------


class AsksForAll(ScriptedLlm):
    """Asks for all tools at once, and then says what they returned."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self.requests: list[ReplyRequest] = []

    def reply(self, request: ReplyRequest) -> Any:
        self.requests.append(request)
        results = {m.tool_call_id: m.text for m in request.messages if m.role == "tool"}
        if results:
            return ScriptedLlm(Script(answers=lambda _: "Done.")).reply(request)
        return Stream(ToolCall(f"id-{name}", name, {"a": 1}) for name in TOOLS)


class Stream:
    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events

    def __iter__(self) -> Iterator[Any]:
        return self._events

    def cancel(self) -> None:
        pass


TOOLS = {
    "works": "it works with {'a': 1}",
    "raises": "error: a tool's own fault",
    "hangs": "error: the tool did not answer in time",
    "odd": "error: ",
    "unknown": "error: there is no tool called unknown",
}
"""What the model is told, at least, by the tool's name."""


def test_tools_that_fail_are_told_to_the_model(
    server: MakeServer,
    carrier: MakeCarrier,
    make_plugin: Any,
    stuck: threading.Event,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(performer, "TOOL_SECONDS", 0.5)

    def works(arguments: Mapping[str, Any], control: CallControl) -> str:
        return f"it works with {dict(arguments)}"

    def raises(arguments: Mapping[str, Any], control: CallControl) -> str:
        raise RuntimeError("a tool's own fault")

    def hangs(arguments: Mapping[str, Any], control: CallControl) -> str:
        stuck.wait(60)
        return "too late"

    def odd(arguments: Mapping[str, Any], control: CallControl) -> Any:
        return 42

    def tools(call: Any) -> list[Tool]:
        schema = {"type": "object"}
        runs = (works, raises, hangs, odd)
        return [Tool(ToolSpec(run.__name__, "for tests", schema), run) for run in runs]

    def broken(call: Any) -> list[Tool]:
        raise RuntimeError("a plugin's own fault")

    model = AsksForAll(script)
    plugins = [
        make_plugin("observer", "toolbox", offhook_tools=tools),
        make_plugin("observer", "broken", offhook_tools=broken),
        make_plugin("llm", "asks", offhook_create_llm=lambda options, call: model),
    ]
    running = server(BUSINESS.replace('llm = "scripted"', 'llm = "asks"'), plugins)
    call = carrier(running).ring(NUMBER)
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    call.say(tone(300))
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    assert voice("Done.") in call.heard
    told = {m.tool_call_id: m.text for m in model.requests[-1].messages if m.role == "tool"}
    assert told.keys() == {f"id-{name}" for name in TOOLS}
    for name, least in TOOLS.items():
        assert told[f"id-{name}"].startswith(least), name
    call.hang_up()
    row = settled(running, call.call_sid)
    stuck.set()
    wait_for(lambda: no_threads_left(row.id), 10)


def test_tools_that_are_never_offered_cost_their_call_only(
    server: MakeServer,
    carrier: MakeCarrier,
    make_plugin: Any,
    stuck: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(media, "PREPARE_SECONDS", 1.0)

    def tools(call: Any) -> None:
        if call.from_number == "+14155550198":
            stuck.wait(60)

    running = server(plugins=[make_plugin("observer", "hangs", offhook_tools=tools)])
    exchange = carrier(running)
    good = exchange.ring(NUMBER)
    with pytest.raises(CallFailed) as failed:
        exchange.ring(NUMBER, from_number="+14155550198")
    assert (failed.value.reason, failed.value.status) == ("stream-refused", 403)
    store = running.runtime.services.store
    (bad,) = (row for row in store.recent() if row.carrier_call_id != good.call_sid)
    bad = settled(running, bad.id)
    assert bad.end_reason == "never-started"
    assert "a plugin did not let the call begin" in (bad.end_detail or "")
    assert good.wait_agent_done(timeout=10, quiet_ms=200)
    good.say(tone(300))
    assert good.wait_agent_done(timeout=10, quiet_ms=200)
    assert voice("You said words 0.") in good.heard


# ---- vendors that do not let go -----------------------------------------------------------------


def test_vendors_that_do_not_let_go_cannot_hold_a_call(
    server: MakeServer, carrier: MakeCarrier, make_plugin: Any, stuck: threading.Event
) -> None:
    class HoldsOn:
        def close(self) -> None:
            stuck.wait(60)

    class Stt(HoldsOn, ScriptedStt):
        pass

    class Llm(HoldsOn, ScriptedLlm):
        pass

    class Tts(HoldsOn, ScriptedTts):
        def synthesize(self, text: str) -> ScriptedSpeech:
            return Speech(text)

    class Speech(ScriptedSpeech):
        def cancel(self) -> None:
            super().cancel()
            raise RuntimeError("a voice's own fault")

    mulaw = {"formats": (MULAW_8K,)}
    script = Script(answers=lambda _: "A sentence that goes on for quite some time. " * 3)
    plugins = [
        make_plugin(
            "stt",
            "holds-on",
            info=mulaw,
            offhook_create_stt=lambda options, call, audio, emit: Stt(Script(), emit),
        ),
        make_plugin("llm", "holds-on", offhook_create_llm=lambda options, call: Llm(script)),
        make_plugin(
            "tts", "holds-on", info=mulaw, offhook_create_tts=lambda options, call, audio: Tts()
        ),
    ]
    toml = BUSINESS
    for kind in ("stt", "llm", "tts"):
        toml = toml.replace(f'{kind} = "scripted"', f'{kind} = "holds-on"')
    running = server(toml, plugins, prepared=False)
    call = carrier(running).ring(NUMBER)
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    call.say(tone(300))
    assert call.wait_agent_speaking(timeout=10, for_ms=500)
    cleared_after = call.moment.at_ms
    call.say(tone(300))  # the voice's cancel() raises
    assert call.wait_event("clear", timeout=10, after_ms=cleared_after)
    assert call.wait_agent_speaking(timeout=10)
    call.hang_up()
    row = settled(running, call.call_sid)
    assert row.end_reason == "caller-hung-up"
    wait_for(lambda: len(running.runtime.sessions) == 0, 10)
    stuck.set()
    wait_for(lambda: no_threads_left(row.id), 10)


def test_a_recognizer_that_blocks_the_call_is_noticed(
    server: MakeServer,
    carrier: MakeCarrier,
    make_plugin: Any,
    stuck: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watchdog, "STUCK_SECONDS", 1.0)

    class Blocks(ScriptedStt):
        def feed(self, audio: bytes) -> None:
            stuck.wait(60)

    plugin = make_plugin(
        "stt",
        "blocks",
        info={"formats": (MULAW_8K,)},
        offhook_create_stt=lambda options, call, audio, emit: Blocks(Script(), emit),
    )
    running = server(BUSINESS.replace('stt = "scripted"', 'stt = "blocks"'), [plugin])
    call = carrier(running).ring(NUMBER)
    ended = call.wait_ended(timeout=10)
    assert ended is not None
    row = settled(running, call.call_sid)
    assert row.end_reason == "stuck"
    assert len(running.runtime.sessions) == 0
    stuck.set()
    wait_for(lambda: no_threads_left(row.id), 10)


def test_a_line_without_audio_is_noticed(
    server: MakeServer, carrier: MakeCarrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "AUDIO_LOST_SECONDS", 1.0)
    running = server()
    call = carrier(running).ring(NUMBER, misbehaviour=Misbehaviour(lost=1.0))
    assert call.wait_ended(timeout=10)
    row = settled(running, call.call_sid)
    assert row.end_reason == "media-lost"
    wait_for(lambda: no_threads_left(row.id), 10)


def test_a_vendor_that_hangs_as_the_server_starts_keeps_nobody_waiting(
    server: MakeServer,
    carrier: MakeCarrier,
    make_plugin: Any,
    stuck: threading.Event,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runtime, "PREPARE_SECONDS", 0.2)

    def hangs(options: Any, call: Any) -> None:
        stuck.wait(60)

    first = BUSINESS.replace(NUMBER, "+14155550101").replace('llm = "scripted"', 'llm = "hangs"')
    (tmp_path / "businesses" / "aaron.toml").write_text(first)
    running = server(plugins=[make_plugin("llm", "hangs", offhook_create_llm=hangs)])
    call = carrier(running).ring(NUMBER)
    assert call.wait_agent_speaking(timeout=10)

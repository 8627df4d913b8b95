"""Typed calls: the engine's machine and models without audio, telephone or server."""

from __future__ import annotations

import importlib.metadata
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from offhook.business_file import Loaded, read_business
from offhook.errors import ProviderUnavailable
from offhook.events import ReplyEvent, ReplyRequest, TextDelta, ToolCall, ToolSpec
from offhook.providers import Tool
from offhook.registry import Registry
from offhook_telephony_simulated.shell.typed import TypedCall

from .shell import write_shop


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry()


@pytest.fixture
def shop(tmp_path: Path, registry: Registry) -> Loaded:
    return read_business(write_shop(tmp_path), registry)


def test_a_call_from_greeting_to_goodbye(shop: Loaded, registry: Registry) -> None:
    with closing(TypedCall(shop, registry)) as call:
        assert list(call.begin()) == ["Corner Shop, good day."]
        answer = list(call.say("When are you open?"))
        assert len(answer) == 2
        assert answer[0].startswith("We are open from Monday")
        assert list(call.say("xyzzy")) == ["Pardon?"]
        assert call.ended is None
        assert list(call.say("Goodbye.")) == ["Goodbye!"]
        assert call.ended is not None
        assert call.ended.reason == "agent-ended"
        assert list(call.say("Hello?")) == []


def test_the_caller_hangs_up(shop: Loaded, registry: Registry) -> None:
    with closing(TypedCall(shop, registry)) as call:
        list(call.begin())
        call.hang_up()
        assert call.ended is not None
        assert call.ended.reason == "caller-hung-up"


def test_nobody_is_hurried_while_typing(shop: Loaded, registry: Registry) -> None:
    now = 0.0
    with closing(TypedCall(shop, registry, monotonic=lambda: now)) as call:
        list(call.begin())
        now += 3600
        assert list(call.say("xyzzy")) == ["Pardon?"]
        assert call.ended is None


class Model:
    """A language model that calls tools, transfers or fails, as the caller asks it to."""

    def reply(self, request: ReplyRequest) -> Model:
        self._last = request.messages[-1]
        return self

    def __iter__(self) -> Iterator[ReplyEvent]:
        match self._last.role, self._last.text:
            case "tool", result:
                yield TextDelta(f"It says {result}.")
            case _, "look it up":
                yield ToolCall("t1", "look_up", {"what": "prices"})
            case _, "somebody else":
                yield TextDelta("I hand you over.")
                yield ToolCall("t2", "transfer_call", {"to_number": "+14155550111"})
            case _, "press":
                yield ToolCall("t3", "press", {})
            case _:
                raise ProviderUnavailable("moody", "it broke off")

    def cancel(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def moody(tmp_path: Path, make_plugin: Any) -> tuple[Loaded, Registry]:
    """A shop whose first model is ``Model``, with the script behind it."""
    tools = [
        Tool(ToolSpec("look_up", "", {}), lambda arguments, _: f"{arguments['what']} rise"),
        Tool(ToolSpec("press", "", {}), lambda _, control: str(control.send_dtmf("12"))),
    ]
    plugin = make_plugin(
        "llm",
        "moody",
        offhook_create_llm=lambda options, call: Model(),
        offhook_tools=lambda call: tools,
    )
    registry = Registry([*importlib.metadata.entry_points(group="offhook"), plugin])
    file = write_shop(tmp_path, 'llm = ["moody", "script"]')
    return read_business(file, registry), registry


def test_tools_are_run(moody: tuple[Loaded, Registry]) -> None:
    notices: list[str] = []
    with closing(TypedCall(*moody, notices.append)) as call:
        list(call.begin())
        assert list(call.say("look it up")) == ["It says prices rise."]
        assert list(call.say("press")) == ["It says None."]
    assert notices == ["the agent pressed 12"]


def test_a_transfer_ends_the_call(moody: tuple[Loaded, Registry]) -> None:
    notices: list[str] = []
    with closing(TypedCall(*moody, notices.append)) as call:
        list(call.begin())
        assert list(call.say("somebody else")) == ["I hand you over."]
        assert call.ended is not None
        assert call.ended.reason == "transferred"
    assert notices == ["the caller is handed to +14155550111"]


def test_the_next_model_steps_in(moody: tuple[Loaded, Registry]) -> None:
    notices: list[str] = []
    with closing(TypedCall(*moody, notices.append)) as call:
        list(call.begin())
        answer = list(call.say("When are you open?"))
        assert answer[0] == "One moment, please."
        assert answer[1].startswith("We are open from Monday")
    assert notices == ["the language model 'moody' failed"]


def test_no_thread_is_left(moody: tuple[Loaded, Registry]) -> None:
    with closing(TypedCall(*moody)) as call:
        list(call.begin())
        list(call.say("look it up"))
    assert not [t.name for t in threading.enumerate() if call.call.call_id in t.name]

"""The threads that wait for a model or a tool, and the chain of plugins that stand in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from offhook.call import signals as s
from offhook.call.provider_chain import ProviderChain
from offhook.call.thinker import MAX_TOOL_RESULT, Thinker, ToolRunner
from offhook.errors import ProviderUnavailable
from offhook.events import CallInfo, Message, ReplyRequest, ToolCall, ToolSpec
from offhook.providers import CallControl, Tool
from offhook.testing import HANG, FakeModel

from .limbs import CALL, Told

REQUEST = ReplyRequest((Message("user", "Hi"),))
BOOK = ToolCall("t1", "book", {"people": 4})


def think(model: FakeModel | None) -> tuple[Thinker, Told]:
    told = Told()
    thinker = Thinker("c1", 3, REQUEST, ProviderChain("llm", ("fake",), lambda _: model), told)
    thinker.start()
    return thinker, told


def test_a_reply_is_told_piece_by_piece() -> None:
    model = FakeModel(("Hel", BOOK, "lo."))
    thinker, told = think(model)
    thinker.join(10)
    assert told.signals == [
        s.ReplyText(3, "Hel"),
        s.ReplyTool(3, BOOK),
        s.ReplyText(3, "lo."),
        s.ReplyEnded(3),
    ]
    assert model.requests == [REQUEST]


def test_a_failure_is_told() -> None:
    thinker, told = think(FakeModel(("Hel", ProviderUnavailable("fake", "gone"))))
    thinker.join(10)
    assert told.signals == [s.ReplyText(3, "Hel"), s.ReplyFailed(3, "fake: gone")]


def test_a_call_without_a_model_is_told() -> None:
    thinker, told = think(None)
    thinker.join(10)
    assert told.signals == [s.ReplyFailed(3, "fake: no llm serves this call")]


def test_a_silent_model_is_cancelled_and_says_no_more() -> None:
    model = FakeModel(("Hel", HANG))
    thinker, told = think(model)
    told.wait(s.ReplyText)
    assert model.streams[0].hanging.wait(10)
    thinker.stop()
    thinker.join(10)
    assert not thinker.is_alive()
    assert told.signals == [s.ReplyText(3, "Hel")]


# ---- tools --------------------------------------------------------------------------------------


class Control:
    """A call that a tool may steer."""

    call: CallInfo = CALL

    def end_call(self) -> None: ...

    def transfer(self, to_number: str) -> None: ...

    def send_dtmf(self, digits: str) -> None: ...


def run_tool(
    run: Callable[[Mapping[str, Any], CallControl], str] | None, seconds: float = 60.0
) -> tuple[ToolRunner, Told]:
    told = Told()
    tool = None if run is None else Tool(ToolSpec("book", "", {}), run)
    runner = ToolRunner("c1", 3, BOOK, tool, Control(), seconds, told)
    runner.start()
    return runner, told


def test_a_tool_gets_its_arguments_and_the_call() -> None:
    runner, told = run_tool(lambda arguments, control: f"{arguments} {control.call.call_id}")
    runner.join(10)
    assert told.signals == [s.ToolReturned(3, "t1", "{'people': 4} c1")]


def test_the_model_is_told_no_novel() -> None:
    runner, told = run_tool(lambda *_: "x" * 100_000)
    runner.join(10)
    assert len(told.wait(s.ToolReturned).text) == MAX_TOOL_RESULT


def test_what_a_tool_raises_is_told_to_the_model() -> None:
    def fails(arguments: Mapping[str, Any], control: CallControl) -> str:
        raise RuntimeError("fully booked")

    runner, told = run_tool(fails)
    runner.join(10)
    assert told.signals == [s.ToolReturned(3, "t1", "error: fully booked")]


def test_an_unknown_tool_is_told_to_the_model() -> None:
    runner, told = run_tool(None)
    runner.join(10)
    assert told.signals == [s.ToolReturned(3, "t1", "error: there is no tool called book")]


def test_a_tool_that_takes_too_long_is_told_once() -> None:
    go = threading.Event()
    runner, told = run_tool(lambda *_: str(go.wait(10)), seconds=0.01)
    assert told.wait(s.ToolReturned).text == "error: the tool did not answer in time"
    go.set()
    runner.join(10)
    assert len(told.signals) == 1


def test_a_tool_that_is_not_wanted_any_more_is_not_told() -> None:
    go = threading.Event()
    runner, told = run_tool(lambda *_: str(go.wait(10)))
    runner.stop()
    go.set()
    runner.join(10)
    assert told.signals == []


# ---- plugins that stand in for each other -------------------------------------------------------


def chain_of(*models: FakeModel | None) -> ProviderChain[FakeModel]:
    named = {f"model{number}": model for number, model in enumerate(models)}
    return ProviderChain("llm", tuple(named), named.__getitem__)


def test_one_provider_serves_until_it_is_replaced() -> None:
    first, second = FakeModel(), FakeModel()
    chain = chain_of(first, second)
    assert chain.get() is chain.get() is first
    chain.replace()
    assert first.closed
    assert chain.get() is second
    assert chain.name == "model1"
    chain.close()
    assert second.closed


def test_one_that_declines_is_passed_over() -> None:
    second = FakeModel()
    chain = chain_of(None, second)
    assert chain.get() is second


def test_the_last_one_is_made_anew() -> None:
    made: list[FakeModel] = []

    def create(name: str) -> FakeModel:
        made.append(FakeModel())
        return made[-1]

    chain = ProviderChain("llm", ("only",), create)
    first = chain.get()
    chain.replace()
    assert chain.get() is not first
    assert len(made) == 2


@pytest.mark.parametrize("models", [(None,), (None, None)])
def test_without_any_that_serves_the_error_says_so(models: tuple[None, ...]) -> None:
    with pytest.raises(ProviderUnavailable, match="no llm serves this call"):
        chain_of(*models).get()


def test_after_the_call_none_is_made() -> None:
    chain = chain_of(FakeModel())
    chain.close()
    with pytest.raises(ProviderUnavailable, match="the call is over"):
        chain.get()


def test_one_that_is_made_while_the_call_ends_is_closed() -> None:
    late = FakeModel()

    def create(name: str) -> FakeModel:
        chain.close()
        return late

    chain: ProviderChain[FakeModel] = ProviderChain("llm", ("only",), create)
    with pytest.raises(ProviderUnavailable):
        chain.get()
    assert late.closed

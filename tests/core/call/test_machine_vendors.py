"""The conversation when models and voices stall or fail, and when the model uses tools."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.call import signals as s
from offhook.config.business import Phrases
from offhook.events import Message, ToolCall, ToolSpec
from offhook.testing import HANG, VirtualCall

PHRASES = Phrases()
BROKEN = OSError("the vendor broke off")
BOOK = ToolCall("1", "book", {"people": 4})


def asked(**settings: Any) -> VirtualCall:
    """A call whose greeting was heard, and whose caller's question ends at 2.8 s."""
    call = VirtualCall(**settings)
    call.tell(s.Begin())
    call.says("When do you open?", at=2000)
    call.run(3399)
    return call


def agent_said(call: VirtualCall) -> list[str]:
    return [heard for who, heard in call.transcript if who == "agent"][1:]


# ---- the language model -------------------------------------------------------------------------


@pytest.mark.parametrize("first", [(BROKEN,), (), ("",), (HANG,)])
def test_a_model_that_fails_is_replaced_behind_a_phrase(first: Any) -> None:
    call = asked(model=lambda _, n: first if n == 1 else ("At nine.",))
    call.run(18_000)
    assert call.one(s.ReplaceProvider).kind == "llm"
    assert agent_said(call)[0] == f"{PHRASES.hold_on} At nine."
    kinds = [type(command) for _, command in call.log]
    assert kinds.index(s.ReplaceProvider) < kinds.index(s.Think, kinds.index(s.Think) + 1)


def test_a_stalled_model_is_waited_for_as_the_file_says() -> None:
    call = asked(model=lambda *_: (HANG,), business={"limits": {"stall_seconds": 4}})
    call.run_to_end()
    assert call.times(s.ReplaceProvider) == [3400.0 + 4000.0]
    assert [cancel.reply for cancel in call.all(s.CancelReply)] == [1, 2]


@pytest.mark.parametrize("reply", [(BROKEN,), (), (HANG,)])
def test_a_model_that_fails_again_ends_the_call_politely(reply: Any) -> None:
    call = asked(model=lambda *_: reply)
    finish = call.run_to_end()
    assert finish.reason == "provider-failed"
    assert finish.detail.startswith("llm: ")
    assert call.turns[-1].heard == PHRASES.failure
    assert ("caller", "When do you open?") in call.transcript
    assert len(call.all(s.ReplaceProvider)) == 1


def test_a_model_that_fails_again_before_a_word_tells_the_turns_in_their_order() -> None:
    call = asked(model=lambda *_: (BROKEN,), token_ms=10.0)
    call.run_to_end()
    assert [who for who, _ in call.transcript] == ["agent", "caller", "agent"]


def test_a_model_that_breaks_off_goes_on_after_what_it_said() -> None:
    call = asked(
        model=lambda _, n: (
            ("We open at nine. We close", BROKEN) if n == 1 else ("We close at ten.",)
        )
    )
    call.run(14_000)
    assert agent_said(call) == ["We open at nine. We close at ten."]
    assert call.all(s.Think)[1].request.messages[-1] == Message("assistant", "We open at nine.")


def test_one_failure_each_time_is_forgiven() -> None:
    call = VirtualCall(model=lambda _, n: (BROKEN,) if n % 2 else ("At nine.",))
    call.tell(s.Begin())
    for at in (2000, 12_000, 22_000):
        call.says("When do you open?", at=at)
    call.run(29_000)
    assert not call.machine.finished
    assert len(call.all(s.ReplaceProvider)) == 3


def test_a_failure_in_the_goodbye_does_not_hold_up_the_end() -> None:
    call = asked(model=lambda *_: ("Bye now.", ToolCall("1", "end_call", {}), BROKEN))
    assert call.run_to_end().reason == "agent-ended"
    assert agent_said(call) == ["Bye now."] or agent_said(call) == []
    assert call.now < 8000


# ---- the voice ----------------------------------------------------------------------------------


def failing(*texts: str, times: int = 1, how: Any = BROKEN) -> Any:
    """A voice that fails so many times at these sentences."""
    left = dict.fromkeys(texts, times)

    def voice(text: str) -> Any:
        if left.get(text, 0) > 0:
            left[text] -= 1
            return how
        return len(text) * 60.0

    return voice


@pytest.mark.parametrize("how", [BROKEN, HANG])
def test_a_sentence_that_fails_is_said_again_behind_a_phrase(how: Any) -> None:
    call = asked(
        model=lambda *_: ("One is here. Two is here. Three is here.",),
        voice=failing("Two is here.", how=how),
    )
    call.run(19_000)
    assert call.one(s.ReplaceProvider).kind == "tts"
    said = agent_said(call)[0]
    assert said.endswith("Two is here. Three is here.")
    assert said.replace(f"{PHRASES.hold_on} ", "") == "One is here. Two is here. Three is here."


@pytest.mark.parametrize("how", [BROKEN, HANG])
def test_a_voice_that_fails_again_ends_the_call_politely(how: Any) -> None:
    # The phrases come from the cache, as they would: only the answer fails.
    call = asked(voice=failing("Certainly.", times=9, how=how))
    finish = call.run_to_end()
    assert finish.reason == "provider-failed"
    assert finish.detail.startswith("tts: ")
    assert call.turns[-1].heard == PHRASES.failure


def test_a_call_without_any_voice_ends() -> None:
    call = VirtualCall(voice=lambda _: BROKEN)
    call.tell(s.Begin())
    assert call.run_to_end().reason == "provider-failed"
    assert call.turns == []
    assert call.machine.context == ()


@pytest.mark.parametrize("marks", [True, False])
def test_a_sentence_without_audio_is_left_out(marks: bool) -> None:
    call = asked(
        model=lambda *_: ("One is here. Two is here. Three is here.",),
        voice=failing("Two is here.", how=0.0),
        marks=marks,
    )
    call.run(12_000)
    assert not call.all(s.ReplaceProvider)
    assert agent_said(call) == ["One is here. Three is here."]
    assert not call.turns[-1].interrupted


def test_an_answer_without_audio_is_said_again() -> None:
    call = asked(voice=failing("Certainly.", how=0.0))
    call.run(10_000)
    assert call.one(s.ReplaceProvider).kind == "tts"
    assert agent_said(call) == [f"{PHRASES.hold_on} Certainly."]


def test_an_answer_that_never_has_audio_does_not_end_the_call() -> None:
    call = asked(voice=failing("Certainly.", times=9, how=0.0))
    call.run(10_000)
    assert agent_said(call) == [PHRASES.hold_on]
    assert not call.machine.finished


def test_words_that_were_never_sent_are_not_in_the_context() -> None:
    call = asked(
        model=lambda *_: ("One is here. Two is here.", ToolCall("1", "end_call", {})),
        voice=failing("Two is here.", times=9),
    )
    assert call.run_to_end().reason == "agent-ended"
    assert agent_said(call) == ["One is here."]
    assert call.machine.context[-1] == Message("assistant", "One is here.")


# ---- tools --------------------------------------------------------------------------------------


def with_tools(*replies: Any, **settings: Any) -> VirtualCall:
    tools = {"book": lambda _: "booked", "look": lambda _: "free"}
    spec = ToolSpec("book", "Books.", {"type": "object"})
    return asked(
        model=lambda _, n: replies[min(n, len(replies)) - 1],
        **{"tools": tools, "brief": {"tools": (spec,)}, **settings},
    )


def test_a_tool_is_run_and_the_model_goes_on() -> None:
    call = with_tools(("Let me see.", BOOK), ("It is done.",))
    call.run(9000)
    assert call.one(s.RunTool) == s.RunTool(1, BOOK)
    assert call.all(s.Think)[1].request.messages[-2:] == (
        Message("assistant", "Let me see.", (BOOK,)),
        Message("tool", "booked", tool_call_id="1"),
    )
    assert agent_said(call) == ["Let me see. It is done."]
    assert call.machine.context[-3:] == (
        Message("assistant", "Let me see.", (BOOK,)),
        Message("tool", "booked", tool_call_id="1"),
        Message("assistant", "It is done."),
    )


def test_the_model_is_offered_the_tools() -> None:
    call = with_tools(("Hello.",))
    call.run(4000)
    assert [tool.name for tool in call.one(s.Think).request.tools] == [
        "book",
        "end_call",
        "transfer_call",
    ]


def test_tools_of_one_round_run_together_and_are_told_in_their_order() -> None:
    look = ToolCall("2", "look", {})
    call = with_tools((look, BOOK), ("Done.",))
    call.run(9000)
    assert call.times(s.RunTool) == [3500.0, 3600.0]
    results = call.all(s.Think)[1].request.messages[-2:]
    assert [message.text for message in results] == ["free", "booked"]
    assert len(call.all(s.Think)) == 2


def test_tools_that_answer_before_the_reply_ends_are_no_reason_to_ask_twice() -> None:
    call = with_tools((BOOK, "Just ", "a ", "mo", "ment."), ("Done.",))
    call.run(12_000)
    assert len(call.all(s.Think)) == 2
    assert agent_said(call) == ["Just a moment. Done."]


def test_two_tools_with_one_id_are_answered_once() -> None:
    call = with_tools((BOOK, BOOK), ("Done.",))
    call.run(9000)
    assert agent_said(call) == ["Done."]


def test_an_unknown_tool_is_told_to_the_model() -> None:
    call = with_tools((ToolCall("1", "fly", {}),), ("I can't.",))
    call.run(9000)
    assert "no such tool" in call.all(s.Think)[1].request.messages[-1].text


def test_barge_in_cancels_tools_and_the_context_says_that_they_gave_no_result() -> None:
    call = with_tools(("Let me see. ", BOOK), ("Done.",), tool_ms=5000.0)
    call.says("No, wait", at=4500)
    call.run(5000)
    assert call.one(s.CancelReply).reply == 1
    call.run(12_000)
    asked_with = call.all(s.Think)[1].request.messages[-3:]
    assert [message.role for message in asked_with] == ["assistant", "tool", "user"]
    assert asked_with[1].text == "(no result)"


def test_a_noise_while_a_tool_runs_asks_the_model_again() -> None:
    call = with_tools((BOOK,), ("Done.",), tool_ms=5000.0)
    call.says("", at=4500, ms=200)
    call.run(9000)
    assert agent_said(call) == ["Done."]


def test_a_result_that_comes_after_the_barge_in_is_ignored() -> None:
    call = with_tools((BOOK,), ("Done.",), tool_ms=60_000.0)
    call.says("No, wait", at=4500)
    call.run(9000)
    before = call.machine.context
    assert call.tell(s.ToolReturned(1, "1", "booked")) == []
    assert call.machine.context == before


def test_a_model_that_fails_after_it_asked_for_a_tool_does_not_wait_for_the_tool() -> None:
    call = with_tools((BOOK, BROKEN), ("It is done.",), tool_ms=60_000.0)
    call.run(12_000)
    assert agent_said(call) == [f"{PHRASES.hold_on} It is done."]
    assert "(no result)" in [message.text for message in call.all(s.Think)[1].request.messages]


def test_after_many_rounds_the_model_must_answer_in_words() -> None:
    call = asked(
        model=lambda request, _: (
            (ToolCall("1", "book", {}),) if len(request.tools) > 2 else ("I give up.",)
        ),
        tools={"book": lambda _: "try again"},
        brief={"tools": (ToolSpec("book", "Books.", {"type": "object"}),)},
    )
    call.run(14_000)
    assert len(call.all(s.RunTool)) == 8
    assert agent_said(call) == ["I give up."]


def test_a_model_that_asks_for_tools_for_ever_is_stopped() -> None:
    call = with_tools((BOOK,))
    call.run(20_000)
    assert len(call.all(s.RunTool)) == 8


def test_a_model_that_has_said_all_may_be_silent_after_its_tool() -> None:
    call = with_tools(("I book it for you.", BOOK), ())
    call.run(9000)
    assert not call.all(s.ReplaceProvider)
    assert agent_said(call) == ["I book it for you."]

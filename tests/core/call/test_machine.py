"""The conversation, told as calls on a virtual clock."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.call import signals as s
from offhook.config.business import Phrases
from offhook.events import (
    DtmfReceived,
    EndOfTurn,
    Final,
    Partial,
    RecognizerFailed,
    SpeechStarted,
    ToolCall,
    ToolSpec,
)

from .driver import Call, make

PHRASES = Phrases()
STORY = "One two three four five six seven eight nine ten eleven twelve."
QUIET: dict[str, Any] = {"brief": {"opening": ()}}
LOOK_UP = ToolCall("t1", "look_up", {"q": "x"})


def interrupted_story(**how: Any) -> Call:
    """The agent tells a story; the caller falls in two seconds after it began to be heard."""
    call = Call([STORY], **QUIET, **how)
    call.says("Tell me.", 100)
    call.run(1650)
    assert call.times(s.Think) == [1500]
    call.run(1750)  # the first audio left at 1700
    call.says("Stop it.", 3700)
    return call


# ---- the plain course of a call ----


def test_silence_is_asked_about_and_then_the_agent_hangs_up() -> None:
    call = Call()
    call.run()
    assert call.speaking == ["Hello there friend.", *PHRASES.silence, PHRASES.silence_goodbye]
    assert call.finish.reason == "silence"
    assert [turn.heard for turn in call.turns] == call.speaking
    assert [turn.index for turn in call.turns] == [0, 1, 2]


def test_a_question_is_answered_and_the_answer_timed() -> None:
    call = Call(["It is ", "noon. ", "Bye."])
    call.says("What time is it?", 2000)
    call.run(9000)
    assert call.context == [
        ("assistant", "Hello there friend."),
        ("user", "What time is it?"),
        ("assistant", "It is noon. Bye."),
    ]
    _, caller, agent = call.turns
    assert (caller.speaker, caller.start_ms, caller.end_ms) == ("caller", 2000, 2800)
    assert (agent.speaker, agent.heard, agent.interrupted) == ("agent", agent.text, False)
    latency = agent.latency
    assert latency.transcript == 300
    assert latency.endpoint == 600
    assert latency.first_token == 700
    assert latency.first_audio == latency.heard == 900


def test_the_call_ends_at_its_greatest_length() -> None:
    call = Call(limits={"max_call_seconds": 5})
    call.run()
    assert call.speaking[-1] == PHRASES.time_up
    assert call.finish.reason == "max-length"
    assert call.times(s.Finish)[0] < 25_000


def test_a_node_that_goes_down_says_goodbye() -> None:
    call = Call()
    call.at(500, s.Draining())
    call.run()
    assert call.speaking[-1] == PHRASES.time_up
    assert call.finish.reason == "drained"


def test_keys_pressed_in_a_row_are_one_entry() -> None:
    call = Call()
    for number, digit in enumerate("42#"):
        call.at(3000 + 300 * number, DtmfReceived(digit))
    call.run(6000)
    assert call.context[1] == ("user", "[pressed 42#]")
    assert len(call.all(s.Think)) == 1


def test_a_carrier_that_echoes_no_marks_does_not_stop_the_call() -> None:
    call = Call(["It is noon."], marks=False)
    call.says("What time is it?", 6000)
    call.run()
    assert "It is noon." in call.speaking
    assert call.finish.reason == "silence"


# ---- who has the floor ----


def test_a_caller_who_falls_in_stops_the_agent_and_only_the_heard_words_count() -> None:
    call = interrupted_story()
    call.run(3850)
    assert len(call.all(s.StopSpeaking)) == 1
    agent = call.turns[-1]
    assert agent.interrupted
    assert agent.text == STORY
    assert 0 < len(agent.heard) < len(STORY)
    assert STORY.startswith(agent.heard)
    assert call.context[-1] == ("assistant", agent.heard)


def test_marks_of_what_was_cut_off_are_ignored() -> None:
    call = interrupted_story()
    call.run(3850)
    context = call.context
    (cut_off,) = call.all(s.Speak)
    assert call.tell(s.Played(cut_off.utterance, 3900.0, True)) == []
    assert call.context == context
    call.run(8000)
    assert call.context[2:] == [("user", "Stop it."), ("assistant", "All right.")]


def test_with_barge_in_disabled_the_words_are_answered_afterwards() -> None:
    call = interrupted_story(barge_in={"enabled": False})
    call.run(11_000)
    assert call.all(s.StopSpeaking) == []
    assert call.context[1:3] == [("assistant", STORY), ("user", "Stop it.")]
    assert len(call.all(s.Think)) == 2


@pytest.mark.parametrize("protected", [True, False])
def test_a_greeting_can_be_protected(protected: bool) -> None:
    call = Call(barge_in={"greeting": not protected})
    call.says("I need help.", 300)
    call.run(6000)
    greeting, caller, *_ = call.turns
    assert greeting.interrupted is not protected
    assert (greeting.heard == "Hello there friend.") is protected
    assert caller.text == "I need help."


def test_a_caller_who_goes_on_before_the_answer_is_heard_has_one_turn() -> None:
    call = Call([None], ["Sure."], **QUIET)
    call.says("I need", 100)
    call.says("a taxi.", 2000)
    call.run(6000)
    assert call.context[0] == ("user", "I need a taxi.")
    assert [turn.text for turn in call.turns] == ["I need a taxi.", "Sure."]
    assert call.turns[0].start_ms == 100
    assert len(call.all(s.CancelReply)) == 1


def test_a_late_final_is_waited_for() -> None:
    call = Call(**QUIET)
    call.says("Hello?", 100, final_after=2000)
    call.run(2850)
    assert call.all(s.Think) == []
    call.run(6000)
    assert call.times(s.Think) == [2900]


def test_after_a_noise_the_agent_goes_on_where_it_was() -> None:
    call = Call([STORY], **QUIET)
    call.says("Tell me.", 100)
    call.says("", 3700)
    call.run(15_000)
    first, second = (turn for turn in call.turns[:3] if turn.speaker == "agent")
    assert first.interrupted
    assert f"{first.heard} {second.heard}" == STORY
    assert len(call.all(s.Think)) == 1


# ---- vendors that fail ----


@pytest.mark.parametrize("reply", [[RuntimeError("down")], [None], []])
def test_a_model_that_fails_once_is_replaced_and_asked_again(reply: list[Any]) -> None:
    call = Call(reply, ["It is noon."], **QUIET)
    call.says("What time is it?", 100)
    call.run(14_000)
    assert call.all(s.ReplaceProvider) == [s.ReplaceProvider("llm")]
    assert call.speaking[:2] == [PHRASES.hold_on, "It is noon."]
    assert len(call.all(s.Think)) == 2


@pytest.mark.parametrize("reply", [[RuntimeError("down")], [None], []])
def test_a_model_that_fails_twice_ends_the_call(reply: list[Any]) -> None:
    call = Call(reply, reply, **QUIET)
    call.says("What time is it?", 100)
    call.run()
    assert call.speaking[-1] == PHRASES.failure
    assert call.finish.reason == "provider-failed"
    assert call.finish.detail.startswith("llm: ")


def test_a_voice_that_fails_once_is_replaced_and_the_rest_said() -> None:
    call = Call(["It is noon."], **QUIET)
    call.broken = {"It is noon."}
    call.says("What time is it?", 100)
    call.run(8000)
    assert call.all(s.ReplaceProvider) == [s.ReplaceProvider("tts")]
    assert call.speaking == ["It is noon.", PHRASES.hold_on, "It is noon."]


def test_a_voice_that_fails_twice_ends_the_call() -> None:
    call = Call(["It is noon."], **QUIET)
    call.broken = {"It is noon.", PHRASES.hold_on}
    call.says("What time is it?", 100)
    call.run()
    assert call.speaking[-1] == PHRASES.failure
    assert call.finish.reason == "provider-failed"
    assert call.finish.detail.startswith("tts: ")


def test_what_was_synthesized_but_never_sent_was_not_heard() -> None:
    machine = make()
    machine.handle(s.Begin(), 0.0)
    machine.handle(s.Synthesized(1, 1000.0), 100.0)
    deadline = machine.deadline()
    assert deadline is not None
    machine.handle(s.Tick(), deadline)
    commands = machine.handle(s.LineLost("caller-hung-up"), deadline + 100)
    assert commands == [s.Finish("caller-hung-up")]
    assert machine.context == ()


def test_a_sentence_without_any_audio_was_not_heard() -> None:
    call = Call(["Hm hm. ", "It is noon."], **QUIET)
    call.says("What time is it?", 100)
    call.run(1650)
    assert call.speaking == ["Hm hm."]
    call.tell(s.Synthesized(1, 0.0))
    call.run(4000)
    assert call.context[-1] == ("assistant", "It is noon.")


def test_words_that_the_recognizer_lost_are_asked_for_again() -> None:
    call = Call(**QUIET)
    call.says("Hello?", 100, final_after=100_000)
    call.run(6000)
    assert call.all(s.ReplaceProvider) == [s.ReplaceProvider("stt")]
    assert call.speaking == [PHRASES.again]


def test_a_recognizer_that_fails_twice_ends_the_call() -> None:
    call = Call(**QUIET)
    call.at(100, RecognizerFailed(RuntimeError("gone")))
    call.at(200, RecognizerFailed(RuntimeError("gone again")))
    call.run()
    assert call.all(s.ReplaceProvider) == [s.ReplaceProvider("stt")]
    assert call.finish == s.Finish("provider-failed", "stt: gone again")


# ---- tools ----


def test_a_tool_is_run_and_the_model_told_its_result() -> None:
    tools = (ToolSpec("look_up", "", {"type": "object"}),)
    call = Call(["Let me see. ", LOOK_UP], ["It is noon."], brief={"opening": (), "tools": tools})
    call.says("What time is it?", 100)
    call.run(3000)
    (run,) = call.all(s.RunTool)
    assert run.call == LOOK_UP
    call.tell(s.ToolReturned(run.reply, "t1", "noon"))
    request = call.all(s.Think)[1].request
    assert [m.tool_calls for m in request.messages if m.tool_calls] == [(LOOK_UP,)]
    assert [(m.tool_call_id, m.text) for m in request.messages if m.role == "tool"] == [
        ("t1", "noon")
    ]
    call.run(8000)
    assert call.turns[-1].heard == "Let me see. It is noon."


@pytest.mark.parametrize(
    ("tool", "reason", "transfers"),
    [
        (ToolCall("t1", "end_call", {}), "agent-ended", []),
        (
            ToolCall("t1", "transfer_call", {"to_number": "+14155550123"}),
            "transferred",
            [s.Transfer("+14155550123")],
        ),
    ],
)
def test_the_call_ends_once_the_last_word_was_heard(
    tool: ToolCall, reason: str, transfers: list[s.Transfer]
) -> None:
    call = Call(["Goodbye then.", tool], **QUIET)
    call.says("That is all.", 100)
    call.run()
    assert call.finish.reason == reason
    assert call.turns[-1].heard == "Goodbye then."
    last_word = call.times(s.Speak)[-1] + 100 + len("Goodbye then.") * 60
    assert call.times(s.Finish) == [last_word]
    assert call.all(s.Transfer) == transfers


# ---- the line is lost ----


def test_a_caller_who_hangs_up_has_not_interrupted_but_heard_only_a_part() -> None:
    call = Call([STORY], **QUIET)
    call.says("Tell me.", 100)
    call.at(3700, s.LineLost("caller-hung-up"))
    call.run()
    agent = call.turns[-1]
    assert agent.text == STORY
    assert 0 < len(agent.heard) < len(STORY)
    assert STORY.startswith(agent.heard)
    assert not agent.interrupted


@pytest.mark.parametrize("at", range(0, 6000, 250))
def test_whenever_the_line_is_lost_what_was_said_is_reported(at: int) -> None:
    call = Call([STORY])
    call.says("Tell me.", 2000)
    call.run(at)
    call.tell(s.LineLost("caller-hung-up", "gone"))
    assert call.finish == s.Finish("caller-hung-up", "gone")
    assert [turn.index for turn in call.turns] == list(range(len(call.turns)))
    assert ("Tell me." in [turn.text for turn in call.turns]) is (at >= 3250)
    heard = [turn.heard for turn in call.turns if turn.speaker == "agent" and turn.heard]
    assert [text for role, text in call.context if role == "assistant"] == heard
    assert call.tell(s.Tick()) == []
    assert call.machine.deadline() is None


# ---- the recognizer tells who speaks ----


@pytest.mark.parametrize("ends_turns", [True, False])
def test_the_recognizer_may_find_speech_instead(ends_turns: bool) -> None:
    brief = {"opening": (), "recognizer_ends_turns": ends_turns}
    call = Call(brief=brief, turns={"vad": "stt"})
    call.at(100, SpeechStarted())
    call.at(500, Partial("What"))
    call.at(1000, Final("What time is it?"))
    if ends_turns:
        call.at(1200, EndOfTurn())
    call.run(1900)
    assert call.times(s.Think) == [1200 if ends_turns else 1600]
    assert call.all(s.FlushRecognizer) == []
    assert call.context == [("user", "What time is it?")]

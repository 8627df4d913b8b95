"""Who has the floor, and what was heard: the fine points, on a virtual clock."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offhook.call import signals as s
from offhook.config.business import Phrases
from offhook.events import (
    DtmfReceived,
    EndOfTurn,
    Final,
    Message,
    Partial,
    RecognizerFailed,
    SpeechStarted,
    ToolCall,
)
from offhook.testing import HANG, Step, VirtualCall

PHRASES = Phrases()
SENTENCES = ("We open at nine in the morning.", "We close at ten at night.", "Not on Sundays.")
LONG = " ".join(SENTENCES)


def begun(**how: Any) -> VirtualCall:
    """A call whose greeting has been heard, at 2 s."""
    call = VirtualCall(**how)
    call.tell(s.Begin())
    call.run(2000)
    return call


def asked(text: str = "When do you open?", **how: Any) -> VirtualCall:
    """A call whose caller's question ends at 2.8 s; it is 2.9 s."""
    call = begun(**how)
    call.says(text)
    call.run(2900)
    return call


def by_hand(reply: str, **how: Any) -> tuple[VirtualCall, list[int]]:
    """A call whose answer is given, and will be played, by the test; the sentences' numbers."""

    def voice(text: str) -> float | Step:
        return 360.0 if text == "Hello." else HANG

    call = asked(model=lambda *_: (HANG,), voice=voice, **how)
    call.run(3500)
    call.tell(s.ReplyText(call.one(s.Think).reply, f"{reply} "))
    return call, [speak.utterance for speak in call.all(s.Speak)[1:]]


def agent_said(call: VirtualCall) -> list[str]:
    return [heard for who, heard in call.transcript if who == "agent"][1:]


# ---- what was heard -----------------------------------------------------------------------------


@given(
    at=st.floats(50, 6000),
    ms_per_letter=st.floats(40, 79),
    voice_ms=st.floats(20, 1500),
    marks=st.booleans(),
)
@settings(deadline=None)
def test_never_is_more_held_for_heard_than_was_played(
    at: float, ms_per_letter: float, voice_ms: float, marks: bool
) -> None:
    call = VirtualCall(
        brief={"opening": SENTENCES},
        voice=lambda text: len(text) * ms_per_letter,
        voice_ms=voice_ms,
        marks=marks,
    )
    call.tell(s.Begin())
    call.at(at, s.CallerSpoke(at))
    call.run(at + 1)
    played = sum(spoken.played_ms(call.now) / ms_per_letter for spoken in call.spoken.values())
    heard = call.turns[0].heard if call.turns else ""
    assert LONG.startswith(heard)
    assert len(heard.replace(" ", "")) <= played + 0.1
    if marks:
        longest_word, spaces = 8, 16
        assert len(heard) >= played - 500 / ms_per_letter - longest_word - spaces


def test_until_its_length_is_known_a_sentence_is_taken_to_be_slow() -> None:
    call, (utterance,) = by_hand("Once upon a time there was a king.")
    call.tell(s.AudioSent(utterance))
    call.run_on(1000)
    call.tell(s.Played(utterance, 1000.0, False))
    call.tell(s.CallerSpoke(call.now))
    assert call.turns[-1].heard == "Once upon a"


def test_a_slow_voice_is_known_by_the_sentences_before() -> None:
    call = begun(voice=lambda text: len(text) * 200.0 if text == "Hello." else HANG)
    call.model = lambda *_: ("Once upon a time there was a king.",)
    call.says("Hi")
    call.run(4000)
    utterance = call.all(s.Speak)[-1].utterance
    call.tell(s.AudioSent(utterance))
    call.tell(s.Played(utterance, 1000.0, False))
    call.tell(s.CallerSpoke(call.now))
    assert call.turns[-1].heard == "Once"


def test_a_gap_in_the_audio_does_not_count_as_played() -> None:
    call, (first, second) = by_hand("One moment. Yes, we are open.")
    call.tell(s.AudioSent(first))
    call.tell(s.Synthesized(first, 600.0))
    call.run_on(600)
    call.tell(s.Played(first, 600.0, True))
    call.run_on(3000)
    call.tell(s.AudioSent(second))
    call.run_on(10)
    call.tell(s.CallerSpoke(call.now))
    assert call.turns[-1].heard == "One moment."


def test_what_a_stopped_sentence_tells_late_changes_nothing() -> None:
    call, (utterance,) = by_hand("Once upon a time there was a king.")
    call.tell(s.AudioSent(utterance))
    call.run_on(9000 + 2720)  # the voice stalls
    assert call.one(s.ReplaceProvider).kind == "llm"
    call.tell(s.CallerSpoke(call.now))
    before = call.machine.context
    for late in (
        s.SpeechFailed(utterance, "late"),
        s.Played(utterance, 9000.0, True),
        s.Synthesized(utterance, 9000.0),
    ):
        assert call.tell(late) == []
    assert call.machine.context == before


def test_a_long_sentence_is_no_stall_on_a_carrier_without_marks() -> None:
    call, (utterance,) = by_hand("word " * 40 + ".")
    call.tell(s.ReplyEnded(call.one(s.Think).reply))
    call.tell(s.AudioSent(utterance))
    call.run_on(12_000)
    call.tell(s.Synthesized(utterance, 14_000.0))
    call.run_on(20_000)
    assert not call.all(s.ReplaceProvider)
    assert agent_said(call)[0].startswith("word word")


# ---- noises -------------------------------------------------------------------------------------


def test_noises_lose_no_word_of_the_agent() -> None:
    call = asked(model=lambda *_: (LONG,))
    for at in (5000, 6500):
        call.says("", at=at, ms=200)
    call.run(14_000)
    assert " ".join(agent_said(call)) == LONG
    assert len(call.all(s.Think)) == 1


def test_after_a_noise_the_rest_is_said_sentence_by_sentence() -> None:
    call = asked(model=lambda *_: (LONG,))
    call.says("", at=4000, ms=200)
    call.run(14_000)
    assert call.speaking[-2:] == list(SENTENCES[1:])


def test_a_noise_before_the_answer_is_audible_asks_the_model_the_same_again() -> None:
    call = asked(token_ms=3000.0)
    call.says("", at=4000, ms=200)
    call.run(12_000)
    first, second = call.all(s.Think)
    assert first.request == second.request
    assert call.transcript[1:] == [("caller", "When do you open?"), ("agent", "Certainly.")]


def test_noises_do_not_put_off_the_end_for_ever() -> None:
    call = VirtualCall(business={"limits": {"silence_seconds": 5}})
    call.tell(s.Begin())
    for at in range(1000, 60_000, 3000):
        call.says("", at=at, ms=300)
    assert call.run_to_end().reason == "silence"


# ---- the caller's turn --------------------------------------------------------------------------


def test_a_short_pause_does_not_end_the_turn() -> None:
    call = begun()
    call.says("I would like", at=2000, ms=500)
    call.says("a table", at=2900, ms=500)
    call.run(6000)
    assert call.transcript[1] == ("caller", "I would like a table")


@pytest.mark.parametrize("barge_in", [True, False])
def test_who_goes_on_before_the_answer_is_audible_has_one_turn(barge_in: bool) -> None:
    call = asked("A table", token_ms=1500.0, business={"barge_in": {"enabled": barge_in}})
    call.says("for four", at=3800)
    call.run(12_000)
    (turn,) = [turn for turn in call.turns if turn.speaker == "caller"]
    assert (turn.heard, turn.start_ms, turn.end_ms) == ("A table for four", 2000.0, 4600.0)
    users = [message.text for message in call.machine.context if message.role == "user"]
    assert users == ["A table for four"]


def test_a_late_final_joins_the_turn_that_is_being_answered_at_once() -> None:
    call = asked("a table", token_ms=2000.0)
    call.run(4000)
    call.tell(Final("for four"))
    assert call.all(s.CancelReply)
    call.run(12_000)
    assert call.transcript[1] == ("caller", "a table for four")


def test_a_late_final_while_the_agent_speaks_is_a_turn_of_its_own() -> None:
    call = asked("a table", model=lambda *_: (LONG,))
    call.run(5000)
    call.tell(Final("for four"))
    call.run(14_000)
    assert [text for who, text in call.transcript if who == "caller"] == ["a table", "for four"]


def test_a_protected_greeting_is_heard_out_and_only_the_greeting() -> None:
    call = VirtualCall(
        business={"barge_in": {"greeting": False}},
        brief={"opening": (LONG,)},
        model=lambda *_: (LONG,),
    )
    call.tell(s.Begin())
    call.says("Hello?", at=50)
    call.run(8000)
    assert not call.all(s.StopSpeaking)
    assert call.transcript[:2] == [("agent", LONG), ("caller", "Hello?")]
    call.tell(s.CallerSpoke(call.now))
    assert call.all(s.StopSpeaking)


def test_without_a_greeting_the_first_answer_is_not_protected() -> None:
    call = asked(
        model=lambda *_: (LONG,),
        brief={"opening": ()},
        business={"barge_in": {"greeting": False}},
    )
    call.run(4500)
    call.tell(s.CallerSpoke(call.now))
    assert call.all(s.StopSpeaking)


def test_a_key_interrupts() -> None:
    call = VirtualCall(brief={"opening": (LONG,)})
    call.tell(s.Begin())
    call.run(1000)
    assert isinstance(call.tell(DtmfReceived("1"))[0], s.StopSpeaking)


# ---- endings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("signal", [s.Draining(), s.LineLost("caller-hung-up")])
def test_turns_are_told_in_their_order_when_the_end_comes_before_the_answer(
    signal: s.Input,
) -> None:
    call = asked(model=lambda *_: (HANG,))
    call.run(3500)
    call.tell(signal)
    call.run_to_end()
    assert [who for who, _ in call.transcript][:2] == ["agent", "caller"]
    assert [message.role for message in call.machine.context][:2] == ["assistant", "user"]


def test_the_last_partial_counts_when_the_line_is_lost() -> None:
    call = begun()
    call.tell(s.CallerSpoke(2000))
    call.tell(Partial("I would like"))
    call.tell(s.LineLost("caller-hung-up"))
    assert call.transcript[-1] == ("caller", "I would like")


def test_the_time_is_up_while_the_caller_speaks() -> None:
    call = VirtualCall(business={"limits": {"max_call_seconds": 3}})
    call.tell(s.Begin())
    call.says("A very long story", at=2000, ms=3000)
    assert call.run_to_end().reason == "max-length"
    assert ("caller", "A very long story") in call.transcript


def test_a_closed_business_says_so_and_hangs_up() -> None:
    call = VirtualCall(brief={"opening": ("We are closed.",), "closing_reason": "closed"})
    call.tell(s.Begin())
    call.says("Hello?", at=50, ms=300)
    assert call.run_to_end().reason == "closed"
    assert call.transcript == [("agent", "We are closed."), ("caller", "Hello?")]
    assert not call.all(s.Think)


def test_a_transfer_is_the_last_thing_done() -> None:
    transfer = ToolCall("1", "transfer_call", {"to_number": "+1 415 555 0199"})
    call = asked(model=lambda *_: ("I connect you.", transfer))
    assert call.run_to_end().reason == "transferred"
    report, moved, _ = [command for _, command in call.log][-3:]
    assert isinstance(report, s.ReportTurn)
    assert moved == s.Transfer("+14155550199")


def test_a_transfer_to_no_number_is_refused_and_the_model_told() -> None:
    call = asked(
        model=lambda _, number: (
            ("I can't.",) if number > 1 else (ToolCall("1", "transfer_call", {"to_number": "Bob"}),)
        )
    )
    call.run(8000)
    result = call.all(s.Think)[-1].request.messages[-1]
    assert (result.role, "international" in result.text) == ("tool", True)
    assert agent_said(call) == ["I can't."]


# ---- the recognizer's own turns -----------------------------------------------------------------


def by_recognizer(ends_turns: bool, opening: tuple[str, ...] = ("Hello.",)) -> VirtualCall:
    call = VirtualCall(
        business={"turns": {"vad": "stt"}},
        brief={"recognizer_ends_turns": ends_turns, "opening": opening},
    )
    call.tell(s.Begin())
    return call


def test_a_turn_that_the_recognizer_ends_is_answered_at_once() -> None:
    call = by_recognizer(True)
    call.at(2000, SpeechStarted())
    call.at(3000, Final("A table please"))
    call.at(3400, EndOfTurn())
    call.run(9000)
    assert call.times(s.Think) == [3400.0]


def test_without_end_of_turn_the_endpoint_counts_from_the_last_segment() -> None:
    call = by_recognizer(False)
    call.at(2000, SpeechStarted())
    call.at(3000, Final("A table"))
    call.at(3400, Partial("please"))  # not every recognizer says that a segment started
    call.at(4500, Final("please"))
    call.run(9000)
    assert call.times(s.Think) == [5100.0]
    assert call.transcript[1] == ("caller", "A table please")


@pytest.mark.parametrize("event", [SpeechStarted(), Partial("Stop")])
def test_the_recognizers_events_interrupt(event: SpeechStarted | Partial) -> None:
    call = by_recognizer(False, (LONG,))
    call.run(1000)
    assert isinstance(call.tell(event)[0], s.StopSpeaking)


@pytest.mark.parametrize("ends_turns", [True, False])
def test_speech_that_comes_to_no_word_was_a_noise(ends_turns: bool) -> None:
    call = by_recognizer(ends_turns, (LONG,))
    call.at(1000, SpeechStarted())
    call.run(10_000)
    assert call.times(s.FlushRecognizer) == [4000.0]
    assert " ".join(heard for _, heard in call.transcript) == LONG


def test_an_end_of_turn_that_never_comes_is_not_waited_for() -> None:
    call = by_recognizer(True)
    call.at(2000, SpeechStarted())
    call.at(2500, Final("A table please"))
    call.run(9000)
    assert call.transcript[1] == ("caller", "A table please")


def test_empty_finals_do_not_put_off_the_question_whether_anybody_is_there() -> None:
    call = by_recognizer(False)
    for at in range(2000, 30_000, 900):
        call.at(at, Final(""))
    call.run(20_000)
    assert call.speaking[1] == PHRASES.silence[0]


def test_an_end_of_turn_also_shortens_the_wait_of_the_voice_detector() -> None:
    call = begun()
    call.says("A table please")
    call.at(3100, EndOfTurn())
    call.run(4000)
    assert call.times(s.Think) == [3100.0]


# ---- the recognizer fails -----------------------------------------------------------------------


def test_an_overdue_final_is_replaced_by_the_last_partial() -> None:
    call = begun(recognize=lambda _: HANG)
    call.says("A table please")
    call.at(2800, Partial("A table please"))
    call.run(9000)
    assert call.times(s.ReplaceProvider) == [6050.0]  # 3 s after the flush
    assert call.transcript[1:] == [("caller", "A table please"), ("agent", "Certainly.")]


def test_a_recognizer_that_fails_in_silence_is_replaced_in_silence() -> None:
    call = begun()
    call.tell(RecognizerFailed(OSError("gone")))
    call.run(5000)
    assert call.one(s.ReplaceProvider).kind == "stt"
    assert call.speaking == ["Hello."]


def test_an_understood_word_forgives_the_recognizer() -> None:
    call = begun()
    for at in (2000, 12_000, 22_000):
        call.at(at, RecognizerFailed(OSError("gone")))
        call.says("Yes", at=at + 1000)
    call.run(30_000)
    assert not call.machine.finished


def test_a_pause_told_late_gives_the_recognizer_its_full_time() -> None:
    call = begun()
    call.run(8000)
    call.tell(s.CallerSpoke(2500.0))
    call.tell(s.CallerPaused(3000.0))
    assert not call.all(s.ReplaceProvider)


# ---- no word is lost ----------------------------------------------------------------------------


@given(
    gaps=st.lists(st.floats(1000, 9000), min_size=1, max_size=6),
    final_ms=st.floats(0, 2500),
    token_ms=st.floats(20, 3000),
    barge_in=st.booleans(),
    marks=st.booleans(),
)
@settings(deadline=None)
def test_whenever_the_caller_speaks_every_word_is_told_once_and_in_order(
    gaps: list[float], final_ms: float, token_ms: float, barge_in: bool, marks: bool
) -> None:
    call = VirtualCall(
        business={"barge_in": {"enabled": barge_in}, "limits": {"silence_seconds": 60}},
        model=lambda *_: (LONG, " Good."),
        final_ms=final_ms,
        token_ms=token_ms,
        marks=marks,
    )
    call.tell(s.Begin())
    at, words = 0.0, []
    for number, gap in enumerate(gaps):
        at += gap
        words.append(f"word{number}")
        call.says(words[-1], at=at, ms=400)
    call.run(at + 6000)
    call.tell(s.LineLost("caller-hung-up"))
    told = [turn.text for turn in call.turns if turn.speaker == "caller"]
    assert " ".join(told).split() == words
    users = [message.text for message in call.machine.context if message.role == "user"]
    assert users == told
    assert Message("assistant", "Hello.") in call.machine.context or gaps[0] < 2000

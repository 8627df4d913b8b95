"""The caller's telephone, without any clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from offhook_telephony_simulated.handset import FRAME, MAX_QUEUED, SILENCE, Handset

TONE = b"\x80\x00" * 80  # full scale, 20 ms


def steps(phone: Handset, count: int) -> list[str]:
    """Let ``count`` steps pass; the marks that were passed."""
    return [name for _ in range(count) for name in phone.step().marks]


def test_nothing_said_and_nothing_heard_is_silence() -> None:
    phone = Handset()
    steps(phone, 3)
    assert phone.said == phone.heard == SILENCE * 3
    assert phone.now_ms == 60


def test_what_is_said_fills_whole_frames() -> None:
    phone = Handset()
    phone.say(TONE + TONE[:10])
    phone.say(TONE)
    assert phone.saying
    steps(phone, 3)
    assert not phone.saying
    assert phone.said == TONE + TONE[:10] + SILENCE[10:] + TONE


def test_what_is_queued_begins_to_play_with_the_next_step_and_is_heard_after_it() -> None:
    phone = Handset()
    phone.play(TONE + TONE[:100])
    steps(phone, 1)
    assert phone.heard == SILENCE
    assert phone.playing
    steps(phone, 2)
    assert phone.heard == SILENCE + TONE + TONE[:100] + SILENCE[100:]
    assert not phone.playing


def test_marks_are_passed_when_the_audio_before_them_was_heard() -> None:
    phone = Handset()
    assert phone.mark("at once") == ("at once",)
    phone.play(TONE * 2)
    assert phone.mark("two") == ()
    phone.play(TONE)
    assert phone.mark("three") == ()
    assert steps(phone, 2) == []
    assert phone.step().marks == ("two",)
    assert phone.step().marks == ("three",)


def test_clear_drops_the_audio_and_passes_the_marks() -> None:
    phone = Handset()
    phone.play(TONE * 50)
    phone.mark("a")
    phone.mark("b")
    steps(phone, 3)
    assert phone.clear() == ("a", "b")
    steps(phone, 5)
    assert phone.heard == SILENCE + TONE * 3 + SILENCE * 4
    phone.play(TONE)
    assert phone.mark("c") == ()
    assert steps(phone, 2) == ["c"]


def test_audio_beyond_ten_minutes_is_dropped() -> None:
    phone = Handset()
    assert phone.play(bytes(MAX_QUEUED))
    assert not phone.play(b"\x00")


def test_the_greeting_is_a_reply() -> None:
    phone = Handset()
    assert phone.reply_ms == 0
    phone.play(TONE * 2)
    steps(phone, 5)
    assert phone.reply_ms == 40
    assert phone.quiet_ms == 40


def test_a_reply_is_what_comes_after_the_callers_last_word() -> None:
    phone = Handset()
    phone.play(TONE * 3)
    steps(phone, 2)
    phone.say(SILENCE + TONE * 2 + SILENCE * 20)
    steps(phone, 3)
    assert phone.reply_ms == 0, "the agent was still saying something else"
    phone.play(SILENCE + TONE * 4)
    steps(phone, 6)
    assert phone.saying, "trailing silence of the caller's clip is not waited for"
    assert phone.reply_ms == 80


def test_saying_silence_asks_for_no_new_reply() -> None:
    phone = Handset()
    phone.play(TONE)
    steps(phone, 2)
    phone.say(SILENCE)
    assert phone.reply_ms == 20


@given(
    st.lists(
        st.one_of(
            st.integers(1, 500).map(lambda size: ("play", size)),
            st.integers(0, 4).map(lambda count: ("step", count)),
            st.just(("mark", 0)),
            st.just(("clear", 0)),
        )
    )
)
def test_every_mark_is_passed_once_in_order_and_the_tracks_stay_aligned(
    actions: list[tuple[str, int]],
) -> None:
    phone = Handset()
    asked: list[str] = []
    passed: list[str] = []
    for action, number in actions:
        if action == "play":
            phone.play(b"\x00" * number)
        elif action == "step":
            passed += steps(phone, number)
        elif action == "mark":
            asked.append(str(len(asked)))
            passed += phone.mark(asked[-1])
        else:
            passed += phone.clear()
            assert passed == asked
    passed += steps(phone, len(actions) * 4 + 2)
    assert passed == asked
    assert len(phone.said) == len(phone.heard) == phone.steps * FRAME

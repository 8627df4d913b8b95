"""The caller's audio on its way to the handler: the time line, the bound, and the alarm."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from offhook.media.caller_audio import BATCH_MS, CallerAudio
from offhook.media.vad import Frame, LoudnessGate

QUIET = b"\xff" * 160
LOUD = b"\x00\x80" * 80


class Buffer(CallerAudio):
    """The clock stands at 20 ms as the first frame comes, which begins the time line at 0."""

    def push(self, payload: bytes, timestamp_ms: float = -1, now_ms: float = 20) -> bool:
        return super().push(payload, timestamp_ms, now_ms)


def gated() -> Buffer:
    return Buffer(LoudnessGate())


def starts(frames: list[Frame]) -> list[float]:
    return [frame.start_ms for frame in frames]


def test_frames_come_out_in_order_once() -> None:
    audio = gated()
    for number in range(3):
        audio.push(bytes([number]) * 160, number * 20)
    frames = audio.take()
    assert [frame.payload[0] for frame in frames] == [0, 1, 2]
    assert starts(frames) == [0, 20, 40]
    assert [frame.end_ms for frame in frames] == [20, 40, 60]
    assert audio.take() == []


def test_a_client_without_timestamps_is_taken_to_be_gapless() -> None:
    audio = gated()
    for _ in range(3):
        audio.push(QUIET)
    assert starts(audio.take()) == [0, 20, 40]


def test_a_gap_is_filled_with_silence() -> None:
    audio = gated()
    audio.push(LOUD, 0)
    audio.push(LOUD, 60)
    first, gap, second = audio.take()
    assert (gap.start_ms, gap.end_ms, gap.loud) == (20, 60, False)
    assert set(gap.payload) == {0xFF}
    assert (first.end_ms, second.start_ms) == (20, 60)


def test_jitter_of_less_than_a_frame_is_no_gap() -> None:
    audio = gated()
    for timestamp in (0, 27, 35, 61):
        audio.push(QUIET, timestamp)
    assert starts(audio.take()) == [0, 20, 40, 60]


def test_over_a_long_gap_the_time_line_jumps() -> None:
    audio = gated()
    audio.push(QUIET, 0)
    audio.push(QUIET, 10_000, 10_020)
    assert starts(audio.take()) == [0, 10_000]


def test_a_repeated_or_overtaken_frame_is_dropped() -> None:
    audio = gated()
    for timestamp in (0, 20, 0, 20, 40):
        audio.push(QUIET, timestamp)
    assert starts(audio.take()) == [0, 20, 40]


def test_the_first_frame_ends_when_it_comes_wherever_its_timestamps_count_from() -> None:
    for first in (-1, 0, 100, 1_700_000_000_000):
        audio = gated()
        audio.push(QUIET, first, 250.3)
        audio.push(QUIET, first + 40 if first >= 0 else -1, 290.0)
        assert starts(audio.take())[0] == 230


def test_timestamps_that_begin_anew_go_on_where_the_line_was() -> None:
    audio = gated()
    audio.push(QUIET, 10_000)
    for timestamp in (0, 20, 60):
        audio.push(QUIET, timestamp)
    assert [frame.start_ms for frame in audio.take()] == [0, 20, 40, 60, 80]


def test_a_timestamp_far_ahead_of_the_clock_is_not_believed() -> None:
    audio = gated()
    audio.push(QUIET, 0)
    audio.push(QUIET, 86_400_000, 40)
    audio.push(QUIET, 4_000, 60)
    assert starts(audio.take()) == [0, 20, 4000]


def test_an_empty_payload_is_nothing() -> None:
    audio = gated()
    assert not audio.push(b"", 5000)
    assert audio.take() == []


def test_who_does_not_take_loses_the_oldest() -> None:
    audio = gated()
    for number in range(510):
        audio.push(QUIET, number * 20)
    frames = audio.take()
    assert (len(frames), audio.dropped, frames[0].start_ms) == (500, 10, 200)


def test_only_a_gate_calls_frames_loud() -> None:
    for audio, loud in ((gated(), True), (Buffer(None), False)):
        audio.push(LOUD)
        assert audio.take()[0].loud is loud


def test_quiet_audio_wakes_ten_times_a_second() -> None:
    audio = gated()
    audio.take()
    woken = 0
    for number in range(100):
        if audio.push(QUIET, number * 20):
            woken += 1
            audio.take()
    assert woken == 20


def test_a_loud_frame_wakes_at_once_where_that_is_wanted() -> None:
    audio = gated()
    audio.take()
    assert audio.push(LOUD)
    audio.take()
    audio.wake_on_voice = False
    assert not audio.push(LOUD)


def test_who_was_woken_is_not_woken_again_before_taking() -> None:
    audio = gated()
    assert audio.push(LOUD)
    assert not audio.push(LOUD)
    audio.take()
    assert audio.push(LOUD)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.sampled_from([QUIET, LOUD, LOUD * 3]), st.integers(-1, 4000)),
        st.tuples(st.just("take"), st.integers(0, 300), st.booleans()),
    ),
    max_size=80,
)


@given(STEPS)
def test_no_wake_up_is_missed_and_time_never_falls(steps: list[tuple[str, object, int]]) -> None:
    audio = gated()
    pending = False  # a wake-up that the handler has not followed yet
    end = 0.0
    for step in steps:
        match step:
            case "push", bytes(payload), timestamp:
                before = len(audio._frames)
                woken = audio.push(payload, timestamp)
                assert not (woken and pending)
                pending = pending or woken
                if len(audio._frames) > before:
                    frame = audio._frames[-1]
                    due = frame.end_ms >= audio.wake_at
                    assert pending or not (due or (frame.loud and audio.wake_on_voice))
            case "take", int(ahead), wake_on_voice:
                for frame in audio.take():
                    assert frame.start_ms >= end
                    end = frame.end_ms
                pending = False
                audio.wake_at = end + min(ahead, BATCH_MS)
                audio.wake_on_voice = bool(wake_on_voice)

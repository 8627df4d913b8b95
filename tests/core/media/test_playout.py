"""What is sent next, and when: nothing is lost, nothing is late, and little is on its way."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.events import MULAW_8K, AudioFormat
from offhook.media.playout import AHEAD_MS, MARK_EVERY_MS, PACKET_MS, Packet, Playout


def audio(ms: float, byte: int = 1) -> bytes:
    return bytes([byte]) * MULAW_8K.size(ms)


def drain(playout: Playout, now: float) -> tuple[list[tuple[float, Packet]], float]:
    """Send as the transmitter does, until all is sent; when that was."""
    sent: list[tuple[float, Packet]] = []
    while True:
        packet, again_at = playout.next(now)
        if packet is not None:
            sent.append((now, packet))
        elif again_at is None:
            return sent, now
        else:
            assert again_at > now
            now = again_at


def test_the_first_packet_leaves_at_once_and_the_rest_in_time() -> None:
    playout = Playout(MULAW_8K)
    playout.write(1, audio(350))
    playout.finish(1)
    sent, _ = drain(playout, 1000.0)
    assert [at for at, _ in sent] == [1000, 1000, 1100, 1200]
    assert [packet.heard_at_ms for _, packet in sent] == [1000, 1100, 1200, 1300]
    assert [packet.first for _, packet in sent] == [True, False, False, False]
    assert sent[-1][1].mark is not None
    assert (sent[-1][1].mark.offset_ms, sent[-1][1].mark.complete) == (350, True)


def test_a_first_packet_need_not_be_full() -> None:
    playout = Playout(MULAW_8K)
    playout.write(1, audio(20))
    packet, _ = playout.next(0.0)
    assert packet is not None
    assert len(packet.payload) == 160


def test_short_pieces_are_gathered_while_there_is_time() -> None:
    playout = Playout(MULAW_8K)
    playout.write(1, audio(100))
    assert playout.next(0.0)[0] is not None
    playout.write(1, audio(20))
    assert playout.next(0.0) == (None, 60.0)
    playout.write(1, audio(80))
    packet, _ = playout.next(10.0)
    assert packet is not None
    assert len(packet.payload) == 800


def test_an_end_that_is_known_late_is_marked_all_the_same() -> None:
    playout = Playout(MULAW_8K)
    playout.write(1, audio(100))
    playout.next(0.0)
    assert playout.next(50.0) == (None, None)
    playout.finish(1)
    packet, _ = playout.next(60.0)
    assert packet is not None
    assert packet.mark is not None
    assert (packet.payload, packet.mark.complete, packet.first) == (b"", True, False)


def test_sentences_leave_one_after_the_other() -> None:
    playout = Playout(MULAW_8K)
    playout.write(1, audio(50))
    playout.write(2, audio(50))
    assert [p.utterance for _, p in drain(playout, 0.0)[0]] == [1]  # which may go on
    playout.finish(1)
    playout.finish(2)
    assert [p.utterance for _, p in drain(playout, 0.0)[0]] == [1, 2]  # its mark, then the second


def test_clear_forgets_everything_and_the_next_packet_leaves_at_once() -> None:
    playout = Playout(MULAW_8K)
    playout.write(1, audio(5000))
    drain_until = playout.next(0.0)
    assert drain_until[0] is not None
    playout.clear()
    assert playout.buffered_ms == 0
    assert playout.next(10.0) == (None, None)
    playout.write(2, audio(20))
    packet, _ = playout.next(10.0)
    assert packet is not None
    assert (packet.utterance, packet.heard_at_ms, packet.first) == (2, 10.0, True)


def test_other_formats_are_paced_by_their_own_rate() -> None:
    playout = Playout(AudioFormat("pcm16", 16_000))
    playout.write(1, bytes(32 * 250))
    playout.finish(1)
    assert [len(p.payload) for _, p in drain(playout, 0.0)[0]] == [3200, 3200, 1600]


WRITES = st.lists(
    st.tuples(
        st.floats(0, 400),  # time passes
        st.integers(1, 900),  # bytes of the next piece, in samples
        st.integers(0, 9).map(lambda n: n == 0),  # the sentence ends with it
    ),
    min_size=1,
    max_size=40,
)


@given(WRITES)
def test_every_byte_leaves_once_in_order_never_late_and_never_far_ahead(
    writes: list[tuple[float, int, bool]],
) -> None:
    playout = Playout(MULAW_8K)
    now, utterance = 0.0, 1
    written: defaultdict[int, bytes] = defaultdict(bytes)
    sent: list[tuple[float, Packet]] = []
    count = 0

    def send(until: float) -> None:
        nonlocal now
        while True:
            packet, again_at = playout.next(now)
            if packet is not None:
                sent.append((now, packet))
            elif again_at is None or again_at > until:
                now = until
                return
            else:
                now = again_at

    for wait, size, last in writes:
        send(now + wait)
        piece = bytes((count + index) % 251 for index in range(size))
        count += size
        written[utterance] += piece
        playout.write(utterance, piece)
        if last:
            playout.finish(utterance)
            utterance += 1
    if written.get(utterance):
        playout.finish(utterance)
    send(now + 60_000)

    assert playout.buffered_ms == 0
    everything = b"".join(written[number] for number in sorted(written))
    assert b"".join(packet.payload for _, packet in sent) == everything
    for number, all_of_it in written.items():
        mine = [packet for _, packet in sent if packet.utterance == number]
        assert b"".join(packet.payload for packet in mine) == all_of_it
        assert [packet.first for packet in mine].count(True) == 1
        offsets = [packet.mark.offset_ms for packet in mine if packet.mark is not None]
        assert offsets[-1] == pytest.approx(MULAW_8K.duration_ms(len(all_of_it)))
        assert all(b - a <= MARK_EVERY_MS for a, b in pairwise([0.0, *offsets]))
        assert [p.mark.complete for p in mine if p.mark] == [False] * (len(offsets) - 1) + [True]

    heard_until = 0.0
    for at, packet in sent:
        length = MULAW_8K.duration_ms(len(packet.payload))
        assert packet.heard_at_ms == pytest.approx(max(heard_until, at))
        heard_until = packet.heard_at_ms + length
        assert heard_until - at <= AHEAD_MS + PACKET_MS + 1e-6


@given(st.lists(st.integers(20, 3000), min_size=1, max_size=5))
def test_audio_that_is_there_is_never_interrupted(lengths: list[int]) -> None:
    playout = Playout(MULAW_8K)
    for number, length in enumerate(lengths, 1):
        playout.write(number, audio(length))
        playout.finish(number)
    sent, _ = drain(playout, 500.0)
    heard_until = 500.0
    for at, packet in sent:
        assert at <= packet.heard_at_ms
        assert packet.heard_at_ms == pytest.approx(heard_until)
        heard_until += MULAW_8K.duration_ms(len(packet.payload))
    assert heard_until == pytest.approx(500 + sum(lengths))

"""Media frames past ASGI: what arrives is what was sent, however the network cuts it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from offhook.web.fastpath import EXTENSION, MediaProtocol

MAX_SIZE = 4096
LONG = "€" * 300  # more than 125 bytes: two bytes of length


class FakeTransport(asyncio.Transport):
    """Keeps what the server writes."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closing = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Connection:
    """An open media socket: a server's protocol, and websockets' client to make its bytes."""

    def __init__(self, server: MediaProtocol, take_over: bool, over: asyncio.Event) -> None:
        self.server = server
        self.over = over
        self.transport = FakeTransport()
        self.client = ClientProtocol(parse_uri("ws://server/"))
        self.texts: list[str] = []
        if take_over:
            server.take_over(self.texts.append)

    @classmethod
    async def open(cls, take_over: bool = True) -> Connection:
        over = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            assert isinstance(scope["extensions"][EXTENSION]["protocol"], MediaProtocol)
            await send({"type": "websocket.accept"})
            await over.wait()

        config = Config(
            app,
            ws_max_size=MAX_SIZE,
            ws_per_message_deflate=False,
            ws_ping_interval=None,
            log_config=None,
        )
        config.load()
        server = MediaProtocol(config, ServerState(), {}, asyncio.get_running_loop())
        connection = cls(server, take_over, over)
        server.connection_made(connection.transport)
        connection.client.send_request(connection.client.connect())
        server.data_received(connection.sent())
        while not server.handshake_complete:
            await asyncio.sleep(0)
        connection.client.receive_data(connection.answered())
        connection.client.events_received()
        assert server.queue.empty()
        return connection

    def sent(self) -> bytes:
        """What the client has to send."""
        return b"".join(self.client.data_to_send())

    def answered(self) -> bytes:
        """What the server wrote since the last time."""
        written = bytes(self.transport.written)
        self.transport.written.clear()
        return written

    def disconnects(self) -> list[int]:
        """The codes with which the application learns of the end."""
        codes = []
        while not self.server.queue.empty():
            event = self.server.queue.get_nowait()
            if event["type"] == "websocket.disconnect":
                codes.append(event["code"])
        return codes


def masked(opcode: Opcode, data: bytes, fin: bool = True, key: bytes | None = None) -> bytes:
    """A client's frame; ``key`` is its mask."""
    frame = Frame(opcode, data, fin).serialize(mask=True)
    if key is None:
        return frame
    at = len(frame) - len(data) - 4
    coded = bytes(byte ^ key[index % 4] for index, byte in enumerate(data))
    return frame[:at] + key + coded


def text(message: str, **how: Any) -> bytes:
    return masked(Opcode.TEXT, message.encode(), **how)


def run(scenario: Callable[[Connection], None], take_over: bool = True) -> None:
    async def main() -> None:
        connection = await Connection.open(take_over)
        scenario(connection)
        connection.over.set()
        await asyncio.gather(*connection.server.tasks)

    asyncio.run(main())


def deliver(reads: Iterable[bytes]) -> tuple[list[str], Connection]:
    """What is received if the network brings those reads."""
    found: list[Connection] = []

    def scenario(connection: Connection) -> None:
        found.append(connection)
        for data in reads:
            connection.server.data_received(data)

    run(scenario)
    return found[0].texts, found[0]


def test_messages_go_to_the_call_at_once() -> None:
    texts, connection = deliver([text("one"), text(LONG), text("")])
    assert texts == ["one", LONG, ""]
    assert connection.server.queue.empty()


def test_several_messages_in_one_read_keep_their_order() -> None:
    assert deliver([text("one") + text(LONG) + text("three")])[0] == ["one", LONG, "three"]


def test_without_a_call_messages_go_to_the_application() -> None:
    def scenario(connection: Connection) -> None:
        connection.server.data_received(text("one"))
        assert connection.server.queue.get_nowait() == {"type": "websocket.receive", "text": "one"}
        assert connection.texts == []

    run(scenario, take_over=False)


def test_a_read_may_end_anywhere() -> None:
    def scenario(connection: Connection) -> None:
        # The worst mask: cut off its frame, it and the payload look like the start of another.
        wire = (
            text("first") + text(LONG, key=b"\x81\x85\x81\x82") + text("a" * 90, key=b"\xe0\xe0aa")
        )
        for cut in range(1, len(wire)):
            connection.texts.clear()
            connection.server.data_received(wire[:cut])
            connection.server.data_received(wire[cut:])
            assert connection.texts == ["first", LONG, "a" * 90], f"cut at {cut}"

    run(scenario)


def test_messages_may_come_byte_by_byte() -> None:
    wire = text("one") + masked(Opcode.PING, b"p") + text(LONG) + text("three")
    texts, connection = deliver(bytes([byte]) for byte in wire)
    assert texts == ["one", LONG, "three"]
    assert connection.answered() == b"\x8a\x01p"


def test_fragments_are_one_message_and_control_frames_may_come_between() -> None:
    wire = [
        text("before"),
        text("one ", fin=False),
        masked(Opcode.PING, b"still there?"),
        masked(Opcode.CONT, b"two ", fin=False),
        masked(Opcode.CONT, b"three"),
        text("after"),
    ]
    for reads in (wire, [b"".join(wire)]):
        texts, connection = deliver(reads)
        assert texts == ["before", "one two three", "after"]
        connection.client.receive_data(connection.answered())
        (pong,) = connection.client.events_received()
        assert isinstance(pong, Frame)
        assert (pong.opcode, pong.data) == (Opcode.PONG, b"still there?")


def test_a_text_inside_a_fragmented_message_is_refused() -> None:
    texts, connection = deliver([text("one ", fin=False) + text("two")])
    assert texts == []
    assert connection.disconnects() == [1002]


def test_a_binary_message_is_the_applications() -> None:
    texts, connection = deliver([text("one") + masked(Opcode.BINARY, b"\x01") + text("two")])
    assert texts == ["one", "two"]
    assert connection.server.queue.get_nowait() == {"type": "websocket.receive", "bytes": b"\x01"}


def test_what_follows_a_close_is_not_read() -> None:
    close = masked(Opcode.CLOSE, (1000).to_bytes(2, "big") + b"bye")
    texts, connection = deliver([text("one") + close + text("two"), text("three")])
    assert texts == ["one"]
    assert connection.disconnects() == [1000]
    assert connection.transport.closing


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (text("x" * (MAX_SIZE + 1)), 1009),
        (text("x" * 70_000), 1009),
        (text("x" * MAX_SIZE, fin=False) + masked(Opcode.CONT, b"y"), 1009),
        (masked(Opcode.TEXT, b"\xff\xfe"), 1007),
        (masked(Opcode.TEXT, b"\xe2\x82", fin=False) + masked(Opcode.CONT, b"\xff"), 1007),
        (Frame(Opcode.TEXT, b"unmasked").serialize(mask=False), 1002),
        (b"\xc1" + text("reserved bit")[1:], 1002),
        (b"\x83" + text("reserved opcode")[1:], 1002),
    ],
)
def test_what_breaks_the_protocol_ends_the_connection(wire: bytes, code: int) -> None:
    for reads in ([text("one") + wire + text("two")], [text("one"), wire[:2], wire[2:]]):
        texts, connection = deliver(reads)
        assert texts == ["one"]
        assert connection.disconnects()[0] == code  # the first report counts
        assert connection.transport.closing


def test_an_oversized_message_is_refused_by_its_first_bytes() -> None:
    _, connection = deliver([text("x" * 70_000)[:14]])
    assert connection.disconnects() == [1009]


def test_a_message_of_the_largest_size_is_taken() -> None:
    assert deliver([text("x" * MAX_SIZE)])[0] == ["x" * MAX_SIZE]


def test_a_connection_that_breaks_is_no_orderly_end() -> None:
    _, connection = deliver([text("one")])
    connection.server.connection_lost(ConnectionResetError())
    assert connection.disconnects()[0] == 1006


def test_a_connection_that_was_closed_in_order_is_reported_so() -> None:
    _, connection = deliver([masked(Opcode.CLOSE, (1001).to_bytes(2, "big"))])
    connection.server.connection_lost(None)
    assert connection.disconnects()[0] == 1001


def test_texts_are_sent_in_order_whatever_their_size() -> None:
    messages = ["", "short", "x" * 125, "x" * 126, LONG, "x" * 65_535, "x" * 65_536]

    def scenario(connection: Connection) -> None:
        connection.server.send_texts(messages)
        connection.client.receive_data(connection.answered())
        frames = list(connection.client.events_received())
        assert all(isinstance(frame, Frame) and frame.opcode is Opcode.TEXT for frame in frames)
        assert [bytes(frame.data).decode() for frame in frames] == messages  # type: ignore[union-attr]

    run(scenario)


def test_nothing_is_sent_on_a_connection_that_closes() -> None:
    def scenario(connection: Connection) -> None:
        connection.transport.close()
        connection.server.send_texts(["late"])
        assert connection.answered() == b""

    run(scenario)


PIECES = st.one_of(
    st.tuples(st.just("text"), st.text(max_size=200), st.binary(min_size=4, max_size=4)),
    st.tuples(st.just("parts"), st.text(max_size=20), st.text(max_size=20)),
    st.tuples(st.just("ping"), st.just(""), st.just("")),
)


@given(st.lists(PIECES, max_size=12), st.lists(st.integers(1, 80), max_size=40))
def test_texts_arrive_in_order_exactly_once(
    pieces: list[tuple[str, str, Any]], cuts: list[int]
) -> None:
    wire, expected = b"", []
    for kind, first, second in pieces:
        if kind == "text":
            wire += text(first, key=second)
            expected.append(first)
        elif kind == "parts":
            wire += text(first, fin=False) + masked(Opcode.PING, b"")
            wire += masked(Opcode.CONT, second.encode())
            expected.append(first + second)
        else:
            wire += masked(Opcode.PING, b"p")
    reads = []
    for cut in cuts:
        reads.append(wire[:cut])
        wire = wire[cut:]
    texts, connection = deliver([*filter(None, reads), wire] if wire else filter(None, reads))
    assert texts == expected
    assert connection.disconnects() == []

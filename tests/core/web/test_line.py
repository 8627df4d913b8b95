"""The socket as the call's threads see it: in order, never waiting, bounded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

import pytest
from starlette.websockets import WebSocket, WebSocketState

from offhook.web import line as module
from offhook.web.fastpath import EXTENSION
from offhook.web.line import SocketLine


class FakeFast:
    """The connection's shortcut; ``writable`` is cleared while the peer reads slowly."""

    def __init__(self, wire: list[str]) -> None:
        self._wire = wire
        self.writes = 0
        self.writable = asyncio.Event()
        self.writable.set()

    def send_texts(self, messages: Iterable[str]) -> None:
        self.writes += 1
        self._wire += messages


class FakeSocket:
    """A Starlette WebSocket that keeps what is sent; ``free`` is cleared while it is full."""

    def __init__(self, fast: bool) -> None:
        self.wire: list[str] = []
        self.fast = FakeFast(self.wire)
        self.scope: dict[str, Any] = (
            {"extensions": {EXTENSION: {"protocol": self.fast}}} if fast else {}
        )
        self.application_state = WebSocketState.CONNECTED
        self.closed: list[tuple[int, str]] = []
        self.free = asyncio.Event()
        self.free.set()

    async def send_text(self, message: str) -> None:
        await self.free.wait()
        self.wire.append(message)

    async def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))
        self.application_state = WebSocketState.DISCONNECTED


Scenario = Callable[[SocketLine, FakeSocket, "asyncio.Task[None]"], Awaitable[None]]


def run(scenario: Scenario, fast: bool = True) -> FakeSocket:
    async def main() -> FakeSocket:
        socket = FakeSocket(fast)
        line = SocketLine(cast(WebSocket, socket))
        pump = asyncio.create_task(line.pump())
        try:
            await asyncio.wait_for(scenario(line, socket, pump), 20)
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
        return socket

    return asyncio.run(main())


async def settle() -> None:
    """Let the loop do everything that is due."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize("fast", [True, False])
def test_messages_of_a_thread_arrive_in_order(fast: bool) -> None:
    async def scenario(line: SocketLine, socket: FakeSocket, _: object) -> None:
        def talk(name: str) -> None:
            for number in range(100):
                line.send(f"{name} {number}")

        threads = [threading.Thread(target=talk, args=(name,)) for name in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        await settle()
        for name in ("a", "b"):
            mine = [message for message in socket.wire if message.startswith(name)]
            assert mine == [f"{name} {number}" for number in range(100)]

    run(scenario, fast)


def test_what_waits_together_is_written_together() -> None:
    async def scenario(line: SocketLine, socket: FakeSocket, _: object) -> None:
        for message in ("audio", "mark", "clear"):
            line.send(message)
        await settle()
        assert (socket.wire, socket.fast.writes) == (["audio", "mark", "clear"], 1)

    run(scenario)


def test_while_the_peer_reads_slowly_nothing_is_overtaken() -> None:
    async def scenario(line: SocketLine, socket: FakeSocket, _: object) -> None:
        socket.fast.writable.clear()
        socket.free.clear()
        line.send("one")
        await settle()
        line.send("two")
        socket.fast.writable.set()  # the peer reads again, but the task has not sent its own yet
        await settle()
        line.send("three")
        await settle()
        assert socket.wire == []
        socket.free.set()
        await settle()
        line.send("four")
        await settle()
        assert socket.wire == ["one", "two", "three", "four"]
        assert socket.fast.writes == 1

    run(scenario)


@pytest.mark.parametrize("fast", [True, False])
def test_what_is_queued_leaves_before_the_close_and_nothing_after(fast: bool) -> None:
    async def scenario(line: SocketLine, socket: FakeSocket, pump: asyncio.Task[None]) -> None:
        line.send("goodbye")
        line.close(1000, "x" * 200)
        line.close(1011, "the first close counts")
        line.send("late")
        await pump
        assert socket.wire == ["goodbye"]
        assert socket.closed == [(1000, "x" * 120)]

    run(scenario, fast)


def test_a_socket_that_is_closed_already_is_not_closed_again() -> None:
    async def scenario(line: SocketLine, socket: FakeSocket, pump: asyncio.Task[None]) -> None:
        socket.application_state = WebSocketState.DISCONNECTED
        line.close()
        await pump
        assert socket.closed == []

    run(scenario)


def test_a_peer_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CLOSE_SECONDS", 0.0)

    async def scenario(line: SocketLine, socket: FakeSocket, _: object) -> None:
        socket.fast.writable.clear()
        socket.free.clear()
        line.send("first")
        await settle()
        for _ in range(257):
            line.send("more")
        assert len(line._queue) == 0
        await line.closed.wait()  # though the socket takes nothing
        assert socket.wire == []

    run(scenario)


def test_a_peer_that_reads_again_is_told_why_it_is_closed() -> None:
    async def scenario(line: SocketLine, socket: FakeSocket, pump: asyncio.Task[None]) -> None:
        for _ in range(257):
            line.send("more")
        await pump
        assert socket.wire == []
        assert socket.closed == [(1008, "the peer does not read")]

    run(scenario)


def test_a_process_that_goes_down_does_not_trouble_the_calls_threads() -> None:
    lines: list[SocketLine] = []

    async def scenario(line: SocketLine, socket: FakeSocket, _: object) -> None:
        lines.append(line)

    run(scenario)
    lines[0].send("late")
    lines[0].close()

"""A server with known faults, to show that the load client counts them (``run.py --check``).

Per call: the first answer lacks frame 10, has frame 20 twice, pauses before frame 30 for longer
than the cushion, and asks for a mark. The second goes on for two frames after it was cleared. The
third is whole.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

from offhook_bench_vendors.identity import FRAME_BYTES, chunks

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

SILENCE = "/" * 8
ANSWER_MS = 1000
ENDPOINT_FRAMES = 10
PAUSE = 0.2
FRAME = 0.02


class Caller:
    """One call: hears loud and silent frames, plays a faulty answer after each of its turns."""

    def __init__(self, send: Send, stream_sid: str) -> None:
        self._send = send
        self._stream_sid = stream_sid
        self._answers = 0
        self._quiet = -1
        self._left: list[bytes] = []
        self._task: asyncio.Task[None] | None = None

    async def tell(self, event: str, **more: Any) -> None:
        """Send one message."""
        text = json.dumps({"event": event, "streamSid": self._stream_sid, **more})
        await self._send({"type": "websocket.send", "text": text})

    async def hear(self, loud: bool) -> None:
        """Take 20 ms of the caller."""
        if loud:
            self._quiet = 0
            await self._interrupt()
        elif self._quiet >= 0:
            self._quiet += 1
            if self._quiet == ENDPOINT_FRAMES:
                self._quiet = -1
                self._answers += 1
                self._task = asyncio.create_task(self._answer(self._answers == 1))

    async def _play(self, frame: bytes) -> None:
        await self.tell("media", media={"payload": base64.b64encode(frame).decode()})

    async def _interrupt(self) -> None:
        if not self._task or not self._left:
            return
        self._task.cancel()
        await self.tell("clear")
        for frame in self._left[:2]:
            await self._play(frame)
        self._left = []

    async def _answer(self, faulty: bool) -> None:
        audio = b"".join(chunks(ANSWER_MS))
        frames = [audio[i : i + FRAME_BYTES] for i in range(0, len(audio), FRAME_BYTES)]
        if faulty:
            frames[20:21] = [frames[20]] * 2
            del frames[10]
        self._left = frames
        for position in range(len(frames)):
            if faulty and position == 30:
                await asyncio.sleep(PAUSE)
            await self._play(self._left.pop(0))
            await asyncio.sleep(FRAME)
        await self.tell("mark", mark={"name": "end"})


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Serve one call."""
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    caller = None
    while (received := await receive())["type"] != "websocket.disconnect":
        message = json.loads(received["text"])
        if message["event"] == "start":
            caller = Caller(send, message["streamSid"])
        elif message["event"] == "media" and caller:
            await caller.hear(not message["media"]["payload"].startswith(SILENCE))


def main() -> None:
    """Serve on the loopback port given."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    uvicorn.run(app, host="127.0.0.1", port=port, lifespan="off", log_level="warning")


if __name__ == "__main__":
    main()

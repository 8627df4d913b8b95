"""The media socket: from the carrier's WebSocket to the call's handler thread."""

from __future__ import annotations

import asyncio
import functools
import hashlib
from typing import Any

import anyio
import anyio.to_thread
import structlog
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket

from offhook.call.session import Session
from offhook.errors import CallRefused, OffhookError, ProtocolError
from offhook.events import CallEnded, CallInfo
from offhook.providers import WebhookRequest
from offhook.web.line import SocketLine
from offhook.web.runtime import Runtime

log = structlog.get_logger(__name__)

MAX_MESSAGE = 65_536
"""Bytes of one message; a media frame of 20 ms takes about 400."""

PREPARE_SECONDS = 10.0
"""How long the plugins that are asked before a call begins may take."""

_CLEAN = (1000, 1001, 1005)


def token_hash(token: str) -> str:
    """What is stored of a stream token."""
    return hashlib.sha256(token.encode()).hexdigest()


async def media_socket(websocket: WebSocket) -> None:
    """Check the token and the carrier's signature, accept, and serve one call.

    A refusal closes before the handshake is accepted, which the carrier sees as HTTP 403.
    """
    runtime: Runtime = websocket.app.state.runtime
    try:
        session, line = await _open(runtime, websocket)
    except OffhookError as error:
        log.warning("media.refused", reason=str(error))
        await websocket.close(1008, str(error)[:120])
        return
    if line.fast is not None:
        line.fast.take_over(session.on_text)
    await websocket.accept()
    await _serve(websocket, session, line)


async def _open(runtime: Runtime, websocket: WebSocket) -> tuple[Session, SocketLine]:
    plugin, token = websocket.path_params["telephony"], websocket.path_params["token"]
    request = WebhookRequest(
        method="GET",
        url=runtime.stream_url(plugin, token),
        headers={name.lower(): value for name, value in websocket.headers.items()},
    )
    services = runtime.services
    claimed = await run_in_threadpool(
        services.store.claim_stream, token_hash(token), services.node.id
    )
    line = SocketLine(websocket)
    prepare = functools.partial(_prepare, runtime, claimed.call, plugin, request, line)
    try:
        with anyio.move_on_after(PREPARE_SECONDS):
            return await anyio.to_thread.run_sync(prepare, abandon_on_cancel=True), line
        raise CallRefused(f"a plugin did not let the call begin within {PREPARE_SECONDS:.0f} s")
    except Exception as error:
        # Its token is spent: no other stream can open, and nobody else would end the call.
        services.writer.end(claimed.call.call_id, CallEnded("never-started", str(error)))
        raise


def _prepare(
    runtime: Runtime, call: CallInfo, plugin: str, request: WebhookRequest, line: SocketLine
) -> Session:
    """On a worker thread: plugins are asked here, and must not hold up the other calls' audio."""
    loaded = runtime.services.directory.get(call.business_id)
    if loaded is None:
        raise CallRefused(f"business {call.business_id!r} is gone")
    telephony = runtime.accounts.get(loaded, plugin)
    telephony.verify_stream(request)
    session = Session(call, loaded, runtime.services, runtime.sessions, telephony, line)
    runtime.sessions.add(session)
    return session


async def _serve(websocket: WebSocket, session: Session, line: SocketLine) -> None:
    pump = asyncio.create_task(line.pump())
    read = asyncio.create_task(_read(websocket, session))
    given_up = asyncio.create_task(line.closed.wait())
    tasks: set[asyncio.Task[Any]] = {read, given_up}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        line.close()
        for task in (*tasks, pump):
            task.cancel()
        await asyncio.gather(*tasks, pump, return_exceptions=True)
        session.on_closed(clean=False)  # a no-op after an orderly end


async def _read(websocket: WebSocket, session: Session) -> None:
    on_text = session.on_text
    while True:
        message = await websocket.receive()
        text = message.get("text")
        if text is not None:
            on_text(text)
        elif message["type"] == "websocket.disconnect":
            code = message.get("code", 1005)
            if code == 1009:
                error = f"a message was larger than {MAX_MESSAGE} bytes"
                session.on_protocol_error(ProtocolError(error, 1009))
            else:
                session.on_closed(clean=code in _CLEAN)
            return
        else:
            session.on_protocol_error(
                ProtocolError("binary messages are not part of the media protocol", 1003)
            )

"""Runs the application: one process per core, or one inside another program; drains on SIGTERM."""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import signal
import socket
import threading
import time
from types import FrameType
from typing import Any

import structlog
import uvicorn

from offhook import logs
from offhook.config import Settings
from offhook.errors import OffhookError
from offhook.registry import Registry
from offhook.web.app import create_app
from offhook.web.fastpath import MediaProtocol
from offhook.web.media import MAX_MESSAGE
from offhook.web.runtime import Runtime

log = structlog.get_logger(__name__)

_GOODBYE_SECONDS = 15.0
_LOOK_SECONDS = 0.2
_M_ARENA_MAX = -8  # malloc.h
_AT_ONCE = signal.SIGUSR1


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OffhookError if the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OffhookError(
            f"cannot listen on {host}:{port} ({error.strerror}): choose another with --port"
        ) from None
    listener.listen(2048)
    listener.setblocking(False)
    listener.set_inheritable(True)
    return listener


def local_url(listener: socket.socket) -> str:
    """The root URL of a listening socket, as seen from this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
    return f"http://{host}:{port}"


class Server(uvicorn.Server):
    """One process. The first SIGTERM or SIGINT drains: no new call, running calls finish within
    ``drain_seconds``, then the agent says goodbye. A second one stops at once, unless the process
    is ``supervised``."""

    def __init__(self, runtime: Runtime, *, supervised: bool = False) -> None:
        super().__init__(
            uvicorn.Config(
                create_app(runtime),
                loop="uvloop",
                ws=MediaProtocol,
                ws_max_size=MAX_MESSAGE,
                ws_per_message_deflate=False,
                ws_ping_interval=None,  # the watchdog notices a dead line by its missing audio
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=10,
            )
        )
        self._runtime = runtime
        self._supervised = supervised
        self._loop: asyncio.AbstractEventLoop | None = None
        self._drainer: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self._runtime.sessions.draining:
            self._begin_to_drain()  # told to before there was a loop to tell

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for session in self._runtime.sessions:  # before their sockets close, which is no lost line
            session.end("drained", "the server was stopped")
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
        # Ctrl-C and systemd signal every process of a group, and the supervisor passes its signal
        # on: to a supervised process the second one says nothing new.
        again = self._runtime.sessions.draining and not self._supervised
        if again or self._loop is None:
            self.should_exit = True
        else:
            self.drain()

    def drain(self) -> None:
        """Take no new call, and exit when the last one is over. *Any thread.*"""
        self._runtime.sessions.drain()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin_to_drain)

    def _begin_to_drain(self) -> None:
        if self._drainer is None:
            self._drainer = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        sessions = self._runtime.sessions
        log.info("drain.begun", calls=len(sessions))
        await self._wait_until_empty(self._runtime.services.settings.drain_seconds)
        for session in sessions:
            session.drain()
        await self._wait_until_empty(_GOODBYE_SECONDS)
        log.info("drain.ended", calls=len(sessions))
        self.should_exit = True

    async def _wait_until_empty(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        sessions = self._runtime.sessions
        while sessions.expected() and time.monotonic() < until and not self.should_exit:
            await asyncio.sleep(0.05)


class EmbeddedServer:
    """The whole application on a thread of this process: for ``offhook call``, demo and tests."""

    def __init__(
        self, settings: Settings, registry: Registry, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._listener = bind(host, port)
        self.url = local_url(self._listener)
        self.runtime = Runtime(settings, registry, settings.public_url or self.url)
        self._server = Server(self.runtime)
        # uvicorn takes signals on the main thread only, which is not ours to take.
        self._thread = threading.Thread(target=self._run, name="offhook-web", daemon=True)

    def start(self) -> EmbeddedServer:
        """Serve; returns once requests are answered. Raises OffhookError if it cannot start."""
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.01)
            if not self._thread.is_alive():
                raise OffhookError("the server could not start: see the log above")
        return self

    def stop(self) -> None:
        """End all calls and the server."""
        self._server.should_exit = True
        self._thread.join(30)
        self._listener.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._listener])

    def __enter__(self) -> EmbeddedServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def serve(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serve until told to stop. With several workers, each is a process with its own calls; one
    that dies is replaced."""
    listener = bind(host, port)
    url = settings.public_url or local_url(listener)
    log.info("serve.listening", url=local_url(listener), public_url=url, workers=workers)
    if workers == 1:
        _work(settings, listener, url)
        return
    Supervisor(settings, listener, url, workers).run()


def _work(
    settings: Settings, listener: socket.socket, public_url: str, *, supervised: bool = False
) -> None:
    logs.configure(settings.log_level)  # a spawned worker begins without
    _share_arenas()
    server = Server(Runtime(settings, Registry(), public_url), supervised=supervised)
    if supervised:
        signal.signal(_AT_ONCE, lambda *_: setattr(server, "should_exit", True))
        threading.Thread(
            target=_drain_without_parent, args=(server,), name="offhook-parent", daemon=True
        ).start()
    server.run(sockets=[listener])


def _drain_without_parent(server: Server) -> None:
    """Nobody tells a worker to stop once its supervisor is gone: it must not go on serving."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # only spawned workers are supervised
    parent.join()
    log.error("supervisor.died", pid=parent.pid)
    server.drain()


class Supervisor:
    """Keeps N worker processes alive. The first signal to stop drains them, the second stops them
    at once."""

    def __init__(
        self, settings: Settings, listener: socket.socket, public_url: str, workers: int
    ) -> None:
        self._settings = settings
        self._arguments = (settings, listener, public_url)
        self._count = workers
        self._context = multiprocessing.get_context("spawn")
        self._processes: list[Any] = []
        self._signals = 0  # no threading.Event: a handler that sets one can deadlock with its wait

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._processes = [self._spawn() for _ in range(self._count)]
        while not self._signals:
            for index, process in enumerate(self._processes):
                if not process.is_alive():
                    log.error("worker.died", pid=process.pid, exit_code=process.exitcode)
                    self._processes[index] = self._spawn()
            time.sleep(_LOOK_SECONDS)
        self._stop_all()

    def _stop_all(self) -> None:
        until = time.monotonic() + self._settings.drain_seconds + _GOODBYE_SECONDS + 30
        for process in self._processes:
            process.terminate()
        hurried = False
        while alive := [process for process in self._processes if process.is_alive()]:
            if self._signals > 1 and not hurried:
                hurried = True
                for process in alive:
                    os.kill(process.pid, _AT_ONCE)
            if time.monotonic() > until:
                for process in alive:
                    process.kill()
            time.sleep(_LOOK_SECONDS)

    def _on_signal(self, *_: object) -> None:
        self._signals += 1

    def _spawn(self) -> Any:
        process = self._context.Process(
            target=_work, args=self._arguments, kwargs={"supervised": True}, name="offhook-worker"
        )
        process.start()
        return process


def _share_arenas() -> None:
    """Let all threads allocate from two of glibc's arenas: with one per thread and five threads per
    call, a call takes 40 kB more."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 2)

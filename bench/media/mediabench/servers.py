"""Servers under test, each a process of its own pinned to the server's core."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from mediabench.build import CACHE, PEERS, VENDORS, pipecat_python

SERVER_CORE = 0
CLIENT_CORE = 1

CallLine = tuple[str, ...]
"""Path, callSid, custom parameters (JSON) and, if any, one more handshake header of a call."""


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """Starts on entry, is ended on exit; ``command`` is all a subclass must give."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._placed = 0

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> Path:
        """Where the server's output goes."""
        return CACHE / f"{type(self).__name__}.log"

    def command(self) -> Sequence[str | Path]:
        """What to run."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Variables on top of the runner's own."""
        return {}

    def calls(self, count: int) -> list[CallLine]:
        """Media sockets for new calls."""
        first = self._placed
        self._placed += count
        return [("/media", f"CA{first + i:032d}", "{}") for i in range(count)]

    def prepare(self) -> None:
        """Make what the server needs, before it starts."""

    def __enter__(self) -> Server:
        self.prepare()
        CACHE.mkdir(exist_ok=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(part) for part in self.command()],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | self.environment(),
                preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
                start_new_session=True,
            )
        try:
            self._wait_until_up()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server and its children."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError(f"the server did not start:\n{self.log.read_text()[-2000:]}")


class EchoServer(Server):
    """The floor."""

    def command(self) -> Sequence[str | Path]:
        """Run the peer in this environment."""
        return [sys.executable, PEERS / "echo_server.py", "--port", str(self.port)]


class PipecatServer(Server):
    """The peer that keeps a conversation (``services``), or the leanest it can do (``bare``)."""

    def __init__(self, vad: str, pipeline: str = "services") -> None:
        super().__init__()
        self._vad = vad
        self._pipeline = pipeline

    def environment(self) -> dict[str, str]:
        """The scripted delays and audio come from the vendors' package."""
        return {"PYTHONPATH": str(VENDORS)}

    def command(self) -> Sequence[str | Path]:
        """Run the peer in its own environment."""
        return [
            pipecat_python(),
            "-W",
            "ignore::DeprecationWarning",
            PEERS / "pipecat_bot.py",
            "--port",
            str(self.port),
            "--vad",
            self._vad,
            "--pipeline",
            self._pipeline,
        ]

"""Runs the load client against a server and reads the server's usage over the same window."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mediabench import build, proc
from mediabench.servers import CLIENT_CORE, SERVER_CORE, Server


@dataclass(frozen=True)
class Plan:
    """How the client behaves; milliseconds."""

    calls: int
    measure: int
    ramp: int = 2000
    settle: int = 3000
    echo: bool = False
    speech: Path | None = None
    cushion: int = 40
    speech_ms: int = 1200
    barge_every: int = 3
    hear: int = 1000
    lead: int = 500
    spread: int = 4000
    max_turns: int = 0

    def arguments(self) -> list[str]:
        """The client's command line."""
        numbers = {
            "measure-ms": self.measure,
            "ramp-ms": self.ramp,
            "settle-ms": self.settle,
            "cushion-ms": self.cushion,
            "speech-ms": self.speech_ms,
            "barge-every": self.barge_every,
            "hear-ms": self.hear,
            "lead-ms": self.lead,
            "spread-ms": self.spread,
            "max-turns": self.max_turns,
        }
        arguments = [part for name, n in numbers.items() for part in (f"--{name}", str(n))]
        if self.echo:
            arguments.append("--echo")
        if self.speech:
            arguments += ["--speech", str(self.speech)]
        return arguments


@dataclass(frozen=True)
class Measured:
    """What the client counted and what the server used between STEADY and DONE."""

    client: dict[str, Any]
    before: proc.Usage
    after: proc.Usage

    @property
    def seconds(self) -> float:
        """Length of the window."""
        return float(self.client["seconds"])

    @property
    def cpu_ms(self) -> float:
        """The server's CPU time in the window."""
        return self.after.cpu_ms - self.before.cpu_ms

    @property
    def foreign_share(self) -> float:
        """Share of the server's core that went to others in the window."""
        busy = self.after.core_busy_ms - self.before.core_busy_ms
        return max(0.0, busy - self.cpu_ms) / (self.seconds * 1000)


def run(server: Server, plan: Plan) -> Measured:
    """Place ``plan.calls`` calls and wait until they have hung up."""
    binary = build.load_client()
    with tempfile.NamedTemporaryFile("w", suffix=".calls") as calls:
        calls.writelines("\t".join(line) + "\n" for line in server.calls(plan.calls))
        calls.flush()
        client = subprocess.Popen(
            [binary, "--port", str(server.port), "--calls", calls.name, *plan.arguments()],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {CLIENT_CORE}),
        )
        try:
            return _follow(client, server)
        finally:
            client.kill()
            client.wait()


def _follow(client: subprocess.Popen[str], server: Server) -> Measured:
    before = after = None
    assert client.stdout is not None
    for line in client.stdout:
        if line.startswith("STEADY"):
            before = proc.usage(server.pid, SERVER_CORE)
        elif line.startswith("DONE"):
            after = proc.usage(server.pid, SERVER_CORE)
        elif before and after:
            return Measured(json.loads(line), before, after)
    raise RuntimeError(
        f"the load client ended without a report; server's log:\n{server.log.read_text()[-2000:]}"
    )

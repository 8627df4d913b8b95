"""The rows of the table: which system, under which load."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from mediabench import detectors, load, proc, speech
from mediabench.detectors import Detector
from mediabench.load import Measured, Plan
from mediabench.offhook import OffhookServer
from mediabench.servers import SERVER_CORE, EchoServer, PipecatServer, Server

REJECT_LAG_MS = 5.0
"""A client whose own clock slips more than this at p99 measured itself, not the server."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    key: str
    system: str
    calls: int
    server: Callable[[], Server]
    detector: Callable[[], Detector] | None
    silero: bool = False

    @property
    def echo(self) -> bool:
        """Whether the server only echoes."""
        return self.detector is None


@dataclass(frozen=True)
class Result:
    """A row that was measured."""

    row: Row
    measured: Measured
    idle: proc.Usage
    detector: Detector | None

    @property
    def cpu_per_call(self) -> float:
        """Server CPU, milliseconds per call and second."""
        return self.measured.cpu_ms / self.row.calls / self.measured.seconds

    @property
    def cpu_per_frame_us(self) -> float:
        """Server CPU, microseconds per 20 ms of audio either way."""
        frames = self.measured.client["frames_in"] + self.measured.client["frames_out"]
        return self.measured.cpu_ms * 1000 / max(int(frames), 1)

    @property
    def rss_per_call(self) -> float:
        """Resident kB that one call adds."""
        return (self.measured.after.rss_kb - self.idle.rss_kb) / self.row.calls

    @property
    def threads_per_call(self) -> float:
        """Threads that one call adds."""
        return (self.measured.after.threads - self.idle.threads) / self.row.calls

    def added(self, percentile: str) -> float | None:
        """Response latency beyond the detector's and the vendors' scripted times."""
        if self.detector is None or not self.measured.client["response"]["n"]:
            return None
        return float(self.measured.client["response"][percentile]) - self.detector.scripted_ms

    def barge(self, percentile: str) -> float | None:
        """First frame of interrupting speech to ``clear``, beyond the detector's own time."""
        if self.detector is None or not self.measured.client["barge"]["n"]:
            return None
        return float(self.measured.client["barge"][percentile]) - self.detector.start

    def problems(self) -> list[str]:
        """Why the row may not be trusted, or what the server failed to do."""
        client = self.measured.client
        found = []
        if client["tick_lag"]["p99"] > REJECT_LAG_MS:
            found.append("REJECTED: client late")
        if client["live"] < client["calls"]:
            found.append(f"{client['calls'] - client['live']} calls lost")
        names = ("unanswered", "cut_short", "missed_clears", "early", "crosstalk", "stalls")
        found += [f"{client[name]} {name.replace('_', ' ')}" for name in names if client[name]]
        return found

    @property
    def rejected(self) -> bool:
        """Whether the client, not the server, was the bottleneck."""
        return bool(self.measured.client["tick_lag"]["p99"] > REJECT_LAG_MS)


def offhook(key: str, calls: int, vad: str) -> Row:
    """A row of offhook."""
    silero = vad == "silero"
    return Row(
        key=key,
        system=f"offhook, {vad}",
        calls=calls,
        server=lambda: OffhookServer(vad),
        detector=detectors.offhook_silero if silero else lambda: detectors.ENERGY,
        silero=silero,
    )


def pipecat(key: str, calls: int, vad: str, pipeline: str = "services") -> Row:
    """A row of Pipecat."""
    silero = vad == "silero"
    return Row(
        key=key,
        system=f"pipecat {'bare' if pipeline == 'bare' else 'tuned'}, {vad}",
        calls=calls,
        server=lambda: PipecatServer(vad, pipeline),
        detector=detectors.pipecat_silero if silero else lambda: detectors.ENERGY,
        silero=silero,
    )


def echo(calls: int) -> Row:
    """The floor."""
    return Row("echo", "uvicorn echo (floor)", calls, EchoServer, None)


def measure(row: Row, milliseconds: int) -> Result:
    """Start the row's server, warm it up with two calls, load it."""
    clip = speech.clip() if row.silero else None
    detector = row.detector() if row.detector else None
    with row.server() as server:
        warm_up = Plan(
            calls=2, measure=2500, ramp=0, settle=0, lead=200, spread=0, echo=row.echo, speech=clip
        )
        load.run(server, warm_up)
        time.sleep(1.5)
        idle = proc.usage(server.pid, SERVER_CORE)
        short = milliseconds < 10_000
        ramp, settle, spread = (1000, 2000, 2500) if short else (2000, 3000, 4000)
        plan = Plan(
            calls=row.calls,
            measure=milliseconds,
            ramp=ramp,
            settle=settle,
            spread=spread,
            echo=row.echo,
            speech=clip,
        )
        return Result(row, load.run(server, plan), idle, detector)

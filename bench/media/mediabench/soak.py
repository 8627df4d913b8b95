"""Many short calls one batch after the other: memory, threads and files must not grow."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from mediabench import load, proc
from mediabench.load import Plan
from mediabench.servers import SERVER_CORE, Server

BATCH = 50
BATCH_PLAN = Plan(
    calls=BATCH, measure=3500, ramp=500, settle=0, lead=200, spread=0, barge_every=0, max_turns=1
)
"""Each call lasts some four seconds: a turn, two seconds of its answer, hang up."""


def _open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def soak(console: Console, make: Callable[[], Server], total: int) -> bool:
    """Run ``total`` calls and print the server's footprint at each quarter; False if calls fail."""
    failed = answered = 0
    with make() as server:
        console.print(f"soak: {total} calls of 4 s, {BATCH} at a time, {type(server).__name__}")
        for done in range(BATCH, total + 1, BATCH):
            client = load.run(server, BATCH_PLAN).client
            failed += client["refused"] + client["dropped"]
            answered += client["responses"]
            if done == BATCH or done % max(total // 4, BATCH) == 0:
                time.sleep(3)
                now = proc.usage(server.pid, SERVER_CORE)
                console.print(
                    f"  after {done:5d} calls: RSS {now.rss_kb / 1024:7.1f} MB, "
                    f"{now.threads} threads, {_open_files(server.pid)} open files, "
                    f"{answered} answered, {failed} failed"
                )
    return failed == 0

"""Does the client count what it claims to? It is let loose on a server with known faults."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mediabench import load
from mediabench.build import PEERS, VENDORS
from mediabench.load import Plan
from mediabench.servers import Server

CALLS = 3
PLAN = Plan(
    calls=CALLS,
    measure=10500,
    ramp=0,
    settle=0,
    lead=200,
    spread=0,
    speech_ms=400,
    barge_every=3,
    hear=300,
    max_turns=3,
)
PER_CALL = {
    "lost": 1,
    "duplicated": 1,
    "underruns": 1,
    "stale": 2,
    "clears": 1,
    "barges": 1,
    "responses": 3,
    "marks": 2,
    "crosstalk": 0,
    "unanswered": 0,
    "missed_clears": 0,
}


class FaultyServer(Server):
    """The server whose faults are known."""

    def environment(self) -> dict[str, str]:
        """The identified audio comes from the vendors' package."""
        return {"PYTHONPATH": str(VENDORS)}

    def command(self) -> Sequence[str | Path]:
        """Run it in this environment."""
        return [sys.executable, PEERS / "faulty_server.py", "--port", str(self.port)]


def check(console: Console) -> bool:
    """Print each count beside what it must be; True if all agree."""
    with FaultyServer() as server:
        client = load.run(server, PLAN).client
    agree = True
    for name, each in PER_CALL.items():
        same = client[name] == each * CALLS
        agree &= same
        console.print(f"  {'ok   ' if same else 'WRONG'} {name}: {client[name]} of {each * CALLS}")
    return agree

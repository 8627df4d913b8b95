"""What an operator does to a server, and what becomes of its calls."""

from __future__ import annotations

import os
import signal
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select, update

from offhook.store import CallStore, migrate, open_engine
from offhook.store.schema import NodeRow
from offhook_telephony_simulated.carrier import CallFailed, SimulatedCarrier

from .conftest import BUSINESS, NUMBER
from .processes import Serving, install_scripted
from .scripted import pcm_track, tone, voice, wait_for

STALE = timedelta(seconds=20)
"""Without a heartbeat for so long a node is dead."""
GOODBYE = "Time is up."
TOML = f'{BUSINESS}\n[phrases]\ntime_up = "{GOODBYE}"\n'

Serve = Callable[..., tuple[Serving, SimulatedCarrier]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts ``offhook serve`` with workers, and its carrier: ``serve(workers, **settings)``."""
    site, businesses = tmp_path / "site", tmp_path / "businesses"
    install_scripted(site)
    businesses.mkdir()
    (businesses / "acme.toml").write_text(TOML, encoding="utf-8")
    with ExitStack() as running:

        def start(workers: int, **settings: Any) -> tuple[Serving, SimulatedCarrier]:
            serving = Serving(businesses, tmp_path, site, settings, workers)
            running.enter_context(serving)
            voice_url = f"{serving.url}/webhooks/simulated/voice"
            carrier = running.enter_context(SimulatedCarrier(voice_url, data=tmp_path))
            return serving, carrier

        yield start


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """The database that the served processes share."""
    engine = open_engine(f"sqlite:///{tmp_path / 'offhook.db'}")
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "systemd"])
def test_a_signal_to_all_processes_drains(
    serve: Serve, engine: Engine, number: signal.Signals
) -> None:
    # A terminal's Ctrl-C, and systemd as it stops a unit, signal the workers as well as the
    # supervisor, which passes its own on to them: two signals, but one wish.
    serving, carrier = serve(2, drain_seconds=2)
    call = carrier.ring(NUMBER)
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    os.killpg(serving.process.pid, number)
    ended = call.wait_ended(timeout=20)
    assert ended is not None
    assert ended.reason == "agent-hung-up"
    assert voice(GOODBYE) in call.heard
    assert serving.process.wait(timeout=20) == 0
    (row,) = CallStore(engine).recent()
    assert (row.state, row.end_reason) == ("ended", "drained")


def test_a_second_signal_stops_all_processes_at_once(serve: Serve, engine: Engine) -> None:
    serving, carrier = serve(2, drain_seconds=600)
    call = carrier.ring(NUMBER)
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    serving.process.send_signal(signal.SIGTERM)
    serving.wait_logged("drain.begun")
    assert call.ended is None
    serving.process.send_signal(signal.SIGTERM)
    assert call.wait_ended(timeout=10)
    assert serving.process.wait(timeout=20) == 0
    (row,) = CallStore(engine).recent()
    assert (row.state, row.end_reason) == ("ended", "drained")


def test_workers_do_not_outlive_their_supervisor(serve: Serve, engine: Engine) -> None:
    serving, carrier = serve(2, drain_seconds=0.5)
    call = carrier.ring(NUMBER)
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    os.kill(serving.process.pid, signal.SIGKILL)
    ended = call.wait_ended(timeout=20)
    assert ended is not None
    assert voice(GOODBYE) in call.heard
    serving.process.wait(timeout=5)

    def gone() -> bool:
        try:
            os.killpg(serving.process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    wait_for(gone, 30)
    (row,) = CallStore(engine).recent()
    assert (row.state, row.end_reason) == ("ended", "drained")


def test_the_other_workers_settle_the_calls_of_one_that_was_killed(
    serve: Serve, engine: Engine, tmp_path: Path
) -> None:
    serving, carrier = serve(2, drain_seconds=0.5)
    call = carrier.ring(NUMBER)
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    call.say(tone(400))
    assert call.wait_agent_done(timeout=10, quiet_ms=1600)  # longer than a recording lags behind
    store = CallStore(engine)
    (row,) = store.recent()
    with engine.begin() as connection:
        killed = select(NodeRow.pid).where(NodeRow.id == row.node_id)
        os.kill(connection.scalars(killed).one(), signal.SIGKILL)
        # As if its last heartbeat were so long ago that the others give it up.
        long_ago = store.clock() - 3 * STALE
        connection.execute(
            update(NodeRow).where(NodeRow.id == row.node_id).values(seen_at=long_ago)
        )
    assert call.wait_ended(timeout=10)
    wait_for(lambda: store.recent()[0].state == "ended", 20)
    (row,) = store.recent()
    assert row.end_reason == "orphaned"
    assert [turn.heard for turn in store.turns(row.id)] == [
        "Hello.",
        "words 0",
        "You said words 0.",
    ]
    recording = tmp_path / "recordings" / "acme" / f"{row.id}.wav"
    assert row.recording_path == str(recording)
    with wave.open(str(recording), "rb") as file:
        stereo = file.readframes(file.getnframes())
    assert tone(400) in pcm_track(stereo, 0)
    assert voice("You said words 0.") in pcm_track(stereo, 1)

    serving.wait_logged("worker.died")
    again = carrier.ring(NUMBER)
    assert again.wait_agent_speaking(timeout=10)
    serving.process.send_signal(signal.SIGTERM)
    assert again.wait_ended(timeout=20)
    assert serving.process.wait(timeout=20) == 0
    assert {row.state for row in store.recent()} == {"ended"}


def test_a_draining_server_says_so(serve: Serve, engine: Engine) -> None:
    serving, carrier = serve(1, drain_seconds=600)
    call = carrier.ring(NUMBER)
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    assert httpx.get(f"{serving.url}/readyz").status_code == 200
    serving.process.send_signal(signal.SIGTERM)
    serving.wait_logged("drain.begun")
    ready = httpx.get(f"{serving.url}/readyz")
    assert (ready.status_code, ready.json()["status"], ready.json()["calls"]) == (
        503,
        "draining",
        1,
    )
    assert httpx.get(f"{serving.url}/healthz").status_code == 200
    with pytest.raises(CallFailed) as refused:
        carrier.ring(NUMBER)
    assert refused.value.reason == "busy"
    assert call.ended is None
    serving.process.send_signal(signal.SIGTERM)  # the second one: at once
    assert call.wait_ended(timeout=10)
    assert serving.process.wait(timeout=20) == 0
    (row,) = CallStore(engine).recent()
    assert (row.state, row.end_reason) == ("ended", "drained")

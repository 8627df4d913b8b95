"""``offhook serve``: drained by SIGTERM, killed in the middle of calls, with several workers."""

from __future__ import annotations

import os
import signal
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from offhook.call import sessions
from offhook.events import MULAW_8K
from offhook.store import CallStore, migrate, open_engine
from offhook.store.schema import NodeRow
from offhook_telephony_simulated.carrier import CallFailed, SimulatedCall, SimulatedCarrier

from .conftest import BUSINESS, NUMBER, MakeServer
from .processes import Serving, install_scripted
from .scripted import pcm_track, settled, tone, voice, wait_for

GOODBYE = "Time is up."
TOML = f'{BUSINESS}\n[phrases]\ntime_up = "{GOODBYE}"\n'
"""A business whose calls end with a goodbye that is short."""

Serve = Callable[..., Serving]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts ``offhook serve``: ``serve(workers=1, **settings)``."""
    site, businesses = tmp_path / "site", tmp_path / "businesses"
    install_scripted(site)
    businesses.mkdir(exist_ok=True)
    (businesses / "acme.toml").write_text(TOML, encoding="utf-8")
    with ExitStack() as running:

        def start(workers: int = 1, **settings: Any) -> Serving:
            serving = Serving(businesses, tmp_path, site, settings, workers)
            return running.enter_context(serving)

        yield start


@pytest.fixture
def ring_at(tmp_path: Path) -> Iterator[Callable[[Serving], SimulatedCarrier]]:
    """Makes the simulated carrier of a served process."""
    with ExitStack() as carriers:

        def make(serving: Serving) -> SimulatedCarrier:
            voice_url = f"{serving.url}/webhooks/simulated/voice"
            return carriers.enter_context(SimulatedCarrier(voice_url, data=tmp_path))

        yield make


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CallStore]:
    """The database that all processes of the test share."""
    engine = open_engine(f"sqlite:///{tmp_path / 'offhook.db'}")
    migrate(engine)
    yield CallStore(engine)
    engine.dispose()


@pytest.fixture
def workers(tmp_path: Path, store: CallStore) -> Iterator[Callable[[], dict[str, int]]]:
    """Gives every node there ever was and its process."""
    engine = open_engine(f"sqlite:///{tmp_path / 'offhook.db'}")

    def found() -> dict[str, int]:
        with engine.connect() as connection:
            return {
                node.id: node.pid for node in connection.execute(select(NodeRow.id, NodeRow.pid))
            }

    yield found
    engine.dispose()


def test_sigterm_lets_a_call_finish(serve: Serve, ring_at: Any, store: CallStore) -> None:
    serving = serve()
    carrier = ring_at(serving)
    call = carrier.ring(NUMBER)
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    serving.process.send_signal(signal.SIGTERM)
    serving.wait_logged("drain.begun")
    with pytest.raises(CallFailed) as refused:
        carrier.ring(NUMBER)
    assert refused.value.reason == "busy"
    call.say(tone(400))
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    assert voice("You said words 0.") in call.heard
    call.hang_up()
    assert serving.process.wait(timeout=20) == 0
    (row,) = store.recent()
    assert (row.state, row.end_reason) == ("ended", "caller-hung-up")
    assert len(store.turns(row.id)) == 3


def test_a_drain_that_takes_too_long_says_goodbye(
    serve: Serve, ring_at: Any, store: CallStore
) -> None:
    serving = serve(drain_seconds=0.5)
    call = ring_at(serving).ring(NUMBER)
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    serving.process.send_signal(signal.SIGTERM)
    ended = call.wait_ended(timeout=20)
    assert ended is not None
    assert ended.reason == "agent-hung-up"
    assert voice(GOODBYE) in call.heard
    assert serving.process.wait(timeout=20) == 0
    (row,) = store.recent()
    assert (row.state, row.end_reason) == ("ended", "drained")


def test_a_killed_process_leaves_no_call_open(
    serve: Serve,
    ring_at: Any,
    server: MakeServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Nodes send a heartbeat every two seconds, so five without one are enough for a test.
    monkeypatch.setattr(sessions, "_ORPHAN_SECONDS", 5.0)
    other = server(TOML)
    serving = serve()
    call = ring_at(serving).ring(NUMBER)
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    call.say(tone(400))
    assert call.wait_agent_done(timeout=10, quiet_ms=1600)
    serving.process.kill()
    assert call.wait_ended(timeout=10)

    row = settled(other, call.call_sid, 30)
    assert row.end_reason == "orphaned"
    turns = other.runtime.services.store.turns(row.id)
    assert [turn.heard for turn in turns] == ["Hello.", "words 0", "You said words 0."]
    path = other.runtime.services.settings.data / "recordings" / "acme" / f"{row.id}.wav"
    with wave.open(str(path), "rb") as file:
        stereo = file.readframes(file.getnframes())
    caller, agent = pcm_track(stereo, 0), pcm_track(stereo, 1)
    assert tone(400) in caller
    assert voice("You said words 0.") in agent
    assert MULAW_8K.duration_ms(len(caller)) > len(call.said) / 8 - 2500


def test_workers_share_the_calls_and_are_replaced(
    serve: Serve, ring_at: Any, store: CallStore, workers: Callable[[], dict[str, int]]
) -> None:
    serving = serve(workers=2, drain_seconds=0.5)
    wait_for(lambda: len(workers()) == 2, 30)
    first = workers()
    carrier = ring_at(serving)
    calls: dict[str, SimulatedCall] = {}
    while len(calls) < 2:
        call = carrier.ring(NUMBER)
        (row,) = (row for row in store.recent(1000) if row.carrier_call_id == call.call_sid)
        assert row.node_id is not None
        calls.setdefault(row.node_id, call)
    assert calls.keys() == first.keys()

    (killed, lost), (_, kept) = calls.items()
    os.kill(first[killed], signal.SIGKILL)
    ended = lost.wait_ended(timeout=10)
    assert ended is not None
    assert ended.reason == "stream-broken"
    wait_for(lambda: len(workers()) == 3, 30)
    assert kept.ended is None
    kept.say(tone(400))
    assert kept.wait_agent_done(timeout=10, quiet_ms=200)

    serving.process.send_signal(signal.SIGTERM)
    ended = kept.wait_ended(timeout=20)
    assert ended is not None
    assert ended.reason == "agent-hung-up"
    assert voice(GOODBYE) in kept.heard
    assert serving.process.wait(timeout=20) == 0
    open_calls = [row for row in store.recent(1000) if row.state != "ended"]
    assert {row.node_id for row in open_calls} == {killed}  # until another node's reaper finds them

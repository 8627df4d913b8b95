"""Fifty calls at once, some of which end badly: nothing of any is left behind."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from offhook.call import session
from offhook_telephony_simulated.carrier import Misbehaviour
from offhook_telephony_simulated.misbehaviour import MALFORMED

from .conftest import NUMBER, MakeCarrier, MakeServer
from .scripted import no_threads_left, settled, tone, wait_for

CALLS = 50
ABNORMAL = {
    "reset": Misbehaviour(reset=True, hang_up_after_ms=1500),
    "no-stop": Misbehaviour(no_stop=True, hang_up_after_ms=1500),
    "early": Misbehaviour(hang_up_after_ms=300),
    "no-start": Misbehaviour(no_start=True),
    "malformed": Misbehaviour(messages=(MALFORMED,), messages_after_ms=1000),
}


def test_fifty_calls_leave_nothing(
    server: MakeServer, carrier: MakeCarrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "START_SECONDS", 4.0)
    running = server()
    network = carrier(running)
    with ThreadPoolExecutor(10) as pool:
        well = pool.map(lambda _: network.ring(NUMBER), range(CALLS - len(ABNORMAL)))
        bad = pool.map(lambda faults: network.ring(NUMBER, misbehaviour=faults), ABNORMAL.values())
        calls, ill = list(well), dict(zip(ABNORMAL, bad, strict=True))
    assert len(running.runtime.sessions) >= len(calls)
    sessions = [weakref.ref(session) for session in running.runtime.sessions]
    for call in calls:
        assert call.wait_agent_done(timeout=20, quiet_ms=200)
        call.say(tone(400))
    for call in calls:
        assert call.wait_agent_done(timeout=20, quiet_ms=200)
        call.hang_up()

    rows = [settled(running, call.call_sid, 30) for call in calls]
    assert Counter(row.end_reason for row in rows) == {"caller-hung-up": len(calls)}
    store = running.runtime.services.store
    heard = Counter(tuple(turn.heard for turn in store.turns(row.id)) for row in rows)
    assert heard == {("Hello.", "words 0", "You said words 0."): len(calls)}
    reasons = {name: settled(running, call.call_sid, 30).end_reason for name, call in ill.items()}
    assert reasons == {
        "reset": "media-lost",
        "no-stop": "caller-hung-up",
        "early": "caller-hung-up",
        "no-start": "never-started",
        "malformed": "protocol-error",
    }

    ids = [row.id for row in store.recent(1000)]
    assert len(ids) == CALLS
    wait_for(lambda: len(running.runtime.sessions) == 0, 30)
    wait_for(lambda: no_threads_left(*ids), 30)
    assert store.count_live() == 0
    gc.collect()
    wait_for(lambda: all(session() is None for session in sessions), 10)

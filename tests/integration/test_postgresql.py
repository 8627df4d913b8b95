"""Calls that are kept in PostgreSQL.

Its fixture comes first: the database must outlive the servers.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from offhook_telephony_simulated.carrier import CallFailed, SimulatedCall

from .conftest import BUSINESS, NUMBER, MakeCarrier, MakeServer
from .scripted import settled, tone


def test_a_whole_call(postgresql_url: str, server: MakeServer, carrier: MakeCarrier) -> None:
    running = server(database_url=postgresql_url)
    call = carrier(running).ring(NUMBER)
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    call.say(tone(400))
    assert call.wait_agent_done(timeout=10, quiet_ms=200)
    call.hang_up()
    row = settled(running, call.call_sid)
    assert row.end_reason == "caller-hung-up"
    turns = running.runtime.services.store.turns(row.id)
    assert [turn.heard for turn in turns] == ["Hello.", "words 0", "You said words 0."]
    assert turns[2].latency.heard is not None


def test_two_servers_keep_to_one_businesss_limit(
    postgresql_url: str, server: MakeServer, carrier: MakeCarrier
) -> None:
    toml = BUSINESS.replace("concurrent_calls = 1000", "concurrent_calls = 3")
    carriers = [carrier(server(toml, database_url=postgresql_url)) for _ in range(2)]

    def ring(number: int) -> SimulatedCall | str:
        try:
            return carriers[number % 2].ring(NUMBER)
        except CallFailed as failed:
            return failed.reason

    with ThreadPoolExecutor(10) as pool:
        outcomes = list(pool.map(ring, range(10)))
    refused = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert refused == ["busy"] * 7

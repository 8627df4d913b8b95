"""The writing thread: groups, a database that is away, writes that are refused, the end."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from offhook.events import CallEnded, CallInfo, Turn
from offhook.store import CallStore, StoreWriter, migrate, open_engine
from offhook.store.writes import Write


class FragileStore(CallStore):
    """A store whose database the test takes away, and whose transactions it counts."""

    def __init__(self, path: Path) -> None:
        engine = open_engine(f"sqlite:///{path}")
        migrate(engine)
        super().__init__(engine)
        self.engine = engine
        self.away = False
        self.tried = threading.Semaphore(0)
        self.groups: list[int] = []

    def apply(self, changes: Iterable[Write]) -> None:
        changes = list(changes)
        if self.away:
            self.tried.release()
            raise OperationalError("INSERT", {}, Exception("the database is away"))
        super().apply(changes)
        self.groups.append(len(changes))

    def ring_number(self, number: int) -> str:
        info = CallInfo(f"c{number}", "luigis", "twilio", f"CA{number}", "+1", "+2")
        return self.ring(info, "conf", f"token{number}", 60)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FragileStore]:
    store = FragileStore(tmp_path / "offhook.db")
    yield store
    store.engine.dispose()


def turn(index: int) -> Turn:
    return Turn(index, "caller", f"turn {index}", f"turn {index}", index, index + 1)


def test_calls_share_a_transaction(store: FragileStore) -> None:
    writer = StoreWriter(store, linger_s=60)  # so long that only flush ends the wait
    for number in range(3):
        call_id = store.ring_number(number)
        writer.start(call_id)
        writer.add_turn(call_id, turn(0))
        writer.end(call_id, CallEnded("caller-hung-up", duration_ms=7))
    assert writer.flush(10)
    assert sum(store.groups) == 9
    assert len(store.groups) == 1
    row = store.get("c2")
    assert row is not None
    assert (row.state, row.duration_ms) == ("ended", 7)
    assert row.started_at is not None
    assert store.turns("c1") == [turn(0)]
    assert writer.close(10)


def test_the_thread_is_named_and_ends(store: FragileStore) -> None:
    writer = StoreWriter(store)
    assert "offhook-store" in {thread.name for thread in threading.enumerate()}
    assert writer.close(10)
    assert "offhook-store" not in {thread.name for thread in threading.enumerate()}


def test_closing_writes_what_is_left(store: FragileStore) -> None:
    writer = StoreWriter(store, linger_s=60)
    writer.add_turn(store.ring_number(1), turn(0))
    assert writer.close(10)
    assert store.turns("c1") == [turn(0)]


def test_a_database_that_comes_back_gets_everything_in_order(store: FragileStore) -> None:
    call_id = store.ring_number(1)
    store.away = True
    writer = StoreWriter(store, linger_s=0)
    with capture_logs() as logs:
        writer.start(call_id)
        for index in range(5):
            writer.add_turn(call_id, turn(index))
        for _ in range(2):
            assert store.tried.acquire(timeout=10)
        assert not writer.flush(0.01)
        store.away = False
        assert writer.flush(10)
        assert writer.close(10)
    assert store.turns(call_id) == [turn(index) for index in range(5)]
    assert "store.retry" in {entry["event"] for entry in logs}
    assert "store.lost" not in {entry["event"] for entry in logs}


def test_a_refused_write_is_lost_alone_and_named(store: FragileStore) -> None:
    call_id = store.ring_number(1)
    writer = StoreWriter(store, linger_s=60)
    with capture_logs() as logs:
        writer.add_turn(call_id, turn(0))
        writer.add_turn("no-such-call", turn(0))
        writer.add_turn(call_id, turn(1))
        assert writer.flush(10)
        assert writer.close(10)
    assert store.turns(call_id) == [turn(0), turn(1)]
    (lost,) = [entry for entry in logs if entry["event"] == "store.lost"]
    assert (lost["call_id"], lost["write"]) == ("no-such-call", "turn")
    assert "FOREIGN KEY" in lost["reason"]


def test_when_too_much_waits_turns_go_and_ends_stay(store: FragileStore) -> None:
    call_id = store.ring_number(1)
    writer = StoreWriter(store, capacity=2, linger_s=60)
    with capture_logs() as logs:
        for index in range(4):
            writer.add_turn(call_id, turn(index))
        writer.end(call_id, CallEnded("caller-hung-up"))
        assert writer.close(10)
    assert store.turns(call_id) == [turn(0), turn(1)]
    row = store.get(call_id)
    assert row is not None
    assert row.state == "ended"
    reasons = [entry["reason"] for entry in logs if entry["event"] == "store.lost"]
    assert reasons == ["too much waits for the database"] * 2


def test_closing_without_a_database_says_what_is_lost(store: FragileStore) -> None:
    call_id = store.ring_number(1)
    store.away = True
    writer = StoreWriter(store, linger_s=0)
    with capture_logs() as logs:
        writer.add_turn(call_id, turn(0))
        writer.add_turn(call_id, turn(1))
        assert store.tried.acquire(timeout=10)
        assert not writer.close(0.2)
    (lost,) = [entry for entry in logs if entry["event"] == "store.lost"]
    assert lost["writes"] == 2


def test_a_late_write_is_named(store: FragileStore) -> None:
    call_id = store.ring_number(1)
    writer = StoreWriter(store)
    assert writer.close(10)
    with capture_logs() as logs:
        writer.end(call_id, CallEnded("stuck"))
    assert [(entry["event"], entry["call_id"]) for entry in logs] == [("store.lost", call_id)]


def test_any_write_of_a_call_can_join(store: FragileStore) -> None:
    call_id = store.ring_number(1)
    writer = StoreWriter(store)
    seen: list[str] = []
    writer.submit(call_id, lambda connection: seen.append(connection.dialect.name))
    assert writer.close(10)
    assert seen == ["sqlite"]

"""Who is on the line: places, the bound, draining, and what the reaper closes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.call import sessions as module
from offhook.call.sessions import Reaper, Sessions
from offhook.errors import CallRefused
from offhook.events import CallEnded, CallInfo
from offhook.store.calls import Node

from .limbs import CALL


class Call:
    """A session as the table sees it."""

    def __init__(self, number: int, left: CallEnded | None = None) -> None:
        self.call: CallInfo = replace(CALL, call_id=f"c{number}", carrier_call_id=f"CA{number}")
        self.left = left
        self.abandoned: list[tuple[str, str]] = []

    def left_behind(self) -> CallEnded | None:
        return self.left

    def end(self, reason: str, detail: str = "") -> None: ...

    def abandon(self, reason: str, detail: str = "") -> None:
        self.abandoned.append((reason, detail))

    def drain(self) -> None: ...


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_a_call_that_rings_has_a_place_until_its_socket_opens() -> None:
    sessions = Sessions(2)
    sessions.admit("CA1")
    sessions.admit("CA2")
    with pytest.raises(CallRefused, match="full with 2 calls"):
        sessions.admit("CA3")
    sessions.add(Call(1))
    assert (len(sessions), sessions.expected()) == (1, 2)
    with pytest.raises(CallRefused):
        sessions.admit("CA3")


def test_a_webhook_that_comes_twice_takes_one_place() -> None:
    sessions = Sessions(1)
    sessions.admit("CA1")
    sessions.admit("CA1")
    assert sessions.expected() == 1


def test_a_place_is_kept_ten_seconds(clock: Clock) -> None:
    sessions = Sessions(1)
    sessions.admit("CA1")
    clock.now += 9
    with pytest.raises(CallRefused):
        sessions.admit("CA2")
    clock.now += 2
    assert sessions.expected() == 0
    sessions.admit("CA2")


def test_who_hangs_up_makes_room() -> None:
    sessions = Sessions(1)
    sessions.admit("CA1")
    call = Call(1)
    sessions.add(call)
    sessions.remove(call)
    sessions.remove(call)
    sessions.admit("CA2")


def test_a_socket_of_another_workers_webhook_may_go_a_tenth_above() -> None:
    sessions = Sessions(10)
    for number in range(11):
        sessions.add(Call(number))
    with pytest.raises(CallRefused, match="full with 11 calls"):
        sessions.add(Call(11))
    assert len(sessions) == 11


def test_draining_takes_no_new_call_and_loses_none_that_was_promised() -> None:
    sessions = Sessions(5)
    sessions.admit("CA1")
    sessions.drain()
    assert sessions.draining
    with pytest.raises(CallRefused, match="going down"):
        sessions.admit("CA2")
    with pytest.raises(CallRefused, match="going down"):
        sessions.add(Call(2))
    sessions.add(Call(1))
    assert [session.call.call_id for session in sessions] == ["c1"]


def test_sessions_may_leave_while_they_are_looked_at() -> None:
    sessions = Sessions(5)
    for number in range(3):
        sessions.add(Call(number))
    for session in sessions:
        sessions.remove(session)
    assert len(sessions) == 0


@given(st.lists(st.tuples(st.sampled_from(["admit", "add", "remove"]), st.integers(0, 9))))
def test_admitted_calls_never_pass_the_bound(steps: list[tuple[str, int]]) -> None:
    sessions, calls = Sessions(3), [Call(number) for number in range(10)]
    for step, number in steps:
        call = calls[number]
        if step == "remove":
            sessions.remove(call)
        elif step == "admit" and call not in list(sessions):
            try:
                sessions.admit(call.call.carrier_call_id)
            except CallRefused:
                assert sessions.expected() >= 3
        elif call.call.carrier_call_id in sessions._kept:
            sessions.add(call)
        assert len(sessions) <= sessions.expected() <= 3


# ---- the reaper ---------------------------------------------------------------------------------


class Store:
    """A store with rows of dead nodes, that may be away."""

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails
        self.rounds = 0
        self.beats: list[Node] = []

    def heartbeat(self, node: Node) -> None:
        self.rounds += 1
        if self.fails:
            raise ConnectionError("the database is away")
        self.beats.append(node)

    def settle_orphans(self, older_than_s: float) -> list[str]:
        assert older_than_s > 0
        return ["dead"]


def reaper(sessions: Sessions, store: Store) -> Reaper:
    return Reaper(sessions, cast(Any, store), Node.here())


def test_what_was_left_behind_is_closed_and_nothing_else() -> None:
    sessions, store = Sessions(5), Store()
    dead, alive = Call(1, CallEnded("never-started", "no start came")), Call(2)
    sessions.add(dead)
    sessions.add(alive)
    reaper(sessions, store).look()
    assert dead.abandoned == [("never-started", "no start came")]
    assert alive.abandoned == []
    assert len(store.beats) == 1


def test_a_store_that_is_away_does_not_end_the_reaper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EVERY_SECONDS", 0.0)
    sessions, store = Sessions(5), Store(fails=True)
    thread = reaper(sessions, store)
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return len(waits) == 3

    monkeypatch.setattr(thread._stop_event, "wait", wait)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert (store.rounds, len(waits)) == (3, 3)


def test_a_reaper_ends_when_told() -> None:
    thread = reaper(Sessions(1), Store())
    thread.start()
    thread.stop()
    assert not thread.is_alive()

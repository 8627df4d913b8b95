"""Observers: told in order on threads of their own, and none can harm a call or another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

from offhook.call.observers import Notice, Observers
from offhook.events import CallEnded, Turn
from offhook.registry import Registry

from .limbs import CALL

TURN = Turn(0, "caller", "Hi", "Hi", 0.0, 500.0)
Hooks = dict[str, Callable[..., None]]


class Plugins:
    """A registry that knows these observers."""

    def __init__(self, **plugins: Hooks) -> None:
        self._plugins = plugins

    def each(self, hook: str) -> Iterator[tuple[Any, Callable[..., None]]]:
        for name, hooks in self._plugins.items():
            if hook in hooks:
                yield SimpleNamespace(entry_point=name), hooks[hook]


def observers(**plugins: Hooks) -> Observers:
    return Observers(cast("Registry", Plugins(**plugins)))


def test_an_observer_is_told_what_it_asks_for_in_order_on_its_own_thread() -> None:
    told: list[tuple[str, str]] = []

    def note(name: str) -> Callable[..., None]:
        return lambda **_: told.append((name, threading.current_thread().name))

    watching = observers(
        crm={"offhook_call_started": note("started"), "offhook_call_ended": note("ended")}
    )
    watching.call_started(CALL)
    watching.turn_finished(CALL, TURN)
    watching.call_ended(CALL, CallEnded("agent-ended"))
    watching.close(10)
    assert told == [("started", "offhook-observer-crm"), ("ended", "offhook-observer-crm")]


def test_one_that_raises_is_told_the_next_thing_all_the_same() -> None:
    told: list[Turn] = []

    def fails(**_: object) -> None:
        raise RuntimeError("no")

    watching = observers(
        bad={
            "offhook_call_started": fails,
            "offhook_turn_finished": lambda call, turn: told.append(turn),
        }
    )
    watching.call_started(CALL)
    watching.turn_finished(CALL, TURN)
    watching.close(10)
    assert told == [TURN]


def test_one_that_hangs_holds_up_nobody_and_loses_what_is_too_much() -> None:
    go = threading.Event()
    told: list[Turn] = []
    hanging: Hooks = {"offhook_turn_finished": lambda call, turn: cast("None", go.wait(30))}
    good: Hooks = {"offhook_turn_finished": lambda call, turn: told.append(turn)}
    watching = observers(hanging=hanging, good=good)
    for _ in range(1100):
        watching.turn_finished(CALL, TURN)
    (stuck,) = [o for o in watching._observers if o.name.endswith("hanging")]
    assert stuck.dropped >= 99
    go.set()
    watching.close(10)
    assert told


def test_a_function_of_this_process_may_listen() -> None:
    told: list[Notice] = []
    watching = observers()
    watching.subscribe("screen", told.append)
    watching.call_started(CALL)
    watching.close(10)
    assert told == [("offhook_call_started", {"call": CALL})]

"""The queue into the handler: in order, never blocking, bounded."""

from __future__ import annotations

import threading

from offhook.call.inbox import AUDIO, Inbox
from offhook.call.signals import ReplyText, Tick


def test_items_of_each_thread_come_in_their_order() -> None:
    inbox = Inbox()

    def put(reply: int) -> None:
        for number in range(200):
            inbox.put(ReplyText(reply, str(number)))

    threads = [threading.Thread(target=put, args=(reply,)) for reply in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    seen: dict[int, list[str]] = {}
    while (item := inbox.get(0)) is not None:
        assert isinstance(item, ReplyText)
        seen.setdefault(item.reply, []).append(item.text)
    assert seen == {reply: [str(number) for number in range(200)] for reply in range(4)}
    assert not inbox.flooded


def test_nothing_came_in_time() -> None:
    assert Inbox().get(0) is None
    assert Inbox().get(-1) is None


def test_a_waiting_handler_is_woken() -> None:
    inbox = Inbox()
    threading.Timer(0, inbox.put, [AUDIO]).start()
    assert inbox.get(10) is AUDIO


def test_a_flood_is_dropped_and_told_and_what_came_before_is_kept() -> None:
    inbox = Inbox()
    for number in range(1000):
        inbox.put(ReplyText(1, str(number)))
    assert not inbox.flooded
    inbox.put(Tick())
    assert inbox.flooded
    assert len(inbox) == 1000
    assert inbox.get(0) == ReplyText(1, "0")

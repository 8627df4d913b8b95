"""The life of a call in the database, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from offhook.errors import CallRefused, OffhookError, WebhookRefused
from offhook.events import CallEnded, CallInfo, Latency, Turn
from offhook.store import CallStore, Node

from .conftest import Clock

CALL = CallInfo(
    call_id="c1",
    business_id="luigis",
    telephony="twilio",
    carrier_call_id="CA1",
    from_number="+14155550100",
    to_number="+390612345678",
    language="it",
    variables={"first_name": "Ada"},
)
AGENT_TURN = Turn(
    index=1,
    speaker="agent",
    text="We open at nine.",
    heard="We open",
    start_ms=1500.5,
    end_ms=2100,
    interrupted=True,
    latency=Latency(endpoint=600, transcript=640.25, first_token=900, first_audio=1010, heard=1080),
)
CALLER_TURN = Turn(0, "caller", "When do you open?", "When do you open?", 0, 900)


def ring(store: CallStore, number: int, business: str = "luigis", ttl: float = 60) -> str:
    call = replace(CALL, call_id=f"c{number}", carrier_call_id=f"CA{number}", business_id=business)
    return store.ring(call, "conf", f"token{number}", ttl)


def begin(store: CallStore, node: Node, number: int) -> str:
    call_id = ring(store, number)
    store.claim_stream(f"token{number}", node.id)
    store.start(call_id)
    return call_id


@pytest.fixture
def node(store: CallStore) -> Node:
    node = Node.here()
    store.heartbeat(node)
    return node


def test_a_call_from_ring_to_end(store: CallStore, node: Node, clock: Clock) -> None:
    assert store.ring(CALL, "conf", "token", 60) == "c1"
    clock.advance(2)
    claimed = store.claim_stream("token", node.id)
    assert (claimed.call, claimed.config_hash) == (CALL, "conf")
    clock.advance(1)
    store.start("c1")
    store.add_turn("c1", AGENT_TURN)
    store.add_turn("c1", CALLER_TURN)
    clock.advance(10)
    store.end("c1", CallEnded("caller-hung-up", "", 10_000, "recordings/c1.wav"))

    row = store.get("c1")
    assert row is not None
    assert (row.state, row.end_reason, row.node_id) == ("ended", "caller-hung-up", node.id)
    assert (row.duration_ms, row.recording_path) == (10_000, "recordings/c1.wav")
    assert row.started_at is not None
    assert row.ended_at is not None
    assert (row.started_at - row.created_at).total_seconds() == 3
    assert (row.ended_at - row.started_at).total_seconds() == 10
    assert store.turns("c1") == [CALLER_TURN, AGENT_TURN]


def test_what_is_not_there(store: CallStore) -> None:
    assert store.get("nobody") is None
    assert store.turns("nobody") == []
    assert store.business_of("CA1") is None
    assert store.recent() == []
    assert store.count_live() == 0


def test_recent_calls_come_newest_first(store: CallStore, clock: Clock) -> None:
    for number in range(3):
        ring(store, number)
        clock.advance(1)
    assert [row.id for row in store.recent(2)] == ["c2", "c1"]


def test_a_turn_stored_again_is_replaced(store: CallStore) -> None:
    ring(store, 1)
    store.add_turn("c1", AGENT_TURN)
    store.add_turn("c1", replace(AGENT_TURN, heard="We open at"))
    assert [turn.heard for turn in store.turns("c1")] == ["We open at"]


def test_only_the_first_end_counts(store: CallStore) -> None:
    ring(store, 1)
    store.end("c1", CallEnded("caller-hung-up", duration_ms=5))
    store.end("c1", CallEnded("orphaned", duration_ms=9))
    row = store.get("c1")
    assert row is not None
    assert (row.end_reason, row.duration_ms) == ("caller-hung-up", 5)


def test_a_call_that_ended_does_not_start(store: CallStore) -> None:
    ring(store, 1)
    store.end("c1", CallEnded("media-lost"))
    store.start("c1")
    row = store.get("c1")
    assert row is not None
    assert row.state == "ended"


# ---- the webhook, again ----------------------------------------------------------------------


def test_a_repeated_webhook_replaces_the_token(store: CallStore, node: Node) -> None:
    store.ring(CALL, "conf", "first", 60)
    again = replace(CALL, call_id="c2")
    assert store.ring(again, "newer", "second", 60) == "c1"
    with pytest.raises(WebhookRefused, match="unknown"):
        store.claim_stream("first", node.id)
    assert store.claim_stream("second", node.id).config_hash == "newer"


def test_a_webhook_for_a_call_with_a_stream_is_refused(store: CallStore, node: Node) -> None:
    begin(store, node, 1)
    with pytest.raises(CallRefused, match="CA1 already has a media stream"):
        store.ring(CALL, "conf", "other", 60)


def test_calls_without_a_carrier_are_apart(store: CallStore) -> None:
    for name in ("a", "b"):
        store.ring(replace(CALL, call_id=name, carrier_call_id=""), "conf", f"t-{name}", 60)
    assert store.count_live() == 2


# ---- the token -------------------------------------------------------------------------------


def test_a_token_is_good_once(store: CallStore, node: Node) -> None:
    ring(store, 1)
    store.claim_stream("token1", node.id)
    with pytest.raises(WebhookRefused, match="token of call c1 was used already"):
        store.claim_stream("token1", node.id)


def test_a_token_expires(store: CallStore, node: Node, clock: Clock) -> None:
    ring(store, 1, ttl=60)
    clock.advance(60)
    with pytest.raises(WebhookRefused, match="token of call c1 has expired"):
        store.claim_stream("token1", node.id)


def test_a_token_nobody_gave_out(store: CallStore, node: Node) -> None:
    with pytest.raises(WebhookRefused, match="token is unknown"):
        store.claim_stream("forged", node.id)


def test_a_token_of_a_call_that_is_over(store: CallStore, node: Node) -> None:
    ring(store, 1)
    store.settle_carrier("CA1", "completed")
    with pytest.raises(WebhookRefused, match="call c1 is over: never-started"):
        store.claim_stream("token1", node.id)


def test_one_of_many_who_claim_at_once_wins(store: CallStore, node: Node) -> None:
    ring(store, 1)
    together = threading.Barrier(8)

    def claim(_: int) -> bool:
        together.wait()
        try:
            store.claim_stream("token1", node.id)
        except WebhookRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(8))) == 1


# ---- limits ----------------------------------------------------------------------------------


def test_a_business_at_its_limit_refuses(store: CallStore, clock: Clock) -> None:
    ring(store, 1)
    ring(store, 2, business="other")
    call = replace(CALL, call_id="c3", carrier_call_id="CA3")
    with pytest.raises(CallRefused, match="'luigis' is busy with 1 calls"):
        store.ring(call, "conf", "token3", 60, limit=1)
    clock.advance(61)  # the token of the first has expired: it holds no place any more
    store.ring(call, "conf", "token3", 60, limit=1)


def test_a_repeated_webhook_does_not_count_against_itself(store: CallStore) -> None:
    store.ring(CALL, "conf", "token", 60, limit=1)
    store.ring(CALL, "conf", "again", 60, limit=1)


def test_calls_that_ring_at_once_keep_the_limit(store: CallStore) -> None:
    together = threading.Barrier(8)

    def call(number: int) -> bool:
        info = replace(CALL, call_id=f"c{number}", carrier_call_id=f"CA{number}")
        together.wait()
        try:
            store.ring(info, "conf", f"token{number}", 60, limit=3)
        except CallRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(call, range(8))) == 3
    assert store.count_live("luigis") == 3


def test_counting_live_calls(store: CallStore, node: Node, clock: Clock) -> None:
    begin(store, node, 1)
    ring(store, 2)
    ring(store, 3, business="other")
    store.end(ring(store, 4), CallEnded("caller-hung-up"))
    assert store.business_of("CA3") == "other"
    assert store.count_live() == 3
    assert store.count_live("luigis") == 2
    assert store.count_live(node=node.id) == 1
    clock.advance(61)
    assert store.count_live() == 1


# ---- what was left behind --------------------------------------------------------------------


def test_calls_of_a_dead_node_are_orphaned(store: CallStore, node: Node, clock: Clock) -> None:
    begin(store, node, 1)
    ring(store, 2)
    store.claim_stream("token2", node.id)
    clock.advance(31)
    other = Node.here()
    store.heartbeat(other)
    begin(store, other, 3)
    assert sorted(store.settle_orphans(30)) == ["c1", "c2"]
    assert store.settle_orphans(30) == []
    row = store.get("c1")
    assert row is not None
    assert (row.state, row.end_reason) == ("ended", "orphaned")
    assert row.end_detail == "the process that served the call is gone"
    assert store.count_live() == 1


def test_a_claimed_call_outlives_its_token(store: CallStore, node: Node, clock: Clock) -> None:
    ring(store, 1, ttl=5)
    store.claim_stream("token1", node.id)
    clock.advance(6)
    assert store.settle_orphans(30) == []


def test_calls_that_never_got_a_stream(store: CallStore, clock: Clock) -> None:
    ring(store, 1, ttl=5)
    ring(store, 2, ttl=50)
    clock.advance(5)
    assert store.settle_orphans(30) == ["c1"]
    row = store.get("c1")
    assert row is not None
    assert row.end_reason == "never-started"


def test_old_nodes_are_forgotten_and_their_calls_kept(
    store: CallStore, node: Node, clock: Clock
) -> None:
    begin(store, node, 1)
    store.end("c1", CallEnded("caller-hung-up"))
    clock.advance(2 * 86400)
    store.settle_orphans(30)
    row = store.get("c1")
    assert row is not None
    assert row.node_id is None
    assert row.end_reason == "caller-hung-up"


def test_a_stream_needs_a_node_with_a_heartbeat(store: CallStore) -> None:
    ring(store, 1)
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        store.claim_stream("token1", "unheard-of")


@pytest.mark.parametrize("status", ["completed", "busy", "no-answer", "failed", "canceled"])
def test_the_carrier_ends_a_call_without_stream(store: CallStore, status: str) -> None:
    ring(store, 1)
    assert store.settle_carrier("CA1", status) == "c1"
    assert store.settle_carrier("CA1", status) is None
    row = store.get("c1")
    assert row is not None
    assert row.end_detail == f"the carrier reported {status} before any audio"


def test_the_carrier_does_not_end_a_call_with_a_stream(store: CallStore, node: Node) -> None:
    begin(store, node, 1)
    assert store.settle_carrier("CA1", "completed") is None
    assert store.settle_carrier("CA9", "completed") is None
    assert store.count_live() == 1


def test_the_carrier_may_report_progress(store: CallStore) -> None:
    ring(store, 1)
    assert store.settle_carrier("CA1", "in-progress") is None
    assert store.count_live() == 1


def test_refusals_are_errors_a_user_may_read() -> None:
    assert issubclass(WebhookRefused, OffhookError)
    assert issubclass(CallRefused, OffhookError)

"""Calls in the database: who claims a media stream, what was said, how it ended.

Everything that two processes could race for is one conditional statement, so that the database
picks the winner.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session

from offhook.errors import CallRefused, WebhookRefused
from offhook.events import CallEnded, CallInfo, Latency, Turn
from offhook.store import writes
from offhook.store.engine import READ_ONLY
from offhook.store.schema import CallRow, NodeRow, TurnRow
from offhook.store.writes import Write, ending, insert_for

FINAL_STATUSES = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
"""The carrier's words for a call that is over."""

_NODE_KEPT = timedelta(days=1)


def utc_now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Node:
    """One worker process, as other processes see it."""

    id: str
    host: str
    pid: int
    started_at: datetime

    @classmethod
    def here(cls) -> Node:
        """A fresh identity for the calling process."""
        return cls(uuid.uuid4().hex, socket.gethostname(), os.getpid(), utc_now())


@dataclass(frozen=True, slots=True)
class ClaimedCall:
    """The call whose media stream was claimed, and the configuration it was answered under."""

    call: CallInfo
    config_hash: str


class CallStore:
    """All reads and writes of calls. *Any thread*; every method blocks on the database.

    ``clock`` gives the present moment in UTC. Nodes on several hosts need clocks that agree
    within a few seconds (NTP).
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime] = utc_now) -> None:
        self._engine = engine
        self._reading = engine.execution_options(**{READ_ONLY: True})
        self.clock = clock

    # ---- a call's life ----------------------------------------------------------------------

    def ring(
        self,
        call: CallInfo,
        config_hash: str,
        token_hash: str,
        token_ttl_s: float,
        *,
        limit: int | None = None,
    ) -> str:
        """Note a call that rings, and the hash of the token that may open its media stream.

        A webhook repeated for the same ``carrier_call_id`` replaces the token for as long as no
        stream was opened. Returns the id of the call the token belongs to: that of the first
        webhook. Raises CallRefused if the call has a stream or is over, or if the business has
        ``limit`` live calls already.
        """
        now = self.clock()
        fresh = {
            "config_hash": config_hash,
            "stream_token_hash": token_hash,
            "stream_token_expires": now + timedelta(seconds=token_ttl_s),
        }
        with self._engine.begin() as connection:
            if limit is not None:
                _check_limit(connection, call, limit, now)
            insert = insert_for(connection)(CallRow).values(
                id=call.call_id,
                business_id=call.business_id,
                telephony=call.telephony,
                direction=call.direction,
                carrier_call_id=call.carrier_call_id or None,
                from_number=call.from_number,
                to_number=call.to_number,
                language=call.language,
                variables=dict(call.variables),
                state="ringing",
                created_at=now,
                **fresh,
            )
            call_id = connection.execute(
                insert.on_conflict_do_update(
                    index_elements=[CallRow.carrier_call_id], set_=fresh, where=_UNCLAIMED
                ).returning(CallRow.id)
            ).scalar()
        if call_id is None:
            raise CallRefused(
                f"the carrier's call {call.carrier_call_id} already has a media stream or is over"
            )
        return str(call_id)

    def claim_stream(self, token_hash: str, node_id: str) -> ClaimedCall:
        """Take the call whose token this is, once, for a node that has sent a heartbeat.

        Raises WebhookRefused saying whether the token is unknown, used or expired.
        """
        now = self.clock()
        by_token = CallRow.stream_token_hash == token_hash
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            won = session.scalar(
                update(CallRow)
                .where(by_token, _UNCLAIMED, CallRow.stream_token_expires > now)
                .values(stream_token_used_at=now, node_id=node_id)
                .returning(CallRow)
            )
            if won is not None:
                return ClaimedCall(_info(won), won.config_hash)
            found = session.scalar(select(CallRow).where(by_token))
        if found is None:
            raise WebhookRefused("this stream token is unknown")
        if found.stream_token_used_at is not None:
            raise WebhookRefused(f"the stream token of call {found.id} was used already")
        if found.state == "ended":
            raise WebhookRefused(f"call {found.id} is over: {found.end_reason}")
        raise WebhookRefused(f"the stream token of call {found.id} has expired")

    def start(self, call_id: str) -> None:
        """The call's audio flows."""
        self.apply([writes.start(call_id, self.clock())])

    def add_turn(self, call_id: str, turn: Turn) -> None:
        """Store a turn; one of the same index is replaced."""
        self.apply([writes.add_turn(call_id, turn)])

    def end(self, call_id: str, ended: CallEnded) -> None:
        """The call is over; only the first end counts."""
        self.apply([writes.end(call_id, ended, self.clock())])

    def apply(self, changes: Iterable[Write]) -> None:
        """Make all the changes, or none, in one transaction."""
        with self._engine.begin() as connection:
            for change in changes:
                change(connection)

    # ---- what was left behind ---------------------------------------------------------------

    def heartbeat(self, node: Node) -> None:
        """The node lives. Send one before the first ``claim_stream``."""
        now = self.clock()
        with self._engine.begin() as connection:
            insert = insert_for(connection)(NodeRow).values(
                id=node.id, host=node.host, pid=node.pid, started_at=node.started_at, seen_at=now
            )
            connection.execute(
                insert.on_conflict_do_update(index_elements=[NodeRow.id], set_={"seen_at": now})
            )

    def settle_orphans(self, older_than_s: float) -> list[str]:
        """End the calls that nobody can end any more; returns their ids.

        Those are calls of a node whose heartbeat is older than ``older_than_s`` (``orphaned``),
        and calls that rang for longer than their token lived (``never-started``).
        """
        now = self.clock()
        lives = exists().where(
            NodeRow.id == CallRow.node_id,
            NodeRow.seen_at >= now - timedelta(seconds=older_than_s),
        )
        orphaned = and_(CallRow.stream_token_used_at.is_not(None), ~lives)
        expired = and_(_UNCLAIMED, CallRow.stream_token_expires <= now)
        in_use = exists().where(CallRow.node_id == NodeRow.id, CallRow.state != "ended")
        with self._engine.begin() as connection:
            settled = [
                call_id
                for which, ended in (
                    (orphaned, CallEnded("orphaned", "the process that served the call is gone")),
                    (expired, CallEnded("never-started", "no media stream was opened in time")),
                )
                for call_id in connection.scalars(ending(which, ended, now).returning(CallRow.id))
            ]
            connection.execute(delete(NodeRow).where(NodeRow.seen_at < now - _NODE_KEPT, ~in_use))
        return settled

    def settle_carrier(self, carrier_call_id: str, status: str) -> str | None:
        """The carrier reports a status; ends the call if that is final and no stream was opened.

        Returns the id of the call it ended. A call with a stream ends by its stream.
        """
        if status not in FINAL_STATUSES:
            return None
        which = and_(CallRow.carrier_call_id == carrier_call_id, _UNCLAIMED)
        ended = CallEnded("never-started", f"the carrier reported {status} before any audio")
        with self._engine.begin() as connection:
            statement = ending(which, ended, self.clock()).returning(CallRow.id)
            call_id: str | None = connection.scalar(statement)
        return call_id

    # ---- reading ----------------------------------------------------------------------------

    def count_live(self, business_id: str | None = None, node: str | None = None) -> int:
        """Calls that ring (with a token that still lives) or are in progress."""
        which = _live(self.clock())
        if business_id is not None:
            which = and_(which, CallRow.business_id == business_id)
        if node is not None:
            which = and_(which, CallRow.node_id == node)
        with self._reading.connect() as connection:
            return connection.scalar(select(func.count()).select_from(CallRow).where(which)) or 0

    def get(self, call_id: str) -> CallRow | None:
        """The call, detached from the database."""
        with Session(self._reading, expire_on_commit=False) as session:
            return session.get(CallRow, call_id)

    def business_of(self, carrier_call_id: str) -> str | None:
        """The business whose call the carrier knows by this id."""
        query = select(CallRow.business_id).where(CallRow.carrier_call_id == carrier_call_id)
        with self._reading.connect() as connection:
            return connection.scalar(query)

    def turns(self, call_id: str) -> list[Turn]:
        """The call's turns, oldest first."""
        query = select(TurnRow).where(TurnRow.call_id == call_id).order_by(TurnRow.index)
        with Session(self._reading) as session:
            return [_turn(row) for row in session.scalars(query)]

    def recent(self, limit: int = 20) -> list[CallRow]:
        """The latest calls, newest first, detached from the database."""
        query = select(CallRow).order_by(CallRow.created_at.desc(), CallRow.id).limit(limit)
        with Session(self._reading, expire_on_commit=False) as session:
            return list(session.scalars(query))


_UNCLAIMED: ColumnElement[bool] = and_(
    CallRow.state == "ringing", CallRow.stream_token_used_at.is_(None)
)


def _live(now: datetime) -> ColumnElement[bool]:
    return and_(
        CallRow.state != "ended",
        or_(CallRow.stream_token_used_at.is_not(None), CallRow.stream_token_expires > now),
    )


def _check_limit(connection: Connection, call: CallInfo, limit: int, now: datetime) -> None:
    # Two webhooks at once would both find room; SQLite's write lock already parts them.
    if connection.dialect.name == "postgresql":
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtext(:business))"),
            {"business": call.business_id},
        )
    others = and_(
        _live(now),
        CallRow.business_id == call.business_id,
        CallRow.carrier_call_id.is_distinct_from(call.carrier_call_id or None),
    )
    live = connection.scalar(select(func.count()).select_from(CallRow).where(others)) or 0
    if live >= limit:
        raise CallRefused(
            f"business {call.business_id!r} is busy with {live} calls, and its "
            f"limits.concurrent_calls is {limit}"
        )


def _info(row: CallRow) -> CallInfo:
    return CallInfo(
        call_id=row.id,
        business_id=row.business_id,
        telephony=row.telephony,
        carrier_call_id=row.carrier_call_id or "",
        from_number=row.from_number,
        to_number=row.to_number,
        direction="outbound" if row.direction == "outbound" else "inbound",
        language=row.language,
        variables=row.variables,
    )


def _turn(row: TurnRow) -> Turn:
    return Turn(
        index=row.index,
        speaker="agent" if row.speaker == "agent" else "caller",
        text=row.text,
        heard=row.heard,
        start_ms=row.start_ms,
        end_ms=row.end_ms,
        interrupted=row.interrupted,
        latency=Latency(
            endpoint=row.endpoint_ms,
            transcript=row.transcript_ms,
            first_token=row.first_token_ms,
            first_audio=row.first_audio_ms,
            heard=row.heard_ms,
        ),
    )

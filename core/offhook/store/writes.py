"""Changes of a call that can share a transaction with those of other calls."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Update, update
from sqlalchemy.dialects import postgresql, sqlite

from offhook.events import CallEnded, Turn
from offhook.store.schema import CallRow, TurnRow

Write = Callable[[Connection], None]
"""A change that joins the transaction it is given. Applying it twice changes nothing more."""

_INSERTS: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


def start(call_id: str, at: datetime, config_hash: str | None = None, recording: str = "") -> Write:
    """The call's audio flows since ``at``, under that configuration (None: as it rang), and is
    recorded to that path (empty: it is not)."""
    values = {"state": "in-progress", "started_at": at, "recording_path": recording or None}
    if config_hash is not None:
        values["config_hash"] = config_hash
    statement = (
        update(CallRow).where(CallRow.id == call_id, CallRow.state == "ringing").values(**values)
    )
    return lambda connection: _run(connection, statement)


def add_turn(call_id: str, turn: Turn) -> Write:
    """Store a turn; one of the same index is replaced."""
    values = {
        "call_id": call_id,
        "index": turn.index,
        "speaker": turn.speaker,
        "text": turn.text,
        "heard": turn.heard,
        "start_ms": turn.start_ms,
        "end_ms": turn.end_ms,
        "interrupted": turn.interrupted,
        "endpoint_ms": turn.latency.endpoint,
        "transcript_ms": turn.latency.transcript,
        "first_token_ms": turn.latency.first_token,
        "first_audio_ms": turn.latency.first_audio,
        "heard_ms": turn.latency.heard,
    }

    def write(connection: Connection) -> None:
        connection.execute(_turn_upsert(connection.dialect.name), values)

    return write


def end(call_id: str, ended: CallEnded, at: datetime) -> Write:
    """The call is over since ``at``; only the first end counts."""
    statement = ending(CallRow.id == call_id, ended, at).values(
        duration_ms=ended.duration_ms, recording_path=ended.recording or None
    )
    return lambda connection: _run(connection, statement)


def ending(which: ColumnElement[bool], ended: CallEnded, at: datetime) -> Update:
    """The statement that ends those of the calls that have not ended yet."""
    return (
        update(CallRow)
        .where(which, CallRow.state != "ended")
        .values(state="ended", ended_at=at, end_reason=ended.reason, end_detail=ended.detail)
    )


@cache
def _turn_upsert(dialect: str) -> Any:
    # Built once: making the statement costs several times as much as running it.
    insert = _INSERTS[dialect](TurnRow)
    key = ("call_id", "index")
    rest = {column.name: column for column in insert.excluded if column.name not in key}
    return insert.on_conflict_do_update(index_elements=key, set_=rest)


def insert_for(connection: Connection) -> Any:
    """``insert`` with ON CONFLICT: both dialects have it, but SQLAlchemy spells it per dialect."""
    return _INSERTS[connection.dialect.name]


def _run(connection: Connection, statement: Any) -> None:
    connection.execute(statement)

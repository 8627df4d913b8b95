"""The tables, as typed models. All times are UTC; all durations are milliseconds.

A change here needs a new file in ``migrations/versions``; a test compares the two.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Double, ForeignKey, Index, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime; SQLite, which knows no zones, stores it as UTC without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a time zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002  # SQLAlchemy names it
    ) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map = {  # noqa: RUF012  # SQLAlchemy reads it once, from the class
        datetime: UtcDateTime,
        dict[str, str]: JSON,
        float: Double,
    }


class NodeRow(Base):
    """One worker process; ``seen_at`` is its last heartbeat."""

    __tablename__ = "node"

    id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class CallRow(Base):
    """One call, from the carrier's first webhook on.

    ``state`` is ``ringing`` (no audio yet), ``in-progress`` or ``ended``. The media socket is
    opened with a token of which only the hash is kept; ``stream_token_used_at`` and ``node_id``
    are set by the one process that claims it.
    """

    __tablename__ = "call"

    id: Mapped[str] = mapped_column(primary_key=True)
    business_id: Mapped[str]
    telephony: Mapped[str]
    direction: Mapped[str]
    carrier_call_id: Mapped[str | None] = mapped_column(unique=True)
    from_number: Mapped[str]
    to_number: Mapped[str]
    language: Mapped[str]
    variables: Mapped[dict[str, str]]
    node_id: Mapped[str | None] = mapped_column(ForeignKey("node.id", ondelete="SET NULL"))
    state: Mapped[str]
    config_hash: Mapped[str]
    stream_token_hash: Mapped[str] = mapped_column(unique=True)
    stream_token_expires: Mapped[datetime]
    stream_token_used_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]
    end_detail: Mapped[str | None]
    duration_ms: Mapped[float | None]
    recording_path: Mapped[str | None]


_live: Any = text("state <> 'ended'")

Index("call_by_business", CallRow.business_id, CallRow.created_at)
Index("call_by_time", CallRow.created_at)
# Partial: the few live calls among millions that ended.
Index("call_live", CallRow.business_id, sqlite_where=_live, postgresql_where=_live)


class TurnRow(Base):
    """One turn of a call; the ``*_ms`` latencies count from the end of the caller's speech."""

    __tablename__ = "turn"

    call_id: Mapped[str] = mapped_column(
        ForeignKey("call.id", ondelete="CASCADE"), primary_key=True
    )
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    speaker: Mapped[str]
    text: Mapped[str]
    heard: Mapped[str]
    start_ms: Mapped[float]
    end_ms: Mapped[float]
    interrupted: Mapped[bool]
    endpoint_ms: Mapped[float | None]
    transcript_ms: Mapped[float | None]
    first_token_ms: Mapped[float | None]
    first_audio_ms: Mapped[float | None]
    heard_ms: Mapped[float | None]

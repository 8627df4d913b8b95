"""Opening and migrating: SQLite and PostgreSQL, also from many processes at once."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, select, text
from sqlalchemy.exc import StatementError

from offhook.errors import ConfigError
from offhook.store import Node, migrate, open_engine
from offhook.store.schema import Base, NodeRow


def test_sqlite_is_durable_and_shared(sqlite_url: str) -> None:
    engine = open_engine(sqlite_url)
    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    engine.dispose()
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 1,
        "foreign_keys": 1,
        "busy_timeout": 30000,
    }


def test_migrations_make_exactly_the_models(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []
        live = inspect(connection).get_indexes("call")
    assert {index["name"] for index in live} >= {"call_by_business", "call_by_time", "call_live"}


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar() == 1


def test_processes_that_start_at_once_migrate_once(url: str) -> None:
    program = (
        "import sys; from offhook.store import migrate, open_engine\n"
        "migrate(open_engine(sys.argv[1]))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program, url], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors


def test_a_failed_migration_leaves_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_engine(url)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("half way")

    with monkeypatch.context() as patch:
        patch.setattr("alembic.op.create_index", fail)
        with pytest.raises(RuntimeError, match="half way"):
            migrate(engine)
    assert inspect(engine).get_table_names() == []
    migrate(engine)
    assert "call" in inspect(engine).get_table_names()
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "this is no database URL"),
        ("mysql+nothing://host/db", "no database driver called 'mysql+nothing'"),
        ("sqlite://", "a database in memory cannot be shared"),
        ("postgresql+psycopg2://host/db", "psycopg2 is not installed"),
    ],
)
def test_a_url_that_cannot_be_used(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says.replace("+", r"\+")) as caught:
        open_engine(url)
    assert caught.value.problems[0].where == "OFFHOOK_DATABASE_URL"


def test_a_database_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    engine = open_engine(f"postgresql://someone:s3cret@/db?host={tmp_path}")
    with pytest.raises(ConfigError, match="cannot be used") as caught:
        migrate(engine)
    assert "s3cret" not in str(caught.value)
    assert "someone" in str(caught.value)


def test_times_are_utc_and_aware(engine: Engine) -> None:
    local = datetime(2026, 3, 1, 2, 30, tzinfo=timezone(timedelta(hours=5)))
    node = Node.here()
    with engine.begin() as connection:
        values = {"id": node.id, "host": node.host, "pid": node.pid, "started_at": local}
        connection.execute(NodeRow.__table__.insert().values(**values, seen_at=local))  # type: ignore[attr-defined]
        stored = connection.scalar(select(NodeRow.seen_at))
    assert stored == local
    assert stored is not None
    assert stored.tzinfo is UTC


def test_a_time_without_zone_is_refused(engine: Engine) -> None:
    with (
        pytest.raises(StatementError, match="without a time zone"),
        engine.begin() as connection,
    ):
        connection.scalar(select(NodeRow.id).where(NodeRow.seen_at > datetime(2026, 1, 1)))

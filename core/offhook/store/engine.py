"""Opens the database and brings its schema up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

from offhook.errors import ConfigError, Problem

READ_ONLY = "offhook_read_only"
"""Execution option of connections that only read: on SQLite they take no write lock."""

_SQLITE_BUSY_MS = 30_000
_MIGRATION_LOCK = 0x0FF_400C  # any number, as long as every version of offhook uses the same


def open_engine(url: str) -> Engine:
    """Make the engine for a SQLAlchemy URL; does not connect yet.

    SQLite runs in WAL mode and gets its folder made. ``postgresql://`` means psycopg 3. Raises
    ConfigError for a URL that cannot be used. *Any thread*; the engine is shared by threads but
    not by forks.
    """
    parsed = _parse(url)
    try:
        if parsed.get_backend_name() == "sqlite":
            return _open_sqlite(parsed)
        return create_engine(parsed, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    except NoSuchModuleError:
        raise _problem(
            f"there is no database driver called {parsed.drivername!r}",
            "Write a URL that begins with sqlite:/// or postgresql://",
        ) from None
    except ModuleNotFoundError as error:
        raise _problem(
            f"the database driver {error.name} is not installed",
            "Run pip install 'offhook[postgresql]'",
        ) from None


def migrate(engine: Engine) -> None:
    """Bring the schema up to date; safe when many processes start at once.

    The whole upgrade is one transaction under a lock, so that others wait and then find nothing
    left to do. Blocks on the database. Raises ConfigError if it cannot be reached.
    """
    config = Config()
    config.set_main_option("script_location", "offhook.store:migrations")
    try:
        with engine.begin() as connection:
            # On SQLite the transaction began IMMEDIATE and holds the write lock already.
            if engine.dialect.name == "postgresql":
                connection.execute(
                    text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK}
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except OperationalError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        raise _problem(
            f"the database {engine.url.render_as_string()} cannot be used ({reason})",
            "Start it, or correct the URL",
        ) from error


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise _problem(
            "this is no database URL", "Write one such as sqlite:///offhook.db or postgresql://..."
        ) from None
    if parsed.drivername in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise _problem(
            "a database in memory cannot be shared by processes",
            "Name a file: sqlite:///offhook.db",
        )
    return parsed


def _open_sqlite(url: URL) -> Engine:
    assert url.database is not None  # _parse refuses a database in memory
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        # The driver's own BEGIN comes late and deferred: a transaction that reads and then writes
        # would fail at once when another wrote in between, whatever the busy timeout.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={_SQLITE_BUSY_MS}",  # first: switching to WAL may itself have to wait
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get(READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _problem(what: str, mend: str) -> ConfigError:
    return ConfigError([Problem("environment", "OFFHOOK_DATABASE_URL", what, mend)])

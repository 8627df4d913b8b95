"""What the environment says: the only place where ``OFFHOOK_*`` variables are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from offhook.errors import ConfigError, Problem


class Settings(BaseSettings):
    """Settings of one installation; each field is the variable ``OFFHOOK_<FIELD>``.

    ``public_url`` is the http(s) root the carrier reaches us under; signatures are computed over
    it, so it must be exactly what the carrier was given. ``max_calls`` is per worker process.
    """

    model_config = SettingsConfigDict(env_prefix="OFFHOOK_", extra="ignore", frozen=True)

    businesses: Path = Field(Path("businesses"), description="folder of business files")
    data: Path = Field(Path("offhook-data"), description="recordings, database, embedded services")
    database_url: str = Field("", description="SQLAlchemy URL; empty: SQLite in the data folder")
    redis_url: str = Field("", description="Redis for the queue; empty: an embedded Valkey")
    public_url: str = Field("", description="the http(s) root the carrier reaches us under")
    max_calls: int = Field(150, ge=1, description="calls one worker process takes at once")
    drain_seconds: float = Field(60.0, ge=0, description="how long calls may go on after SIGTERM")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")

    def __init__(self, **values: Any) -> None:
        """Read the environment. Raises ConfigError naming each variable that is wrong."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(
                [
                    Problem(
                        "environment",
                        f"OFFHOOK_{'_'.join(map(str, details['loc'])).upper()}",
                        f"{details['input']!r} cannot be used",
                        details["msg"],
                    )
                    for details in error.errors(include_url=False)
                ]
            ) from None

    @property
    def database(self) -> str:
        """The database's SQLAlchemy URL, the default filled in."""
        return self.database_url or f"sqlite:///{(self.data / 'offhook.db').absolute()}"

"""Settings of one installation, from the environment; a wrong one is a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from offhook.config import Settings
from offhook.errors import ConfigError


def test_the_database_is_sqlite_in_the_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFHOOK_DATA", "/somewhere")
    monkeypatch.delenv("OFFHOOK_DATABASE_URL", raising=False)
    assert Settings().database == "sqlite:////somewhere/offhook.db"


def test_each_field_is_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFHOOK_BUSINESSES", "there")
    monkeypatch.setenv("OFFHOOK_DATABASE_URL", "postgresql://host/db")
    monkeypatch.setenv("OFFHOOK_MAX_CALLS", "7")
    settings = Settings()
    assert settings.businesses == Path("there")
    assert settings.database == "postgresql://host/db"
    assert settings.max_calls == 7


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFHOOK_MAX_CALLS", "many")
    with pytest.raises(ConfigError, match=r"OFFHOOK_MAX_CALLS: 'many' cannot be used"):
        Settings()

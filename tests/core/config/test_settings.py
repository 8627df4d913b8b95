"""Settings come from the environment, and a wrong one is a sentence."""

import pytest

from offhook.config import Settings
from offhook.errors import ConfigError


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFHOOK_MAX_CALLS", "many")
    with pytest.raises(ConfigError, match=r"OFFHOOK_MAX_CALLS: 'many' cannot be used"):
        Settings()


def test_the_database_defaults_to_the_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFHOOK_DATA", "/srv/offhook")
    assert Settings().database == "sqlite:////srv/offhook/offhook.db"
    monkeypatch.setenv("OFFHOOK_DATABASE_URL", "postgresql+psycopg://db/calls")
    assert Settings().database == "postgresql+psycopg://db/calls"

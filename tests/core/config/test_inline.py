"""Secrets that stand in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from offhook.config.inline import inline_secrets, names_a_secret, secret_files


@pytest.mark.parametrize(
    "key",
    [
        "api_key", "apikey", "APIKey", "apiKey", "token", "auth_token", "auth-tokens", "password",
        "client_secret", "clientSecret", "secret", "credentials", "Authorization", "access_key",
        "private-key", "passphrase",
    ],
)  # fmt: skip
def test_names_of_secrets(key: str) -> None:
    assert names_a_secret(key)


@pytest.mark.parametrize(
    "key", ["key", "max_tokens_per_reply", "tokenizer", "keyterms", "secretary", "account_sid"]
)  # fmt: skip
def test_other_names(key: str) -> None:
    assert not names_a_secret(key)


def test_only_texts_that_are_no_reference_are_found() -> None:
    data = {
        "token": "env:TOKEN",
        "password": "file:/run/secrets/password",
        "max_tokens": 100,
        "secret": "",
        "api_key": "sk-1",
        "auth_tokens": ["env:A", "abc"],
        "rules": [{"secret": "x"}],
        "headers": {"Authorization": "Bearer x"},
        "token_table": {"name": "fine"},
        "credentials": {"user": "fine", "password": "env:"},
    }
    assert list(inline_secrets(data)) == [
        ("api_key",),
        ("auth_tokens", 1),
        ("rules", 0, "secret"),
        ("headers", "Authorization"),
        ("credentials", "password"),
    ]


def test_the_files_that_hold_secrets() -> None:
    data = {"a": "file:/x/y", "b": ["file:~/z", "env:A"], "c": {"d": "file:e"}}
    assert list(secret_files(data)) == [Path("/x/y"), Path("~/z").expanduser(), Path("e")]

"""Secrets by reference: read when needed, never shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from offhook.config import Secret


class Options(BaseModel):
    api_key: Secret


def test_a_secret_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_KEY", "s3cret")
    options = Options.model_validate({"api_key": "env:ACME_KEY"})
    assert options.api_key.reveal() == "s3cret"
    assert options.api_key == Secret("env:ACME_KEY")
    assert len({options.api_key, Secret("env:ACME_KEY")}) == 1
    for shown in (str(options), repr(options), options.model_dump_json(), str(options.api_key)):
        assert "s3cret" not in shown
        assert "env:ACME_KEY" in shown


def test_a_secret_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    assert Secret(f"file:{tmp_path / 'key'}").reveal() == "s3cret"


def test_a_secret_that_is_one_already() -> None:
    secret = object.__new__(Secret)
    secret.reference, secret._value = "env:X", "y"
    assert Options(api_key=secret).api_key is secret


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("sk-123456", "must not stand in a file"),
        (123456, "must not stand in a file"),
        ("env:NO_SUCH_VARIABLE", "set the environment variable NO_SUCH_VARIABLE"),
        ("file:/no/such/file", "put it into the file /no/such/file"),
    ],
)
def test_a_secret_that_is_inline_or_missing(value: object, says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Options.model_validate({"api_key": value})
    message = caught.value.errors(include_input=False)[0]["msg"]
    assert says in message
    assert "123456" not in message


def test_editors_are_told_the_form() -> None:
    schema = Options.model_json_schema()["properties"]["api_key"]
    assert schema["pattern"] == "^(env|file):.+"

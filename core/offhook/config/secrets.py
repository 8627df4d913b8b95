"""Secrets by reference: a file names where a secret is, never what it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


class Secret:
    """A secret named by ``env:NAME`` or ``file:PATH``; use it as the type of a plugin's option.

    Its value is read when the configuration is loaded and shown by ``reveal()`` only: ``repr``,
    ``str`` and serialization give the reference.
    """

    __slots__ = ("_value", "reference")

    def __init__(self, reference: str) -> None:
        self.reference = reference
        self._value = _read(reference)

    def reveal(self) -> str:
        """The secret itself; keep it out of logs, errors and anything stored."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.reference!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reference == self.reference

    def __hash__(self) -> int:
        return hash(self.reference)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda secret: secret.reference
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {
            "type": "string",
            "pattern": "^(env|file):.+",
            "description": "where the secret is: env:NAME or file:PATH",
        }

    @classmethod
    def _validate(cls, value: Any) -> Secret:
        return value if isinstance(value, Secret) else cls(value)


def _read(reference: object) -> str:
    # The offending value is never put into a message: it may be the secret itself.
    if not isinstance(reference, str) or not reference.startswith(("env:", "file:")):
        raise PydanticCustomError(
            "inline_secret",
            "a secret must not stand in a file: write env:NAME or file:PATH and put it there",
        )
    scheme, _, place = reference.partition(":")
    if scheme == "env":
        value = os.environ.get(place, "")
        mend = f"set the environment variable {place}"
    else:
        try:
            value = Path(place).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            value = ""
        mend = f"put it into the file {place}"
    if not value:
        raise PydanticCustomError("missing_secret", "the secret is missing: {mend}", {"mend": mend})
    return value

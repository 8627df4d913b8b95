"""Finds secrets that stand in a file, whatever type the plugin gave the option."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_SECRET_NAME = re.compile(
    r"(^|[_-])(tokens?|passwords?|passwd|passphrase|secrets?|credentials?|authorization|bearer)$"
    r"|(api|access|private|secret|auth|account|signing|subscription)[_-]?keys?$"
)
_REFERENCE = re.compile(r"^(env|file):.")


def names_a_secret(key: str | int) -> bool:
    """Whether a key is called like a secret: ``api_key``, ``authTokens``, ``client-secret``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(key)).lower()
    return _SECRET_NAME.search(words) is not None


def inline_secrets(
    value: Any, key: tuple[str | int, ...] = (), named: bool = False
) -> Iterator[tuple[str | int, ...]]:
    """The keys of texts that are called like a secret but are no reference to one.

    A list inherits its key's name, a table does not. Yields keys only: the text may be the secret.
    """
    for part, item in _children(value):
        secret = named if isinstance(part, int) else names_a_secret(part)
        if isinstance(item, str):
            if secret and item and not _REFERENCE.match(item):
                yield (*key, part)
        else:
            yield from inline_secrets(item, (*key, part), secret)


def secret_files(value: Any) -> Iterator[Path]:
    """The files that ``file:PATH`` references name."""
    for _, item in _children(value):
        if isinstance(item, str) and item.startswith("file:"):
            yield Path(item.removeprefix("file:")).expanduser()
        else:
            yield from secret_files(item)


def _children(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)

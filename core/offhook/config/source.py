"""A TOML file as read: its data, its hash, and the line on which each key stands."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offhook.errors import ConfigError, Problem

Key = Sequence[str | int]
"""A path of table keys and list positions, as pydantic's ``loc``."""

_PART = r"""(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)"""
_NAME = rf"{_PART}(?:\s*\.\s*{_PART})*"
_TABLE = re.compile(rf"^\s*\[\[?\s*({_NAME})\s*\]")
_ENTRY = re.compile(rf"^\s*({_NAME})\s*=")
_LONG_STRINGS = ('"""', "'''")


@dataclass(frozen=True, slots=True)
class Source:
    """One file, parsed. ``digest`` is the SHA-256 of its bytes, as ``sha256sum`` prints it."""

    file: str
    data: Mapping[str, Any]
    digest: str
    lines: Mapping[tuple[str, ...], int]

    def problem(self, key: Key, what: str, mend: str) -> Problem:
        """A problem at a key, with the line of that key or of the nearest table around it."""
        return Problem(self.file, dotted(key), what, mend, self._line(key))

    def _line(self, key: Key) -> int | None:
        names = tuple(str(part) for part in key)
        # [options.stt.acme] makes options.stt without a line of its own.
        inside = [line for name, line in self.lines.items() if name[: len(names)] == names]
        if names and inside:
            return min(inside)
        around = (self.lines.get(names[:length]) for length in range(len(names) - 1, 0, -1))
        return next((line for line in around if line), None)


def read_source(path: Path) -> Source:
    """Read and parse a TOML file; ConfigError if it cannot be read or is no TOML."""
    try:
        content = path.read_bytes()
        text = content.decode("utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        what, mend, line = f"cannot be read ({error.strerror})", "Let offhook read it", None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        what, mend = "is not UTF-8 text", "Save it as UTF-8"
    except tomllib.TOMLDecodeError as error:
        what, line = _broken(str(error), text)
        mend = "Correct the TOML there; https://toml.io shows how it is written"
    else:
        return Source(str(path), data, hashlib.sha256(content).hexdigest(), find_lines(text))
    raise ConfigError([Problem(str(path), "", what, mend, line)])


def dotted(key: Key) -> str:
    """``("options", "stt", "numbers", 0)`` as ``options.stt.numbers[0]``."""
    return "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in key
    ).removeprefix(".")


def find_lines(text: str) -> dict[tuple[str, ...], int]:
    """The line, counted from 1, of each table and each key of a TOML text.

    Keys inside inline tables are not found; the caller falls back to the key around them.
    """
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    closing = ""  # the quotes that end the multi-line string we are in
    for number, line in enumerate(text.splitlines(), 1):
        if not closing:
            if match := _TABLE.match(line):
                table = _split(match[1])
                lines.setdefault(table, number)
            elif match := _ENTRY.match(line):
                lines.setdefault(table + _split(match[1]), number)
        closing = _string_left_open(line, closing)
    return lines


def _split(name: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_PART, name))


def _string_left_open(line: str, closing: str) -> str:
    rest = line
    while True:
        if closing:
            _, found, rest = rest.partition(closing)
            if not found:
                return closing
            closing = ""
        starts = [(rest.find(quotes), quotes) for quotes in _LONG_STRINGS if quotes in rest]
        if not starts:
            return ""
        at, closing = min(starts)
        rest = rest[at + 3 :]


def _broken(message: str, text: str) -> tuple[str, int]:
    match = re.search(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$", message)
    line = int(match[1]) if match and match[1] else len(text.splitlines()) or 1
    reason = message[: match.start()] if match else message
    column = f", column {match[2]}" if match and match[2] else ""
    return f"is no valid TOML ({reason}{column})", line

"""Log lines are whole, and hold no variable's value."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from offhook import logs


class Pieces(io.StringIO):
    """A stream that remembers each write."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return super().write(text)


@pytest.fixture
def stream() -> Iterator[Pieces]:
    stream = Pieces()
    logs.configure("INFO", stream)
    yield stream
    structlog.reset_defaults()


def test_a_line_is_one_write_so_that_processes_do_not_share_one(stream: Pieces) -> None:
    structlog.get_logger().info("call.settled", call_id="c1")
    (piece,) = stream.pieces
    assert piece.endswith("\n")
    assert json.loads(piece)["call_id"] == "c1"


def test_a_traceback_shows_no_variables(stream: Pieces) -> None:
    api_key = "sk-very-secret"
    try:
        raise ValueError(len(api_key))
    except ValueError:
        structlog.get_logger().exception("provider.failed")
    assert "ValueError" in stream.getvalue()
    assert api_key not in stream.getvalue()


def test_what_is_below_the_level_is_not_written(stream: Pieces) -> None:
    structlog.get_logger().debug("words", text="private")
    assert stream.pieces == []

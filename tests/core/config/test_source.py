"""TOML files with the line of each key."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from offhook.config.source import dotted, find_lines, read_source
from offhook.errors import ConfigError

TEXT = '''\
# a comment = 1
name = "Luigi's"
numbers = [
  "+14155550100",
]
prompt = """
key = "not a key"
[not.a.table]
"""
greeting = """one line"""
options.tts.local.voice = "joe"

[options.stt.local]
"speed" = 2
[ turns ]
vad = "silero"
[[rules]]
when = \'\'\'
[still text]\'\'\'
then = "x"
'''


def test_each_key_has_its_line() -> None:
    lines = {dotted(key): line for key, line in find_lines(TEXT).items()}
    assert lines == {
        "name": 2,
        "numbers": 3,
        "prompt": 6,
        "greeting": 10,
        "options.tts.local.voice": 11,
        "options.stt.local": 13,
        "options.stt.local.speed": 14,
        "turns": 15,
        "turns.vad": 16,
        "rules": 17,
        "rules.when": 18,
        "rules.then": 20,
    }


def test_a_table_begins_where_something_in_it_does(tmp_path: Path) -> None:
    path = tmp_path / "b.toml"
    path.write_text("name = 1\n[options.stt.acme]\nx = 1\n[options.tts.acme]\n")
    source = read_source(path)
    assert source.problem(("options", "tts"), "", "").line == 4
    assert source.problem(("options",), "", "").line == 2
    assert source.problem(("options", "llm", "acme", "x"), "", "").line is None
    assert source.problem((), "", "").line is None


def test_a_problem_stands_at_its_key_or_the_nearest_above(tmp_path: Path) -> None:
    path = tmp_path / "b.toml"
    path.write_text("[turns]\nvad = 1\nlist = [\n1]\n")
    source = read_source(path)
    assert source.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert source.problem(("turns", "vad"), "", "").line == 2
    assert source.problem(("turns", "list", 0), "", "").line == 3
    assert source.problem(("turns", "missing"), "", "").line == 1
    assert source.problem(("other",), "", "").line is None
    assert source.problem(("turns", "list", 0), "", "").where == "turns.list[0]"


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (b'name = "x\n', 1, "is no valid TOML"),
        (b"a = 1\nb = = 2\n", 2, "is no valid TOML (Invalid value, column 5)"),
        (b"a = 1\na = 2\n", 2, "Cannot overwrite a value"),
        (b'a = 1\nb = """never ends', 2, "is no valid TOML"),
        (b"a = 1\nb = '\xff'\n", 2, "is not UTF-8 text"),
    ],
)
def test_what_is_no_toml(tmp_path: Path, content: bytes, line: int, says: str) -> None:
    path = tmp_path / "b.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_source(path)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == (str(path), line)
    assert says in problem.what


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read \\(No such file"):
        read_source(tmp_path / "none.toml")

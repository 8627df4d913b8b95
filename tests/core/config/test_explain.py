"""Pydantic's errors as sentences, for whatever a plugin's options model may hold."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel, Field

from offhook.config.explain import nearest, validate
from offhook.config.source import Source


class Rule(BaseModel, extra="forbid"):
    when: str
    then: str = Field("", alias="Then")


class Options(BaseModel, extra="forbid"):
    rules: list[Rule] = []
    by_name: dict[str, Rule] = {}
    fallback: Rule | None = None
    code: str = Field("a", pattern="^a+$")
    folder: Path | None = None
    at: time | None = None
    words: frozenset[str] = frozenset()
    weight: float = 1
    pause: timedelta | None = None


def explain(**data: object) -> list[str]:
    source = Source("x.toml", data, "", {})
    made = validate(Options, data, source, ("options", "llm", "acme"))
    assert isinstance(made, list), made
    return [f"{p.where.removeprefix('options.llm.acme.')}: {p.what}. {p.mend}" for p in made]


def test_what_toml_can_hold_is_taken() -> None:
    data = {"folder": "/x", "at": time(9, 30), "words": ["a", "b"], "weight": 2, "pause": "PT3S"}
    made = validate(Options, data, Source("x.toml", data, "", {}))
    assert made == Options(
        folder=Path("/x"), at=time(9, 30), words=frozenset("ab"), weight=2, pause=timedelta(0, 3)
    )


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            {"rules": [{"when": "x"}, {"when": "y", "than": "z"}]},
            "rules[1].than: there is no setting 'than' here. Did you mean 'Then'?",
        ),
        (
            {"fallback": {"whn": "x", "when": "y"}},
            "fallback.whn: there is no setting 'whn' here. Did you mean 'when'?",
        ),
        ({"rules": [{}]}, "rules[0].when: it is missing. Add it"),
        ({"code": "b"}, "code: \"b\" cannot be used. String should match pattern '^a+$'"),
        ({"at": "noon"}, 'at: "noon" cannot be used. Input should be in a valid time format'),
        ({"words": "a"}, 'words: "a" has the wrong type. Write a list in [brackets]'),
        ({"code": 5 * "bcdefghijklmno"}, 'code: "bcdefghijklmnobcdefghijklmnobcd'),
    ],
)
def test_sentences(data: dict[str, object], says: str) -> None:
    (problem,) = explain(**data)
    assert problem.startswith(says)


def test_keys_of_tables_that_have_any_names() -> None:
    (problem,) = explain(by_name={"x": {"when": "y", "than": ""}})
    assert problem.startswith("by_name.x.than: there is no setting 'than' here")


def test_long_values_are_cut() -> None:
    (problem,) = explain(code="b" * 500)
    assert len(problem) < 200


def test_nothing_to_choose_from() -> None:
    assert nearest("x", []) == "There are none"

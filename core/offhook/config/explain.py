"""Validates TOML data against a model, and puts pydantic's errors into sentences with a mend."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from offhook.config.inline import names_a_secret
from offhook.config.source import Key, Source
from offhook.errors import Problem

Model = TypeVar("Model", bound=BaseModel)

_TYPE_MENDS = {
    "string_type": "Write text in quotes",
    "bool_type": "Write true or false, without quotes",
    "float_type": "Write a number, without quotes",
    "int_type": "Write a whole number, without quotes",
    "int_from_float": "Write a whole number",
    "tuple_type": "Write a list in [brackets]",
    "list_type": "Write a list in [brackets]",
    "set_type": "Write a list in [brackets]",
    "frozen_set_type": "Write a list in [brackets]",
    "dict_type": "Write a table of settings",
    "model_type": "Write a table of settings",
    "model_attributes_type": "Write a table of settings",
}
_BOUND_MENDS = {
    "greater_than": "Write a number above {gt}",
    "greater_than_equal": "Write a number of at least {ge}",
    "less_than": "Write a number below {lt}",
    "less_than_equal": "Write a number of at most {le}",
    "too_short": "Write at least {min_length}",
    "too_long": "Write at most {max_length}",
    "string_too_short": "Write at least {min_length} characters",
    "string_too_long": "Write at most {max_length} characters",
    "literal_error": "Write one of {expected}",
    "enum": "Write one of {expected}",
}
_LONGEST_SHOWN = 60


def validate(
    model: type[Model], data: Mapping[str, Any], source: Source, prefix: tuple[str, ...] = ()
) -> Model | list[Problem]:
    """An instance of the model, or everything that is wrong with the data, found under ``prefix``.

    Types are strict, as TOML has them: ``"600"`` is no number. Lists may fill tuples and sets.
    """
    try:
        # By way of JSON, because pydantic's strict mode for Python refuses a list for a tuple.
        return model.model_validate_json(json.dumps(data, default=str), strict=True)
    except ValidationError as error:
        found = error.errors(include_url=False)
    return [
        source.problem((*prefix, *details["loc"]), *_explain(details, model))
        for details in found
        # A list whose only item is wrong counts as empty as well: told once is enough.
        if details["type"] != "too_short" or not _any_inside(details["loc"], found)
    ]


def nearest(word: str, known: Iterable[str]) -> str:
    """A mend for a word that is unknown: the one that was meant, or those there are."""
    words = sorted(known)
    lower = {name.lower(): name for name in words}
    if meant := difflib.get_close_matches(word.lower(), lower, 1, 0.6):
        return f"Did you mean {lower[meant[0]]!r}?"
    return f"There are: {', '.join(words)}" if words else "There are none"


def _any_inside(key: Key, errors: list[ErrorDetails]) -> bool:
    return any(len(e["loc"]) > len(key) and e["loc"][: len(key)] == key for e in errors)


def _explain(error: ErrorDetails, model: type[BaseModel]) -> tuple[str, str]:
    """What is wrong, and the mend."""
    kind, key, context = error["type"], error["loc"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(str(key[-1]), key, model)
    if kind == "missing":
        return "it is missing", _described("Add it", _field(model, key))
    if kind in ("inline_secret", "missing_secret"):
        what, _, mend = error["msg"].partition(": ")
        return what, _sentence(mend)
    shown = _shown(error["input"], key)
    if kind in ("value_error", "assertion_error"):
        return f"{shown} cannot be used", _sentence(str(context["error"]))
    if kind in _TYPE_MENDS:
        return f"{shown} has the wrong type", _TYPE_MENDS[kind]
    if kind in _BOUND_MENDS:
        return f"{shown} is not allowed", _BOUND_MENDS[kind].format(**context)
    field = _field(model, key)
    if kind == "string_pattern_mismatch" and field is not None and field.examples:
        return f"{shown} is not allowed", f'Write one such as "{field.examples[0]}"'
    return f"{shown} cannot be used", _sentence(error["msg"])


def _unknown(word: str, key: Key, model: type[BaseModel]) -> tuple[str, str]:
    what = f"there is no setting {word!r} here"
    if len(key) > 1 and word in _names(model):
        # The classic mistake in TOML: what follows a [table] belongs to the table.
        return what, "Move it to the top of its table, above the first [table] inside"
    return what, nearest(word, _names(_model_at(model, key[:-1])))


def _described(mend: str, field: FieldInfo | None) -> str:
    return f"{mend}: {field.description}" if field is not None and field.description else mend


def _shown(value: Any, key: Key) -> str:
    """The value as TOML writes it; nothing of what may be or hold a secret."""
    if any(names_a_secret(part) for part in key) or isinstance(value, dict | list):
        return "this value"
    shown = json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}..."


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".")


def _names(model: type[BaseModel] | None) -> list[str]:
    if model is None:
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _field(model: type[BaseModel], key: Key) -> FieldInfo | None:
    """The field that a key belongs to; positions in lists are passed over."""
    names = [part for part in key if isinstance(part, str)]
    owner = _model_at(model, names[:-1])
    if owner is None or not names:
        return None
    return next((f for n, f in owner.model_fields.items() if (f.alias or n) == names[-1]), None)


def _model_at(model: type[BaseModel], key: Key) -> type[BaseModel] | None:
    found: type[BaseModel] | None = model
    for part in key:
        if isinstance(part, int) or found is None:
            continue
        field = next((f for n, f in found.model_fields.items() if (f.alias or n) == part), None)
        found = _model_in(field.annotation) if field is not None else None
    return found


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation such as ``Rule``, ``Rule | None`` or ``list[Rule]`` names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for part in get_args(annotation) if (m := _model_in(part))), None)

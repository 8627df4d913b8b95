"""The business file's models."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from offhook.config.business import Business, normalize_number


def test_a_name_and_a_number_are_enough() -> None:
    business = Business(name="Luigi's", numbers=("+14155550100",))
    assert (business.telephony, business.stt, business.llm, business.tts) == (
        ("simulated",), ("local",), ("script",), ("local",),
    )  # fmt: skip
    assert business.hours is None


def test_a_kind_names_one_plugin_or_several() -> None:
    one = Business.model_validate({"name": "x", "numbers": ["+14155550100"], "stt": "deepgram"})
    two = Business.model_validate({"name": "x", "numbers": ["+14155550100"], "stt": ["a", "b"]})
    assert (one.stt, two.stt) == (("deepgram",), ("a", "b"))


def test_a_business_does_not_change() -> None:
    business = Business(name="x", numbers=("+14155550100",))
    with pytest.raises(ValidationError, match="frozen"):
        business.name = "y"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("+1 415 555 0100", "+14155550100"),
        ("+39 06 1234 5678", "+390612345678"),
        ("+14155550100", "+14155550100"),
        ("415 555 0100", None),
        ("+1415", None),
        ("anonymous", None),
        ("", None),
        ("sip:luigi@example.com", None),
    ],
)
def test_numbers(given: str, normal: str | None) -> None:
    assert normalize_number(given) == normal

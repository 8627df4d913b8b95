"""What a call is to be: its own values, its opening, and the tools it may use."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from offhook.business_file import Loaded
from offhook.call.brief import collect_tools, fill, fixed_sentences, opening, variables
from offhook.config import Business
from offhook.events import ToolSpec
from offhook.providers import Tool
from offhook.registry import Registry

from .limbs import CALL

MONDAY_NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SUNDAY_NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RECORDED = {"enabled": True, "consent": "This call is recorded."}


def loaded(**tables: Any) -> Loaded:
    file = {"name": "Bistro", "numbers": ["+14155550100"], **tables}
    business = Business.model_validate(file)
    return Loaded("bistro", business, {}, "hash", Path("bistro.toml"), MONDAY_NOON)


def tool(name: str) -> Tool:
    return Tool(ToolSpec(name, "for tests", {"type": "object"}), lambda *_: "")


def test_values_are_filled_in_once_and_unknown_names_stay() -> None:
    values = {"name": "{city}", "city": "Ghent"}
    assert fill("Hi {name} of {city}, {unknown} {not a name}", values) == (
        "Hi {city} of Ghent, {unknown} {not a name}"
    )


def test_a_calls_own_variables_stand_beside_ours() -> None:
    call = replace(CALL, variables={"first_name": "Ada"})
    assert variables(call, loaded()) == {
        "business": "Bistro",
        "from_number": CALL.from_number,
        "to_number": CALL.to_number,
        "first_name": "Ada",
    }


def test_the_greeting_opens_after_the_consent_where_calls_are_recorded() -> None:
    greeting = "Welcome to {business}."
    plain = opening(CALL, loaded(greeting=greeting), MONDAY_NOON)
    assert plain == (("Welcome to Bistro.",), "")
    recorded = opening(CALL, loaded(greeting=greeting, recording=RECORDED), MONDAY_NOON)
    assert recorded == (("This call is recorded.", "Welcome to Bistro."), "")
    off = opening(CALL, loaded(recording={**RECORDED, "enabled": False}), MONDAY_NOON)
    assert RECORDED["consent"] not in off[0]


def test_outside_its_hours_a_business_says_so_and_ends() -> None:
    hours = {"mon": ["09:00-17:00"]}
    bistro = loaded(greeting="Hi.", hours=hours)
    assert opening(CALL, bistro, MONDAY_NOON) == (("Hi.",), "")
    assert opening(CALL, bistro, SUNDAY_NOON) == ((bistro.business.phrases.closed,), "closed")
    always = loaded(greeting="Hi.", hours={**hours, "closed_calls": "answer"})
    assert opening(CALL, always, SUNDAY_NOON) == (("Hi.",), "")


def test_only_a_greeting_that_is_the_same_for_all_is_made_ahead() -> None:
    assert "Hi from Bistro." in fixed_sentences(loaded(greeting="Hi from {business}."))
    assert not any("Hi" in line for line in fixed_sentences(loaded(greeting="Hi {first_name}.")))


def test_a_name_that_is_taken_stays_with_who_had_it(make_plugin: Any) -> None:
    mine, yours = tool("book"), tool("book")
    plugins = [
        make_plugin("observer", "a", offhook_tools=lambda call: [mine, tool("end_call")]),
        make_plugin("observer", "b", offhook_tools=lambda call: [yours, tool("cancel")]),
        make_plugin("observer", "c", offhook_tools=lambda call: None),
    ]
    tools = collect_tools(CALL, Registry(plugins))
    assert set(tools) == {"book", "cancel"}
    assert tools["book"] is mine


def _raises(call: object) -> list[Tool]:
    raise RuntimeError("broken")


@pytest.mark.parametrize("offer", [_raises, lambda call: ["no tool"], lambda call: tool("alone")])
def test_a_plugin_that_offers_nonsense_takes_no_tool_from_others(
    make_plugin: Any, offer: Any
) -> None:
    good = make_plugin("observer", "good", offhook_tools=lambda call: [tool("book")])
    registry = Registry([make_plugin("observer", "bad", offhook_tools=offer), good])
    assert set(collect_tools(CALL, registry)) == {"book"}

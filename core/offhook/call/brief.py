"""What one call is to be: the business's file with this call's values filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

import structlog

from offhook.businesses import Loaded
from offhook.call.agent_side import END_CALL, TRANSFER_CALL, Brief
from offhook.config.hours import is_open
from offhook.events import CallInfo
from offhook.providers import Tool
from offhook.registry import Registry

log = structlog.get_logger(__name__)

_VARIABLE = re.compile(r"\{(\w+)\}")


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put values in for ``{name}``; a name without a value stays as it is."""
    return _VARIABLE.sub(lambda match: values.get(match[1], match[0]), text)


def variables(call: CallInfo, loaded: Loaded) -> dict[str, str]:
    """What prompts and greetings may name: the call's own variables, and a few of ours."""
    return {
        "business": loaded.business.name,
        "from_number": call.from_number,
        "to_number": call.to_number,
        **call.variables,
    }


def opening(call: CallInfo, loaded: Loaded, now: datetime) -> tuple[tuple[str, ...], str]:
    """The first sentences, and the reason to end after them (empty: the conversation begins)."""
    business = loaded.business
    hours = business.hours
    if hours is not None and hours.closed_calls == "message" and not is_open(hours, now):
        return (business.phrases.closed,), "closed"
    consent = business.recording.consent if business.recording.enabled else ""
    greeting = fill(business.greeting, variables(call, loaded))
    return tuple(line for line in (consent, greeting) if line), ""


def fixed_sentences(loaded: Loaded) -> tuple[str, ...]:
    """Everything that can be synthesized before any call; a greeting with variables cannot."""
    phrases = loaded.business.phrases
    greeting = fill(loaded.business.greeting, {"business": loaded.business.name})
    return (
        *(line for line in (loaded.business.recording.consent, greeting) if "{" not in line),
        phrases.hold_on,
        phrases.again,
        phrases.failure,
        *phrases.silence,
        phrases.silence_goodbye,
        phrases.time_up,
        phrases.closed,
    )


def collect_tools(call: CallInfo, registry: Registry) -> dict[str, Tool]:
    """The tools that plugins offer for this call, by name."""
    tools: dict[str, Tool] = {}
    taken = {END_CALL.name, TRANSFER_CALL.name}
    for plugin, offer in registry.each("offhook_tools"):
        try:
            offered = [tool for tools in offer(call=call) for tool in tools or ()]
        except Exception:
            log.exception("tools.failed", plugin=plugin.entry_point)
            continue
        for tool in offered:
            if not isinstance(tool, Tool):
                log.error("tools.no_tool", plugin=plugin.entry_point, offered=type(tool).__name__)
                continue
            if tool.spec.name in taken:
                log.warning("tools.name_taken", plugin=plugin.entry_point, tool=tool.spec.name)
                continue
            taken.add(tool.spec.name)
            tools[tool.spec.name] = tool
    return tools


def make_brief(
    call: CallInfo, loaded: Loaded, registry: Registry, tools: Mapping[str, Tool], now: datetime
) -> Brief:
    """The state machine's brief for this call."""
    lines, closing = opening(call, loaded, now)
    recognizer = registry.info("stt", loaded.business.stt[0])
    return Brief(
        business=loaded.business,
        opening=lines,
        prompt=fill(loaded.business.prompt, variables(call, loaded)),
        tools=tuple(tool.spec for tool in tools.values()),
        closing_reason=closing,
        recognizer_ends_turns="end_of_turn" in recognizer.capabilities,
    )

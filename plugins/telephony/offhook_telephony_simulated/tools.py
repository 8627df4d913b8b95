"""Tools that the agent has on this carrier; Twilio's streams, for one, cannot play key tones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offhook.events import ToolSpec
from offhook.providers import CallControl, Tool

_KEYS = frozenset("0123456789*#")


def send_dtmf() -> Tool:
    """A tool that presses telephone keys, for menus of the machine at the other end."""
    return Tool(
        ToolSpec(
            name="send_dtmf",
            description="Press keys of the telephone, for example to choose from a voice menu.",
            parameters={
                "type": "object",
                "properties": {
                    "digits": {
                        "type": "string",
                        "pattern": "^[0-9*#]{1,32}$",
                        "description": "the keys in order",
                    }
                },
                "required": ["digits"],
            },
        ),
        _press,
    )


def _press(arguments: Mapping[str, Any], control: CallControl) -> str:
    digits = arguments.get("digits")
    if not isinstance(digits, str) or not 1 <= len(digits) <= 32 or not _KEYS.issuperset(digits):
        raise ValueError("digits must be 1 to 32 of the keys 0-9, * and #")
    control.send_dtmf(digits)
    return "The keys were pressed."

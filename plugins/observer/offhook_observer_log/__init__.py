"""Writes a line per call event to the log: who, how long, why it ended; never what was said.

A caller's words are private, so they, and the agent's, are written only at DEBUG.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import structlog

from offhook import hookimpl
from offhook.providers import PluginInfo

if TYPE_CHECKING:
    from offhook.events import CallEnded, CallInfo, Turn

log: structlog.stdlib.BoundLogger = structlog.get_logger("offhook.calls")


@hookimpl
def offhook_plugin() -> PluginInfo:
    return PluginInfo(kind="observer", name="log", summary="a log line per call event")


@hookimpl
def offhook_call_started(call: CallInfo) -> None:
    log.info(
        "call-started",
        **_identity(call),
        direction=call.direction,
        telephony=call.telephony,
        carrier_call=call.carrier_call_id,
    )


@hookimpl
def offhook_turn_finished(call: CallInfo, turn: Turn) -> None:
    latency = {
        f"{step}_ms": round(value, 1)
        for step, value in asdict(turn.latency).items()
        if value is not None
    }
    log.info(
        "turn-finished",
        **_identity(call),
        turn=turn.index,
        speaker=turn.speaker,
        length_ms=round(turn.end_ms - turn.start_ms),
        interrupted=turn.interrupted,
        **latency,
    )
    log.debug(
        "turn-words", **_identity(call), turn=turn.index, said=turn.text, was_heard=turn.heard
    )


@hookimpl
def offhook_call_ended(call: CallInfo, ended: CallEnded) -> None:
    log.info(
        "call-ended",
        **_identity(call),
        reason=ended.reason,
        duration_ms=round(ended.duration_ms),
        # A detail is the engine's own sentence, never the caller's.
        **({"detail": ended.detail} if ended.detail else {}),
    )


def _identity(call: CallInfo) -> dict[str, Any]:
    return {"call": call.call_id, "business": call.business_id}

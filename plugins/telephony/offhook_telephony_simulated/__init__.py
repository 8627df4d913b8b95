"""A carrier without an account: Twilio's protocol on this machine, for demos, tests and the shell.

This module and ``server`` are the engine's side; ``carrier`` is the telephone network, which rings
the engine over HTTP and WebSocket as Twilio does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from offhook import hookimpl
from offhook.config import Secret, Settings
from offhook.events import MULAW_8K, CallInfo, CarrierEvent
from offhook.providers import PluginInfo, Telephony, Tool, WebhookRequest
from offhook_telephony_simulated.tools import send_dtmf
from offhook_telephony_simulated.webhooks import read_webhook

if TYPE_CHECKING:
    import typer


class SimulatedOptions(BaseModel):
    """What a business file may say under ``[options.telephony.simulated]``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: Secret | None = Field(
        None, description="signs webhooks and handshakes; default: a key file in the data folder"
    )


@hookimpl
def offhook_plugin() -> PluginInfo:
    return PluginInfo(
        kind="telephony",
        name="simulated",
        summary="A carrier on this machine that speaks Twilio's protocol",
        options=SimulatedOptions,
        formats=(MULAW_8K,),
        capabilities=frozenset({"transfer", "dtmf"}),
    )


@hookimpl
def offhook_create_telephony(options: SimulatedOptions) -> Telephony:
    from offhook_telephony_simulated.server import SimulatedTelephony
    from offhook_telephony_simulated.signing import shared_key

    data = Settings().data
    key = options.secret.reveal() if options.secret else shared_key(data)
    return SimulatedTelephony(key, data)


@hookimpl
def offhook_read_webhook(request: WebhookRequest) -> CarrierEvent | None:
    return read_webhook(request)


@hookimpl
def offhook_tools(call: CallInfo) -> list[Tool] | None:
    return [send_dtmf()] if call.telephony == "simulated" else None


@hookimpl
def offhook_commands(app: typer.Typer) -> None:
    from offhook_telephony_simulated.shell.commands import add_commands

    add_commands(app)

"""Twilio Programmable Voice: webhooks, bidirectional Media Streams, and calls by REST."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offhook import hookimpl
from offhook.events import MULAW_8K, CarrierEvent
from offhook.providers import PluginInfo, Telephony, WebhookRequest
from offhook_telephony_twilio.options import TwilioOptions
from offhook_telephony_twilio.webhooks import read_webhook

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

__all__ = ["TwilioOptions"]


@hookimpl
def offhook_plugin() -> PluginInfo:
    return PluginInfo(
        kind="telephony",
        name="twilio",
        summary="Twilio Programmable Voice with Media Streams",
        options=TwilioOptions,
        formats=(MULAW_8K,),
        capabilities=frozenset({"dial", "transfer"}),
        requires=("twilio",),
        extra="twilio",
    )


@hookimpl
def offhook_create_telephony(options: TwilioOptions) -> Telephony:
    from offhook_telephony_twilio.account import TwilioTelephony

    return TwilioTelephony(options)


@hookimpl
def offhook_read_webhook(request: WebhookRequest) -> CarrierEvent | None:
    return read_webhook(request)


@hookimpl
def offhook_routes() -> list[BaseRoute]:
    from offhook_telephony_twilio.fallback import ROUTES

    return [*ROUTES]
